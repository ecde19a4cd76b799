/* fonte eval: how well passages are found and questions answered, on a dataset with gold answers.
 * Needs no daemon: the dataset is indexed in a temporary folder, which is gone afterwards. */
#include "cli/commands.h"
#include "cli/eval_run.h"
#include "cli/progress.h"

#include <math.h>
#include <string.h>

/* The stage that is shown: eval_run.c calls back without a context, from one thread. */
static Progress progress;
static Term *progress_term;
static const char *progress_stage;

static void show_progress(const char *stage, size_t done, size_t of) {
    if (progress_stage != stage) {
        if (progress_stage) progress_clear(&progress);
        progress_init(&progress, progress_term, "passages", (double)of);
        progress_stage = stage;
    }
    progress_show(&progress, (double)done, stage);
}

static void add_percent(cJSON *object, const char *key, double percent) {
    cJSON_AddNumberToObject(object, key, round(percent * 100) / 100);
}

static cJSON *report(const char *dataset, size_t n_passages, size_t n_questions) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "dataset", dataset);
    cJSON_AddNumberToObject(object, "passages", (double)n_passages);
    cJSON_AddNumberToObject(object, "questions", (double)n_questions);
    return object;
}

static FonteStatus run_retrieval(const EvalOptions *options, cJSON **ret, FonteError *error) {
    EvalRetrieval r;
    FonteStatus status = eval_retrieval(options, &r, error);
    if (status) return status;
    *ret = report(options->folder, r.n_passages, r.n_questions);
    add_percent(*ret, "recall@1", r.recall_1);
    add_percent(*ret, "recall@5", r.recall_5);
    add_percent(*ret, "recall@10", r.recall_10);
    cJSON_AddNumberToObject(*ret, "mrr@10", round(r.mrr_10 * 1e4) / 1e4);
    cJSON_AddNumberToObject(*ret, "search_ms", round(r.ms_median * 1e3) / 1e3);
    return FONTE_OK;
}

static void add_curve(cJSON *object, const EvalAnswers *a) {
    add_percent(object, "abstained_removed", a->abstained_removed);
    cJSON *curve = cJSON_AddArrayToObject(object, "curve");
    for (int i = 0; i < EVAL_CURVE_POINTS; i++) {
        const EvalPoint *p = &a->curve[i];
        cJSON *point = cJSON_CreateObject();
        cJSON_AddNumberToObject(point, "threshold", round(p->threshold * 1e4) / 1e4);
        add_percent(point, "abstained", p->answerable);
        add_percent(point, "abstained_removed", p->removed);
        add_percent(point, "answer_in_first_sentence", p->first_holds);
        cJSON_AddItemToArray(curve, point);
    }
}

static FonteStatus run_answers(const EvalOptions *options, cJSON **ret, FonteError *error) {
    EvalAnswers a;
    FonteStatus status = eval_answers(options, &a, error);
    if (status) return status;
    *ret = report(options->folder, a.n_passages, a.n_questions);
    add_percent(*ret, "answer_in_text", a.holds);
    add_percent(*ret, "answer_in_first_sentence", a.first_holds);
    add_percent(*ret, "abstained", a.abstained);
    if (a.n_unanswerable) {
        cJSON_AddNumberToObject(*ret, "unanswerable", (double)a.n_unanswerable);
        add_percent(*ret, "abstained_unanswerable", a.abstained_none);
    }
    add_percent(*ret, "words", a.words);
    if (options->remove_gold) add_curve(*ret, &a);
    return FONTE_OK;
}

static void print_curve(Cli *cli, const cJSON *curve) {
    const cJSON *point, *item;
    fputs("threshold  abstained  abstained_removed  answer_in_first_sentence\n", cli->out.file);
    static const int widths[] = { 9, 11, 19, 26 };
    cJSON_ArrayForEach(point, curve) {
        int column = 0;
        cJSON_ArrayForEach(item, point) {
            fprintf(cli->out.file, "%*.10g", widths[column++], item->valuedouble);
        }
        fputc('\n', cli->out.file);
    }
}

static void print_table(Cli *cli, const cJSON *object) {
    const cJSON *item;
    cJSON_ArrayForEach(item, object) {
        if (cJSON_IsArray(item)) {
            print_curve(cli, item);
        } else if (cJSON_IsNumber(item)) {
            fprintf(cli->out.file, "%-26s %.10g\n", item->string, item->valuedouble);
        } else {
            fprintf(cli->out.file, "%-26s ", item->string);
            term_line(&cli->out, item->valuestring);
            fputc('\n', cli->out.file);
        }
    }
}

int cmd_eval(Cli *cli, int argc, char **argv) {
    const char *mode = "hybrid";
    EvalOptions options = { .min_confidence = -1, .with_titles = true };
    bool no_titles = false;
    Option table[] = {
        { 'd', "dataset", OPTION_TEXT, &options.folder, "DIR",
          "folder of questions.jsonl and what they are about", 0, 0 },
        { 0, "search", OPTION_CHOICE, &mode, "hybrid|lexical|vector", "how passages are found", 0,
          0 },
        { 0, "limit", OPTION_COUNT, &options.limit, "N", "ask only the first N questions", 0, 1e9 },
        { 0, "no-titles", OPTION_FLAG, &no_titles, NULL, "index passages without their titles", 0,
          0 },
        { 0, "min-confidence", OPTION_NUMBER, &options.min_confidence, "X",
          "answers: abstain below it (0 = never)", 0, 1 },
        { 0, "max-sentences", OPTION_COUNT, &options.max_sentences, "N",
          "answers: sentences quoted at the most", 1, 16 },
        { 0, "remove-gold", OPTION_FLAG, &options.remove_gold, NULL,
          "answers: ask each again without its passage", 0, 0 },
    };
    Usage usage = { "eval", "retrieval|answers",
                    "Measure, on a dataset with gold answers, how well passages are found "
                    "(recall@k and MRR@10) or questions answered (share of answers that hold a "
                    "gold answer). Needs no daemon and leaves nothing behind.",
                    table, sizeof table / sizeof table[0] };
    int first, exit_status;
    if (!cli_parse(cli, &usage, argc, argv, &first, &exit_status)) return exit_status;
    const char *what = first + 1 == argc ? argv[first] : "";
    bool retrieval = strcmp(what, "retrieval") == 0;
    if (!retrieval && strcmp(what, "answers") != 0) {
        return cli_fail_usage(cli, "eval what: retrieval or answers?");
    }
    if (!options.folder) return cli_fail_usage(cli, "--dataset is missing");
    options.mode = strcmp(mode, "lexical") == 0  ? FONTE_LEXICAL
                   : strcmp(mode, "vector") == 0 ? FONTE_VECTOR
                                                 : FONTE_HYBRID;
    options.with_titles = !no_titles;
    progress_term = &cli->err;
    options.progress = show_progress;
    cJSON *object = NULL;
    FonteError error = { 0 };
    FonteStatus status = retrieval ? run_retrieval(&options, &object, &error)
                                   : run_answers(&options, &object, &error);
    if (progress_stage) progress_clear(&progress);
    if (status == FONTE_CANCELLED) return EXIT_INTERRUPTED;
    if (status) return cli_fail(cli, &error);
    if (cli->json)
        cli_print_object(cli, object);
    else
        print_table(cli, object);
    cJSON_Delete(object);
    return EXIT_OK;
}
