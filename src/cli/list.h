#pragma once
/* Pages of GET /v1/documents. Threads: one owner at a time. */
#include "cli/cli.h"

/* Call take for each document (of a collection; NULL = of all that may be read) until limit (0 =
 * none) or until take says false. */
FonteStatus list_documents(Cli *cli, const char *collection, size_t limit,
                           bool (*take)(void *context, const cJSON *document), void *context,
                           FonteError *error);
