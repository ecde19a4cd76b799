#pragma once
/* Answers, sources and passages for people; the options that `ask` and `search` share.
 * Threads: one owner at a time. */
#include "cli/cli.h"
#include "cli/highlight.h"

typedef struct QueryOptions {
    const char *collection, *language, *from, *to, *source, *mode;
    size_t k; /* 0 = the daemon's default */
} QueryOptions;

enum { N_QUERY_OPTIONS = 7 };
void query_options(QueryOptions *query, const char *modes, Option ret[N_QUERY_OPTIONS]);
/* {key: text, ...} for /v1/ask and /v1/search; NULL without memory. */
cJSON *query_body(const QueryOptions *query, const char *key, const char *text);
/* The question: the operands with spaces between, or standard input for "-"; returned owned
 * (free). NULL where memory ran out or nothing is there. */
char *query_text(int n, char **words);

/* "Title, source, date" and its link, as one or two lines with the mark before ("[1]"). */
void show_source(Term *term, const char *mark, const cJSON *item);
/* The first n_max of the passages, best first. */
void show_passages(Term *term, const cJSON *passages, size_t n_max, const Highlight *highlight);
/* The numbered sources of an answer. */
void show_citations(Term *term, const cJSON *citations);
/* Why there is no answer, and the nearest passages. */
void show_abstention(Term *term, const cJSON *answer, const Highlight *highlight);
