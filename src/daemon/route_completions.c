/* POST /v1/chat/completions and /v1/completions. The name of the model chooses: "fonte" and
 * "fonte:COLLECTION" answer the last message from the documents, the served model's name talks to
 * the model alone. Runs on a thread of the generating pool, which waits for the engine; the loop
 * never does. */
#include "daemon/completion.h"
#include "daemon/completion_render.h"
#include "daemon/daemon_internal.h"
#include "daemon/fields.h"
#include "daemon/route.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { LOOK_US = 50000 }; /* how often it is looked whether the client is still there */

typedef struct Writing {
    Job *job;
    const Completion *completion;
    const Vocab *vocab;
    CompletionHead head;
    EngineStream *streams[COMPLETION_MAX_CHOICES];
    GrammarState *grammars[COMPLETION_MAX_CHOICES]; /* where the text has to conform */
    CompletionUsage usage;
} Writing;

/* ---- chunks ---- */

static Status send_json(Job *job, Buf *json, Err *err) {
    TRY(buf_status(json, err));
    return http_stream_send(job->stream, NULL, buf_slice(json), err);
}

static Status send_chunk(Writing *w, const CompletionChoice *choice, bool is_first, Err *err) {
    AUTO_BUF Buf json = BUF_NULL;
    JsonWriter out = JSON_WRITER(&json);
    json_begin_object(&out, NULL);
    completion_render_head(&out, &w->head, true);
    json_begin_array(&out, "choices");
    completion_render_delta(&out, &w->head, choice, is_first);
    json_end_array(&out);
    if (w->completion->include_usage) json_null(&out, "usage");
    json_end_object(&out);
    return send_json(w->job, &json, err);
}

static Status send_end(Writing *w, Err *err) {
    if (w->completion->include_usage) {
        AUTO_BUF Buf json = BUF_NULL;
        JsonWriter out = JSON_WRITER(&json);
        json_begin_object(&out, NULL);
        completion_render_head(&out, &w->head, true);
        json_begin_array(&out, "choices");
        json_end_array(&out);
        completion_render_usage(&out, &w->usage);
        json_end_object(&out);
        TRY(send_json(w->job, &json, err));
    }
    return http_stream_send(w->job->stream, NULL, SLICE("[DONE]"), err);
}

/* ---- the model alone ---- */

static Status make_prompt(const Job *job, const Completion *c, TokenList *ret, Err *err) {
    const Vocab *vocab = served_model(job->served)->vocab;
    if (!c->is_chat) return tokenizer_encode(vocab, c->prompt, TOKENIZE_AS_MODEL, ret, err);
    PromptParts parts = PROMPT_PARTS_NULL;
    Status status = template_render(served_template(job->served), c->messages, c->n_messages, true,
                                    vocab, &parts, err);
    if (status == STATUS_OK) {
        status = tokenizer_encode_parts(vocab, parts.parts, parts.n, 0, ret, err);
    }
    prompt_parts_deinit(&parts);
    return status;
}

static void allow_cb(void *grammar, SamplerMask *mask) {
    grammar_allow(grammar, mask);
}

static void accept_cb(void *grammar, int32_t id) {
    grammar_accept(grammar, id);
}

static Status constrain(Writing *w, size_t i, EngineJob *request, EngineConstraint *constraint,
                        Err *err) {
    if (!w->completion->grammar) return STATUS_OK;
    TRY(grammar_state_new(w->completion->grammar, served_grammar_table(w->job->served),
                          request->end, &w->grammars[i], err));
    *constraint = (EngineConstraint){ allow_cb, accept_cb, w->grammars[i] };
    request->constraint = constraint;
    return STATUS_OK;
}

static Status submit(Writing *w, const TokenList *prompt, Err *err) {
    const Completion *c = w->completion;
    const Job *job = w->job;
    size_t context = engine_context(served_engine(job->served));
    size_t left = prompt->n < context ? context - prompt->n : 0;
    size_t wanted = c->n_tokens ? c->n_tokens : MIN(left, job->daemon_answer_tokens);
    for (size_t i = 0; i < c->n_choices; i++) {
        EngineJob request = { .prompt = prompt->ids,
                              .n_prompt = prompt->n,
                              .n_tokens = wanted,
                              .sampling = c->sampling,
                              .end = c->is_chat
                                         ? template_end(served_template(job->served), w->vocab)
                                         : VOCAB_NO_ID,
                              .owner = job->peer.uid,
                              .space = (uint64_t)job->peer.uid << 32 };
        request.sampling.seed += i;
        EngineConstraint constraint;
        TRY(constrain(w, i, &request, &constraint, err));
        TRY(engine_submit(served_engine(job->served), &request, &w->streams[i], err));
    }
    return STATUS_OK;
}

/* The next token, looking from time to time whether anybody still waits for it. */
static Status next_token(Writing *w, EngineStream *stream, SamplerToken *ret, Err *err) {
    for (;;) {
        Status status = engine_stream_next(stream, LOOK_US, ret, err);
        if (status != STATUS_BUSY) return status;
        if (job_cancelled_cb(w->job)) return err_set(err, STATUS_CANCELLED, "the client is gone");
    }
}

static Status add_logprob(Writing *w, EngineStream *stream, const SamplerToken *token,
                          CompletionLogprobs *ret, Err *err) {
    if (!w->completion->sampling.logprobs) return STATUS_OK;
    size_t n_top;
    const SamplerToken *top = engine_stream_top(stream, &n_top);
    return completion_logprobs_add(ret, w->vocab, token, top, n_top, err);
}

/* One choice's tokens to text: sent as they come, or collected in `text`. */
static Status write_choice(Writing *w, CompletionChoice *choice, Output *output, Buf *text,
                           CompletionLogprobs *logprobs, Err *err) {
    EngineStream *stream = w->streams[choice->index];
    bool is_first = true;
    SamplerToken token;
    Status status;
    while ((status = next_token(w, stream, &token, err)) == STATUS_OK) {
        OutputEnd end;
        Slice piece;
        w->usage.n_written++;
        TRY(output_push(output, token.id, &piece, &end, err));
        TRY(add_logprob(w, stream, &token, logprobs, err));
        if (end != OUTPUT_GOES_ON) choice->finish = "stop";
        if (!w->job->stream) {
            buf_append_slice(text, piece);
        } else if (piece.n || is_first || end != OUTPUT_GOES_ON) {
            choice->text = piece;
            TRY(send_chunk(w, choice, is_first, err));
            completion_logprobs_clear(logprobs);
            is_first = false;
        }
        if (end != OUTPUT_GOES_ON) return STATUS_OK;
    }
    if (status != STATUS_END) return status;
    choice->finish = engine_stream_end(stream) == ENGINE_FULL ? "length" : "stop";
    EngineUsage usage;
    engine_stream_usage(stream, &usage);
    if (choice->index == 0) w->usage.n_cached = usage.n_cached;
    Slice rest = output_flush(output);
    if (!w->job->stream) return buf_append_slice(text, rest), buf_status(text, err);
    choice->text = rest;
    return send_chunk(w, choice, is_first, err);
}

static Status finish_choice(Writing *w, size_t i, JsonWriter *out, Err *err) {
    const Completion *c = w->completion;
    OutputOptions options = { .stops = c->stops,
                              .n_stops = c->n_stops,
                              .detokenize = c->is_chat ? 0 : DETOKENIZE_CONTINUED };
    Output *output = NULL;
    TRY(output_new(w->vocab, &options, &output, err));
    AUTO_BUF Buf text = BUF_NULL;
    CompletionLogprobs logprobs = { .is_chat = c->is_chat };
    CompletionChoice choice = { .index = i, .logprobs = &logprobs };
    Status status = write_choice(w, &choice, output, &text, &logprobs, err);
    output_free(output);
    choice.text = buf_slice(&text);
    if (status == STATUS_OK && !w->job->stream) completion_render_choice(out, &w->head, &choice);
    completion_logprobs_deinit(&logprobs);
    return status;
}

static Status write_all(Writing *w, Err *err) {
    TokenList prompt = TOKEN_LIST_NULL;
    Status status = make_prompt(w->job, w->completion, &prompt, err);
    if (status == STATUS_OK) status = submit(w, &prompt, err);
    w->usage.n_prompt = prompt.n;
    token_list_deinit(&prompt);
    JsonWriter out = JSON_WRITER(&w->job->out);
    json_begin_object(&out, NULL);
    completion_render_head(&out, &w->head, false);
    json_begin_array(&out, "choices");
    for (size_t i = 0; status == STATUS_OK && i < w->completion->n_choices; i++) {
        status = finish_choice(w, i, &out, err);
    }
    json_end_array(&out);
    completion_render_usage(&out, &w->usage);
    json_end_object(&out);
    if (status != STATUS_OK) return status;
    return w->job->stream ? send_end(w, err) : buf_status(&w->job->out, err);
}

/* ---- from the documents ---- */

/* Said where the documents do not hold the answer; clients want a text. */
static const char *abstention(const char *language) {
    return strcmp(language, "it") == 0 ? "I documenti non contengono la risposta."
                                       : "The documents do not hold the answer.";
}

static Status write_answer(Writing *w, const FonteAnswer *answer, Err *err) {
    const char *text = answer->abstained ? abstention(answer->language) : answer->text;
    CompletionChoice choice = { .text = slice_of(text), .finish = "stop", .answer = answer };
    if (w->job->stream) {
        TRY(send_chunk(w, &choice, true, err));
        return send_end(w, err);
    }
    JsonWriter out = JSON_WRITER(&w->job->out);
    json_begin_object(&out, NULL);
    completion_render_head(&out, &w->head, false);
    json_begin_array(&out, "choices");
    completion_render_choice(&out, &w->head, &choice);
    json_end_array(&out);
    completion_render_usage(&out, &w->usage);
    json_end_object(&out);
    return buf_status(&w->job->out, err);
}

/* Each of the user's messages is read after the one before. */
static Status read_messages(Writing *w, Err *err) {
    Job *job = w->job;
    const Completion *c = w->completion;
    Slice before = SLICE_NULL;
    const char *language = "";
    for (size_t i = 0; i < c->n_messages; i++) {
        if (c->messages[i].role != CHAT_USER) continue;
        job->query.text = arena_string(&job->arena, c->messages[i].text);
        job->query.language = NULL;
        if (!job->query.text) return err_set(err, STATUS_NO_MEMORY, "out of memory");
        TRY(ask_read_question(job, before, language, err));
        before = slice_of(job->query.text);
        language = job->query.language;
    }
    return STATUS_OK;
}

static Status answer_from_documents(Writing *w, Err *err) {
    Job *job = w->job;
    job->asked = job->query.text; /* the last message */
    TRY(read_messages(w, err));
    AnswerRequest request = { .query = job->query, .mode = ANSWER_AUTO };
    char id[sizeof ANSWERS_COMPLETION_PREFIX + RECORD_ID_BYTES];
    answers_record(job);
    AnswerEvents events = { .cancelled = job_cancelled_cb, .context = job };
    FonteAnswer *answer = NULL;
    TRY(answer_ask(job->daemon->index, &request, &job->answer_options, &events, &answer, err));
    if (*job->record_id) {
        snprintf(id, sizeof id, ANSWERS_COMPLETION_PREFIX "%s", job->record_id);
        w->head.id = id;
    }
    w->usage = (CompletionUsage){ answer->n_prompt_tokens, answer->n_cached_tokens,
                                  answer->n_answer_tokens };
    Status status = write_answer(w, answer, err);
    answer_free(answer);
    return status;
}

static Status completion_work(Job *job, Err *err) {
    char id[64];
    const Completion *c = job->completion;
    snprintf(id, sizeof id, "%s%016llx", c->is_chat ? ANSWERS_COMPLETION_PREFIX : "cmpl-",
             (unsigned long long)c->sampling.seed ^ (unsigned long long)job->created_us);
    Writing w = { .job = job,
                  .completion = c,
                  .head = { c->is_chat, id, c->model, clock_unix_s() } };
    if (job->collection) return answer_from_documents(&w, err);
    w.vocab = served_model(job->served)->vocab;
    Status status = write_all(&w, err);
    for (size_t i = 0; i < c->n_choices; i++) {
        engine_stream_free(w.streams[i]);
        grammar_state_free(w.grammars[i]);
    }
    return status;
}

/* ---- on the loop ---- */

/* "fonte" or "fonte:NAME": the collection to answer from. */
static Status choose_documents(Job *job, const Completion *c, Err *err) {
    const char *name = c->model[5] == ':' ? c->model + 6 : FONTE_COLLECTION_DEFAULT;
    TRY(value_check_collection(name, err));
    if (!c->is_chat || c->messages[c->n_messages - 1].role != CHAT_USER) {
        return err_set_param(err, STATUS_INVALID, "messages",
                             "the last message must be the user's question");
    }
    if (c->grammar) {
        return err_set_param(err, STATUS_INVALID, "response_format",
                             "response_format: answers from the documents are text; the model "
                             "alone writes JSON");
    }
    Slice question = c->messages[c->n_messages - 1].text;
    if (question.n > job->daemon->config->question_bytes) {
        return err_set_param(err, STATUS_TOO_LARGE, "messages",
                             "the question has %zu bytes, at most %zu (limits.question_size)",
                             question.n, job->daemon->config->question_bytes);
    }
    if (slice_trim(question).n == 0 || memchr(question.p, '\0', question.n)) {
        return err_set_param(err, STATUS_INVALID, "messages", "a question is expected");
    }
    job->collection = name;
    job->query.collection = name;
    job->query.text = arena_string(&job->arena, question);
    if (!job->query.text) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    return job_check_access(job, ACCESS_READ, name, err);
}

static Status parse(Job *job, bool is_chat, Err *err) {
    const Json *object = NULL;
    uint64_t seed = 0;
    if (getrandom(&seed, 7, GRND_NONBLOCK) < 0) seed = (uint64_t)clock_us();
    TRY(json_read(buf_slice(&job->body), job->json_depth, &job->arena, &object, err));
    Completion *c = arena_alloc(&job->arena, 1, sizeof *c);
    if (!c) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    const Config *config = job->daemon->config;
    job->completion = c;
    TRY(completion_parse(object, is_chat, config->answer_tokens, seed, &job->arena, c, err));
    job->daemon_answer_tokens = config->answer_tokens;
    bool documents =
        strncmp(c->model, "fonte", 5) == 0 && (c->model[5] == '\0' || c->model[5] == ':');
    if (documents) {
        job_use_model(job);
        return choose_documents(job, c, err);
    }
    job->served = served_ref(job->daemon->served);
    if (!job->served || strcmp(c->model, served_name(job->served)) != 0) {
        return err_set_param(err, STATUS_NOT_FOUND, "model",
                             "there is no model of this name (GET /v1/models lists them)");
    }
    return sampler_check(served_model(job->served)->shape.n_vocab, &c->sampling, err);
}

static void start(Daemon *daemon, HttpRequest *request, bool is_chat) {
    Job *job = job_new(daemon, request, completion_work);
    if (!job) return;
    Err err = { 0 };
    Status status = parse(job, is_chat, &err);
    job->generates = true;
    job_start(job, status, status == STATUS_OK && job->completion->stream, &err);
}

void route_chat_completions(Daemon *daemon, HttpRequest *request) {
    start(daemon, request, true);
}

void route_completions(Daemon *daemon, HttpRequest *request) {
    start(daemon, request, false);
}
