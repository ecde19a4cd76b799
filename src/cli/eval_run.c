/* A passage of the dataset is indexed as a document of its own, with its id as URL; a document that
 * was cut into several passages counts once, at its best. Questions are asked on all processors:
 * each thread takes the next one, results land in the question's own slot, so that the figures do
 * not depend on the order. */
#include "cli/eval_run.h"

#include "cli/eval_dataset.h"
#include "cli/eval_score.h"
#include "cli/workspace.h"

#include <fonte/index.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 256, FETCH = 40, MAX_THREADS = 64 };

typedef struct Outcome {
    unsigned rank; /* of the gold passage, 1 = first; 0 = not among the first ten */
    float ms;
    bool holds, first_holds, abstained;
    size_t n_words;
    double confidence;
    /* the same question where its passage was not in the index */
    bool removed_abstained;
    double removed_confidence;
} Outcome;

typedef struct Run {
    const EvalOptions *options;
    EvalDataset dataset;
    FonteIndex *index;
    Outcome *outcomes;
    size_t n_questions;
    FonteStatus (*ask)(struct Run *run, const EvalQuestion *question, Outcome *ret,
                       FonteError *error);
    atomic_size_t next;
    atomic_bool stop;
    pthread_mutex_t lock; /* guards error */
    FonteError error;
} Run;

static FonteInput input_of(const Run *run, const EvalPassage *p) {
    FonteInput input = { .bytes = p->text, .n_bytes = strlen(p->text), .url = p->id };
    if (run->dataset.are_files) {
        input.name = p->id;
        return input;
    }
    input.mime = "text/plain; charset=utf-8";
    input.language = p->language;
    if (run->options->with_titles && *p->title) input.title = p->title;
    return input;
}

static FonteStatus index_dataset(Run *run, FonteError *error) {
    const EvalDataset *d = &run->dataset;
    for (size_t i = 0; i < d->n_passages; i += BATCH) {
        FonteInput inputs[BATCH] = { 0 };
        FonteError errors[BATCH] = { 0 };
        FonteAddedList *added[BATCH] = { 0 };
        size_t n = d->n_passages - i < BATCH ? d->n_passages - i : BATCH;
        for (size_t j = 0; j < n; j++) {
            inputs[j] = input_of(run, &d->passages[i + j]);
        }
        FonteStatus status = fonte_index_add_many(run->index, inputs, n, 0, added, errors, error);
        for (size_t j = 0; j < n; j++) {
            fonte_added_free(added[j]);
            if (!status && errors[j].status) {
                *error = errors[j];
                status = errors[j].status;
            }
        }
        if (status) return status;
        if (run->options->progress) run->options->progress("indexing", i + n, d->n_passages);
    }
    return fonte_index_settle(run->index, error);
}

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static FonteQuery query_of(const Run *run, const EvalQuestion *q) {
    return (FonteQuery){ .text = q->text, .language = q->language, .mode = run->options->mode };
}

static FonteStatus ask_passages(Run *run, const EvalQuestion *q, Outcome *ret, FonteError *error) {
    FonteQuery query = query_of(run, q);
    query.k = FETCH;
    FontePassages *found = NULL;
    double start = now_ms();
    FonteStatus status = fonte_index_search(run->index, &query, &found, error);
    if (status) return status;
    ret->ms = (float)(now_ms() - start);
    const char *seen[10];
    unsigned n_seen = 0;
    for (size_t i = 0; i < found->n_passages && n_seen < 10; i++) {
        const char *id = found->passages[i].url;
        bool again = false;
        for (unsigned j = 0; j < n_seen; j++) again |= strcmp(seen[j], id) == 0;
        if (again) continue;
        seen[n_seen++] = id;
        if (strcmp(id, q->gold) == 0) ret->rank = n_seen;
    }
    fonte_passages_free(found);
    return FONTE_OK;
}

static bool quote_holds(const FonteCitation *c, const EvalQuestion *q, const char *language) {
    for (size_t i = 0; i < q->n_answers; i++) {
        if (eval_holds(c->quote, q->answers[i], language)) return true;
    }
    return false;
}

static size_t count_words(const char *s) {
    size_t n = 0;
    for (bool inside = false; *s; s++) {
        bool space = *s == ' ' || *s == '\n' || *s == '\t';
        n += !space && !inside;
        inside = !space;
    }
    return n;
}

static FonteStatus ask_answer(Run *run, const EvalQuestion *q, Outcome *ret, FonteError *error) {
    FonteQuery query = query_of(run, q);
    FonteAskOptions options = { run->options->min_confidence, run->options->max_sentences };
    FonteAnswer *answer = NULL;
    FonteStatus status = fonte_index_ask(run->index, &query, &options, &answer, error);
    if (status) return status;
    ret->abstained = answer->abstained;
    ret->confidence = answer->confidence;
    for (size_t i = 0; i < answer->n_citations; i++) {
        const FonteCitation *c = &answer->citations[i];
        bool holds = quote_holds(c, q, q->language);
        ret->holds |= holds;
        if (i == 0) ret->first_holds = holds;
        ret->n_words += count_words(c->quote);
    }
    fonte_answer_free(answer);
    return FONTE_OK;
}

static void *worker(void *context) {
    Run *run = context;
    for (;;) {
        size_t i = atomic_fetch_add(&run->next, 1);
        if (i >= run->n_questions || atomic_load(&run->stop)) return NULL;
        FonteError error = { 0 };
        FonteStatus status = run->ask(run, &run->dataset.questions[i], &run->outcomes[i], &error);
        if (!status && workspace_interrupted()) {
            error = (FonteError){ .status = FONTE_CANCELLED, .text = "interrupted" };
            status = FONTE_CANCELLED;
        }
        if (!status) continue;
        pthread_mutex_lock(&run->lock);
        if (!run->error.status) run->error = error;
        pthread_mutex_unlock(&run->lock);
        atomic_store(&run->stop, true);
    }
}

static FonteStatus ask_all(Run *run, FonteError *error) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t threads[MAX_THREADS];
    int n_threads = 0;
    if (n > MAX_THREADS) n = MAX_THREADS;
    while (n_threads < n && !pthread_create(&threads[n_threads], NULL, worker, run)) n_threads++;
    if (!n_threads) worker(run);
    for (int i = 0; i < n_threads; i++) pthread_join(threads[i], NULL);
    if (run->error.status) *error = run->error;
    return run->error.status;
}

/* ---- without the gold passage ---- */

static FonteStatus add_passage(Run *run, const EvalPassage *p, char id[64], FonteError *error) {
    FonteInput input = input_of(run, p);
    FonteAddedList *added = NULL;
    FonteStatus status = fonte_index_add(run->index, &input, &added, error);
    if (!status && added->n_added) snprintf(id, 64, "%s", added->added[0].id);
    fonte_added_free(added);
    return status;
}

/* All questions whose gold passage p is. */
static FonteStatus ask_without(Run *run, const EvalPassage *p, FonteError *error) {
    FonteStatus status = FONTE_OK;
    for (size_t i = 0; i < run->n_questions && !status; i++) {
        const EvalQuestion *q = &run->dataset.questions[i];
        if (strcmp(q->gold, p->id) != 0) continue;
        Outcome without = { 0 };
        status = run->ask(run, q, &without, error);
        run->outcomes[i].removed_abstained = without.abstained;
        run->outcomes[i].removed_confidence = without.confidence;
    }
    return status;
}

static bool is_asked(const Run *run, const EvalPassage *p) {
    for (size_t i = 0; i < run->n_questions; i++) {
        if (strcmp(run->dataset.questions[i].gold, p->id) == 0) return true;
    }
    return false;
}

/* One passage after another is taken out of the index, its questions are asked, and it is put back:
 * what the index holds is then exactly what it is without that passage. */
static FonteStatus ask_all_without(Run *run, FonteError *error) {
    const EvalDataset *d = &run->dataset;
    FonteStatus status = FONTE_OK;
    for (size_t i = 0; i < d->n_passages && !status; i++) {
        const EvalPassage *p = &d->passages[i];
        char id[64] = "";
        if (!is_asked(run, p)) continue;
        status = add_passage(run, p, id, error); /* is there already: says its id */
        if (!status) status = fonte_index_remove(run->index, id, error);
        if (!status) status = ask_without(run, p, error);
        if (!status) status = add_passage(run, p, id, error);
        if (!status && workspace_interrupted()) {
            *error = (FonteError){ .status = FONTE_CANCELLED, .text = "interrupted" };
            status = FONTE_CANCELLED;
        }
        if (run->options->progress) run->options->progress("without", i + 1, d->n_passages);
    }
    return status;
}

static FonteStatus prepare_and_ask(Run *run, const char *workspace, FonteError *error) {
    FonteStatus status = fonte_index_open(workspace, NULL, &run->index, error);
    if (!status) status = index_dataset(run, error);
    if (status) return status;
    run->n_questions = run->dataset.n_questions;
    if (run->options->limit && run->options->limit < run->n_questions) {
        run->n_questions = run->options->limit;
    }
    run->outcomes = calloc(run->n_questions + 1, sizeof *run->outcomes);
    if (!run->outcomes) return error->status = FONTE_NO_MEMORY;
    status = ask_all(run, error);
    return !status && run->options->remove_gold ? ask_all_without(run, error) : status;
}

static FonteStatus run_all(Run *run, FonteError *error) {
    pthread_mutex_init(&run->lock, NULL);
    const char *workspace;
    FonteStatus status = eval_dataset_load(run->options->folder, &run->dataset, error);
    if (!status) status = workspace_open(&workspace, error);
    if (status) return status;
    status = prepare_and_ask(run, workspace, error);
    fonte_index_close(run->index);
    workspace_close();
    return status;
}

static void run_deinit(Run *run) {
    eval_dataset_deinit(&run->dataset);
    free(run->outcomes);
    pthread_mutex_destroy(&run->lock);
}

static int compare_floats(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

static double median_ms(const Run *run) {
    float *ms = calloc(run->n_questions + 1, sizeof *ms);
    if (!ms || !run->n_questions) return free(ms), 0;
    for (size_t i = 0; i < run->n_questions; i++) ms[i] = run->outcomes[i].ms;
    qsort(ms, run->n_questions, sizeof *ms, compare_floats);
    double median = (double)ms[run->n_questions / 2];
    free(ms);
    return median;
}

FonteStatus eval_retrieval(const EvalOptions *options, EvalRetrieval *ret, FonteError *error) {
    Run run = { .options = options, .ask = ask_passages };
    FonteStatus status = run_all(&run, error);
    if (!status) {
        EvalRetrieval r = { .n_passages = run.dataset.n_passages, .ms_median = median_ms(&run) };
        for (size_t i = 0; i < run.n_questions; i++) {
            unsigned rank = run.outcomes[i].rank;
            if (!*run.dataset.questions[i].gold) continue; /* nothing to find */
            r.n_questions++;
            r.recall_1 += rank == 1;
            r.recall_5 += rank >= 1 && rank <= 5;
            r.recall_10 += rank >= 1;
            r.mrr_10 += rank ? 1.0 / rank : 0;
        }
        double n = r.n_questions ? (double)r.n_questions : 1;
        r.recall_1 *= 100 / n, r.recall_5 *= 100 / n, r.recall_10 *= 100 / n, r.mrr_10 /= n;
        *ret = r;
    }
    run_deinit(&run);
    return status;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The threshold below which so many of the answerable fall, and how many of the others do. */
static EvalPoint point_at(const Run *run, const double *sorted, size_t n, double declined) {
    size_t at = (size_t)(declined / 100 * (double)n);
    EvalPoint point = { .threshold = n ? sorted[at < n ? at : n - 1] : 0 };
    for (size_t i = 0; i < run->n_questions; i++) {
        const Outcome *o = &run->outcomes[i];
        if (!*run->dataset.questions[i].gold) continue;
        point.answerable += o->confidence < point.threshold;
        point.removed += o->removed_confidence < point.threshold;
        point.first_holds += o->first_holds && o->confidence >= point.threshold;
    }
    double scale = n ? 100 / (double)n : 0;
    point.answerable *= scale, point.removed *= scale, point.first_holds *= scale;
    return point;
}

static FonteStatus make_curve(const Run *run, EvalAnswers *ret, FonteError *error) {
    static const double declined[EVAL_CURVE_POINTS] = { 2, 5, 8, 10, 15, 20, 30 };
    double *sorted = calloc(run->n_questions + 1, sizeof *sorted);
    if (!sorted) return error->status = FONTE_NO_MEMORY;
    size_t n = 0;
    for (size_t i = 0; i < run->n_questions; i++) {
        if (!*run->dataset.questions[i].gold) continue;
        sorted[n++] = run->outcomes[i].confidence;
        ret->abstained_removed += run->outcomes[i].removed_abstained;
    }
    ret->abstained_removed *= n ? 100 / (double)n : 0;
    qsort(sorted, n, sizeof *sorted, compare_doubles);
    for (int i = 0; i < EVAL_CURVE_POINTS; i++) {
        ret->curve[i] = point_at(run, sorted, n, declined[i]);
    }
    free(sorted);
    return FONTE_OK;
}

FonteStatus eval_answers(const EvalOptions *options, EvalAnswers *ret, FonteError *error) {
    Run run = { .options = options, .ask = ask_answer };
    FonteStatus status = run_all(&run, error);
    if (!status) {
        EvalAnswers r = { .n_passages = run.dataset.n_passages };
        size_t n_given = 0;
        for (size_t i = 0; i < run.n_questions; i++) {
            const Outcome *o = &run.outcomes[i];
            if (!*run.dataset.questions[i].gold) {
                r.n_unanswerable++;
                r.abstained_none += o->abstained;
                continue;
            }
            r.n_questions++;
            r.holds += o->holds, r.first_holds += o->first_holds, r.abstained += o->abstained;
            r.words += (double)o->n_words;
            n_given += !o->abstained;
        }
        double n = r.n_questions ? (double)r.n_questions : 1;
        r.holds *= 100 / n, r.first_holds *= 100 / n, r.abstained *= 100 / n;
        r.words /= n_given ? (double)n_given : 1;
        r.abstained_none *= r.n_unanswerable ? 100 / (double)r.n_unanswerable : NAN;
        if (options->remove_gold) status = make_curve(&run, &r, error);
        *ret = r;
    }
    run_deinit(&run);
    return status;
}
