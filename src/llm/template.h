#pragma once
/* Chat templates, known by name. A model file's own template is only compared with these to choose
 * one; it is never evaluated. Rendering gives typed parts: the template's control tokens as ids,
 * everything that people wrote as text.
 * Threads: any.
 * Source: Meta llama (chat_completion) and llama3 (ChatFormat); Mistral's mistral-common (V1, V3);
 * the chat_template of zephyr-7b-beta and TinyLlama-1.1B-Chat; OpenAI's ChatML. */
#include "llm/tokenizer.h"

typedef enum TemplateKind {
    TEMPLATE_LLAMA2,  /* [INST] <<SYS>> as text, BOS and EOS around each exchange */
    TEMPLATE_LLAMA3,  /* <|start_header_id|>role<|end_header_id|> ... <|eot_id|> */
    TEMPLATE_MISTRAL, /* [INST] ... [/INST], as tokens where the vocabulary has them */
    TEMPLATE_ZEPHYR,  /* <|user|> as text, EOS after each message (TinyLlama) */
    TEMPLATE_CHATML,  /* <|im_start|>role ... <|im_end|> */
    N_TEMPLATES,
} TemplateKind;

/* "llama2", "llama3", "mistral", "zephyr", "chatml". */
const char *template_name(TemplateKind kind);
/* UNSUPPORTED, with the names there are, for another name. */
Status template_from_name(Slice name, TemplateKind *ret, Err *err) MUST_CHECK;
/* The known template that a file's tokenizer.chat_template is, judged by the markers in it: those
 * of exactly one known template, and none that belong to others. UNSUPPORTED, with the names to
 * choose from, where it is not known; so too where text is empty (the file has none). */
Status template_detect(Slice chat_template, TemplateKind *ret, Err *err) MUST_CHECK;

typedef enum ChatRole { CHAT_SYSTEM, CHAT_USER, CHAT_ASSISTANT } ChatRole;
typedef struct ChatMessage {
    ChatRole role;
    Slice text; /* view */
} ChatMessage;

typedef struct PromptParts {
    PromptPart *parts; /* owned; their texts are views of the messages and of constants */
    size_t n, capacity;
} PromptParts;

#define PROMPT_PARTS_NULL ((PromptParts){ NULL, 0, 0 })
void prompt_parts_deinit(PromptParts *parts);

/* Append the prompt for a conversation, BOS included (where the template or the vocabulary wants
 * it): encode the parts without TOKENIZE_BOS.
 * messages       a system message may only be the first. llama2 and mistral know only user and
 *                assistant in turn, the user first, and end with the user unless add_assistant is
 * off add_assistant  end where the assistant begins to write llama2 and llama3 strip white space at
 * both ends of a message, as their references do. Errors: INVALID for such an order; UNSUPPORTED
 * where the vocabulary lacks a control token of the template; NO_MEMORY. ret is unchanged then. */
Status template_render(TemplateKind kind, const ChatMessage *messages, size_t n, bool add_assistant,
                       const Vocab *vocab, PromptParts *ret, Err *err) MUST_CHECK;
/* The token that ends the assistant's message in this template, VOCAB_NO_ID where the vocabulary
 * does not have it. Generation stops at it and at every vocab_ends_text. */
int32_t template_end(TemplateKind kind, const Vocab *vocab);
