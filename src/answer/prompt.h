#pragma once
/* The prompt for a grounded answer: instructions, numbered passages, the question, as the model's
 * own template wants them. What documents and people wrote is text and stays text: control tokens
 * come from the template alone (llm/template.h), and words that look like its markers are broken in
 * the prompt's copy of a passage. The passages themselves are not touched: spans point into them.
 * Threads: a Prompt has one owner at a time. */
#include "base/arena.h"
#include "llm/template.h"
#include <fonte/types.h>

typedef struct PromptOptions {
    const Vocab *vocab; /* borrowed for the call */
    TemplateKind template;
    size_t context_tokens; /* of prompt and answer together */
    size_t answer_tokens;  /* kept free for the answer */
} PromptOptions;

typedef struct Prompt {
    TokenList tokens;  /* what the model reads, BOS included where it wants one */
    PromptParts parts; /* the same before encoding; their texts are in the arena */
    size_t *passages;  /* [n_used] index into the passages given, of the one that is [i + 1] */
    size_t n_used;
    size_t n_dropped; /* passages that did not fit: the lowest ranked, always whole */
    Arena arena;
} Prompt;

/* Build. passages are best first; they are numbered in the order in which they stand in the
 * documents, so that questions that find the same passages have prompts that begin alike.
 * language: of the question, "" = not known; the answer is asked for in it.
 * Errors: TOO_LARGE with the numbers where not even one passage fits; those of template_render and
 * tokenizer_encode_parts. */
Status prompt_build(const PromptOptions *options, Slice question, const char *language,
                    const FontePassages *passages, Prompt *ret, Err *err) MUST_CHECK;
void prompt_deinit(Prompt *prompt);

/* Append text with the markers of known templates broken by a space ("[ INST]", "< |im_end|>") and
 * numbers in brackets, which are how passages are named, in round ones. */
void prompt_neutralise(Slice text, Buf *ret);
