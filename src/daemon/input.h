#pragma once
/* The body and query parameters of an adding request to what the index takes.
 * Threads: any (works on its job only). */
#include "daemon/job.h"

/* Views into the job's arena and body. USAGE and INVALID naming the parameter or field. */
Status input_parse(Job *job, IndexInput *ret, Err *err) MUST_CHECK;
