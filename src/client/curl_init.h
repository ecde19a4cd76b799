#pragma once
/* libcurl set up once in a process, whoever comes first. Threads: any. */
#include "base/status.h"

/* INTERNAL where libcurl says no. */
Status client_init_curl(Err *err) MUST_CHECK;
