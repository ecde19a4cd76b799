/* The answer that a model writes. Nothing of it is seen before it is checked: tokens gather to a
 * sentence, the sentence is held against the passages that it cites, and only then it is said, with
 * markers of its own numbering and a quote behind each. A sentence that no passage supports is left
 * out (strict) or said and marked, but not before one stood: where none does, the answer is quoted
 * instead (mode auto) or declined. Whether to answer at all is decided before a token is written,
 * by the same confidence as for quoting.
 *
 * A model that never ends is ended by: max_tokens, MAX_SENTENCES, a sentence of MAX_PENDING bytes,
 * and MAX_REPEATED sentences that were there before. */
#include "answer/answerer.h"
#include "answer/prompt.h"
#include "answer/quote.h"
#include "answer/sentence.h"
#include "answer/support.h"
#include "base/clock.h"
#include "text/passage.h"

#include <ctype.h>

enum {
    TOKENS_DEFAULT = 512,
    MAX_SENTENCES = 48,
    MAX_CITATIONS = 128,
    MAX_PENDING = 4096,
    MAX_REPEATED = 2,
    WAIT_US = 100000, /* between two looks at whether the client is still there */
};

typedef struct Held { /* said once a sentence stands */
    Slice text;
    const char *missing;
} Held;

typedef struct Writing {
    const AnswerJob *job;
    Arena *arena; /* the answer's */
    FonteAnswer *answer;
    TextTerms *terms;
    Prompt prompt;
    Support *support;
    CitationState citation;
    GeneratorStream *stream;
    Buf written; /* all tokens, as record_append_token has them */
    Buf pending; /* written, not yet checked */
    Buf text;    /* said */
    Held held[MAX_SENTENCES];
    size_t n_held, n_seen, n_repeated, n_standing;
    uint64_t seen[MAX_SENTENCES]; /* hashes of the sentences checked */
    int64_t engine_us;            /* waited for tokens */
    bool is_over;
} Writing;

static Status no_memory(Err *err) {
    return err_set(err, STATUS_NO_MEMORY, "out of memory for an answer");
}

static bool is_cancelled(const AnswerJob *job) {
    return job->events->cancelled && job->events->cancelled(job->events->context);
}

/* ---- saying ---- */

static Status say(Writing *w, Slice text, const char *support, const char *missing, Err *err) {
    const AnswerEvents *events = w->job->events;
    size_t before = w->text.n;
    if (before) buf_append_byte(&w->text, ' ');
    buf_append_slice(&w->text, text);
    TRY(buf_status(&w->text, err));
    w->answer->sentences[w->answer->n_sentences++] =
        (FonteSentence){ before + (before > 0), w->text.n, support, missing };
    if (events->token) {
        TRY(events->token(events->context, slice_skip(buf_slice(&w->text), before)));
    }
    if (*missing && events->unsupported) {
        TRY(events->unsupported(events->context, text, missing));
    }
    return STATUS_OK;
}

/* A citation of the same span keeps its number. */
static bool find_citation(const FonteAnswer *answer, const FonteCitation *c, size_t *ret) {
    for (size_t i = 0; i < answer->n_citations; i++) {
        const FonteCitation *have = &answer->citations[i];
        if (have->passage == c->passage && have->start == c->start && have->end == c->end) {
            *ret = have->n;
            return true;
        }
    }
    return false;
}

/* Markers behind the sentence; new citations are added to the answer. */
static Status append_markers(Writing *w, const SupportResult *r, Buf *text, size_t *ret_n,
                             Err *err) {
    *ret_n = 0;
    for (size_t i = 0; i < r->n_quotes; i++) {
        FonteCitation c;
        bool there;
        size_t number;
        if (w->answer->n_citations == MAX_CITATIONS) return STATUS_OK;
        TRY(quote_cite(w->job->index, w->job->passages, r->quotes[i].passage, r->quotes[i].start,
                       r->quotes[i].end, w->arena, &c, &there, err));
        if (!there) continue;
        if (!find_citation(w->answer, &c, &number)) {
            c.n = number = w->answer->n_citations + 1;
            w->answer->citations[w->answer->n_citations++] = c;
        }
        buf_printf(text, " [%zu]", number);
        ++*ret_n;
    }
    return buf_status(text, err);
}

static Status tell_citations(Writing *w, size_t from) {
    const AnswerEvents *events = w->job->events;
    for (size_t i = from; events->citation && i < w->answer->n_citations; i++) {
        TRY(events->citation(events->context, &w->answer->citations[i]));
    }
    return STATUS_OK;
}

static Status say_held(Writing *w, Err *err) {
    for (size_t i = 0; i < w->n_held; i++) {
        TRY(say(w, w->held[i].text, "unsupported", w->held[i].missing, err));
    }
    w->n_held = 0;
    return STATUS_OK;
}

/* ---- checking ---- */

static Status take_unsupported(Writing *w, Slice plain, const char *missing, Err *err) {
    if (w->job->options->strict) {
        w->answer->n_left_out++;
        return STATUS_OK;
    }
    char *own = arena_string(w->arena, plain);
    if (!own) return no_memory(err);
    if (!*missing) missing = "the passages";
    w->held[w->n_held++] = (Held){ slice_of(own), missing };
    return w->n_standing ? say_held(w, err) : STATUS_OK;
}

static bool was_seen(Writing *w, Slice plain) {
    uint64_t hash = reading_hash(plain);
    for (size_t i = 0; i < w->n_seen; i++) {
        if (w->seen[i] == hash) return true;
    }
    w->seen[w->n_seen++] = hash;
    return false;
}

static Status check(Writing *w, Slice sentence, Err *err) {
    AUTO_BUF Buf plain = BUF_NULL;
    CitationMarks marks;
    SupportResult r;
    TRY(citation_parse(slice_trim(sentence), w->prompt.n_used, w->arena, &plain, &marks, err));
    Slice claim = slice_trim(buf_slice(&plain));
    if (!claim.n) return STATUS_OK;
    if (was_seen(w, claim)) {
        w->is_over |= ++w->n_repeated == MAX_REPEATED;
        return STATUS_OK;
    }
    w->is_over |= w->n_seen == MAX_SENTENCES;
    TRY(support_check(w->support, claim, marks.numbers, marks.n, w->arena, &r, err));
    AUTO_BUF Buf text = BUF_NULL;
    buf_append_slice(&text, claim);
    size_t n_marked = 0, from = w->answer->n_citations;
    if (r.verdict != SUPPORT_NONE) TRY(append_markers(w, &r, &text, &n_marked, err));
    if (!n_marked) return take_unsupported(w, claim, r.missing, err);
    w->n_standing++;
    TRY(say_held(w, err));
    TRY(say(w, buf_slice(&text), r.verdict == SUPPORT_HOLDS ? "supported" : "repaired", "", err));
    return tell_citations(w, from);
}

/* Bytes of white space and whole markers at the start of s. *ret_open: it may still become one. */
static size_t skip_markers(Slice s, bool *ret_open) {
    size_t n = 0;
    for (;;) {
        while (n < s.n && isspace((unsigned char)s.p[n])) n++;
        size_t end = n + 1;
        if (n == s.n || s.p[n] != '[') break;
        while (end < s.n && isdigit((unsigned char)s.p[end])) end++;
        if (end == s.n) *ret_open = true;
        if (end == s.n || s.p[end] != ']' || end == n + 1) break;
        n = end + 1;
    }
    if (n == s.n) *ret_open = true;
    return n;
}

/* Check the sentences in pending that are whole: those behind which another begins; markers behind
 * its full stop belong to a sentence. At the end all are. */
static Status check_pending(Writing *w, bool at_end, Err *err) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    TextSpan *spans;
    size_t n, done = 0;
    Slice all = buf_slice(&w->pending);
    TRY(text_sentences(all, w->answer->language, &arena, &spans, &n, err));
    for (size_t i = 0; i < n && !w->is_over; i++) {
        if (spans[i].end <= done) continue;
        bool open = false;
        size_t end = spans[i].end + skip_markers(slice_skip(all, spans[i].end), &open);
        if (open && !at_end) break;
        TRY(check(w, (Slice){ all.p + done, end - done }, err));
        done = end;
    }
    if (done) memmove(w->pending.p, w->pending.p + done, w->pending.n - done);
    w->pending.n -= done;
    return STATUS_OK;
}

/* ---- writing ---- */

static Status take_tokens(Writing *w, Err *err) {
    const Generator *g = w->job->options->generator;
    Detokenizer detokenizer;
    detokenizer_init(&detokenizer, g->vocab, 0);
    while (!w->is_over) {
        int32_t id;
        if (is_cancelled(w->job)) return err_set(err, STATUS_CANCELLED, "the client went away");
        int64_t begin_us = clock_us();
        Status status = g->next(w->stream, WAIT_US, &id, err);
        w->engine_us += clock_us() - begin_us;
        if (status == STATUS_BUSY) continue;
        if (status == STATUS_END) break;
        TRY(status);
        record_append_token(&w->written, id);
        size_t before = w->pending.n;
        TRY(detokenizer_push(&detokenizer, id, &w->pending, err));
        TRY(buf_status(&w->pending, err));
        /* a sentence ends before white space: nothing to look for within words */
        Slice added = slice_skip(buf_slice(&w->pending), before);
        bool looks = added.n && (isspace((unsigned char)added.p[0]) ||
                                 isspace((unsigned char)added.p[added.n - 1]) ||
                                 (unsigned char)added.p[0] >= 0x80);
        if (w->pending.n > MAX_PENDING)
            w->is_over = true;
        else if (looks && before)
            TRY(check_pending(w, false, err));
    }
    detokenizer_finish(&detokenizer, &w->pending);
    if (w->n_repeated >= MAX_REPEATED || w->n_seen >= MAX_SENTENCES) return STATUS_OK;
    w->is_over = false;
    return check_pending(w, true, err);
}

static Status write_text(Writing *w, Err *err) {
    const AnswerOptions *options = w->job->options;
    const Generator *g = options->generator;
    citation_state_init(&w->citation, options->citations, w->prompt.n_used);
    GeneratorConstraint constraint = citation_constraint(&w->citation);
    GeneratorJob job = {
        .prompt = w->prompt.tokens.ids,
        .n_prompt = w->prompt.tokens.n,
        .max_tokens = options->max_tokens ? options->max_tokens : TOKENS_DEFAULT,
        .sampling = SAMPLER_OPTIONS_DEFAULT,
        .constraint = &constraint,
        .owner = options->owner,
        .space = options->owner,
    };
    job.sampling.temperature = options->temperature;
    job.sampling.seed = options->seed;
    job.sampling.constrained = true;
    TRY(g->open(g, &job, &w->stream, err));
    Status status = take_tokens(w, err);
    GeneratorUsage usage = { 0 };
    g->usage(w->stream, &usage);
    w->answer->n_prompt_tokens = usage.n_prompt;
    w->answer->n_cached_tokens = usage.n_cached;
    w->answer->n_answer_tokens = usage.n_tokens;
    w->answer->times.engine_ms = (double)w->engine_us / 1000;
    g->close(w->stream);
    TRY(status);
    TRY(buf_status(&w->written, err));
    return record_hash(buf_slice(&w->written), w->job->trace->written_hash, err);
}

/* ---- the whole ---- */

/* For the record: the prompt dies with this answer's writing. */
static Status keep_trace(Writing *w, Err *err) {
    AnswerTrace *trace = w->job->trace;
    const Prompt *p = &w->prompt;
    trace->used = arena_alloc(w->arena, p->n_used, sizeof *trace->used);
    if (!trace->used) return no_memory(err);
    memcpy(trace->used, p->passages, p->n_used * sizeof *trace->used);
    trace->n_used = p->n_used;
    trace->n_prompt = p->tokens.n;
    AUTO_BUF Buf bytes = BUF_NULL;
    for (size_t i = 0; i < p->tokens.n; i++) record_append_token(&bytes, p->tokens.ids[i]);
    TRY(buf_status(&bytes, err));
    return record_hash(buf_slice(&bytes), trace->prompt_hash, err);
}

static Status prepare(Writing *w, Err *err) {
    const AnswerJob *job = w->job;
    const AnswerOptions *options = job->options;
    PromptOptions prompt = {
        .vocab = options->generator->vocab,
        .template = options->generator->template,
        .context_tokens =
            options->context_tokens ? options->context_tokens : options->generator->context_tokens,
        .answer_tokens = options->max_tokens ? options->max_tokens : TOKENS_DEFAULT,
    };
    TRY(prompt_build(&prompt, slice_of(job->query->text), w->answer->language, job->passages,
                     &w->prompt, err));
    TRY(keep_trace(w, err));
    w->answer->n_prompt_used = w->prompt.n_used;
    w->answer->n_prompt_dropped = w->prompt.n_dropped;
    w->answer->generator = options->generator->name;
    w->answer->sentences = arena_alloc(w->arena, MAX_SENTENCES, sizeof *w->answer->sentences);
    w->answer->citations = arena_alloc(w->arena, MAX_CITATIONS, sizeof *w->answer->citations);
    if (!w->answer->sentences || !w->answer->citations) return no_memory(err);
    return support_new(w->terms, job->passages, w->prompt.passages, w->prompt.n_used,
                       w->answer->language, &w->support, err);
}

static Status judge(Writing *w, double *ret_confidence, Err *err) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    Question question;
    Ranking ranking;
    TRY(answerer_question(w->job, w->terms, &question, err));
    Status status = sentence_rank(&question, w->terms, w->job->found, w->job->passages->n_passages,
                                  &arena, &ranking, err);
    question_deinit(&question);
    TRY(status);
    *ret_confidence = ranking.confidence;
    return STATUS_OK;
}

static Status finish(Writing *w, Err *err) {
    if (w->n_standing) {
        w->answer->text = arena_string(w->arena, buf_slice(&w->text));
        return w->answer->text ? STATUS_OK : no_memory(err);
    }
    w->answer->n_sentences = w->answer->n_citations = 0;
    if (w->job->mode == ANSWER_AUTO) {
        w->answer->generator = "";
        return answerer_extractive.generate(w->job, w->arena, w->answer, err);
    }
    w->answer->abstained = true;
    w->answer->reason = "unsupported";
    return STATUS_OK;
}

static Status write_answer(Writing *w, Err *err) {
    TRY(judge(w, &w->answer->confidence, err));
    if (w->answer->confidence < w->job->options->min_confidence) {
        w->answer->abstained = true;
        w->answer->reason = "weak_support";
        return STATUS_OK;
    }
    Status status = prepare(w, err);
    if (status == STATUS_TOO_LARGE && w->job->mode == ANSWER_AUTO) return finish(w, err);
    TRY(status);
    TRY(write_text(w, err));
    return finish(w, err);
}

static Status generate_answer(const AnswerJob *job, Arena *arena, FonteAnswer *ret, Err *err) {
    Writing *w = mem_alloc(1, sizeof *w);
    if (!w) return no_memory(err);
    w->job = job, w->arena = arena, w->answer = ret;
    w->terms = text_terms_new();
    Status status = w->terms ? write_answer(w, err) : no_memory(err);
    support_free(w->support);
    prompt_deinit(&w->prompt);
    text_terms_free(w->terms);
    buf_deinit(&w->written);
    buf_deinit(&w->pending);
    buf_deinit(&w->text);
    free(w);
    return status;
}

const Answerer answerer_generate = { .name = "generate", .generate = generate_answer };
