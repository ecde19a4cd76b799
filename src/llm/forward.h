#pragma once
/* Running a model: a context holds the key/value cache, the room for activations and the threads;
 * a batch of tokens of any sequences goes in, logits come out.
 * The same token after the same tokens gives the same logits, bit for bit, whatever else is in the
 * batch, however a prompt is cut, and on any number of threads. Tokens that are read and tokens
 * that are written may be computed in different arithmetics (kernels.h, KernelsUse). All memory is
 * taken at llm_context_new; a batch allocates nothing. Threads: one owner at a time; several
 * contexts may share a model. */
#include "kernels/kernels.h"
#include "llm/model.h"
#include "llm/profile.h"

typedef struct LlmContext LlmContext;
typedef uint32_t LlmSeq;

typedef struct LlmContextOptions {
    unsigned n_threads; /* 0 = processors of this process */
    bool pin;           /* threads to processors */
    unsigned cpu_mask;  /* of KernelsSet; 0 = all */
    KernelsKvType kv;   /* KERNELS_KV_F32 unless set: the most exact */
    size_t context;     /* positions of one sequence; 0 = the model's, 4,096 at most */
    size_t n_sequences; /* at once; 0 = 1 */
    size_t kv_tokens;   /* positions of all sequences; 0 = n_sequences * context */
    size_t batch;       /* tokens computed at once (longer batches are cut); 0 = 512 */
    size_t max_logits;  /* tokens of one batch whose logits are wanted; 0 = 32 */
    bool profile;       /* time every operation (llm_context_profile) */
} LlmContextOptions;
enum { LLM_MAX_SEQUENCES = 4096, LLM_MAX_BATCH = 65536, LLM_DEFAULT_CONTEXT = 4096 };

/* The model is borrowed until llm_context_free. Errors: USAGE (an option out of its range, a
 * context above the model's), UNSUPPORTED (kernel sets, cache type), NO_MEMORY, IO (threads). */
Status llm_context_new(const LlmModel *model, const LlmContextOptions *options, LlmContext **ret,
                       Err *err) MUST_CHECK;
/* NULL is fine; returns NULL. */
LlmContext *llm_context_free(LlmContext *context);

const LlmModel *llm_context_model(const LlmContext *context);
/* Name of the best kernel set in use: "avx512". */
const char *llm_context_kernels(const LlmContext *context);
unsigned llm_context_n_threads(const LlmContext *context);
size_t llm_context_length(const LlmContext *context); /* positions of one sequence */
size_t llm_context_max_logits(const LlmContext *context);
size_t llm_context_kv_bytes(const LlmContext *context);
/* Positions that can still be added, all sequences together (whole pages). */
size_t llm_context_free_tokens(const LlmContext *context);
/* What options.profile has counted, of the layers' device; NULL without. The caller may clear it.
 */
LlmProfile *llm_context_profile(LlmContext *context);
/* Whether a token that is read is computed as one that is written, so that either's keys and values
 * stand for the other's. */
bool llm_context_reads_as_it_writes(const LlmContext *context);
/* Of a prompt's n tokens, how many are read. The last one's logits begin what is written: where
 * that is computed in another way, so is this token, and a prompt that was read before has its
 * answer after a step like any other. */
size_t llm_n_to_read(const LlmContext *context, size_t n_prompt);
/* Positions of a page. */
size_t llm_context_page_tokens(const LlmContext *context);

/* ---- sequences --------------------------------------------------------------------------------
 */

/* BUSY where all are in use. */
Status llm_seq_new(LlmContext *context, LlmSeq *ret, Err *err) MUST_CHECK;
void llm_seq_free(LlmContext *context, LlmSeq seq);
size_t llm_seq_length(const LlmContext *context, LlmSeq seq);
/* A new sequence that begins with the first n tokens of another; nothing is copied until one of
 * them writes. INVALID where n is above its length; BUSY. */
Status llm_seq_fork(LlmContext *context, LlmSeq seq, size_t n, LlmSeq *ret, Err *err) MUST_CHECK;
/* Forget the tokens from n on. INVALID where n is above its length. */
Status llm_seq_truncate(LlmContext *context, LlmSeq seq, size_t n, Err *err) MUST_CHECK;

/* ---- computing --------------------------------------------------------------------------------
 */

typedef struct LlmToken {
    int32_t id;
    LlmSeq seq;
    bool want_logits; /* of the token that follows this one */
    bool is_written;  /* not read: it was chosen from the logits before it, or may be, or is the
                         prompt's last (llm_n_to_read) */
} LlmToken;

/* Append tokens to their sequences, each at the position that its sequence has reached, and compute
 * them. Tokens of a sequence stand in their order; sequences may be mixed in any way, but
 * those that are written come before those that are read.
 * On failure nothing has changed: INVALID (an id the model does not have, no such sequence, a
 * written token after one that is read);
 * TOO_LARGE (context, cache or logits full: the text has the numbers). */
Status llm_eval(LlmContext *context, const LlmToken *tokens, size_t n, Err *err) MUST_CHECK;
/* Logits of the i-th token of the last batch that wanted them: f32 [n_vocab], view until the next
 * llm_eval; the caller may change them. */
float *llm_logits(LlmContext *context, size_t i);
/* Tokens of the last batch that wanted logits. */
size_t llm_n_logits(const LlmContext *context);
