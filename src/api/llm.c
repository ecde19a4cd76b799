/* The public side of the forward pass and of writing: options by name to options by number. */
#include <fonte/llm.h>

#include "api/llm_internal.h"
#include "llm/generate.h"
#include "llm/template.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- opening --------------------------------------------------------------------------------- */

static Status parse_kv(const char *name, KernelsKvType *ret, Err *err) {
    static const char *const names[KERNELS_N_KV_TYPES] = {
        [KERNELS_KV_F32] = "f32", [KERNELS_KV_F16] = "f16", [KERNELS_KV_Q8_0] = "q8_0"
    };
    for (size_t i = 0; i < KERNELS_N_KV_TYPES; i++) {
        if (strcmp(name ? name : "f32", names[i]) != 0) continue;
        *ret = (KernelsKvType)i;
        return STATUS_OK;
    }
    return err_set_param(err, STATUS_USAGE, "kv", "kv: f32, f16 or q8_0 is expected, not %.40s",
                         name);
}

static Status fill(FonteLlm *llm, const char *path, const FonteLlmOptions *o, Err *err) {
    LlmContextOptions options = { .n_threads = o->n_threads,
                                  .context = o->context,
                                  .n_sequences = o->n_sequences + 1,
                                  .max_logits = MAX((size_t)FONTE_LLM_MAX_ROWS, o->n_sequences) };
    if (o->n_sequences >= LLM_MAX_SEQUENCES) {
        return err_set_param(err, STATUS_USAGE, "n_sequences", "n_sequences is %zu, at most %d",
                             o->n_sequences, LLM_MAX_SEQUENCES - 1);
    }
    TRY(parse_kv(o->kv, &options.kv, err));
    if (o->kernels) TRY(kernels_mask_parse(o->kernels, &options.cpu_mask, err));
    TRY(llm_model_open(path, &llm->model, err));
    llm->vocab.vocab = llm->model->vocab;
    TRY(llm_context_new(llm->model, &options, &llm->context, err));
    llm->held = mem_alloc(llm_context_length(llm->context), sizeof *llm->held);
    if (!llm->held) return err_set(err, STATUS_NO_MEMORY, "%s: out of memory", path);
    return llm_seq_new(llm->context, &llm->seq, err);
}

FonteStatus fonte_llm_open(const char *path, const FonteLlmOptions *options, FonteLlm **ret,
                           FonteError *error) {
    static const FonteLlmOptions usual;
    NEED(path, error);
    NEED(ret, error);
    FonteLlm *llm = mem_alloc(1, sizeof *llm);
    if (!llm) return err_set(error, STATUS_NO_MEMORY, "%s: out of memory", path);
    Err err = { 0 };
    Status status = fill(llm, path, options ? options : &usual, &err);
    if (status == STATUS_OK) {
        *ret = llm;
    } else {
        fonte_llm_close(llm);
    }
    return api_finish(status, &err, error);
}

FonteLlm *fonte_llm_close(FonteLlm *llm) {
    if (!llm) return NULL;
    llm_context_free(llm->context);
    llm_model_close(llm->model);
    free(llm->held);
    free(llm);
    return NULL;
}

const FonteVocab *fonte_llm_vocab(const FonteLlm *llm) {
    return &llm->vocab;
}

size_t fonte_llm_n_vocab(const FonteLlm *llm) {
    return llm->model->shape.n_vocab;
}

size_t fonte_llm_context(const FonteLlm *llm) {
    return llm_context_length(llm->context);
}

const char *fonte_llm_kernels(const FonteLlm *llm) {
    return llm_context_kernels(llm->context);
}

/* ---- logits ---------------------------------------------------------------------------------- */

static Status check_length(const FonteLlm *llm, size_t n, Err *err) {
    size_t room = llm_context_length(llm->context);
    if (n == 0) return err_set_param(err, STATUS_INVALID, "tokens", "there is no token");
    if (n <= room) return STATUS_OK;
    return err_set_param(err, STATUS_TOO_LARGE, "tokens", "%zu tokens, the context has %zu", n,
                         room);
}

/* Nothing of what was computed before is wanted. */
static Status start_over(FonteLlm *llm, Err *err) {
    llm->n_held = llm->n_rows = 0;
    return llm_seq_truncate(llm->context, llm->seq, 0, err);
}

/* Logits of the next n <= FONTE_LLM_MAX_ROWS ids after what the sequence holds. */
static Status eval_rows(FonteLlm *llm, const int32_t *ids, size_t n, Err *err) {
    LlmToken tokens[FONTE_LLM_MAX_ROWS];
    for (size_t i = 0; i < n; i++) {
        tokens[i] = (LlmToken){ .id = ids[i], .seq = llm->seq, .want_logits = true };
    }
    return llm_eval(llm->context, tokens, n, err);
}

FonteStatus fonte_llm_logits(FonteLlm *llm, const int32_t *ids, size_t n, FonteLlmLogits take,
                             void *context, FonteError *error) {
    NEED(llm, error);
    NEED(ids, error);
    NEED(take, error);
    TRY(check_length(llm, n, error));
    TRY(start_over(llm, error));
    for (size_t at = 0; at < n; at += FONTE_LLM_MAX_ROWS) {
        size_t rows = MIN(n - at, (size_t)FONTE_LLM_MAX_ROWS);
        TRY(eval_rows(llm, ids + at, rows, error));
        for (size_t i = 0; i < rows; i++) {
            if (take(context, at + i, llm_logits(llm->context, i))) continue;
            return err_set(error, STATUS_CANCELLED, "stopped");
        }
    }
    return STATUS_OK;
}

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct Writing {
    FonteLlm *llm;
    const FonteGenerate *generate;
} Writing;

/* The sequence will hold it, unless it is the last, and it can stand for a prompt's. */
static void hold(FonteLlm *llm, int32_t id) {
    if (llm->n_held < llm_context_length(llm->context)) llm->held[llm->n_held++] = id;
}

static bool on_token(void *context, const GenerateToken *token) {
    const Writing *w = context;
    FonteLogprob top[FONTE_MAX_TOP];
    if (llm_context_reads_as_it_writes(w->llm->context)) hold(w->llm, token->id);
    if (!w->generate->token) return true;
    for (size_t i = 0; i < token->n_top; i++)
        top[i] = (FonteLogprob){ token->top[i].id, token->top[i].logprob };
    FonteLlmToken t = { token->id,     token->text.n ? token->text.p : "",
                        token->text.n, token->logprob,
                        top,           token->n_top };
    return w->generate->token(w->generate->context, &t);
}

static bool on_reading(void *context, size_t n_read, size_t n_prompt) {
    const FonteGenerate *g = ((const Writing *)context)->generate;
    return !g->reading || g->reading(g->context, n_read, n_prompt);
}

/* Keep of the sequence what the prompt begins with, but for its last token, whose logits are
 * wanted. Returns how much that is. */
static size_t reuse(FonteLlm *llm, const int32_t *prompt, size_t n_prompt) {
    size_t n = 0, held = MIN(llm->n_held, llm_seq_length(llm->context, llm->seq));
    while (n < held && n + 1 < n_prompt && llm->held[n] == prompt[n]) n++;
    Status status = llm_seq_truncate(llm->context, llm->seq, n, NULL);
    assert(status == STATUS_OK);
    (void)status;
    llm->n_held = llm->n_rows = 0;
    size_t n_to_read = llm_n_to_read(llm->context, n_prompt);
    for (size_t i = 0; i < n_to_read; i++) hold(llm, prompt[i]);
    return n;
}

static Status run(FonteLlm *llm, const FonteGenerate *g, const SamplerBias *bias,
                  const Slice *stops, FonteLlmGenerated *ret, Err *err) {
    static const FonteLlmEnd ends[] = { [OUTPUT_GOES_ON] = FONTE_LLM_CUT,
                                        [OUTPUT_ENDED] = FONTE_LLM_ENDED,
                                        [OUTPUT_STOPPED] = FONTE_LLM_STOPPED,
                                        [OUTPUT_FULL] = FONTE_LLM_FULL };
    Writing writing = { llm, g };
    GenerateOptions options = {
        .sampling = api_sampling(&g->sampling, bias, g->logprobs, g->n_top),
        .output = { .stops = stops,
                    .n_stops = g->n_stops,
                    .max_tokens = g->n_tokens,
                    .ignore_end = g->ignore_end,
                    .detokenize = g->is_continued ? DETOKENIZE_CONTINUED : 0 },
        .token = on_token,
        .reading = on_reading,
        .user = &writing,
    };
    Generated done = { 0 };
    size_t n_reused = reuse(llm, g->prompt, g->n_prompt);
    Status status = generate(llm->context, llm->seq, g->prompt, g->n_prompt, &options, &done, err);
    *ret = (FonteLlmGenerated){ .n_prompt = g->n_prompt,
                                .n_reused = n_reused,
                                .n_tokens = done.n_tokens,
                                .end = ends[done.end],
                                .read_s = (double)done.read_us / 1e6,
                                .write_s = (double)done.write_us / 1e6 };
    return status;
}

FonteStatus fonte_llm_generate(FonteLlm *llm, const FonteGenerate *g, FonteLlmGenerated *ret,
                               FonteError *error) {
    NEED(llm, error);
    NEED(g, error);
    NEED(g->prompt, error);
    if (g->n_stops) NEED(g->stops, error);
    if (g->sampling.n_bias) NEED(g->sampling.bias, error);
    FonteLlmGenerated unused;
    AUTO_FREE SamplerBias *bias = api_biases(&g->sampling);
    AUTO_FREE Slice *stops = mem_alloc(g->n_stops, sizeof *stops);
    if (!bias || !stops) return err_set(error, STATUS_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < g->n_stops; i++) {
        NEED(g->stops[i], error);
        stops[i] = slice_of(g->stops[i]);
    }
    return run(llm, g, bias, stops, ret ? ret : &unused, error);
}

/* ---- conversations --------------------------------------------------------------------------- */

static Status find_template(const FonteLlm *llm, const char *name, TemplateKind *ret, Err *err) {
    if (name) return template_from_name(slice_of(name), ret, err);
    Slice text = SLICE_NULL;
    Status status = gguf_file_string(llm->model->file, "tokenizer.chat_template", &text, err);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) return status;
    return template_detect(text, ret, err);
}

static Status parse_messages(const FonteMessage *messages, size_t n, ChatMessage *ret, Err *err) {
    static const char *const roles[] = {
        [CHAT_SYSTEM] = "system", [CHAT_USER] = "user", [CHAT_ASSISTANT] = "assistant"
    };
    for (size_t i = 0; i < n; i++) {
        NEED(messages[i].role, err);
        NEED(messages[i].text, err);
        size_t role = 0;
        while (role < N_ELEMENTS(roles) && strcmp(roles[role], messages[i].role) != 0) role++;
        if (role == N_ELEMENTS(roles)) {
            return err_set_param(err, STATUS_USAGE, "role",
                                 "message %zu: system, user or assistant is expected, not %.40s", i,
                                 messages[i].role);
        }
        ret[i] = (ChatMessage){ (ChatRole)role, slice_of(messages[i].text) };
    }
    return STATUS_OK;
}

FonteStatus fonte_llm_chat(const FonteLlm *llm, const char *template_name,
                           const FonteMessage *messages, size_t n, int32_t **ret_ids, size_t *ret_n,
                           int32_t *ret_end, FonteError *error) {
    NEED(llm, error);
    NEED(messages, error);
    NEED(ret_ids, error);
    NEED(ret_n, error);
    TemplateKind kind;
    Err err = { 0 };
    Status found = find_template(llm, template_name, &kind, &err);
    if (found != STATUS_OK) return api_finish(found, &err, error);
    AUTO_FREE ChatMessage *chat = mem_alloc(n, sizeof *chat);
    if (!chat) return err_set(error, STATUS_NO_MEMORY, "out of memory");
    TRY(parse_messages(messages, n, chat, error));
    PromptParts parts = PROMPT_PARTS_NULL;
    TokenList list = TOKEN_LIST_NULL;
    Status status = template_render(kind, chat, n, true, llm->model->vocab, &parts, error);
    if (status == STATUS_OK) {
        status = tokenizer_encode_parts(llm->model->vocab, parts.parts, parts.n, 0, &list, error);
    }
    prompt_parts_deinit(&parts);
    if (status != STATUS_OK) {
        token_list_deinit(&list);
        return status;
    }
    *ret_ids = list.ids;
    *ret_n = list.n;
    if (ret_end) *ret_end = template_end(kind, llm->model->vocab);
    return STATUS_OK;
}

/* ---- perplexity ------------------------------------------------------------------------------ */

typedef struct Measure {
    FonteLlm *llm;
    const int32_t *ids;
    size_t n, n_counted;
    double sum, squares; /* of negative log-probabilities */
    FonteModelProgress progress;
    void *context;
} Measure;

static double negative_log_probability(const float *logits, size_t n, int32_t id) {
    float max = -INFINITY;
    double sum = 0;
    for (size_t i = 0; i < n; i++) max = logits[i] > max ? logits[i] : max;
    for (size_t i = 0; i < n; i++) sum += exp((double)logits[i] - (double)max);
    return log(sum) - ((double)logits[id] - (double)max);
}

/* ids[begin, end) as one window, of which those from `counted` on count. */
static Status measure_window(Measure *m, size_t begin, size_t end, size_t counted, Err *err) {
    FonteLlm *llm = m->llm;
    const Vocab *vocab = llm->model->vocab;
    int32_t row[FONTE_LLM_MAX_ROWS], bos = vocab_adds_bos(vocab) ? vocab_bos(vocab) : VOCAB_NO_ID;
    size_t shift = bos != VOCAB_NO_ID, n = end - begin + shift - 1;
    TRY(start_over(llm, err));
    for (size_t at = 0; at < n; at += FONTE_LLM_MAX_ROWS) {
        size_t rows = MIN(n - at, (size_t)FONTE_LLM_MAX_ROWS);
        if (m->progress && !m->progress(m->context, begin + at, m->n)) {
            return err_set(err, STATUS_CANCELLED, "stopped");
        }
        for (size_t i = 0; i < rows; i++) {
            row[i] = at + i < shift ? bos : m->ids[begin + at + i - shift];
        }
        TRY(eval_rows(llm, row, rows, err));
        for (size_t i = 0; i < rows; i++) {
            size_t foreseen = begin + at + i + 1 - shift;
            if (foreseen < counted) continue;
            double x = negative_log_probability(llm_logits(llm->context, i),
                                                llm->model->shape.n_vocab, m->ids[foreseen]);
            m->sum += x;
            m->squares += x * x;
            m->n_counted++;
        }
    }
    return STATUS_OK;
}

/* Each token counts once: a window goes on where the one before ended, with what lies between its
 * beginning and that as context. */
static Status measure_all(Measure *m, Err *err) {
    size_t window = llm_context_length(m->llm->context) - 1, step = window / 2;
    for (size_t begin = 0, done = 0; done < m->n; begin += step) {
        size_t end = MIN(begin + window, m->n);
        TRY(measure_window(m, begin, end, done, err));
        done = end;
    }
    return STATUS_OK;
}

FonteStatus fonte_llm_perplexity(FonteLlm *llm, const int32_t *ids, size_t n,
                                 FonteModelProgress progress, void *context,
                                 FonteLlmPerplexity *ret, FonteError *error) {
    NEED(llm, error);
    NEED(ids, error);
    NEED(ret, error);
    if (n < 2)
        return err_set_param(error, STATUS_INVALID, "tokens", "at least two tokens are needed");
    if (llm_context_length(llm->context) < 4) {
        return err_set_param(error, STATUS_USAGE, "context", "the context is too short");
    }
    for (size_t i = 0; i < n; i++) {
        if (ids[i] >= 0 && (size_t)ids[i] < llm->model->shape.n_vocab) continue;
        return err_set_param(error, STATUS_INVALID, "tokens", "token %zu: id %d is not in 0 to %zu",
                             i, ids[i], llm->model->shape.n_vocab - 1);
    }
    Measure m = { .llm = llm, .ids = ids, .n = n, .progress = progress, .context = context };
    TRY(measure_all(&m, error));
    double count = (double)m.n_counted, mean = m.sum / count;
    double variance = MAX(0.0, m.squares / count - mean * mean);
    if (!isfinite(mean)) {
        return err_set(error, STATUS_DAMAGED, "the model gives no numbers for this text (NaN)");
    }
    *ret = (FonteLlmPerplexity){ .n_tokens = m.n_counted,
                                 .perplexity = exp(mean),
                                 .nll = mean,
                                 .error = count > 1 ? sqrt(variance / (count - 1)) : 0 };
    return STATUS_OK;
}
