#pragma once
/* The model that answers: an open file, the engine over it, and what people call it. Requests hold
 * a reference, so that another model can take its place while they end on the old one.
 * Threads: any. */
#include "answer/citation.h"
#include "answer/generator_engine.h"
#include "daemon/config.h"
#include "daemon/modelhash.h"
#include "engine/engine.h"
#include "llm/grammar.h"
#include "llm/template.h"

typedef struct Served Served;

/* The file of [generator] model, read and ready. *ret = NULL where there is none. Errors of
 * llm_model_open and engine_new; USAGE for a template that is not known or not said. May take
 * seconds. */
Status served_open(const Config *config, Served **ret, Err *err) MUST_CHECK;
/* NULL is fine for both. The last one out stops the engine and closes the file. */
Served *served_ref(Served *served);
Served *served_unref(Served *served);

/* At the end: whoever waits for the engine, or for the hash, does no longer. NULL is fine. */
void served_stop(Served *served);

/* "llama-2-7b-chat": [generator] name, else the file's name without its ending. */
const char *served_name(const Served *served);
const LlmModel *served_model(const Served *served);
Engine *served_engine(const Served *served);
/* What writes grounded answers, and the table of its citation markers. */
const Generator *served_generator(const Served *served);
const CitationTable *served_citations(const Served *served);
/* The vocabulary as what keeps a text to a schema wants it. */
const GrammarTable *served_grammar_table(const Served *served);
TemplateKind served_template(const Served *served);
/* general.license of the file; "" where it says none. */
const char *served_licence(const Served *served);
/* SHA-256 of the file, hexadecimal; "" where it could not be computed. In the first seconds it is
 * waited for; until then the generator's model_hash is not to be read. */
const char *served_wait_hash(Served *served);
/* Seconds since 1970 when it was opened. */
int64_t served_since(const Served *served);
/* Do both name the same file with the same settings? */
bool served_is_same(const Config *a, const Config *b);
