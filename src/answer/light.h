#pragma once
/* Words that questions use about their answers rather than about what the documents say: "name",
 * "kind", "used". Threads: any. */
#include "base/slice.h"

/* 0-1: how much of its idf a stem is worth in a question; 1 for a word that is not known. */
double light_share(const char *language, Slice stem);
