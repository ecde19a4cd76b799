/* fonte model generate: text as it is written, or its token ids. */
#include "cli/model_run.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_TOKENS = 256, N_OPTIONS = 19 };

typedef struct GenerateOptions {
    const char *prompt, *tokens_in, *system, *template_name;
    OptionList stops, biases;
    size_t tokens, top_k, seed, logprobs;
    double temperature, top_p, min_p, repetition, frequency, presence;
    bool chat, ids, ignore_end;
    FonteLogitBias *bias; /* [biases.n], owned */
} GenerateOptions;

typedef struct Written {
    Cli *cli;
    bool ids, quiet;
    size_t n, n_text, capacity;
    int32_t *list; /* owned */
    char *text;    /* owned, for --json */
    size_t n_list;
    cJSON *logprobs; /* owned; NULL where nobody asked */
} Written;

static bool keep(void **array, size_t *capacity, size_t n, size_t size) {
    if (n <= *capacity) return true;
    size_t wanted = n * 2 + 64;
    void *more = reallocarray(*array, wanted, size);
    if (!more) return false;
    *array = more;
    *capacity = wanted;
    return true;
}

static cJSON *logprob_json(int32_t id, float logprob) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "id", id);
    cJSON_AddNumberToObject(object, "logprob", (double)logprob);
    return object;
}

static void add_logprobs(cJSON *list, const FonteLlmToken *token) {
    cJSON *object = logprob_json(token->id, token->logprob);
    cJSON *top = cJSON_AddArrayToObject(object, "top");
    for (size_t i = 0; i < token->n_top; i++)
        cJSON_AddItemToArray(top, logprob_json(token->top[i].id, token->top[i].logprob));
    cJSON_AddItemToArray(list, object);
}

static bool on_reading(void *context, size_t n_read, size_t n_prompt) {
    (void)context;
    (void)n_read;
    (void)n_prompt;
    return !model_interrupted;
}

static bool on_token(void *context, const FonteLlmToken *token) {
    Written *w = context;
    FILE *out = w->cli->out.file;
    if (!keep((void **)&w->list, &w->n_list, w->n + 1, sizeof *w->list) ||
        !keep((void **)&w->text, &w->capacity, w->n_text + token->n_text + 1, 1)) {
        return false;
    }
    w->list[w->n++] = token->id;
    memcpy(w->text + w->n_text, token->text, token->n_text);
    w->n_text += token->n_text;
    if (w->logprobs) add_logprobs(w->logprobs, token);
    if (!w->quiet && w->ids) fprintf(out, w->n > 1 ? " %d" : "%d", token->id);
    if (!w->quiet && !w->ids) model_print_text(w->cli, token->text, token->n_text);
    if (!w->quiet) fflush(out);
    return !ferror(out) && !model_interrupted;
}

static void print_json(const Written *w, const FonteLlmGenerated *done) {
    static const char *const ends[] = { "cut", "end", "stop", "length" };
    cJSON *object = cJSON_CreateObject();
    if (w->text) w->text[w->n_text] = '\0';
    cJSON_AddStringToObject(object, "text", w->text ? w->text : "");
    cJSON_AddItemToObject(object, "ids", model_ids_json(w->list, w->n));
    cJSON_AddStringToObject(object, "end", ends[done->end]);
    cJSON_AddNumberToObject(object, "prompt_tokens", (double)done->n_prompt);
    if (w->logprobs) cJSON_AddItemReferenceToObject(object, "logprobs", w->logprobs);
    cJSON_AddNumberToObject(object, "read_s", done->read_s);
    cJSON_AddNumberToObject(object, "write_s", done->write_s);
    cli_print_object(w->cli, object);
    cJSON_Delete(object);
}

/* Without --tokens: 256, or until the text ends where the context holds fewer; that it is full
 * before is then an error. */
static size_t tokens_at_most(const FonteLlm *llm, const GenerateOptions *o, const Ids *prompt) {
    size_t context = fonte_llm_context(llm);
    if (o->tokens) return o->tokens;
    return context >= prompt->n && context - prompt->n >= DEFAULT_TOKENS ? DEFAULT_TOKENS : 0;
}

static int report(Written *w, const GenerateOptions *o, FonteStatus status,
                  const FonteLlmGenerated *done, const FonteError *error) {
    Cli *cli = w->cli;
    bool cut = status == FONTE_CANCELLED;
    if (cli->json && (status == FONTE_OK || cut)) print_json(w, done);
    if (!cli->json && (o->ids || cli->out.is_terminal)) fputc('\n', cli->out.file);
    if (cut) return model_interrupted ? EXIT_INTERRUPTED : EXIT_OK; /* cli_finish looks at stdout */
    return status == FONTE_OK ? EXIT_OK : cli_fail(cli, error);
}

static int write_text(Cli *cli, FonteLlm *llm, const GenerateOptions *o, const Ids *prompt) {
    FonteError error = { 0 };
    FonteLlmGenerated done = { 0 };
    Written written = { .cli = cli, .ids = o->ids, .quiet = cli->json };
    FonteGenerate generate = {
        .prompt = prompt->ids,
        .n_prompt = prompt->n,
        .n_tokens = tokens_at_most(llm, o, prompt),
        .sampling = { (float)o->temperature, o->top_k, (float)o->top_p, (float)o->min_p,
                      (float)o->repetition, (float)o->frequency, (float)o->presence, o->bias,
                      o->biases.n, o->seed },
        .stops = o->stops.items,
        .n_stops = o->stops.n,
        .ignore_end = o->ignore_end || o->ids,
        .is_continued = !o->chat,
        .logprobs = o->logprobs > 0,
        .n_top = o->logprobs,
        .token = on_token,
        .reading = on_reading,
        .context = &written,
    };
    if (o->logprobs) written.logprobs = cJSON_CreateArray();
    model_catch_interrupt();
    FonteStatus status = fonte_llm_generate(llm, &generate, &done, &error);
    int exit_status = report(&written, o, status, &done, &error);
    free(written.list);
    free(written.text);
    cJSON_Delete(written.logprobs);
    return exit_status;
}

/* The prompt's ids: given, or of a text as the model's file wants it, or of a conversation. */
static bool make_prompt(Cli *cli, const FonteLlm *llm, const GenerateOptions *o, Ids *ret,
                        int *ret_exit) {
    FonteError error = { 0 };
    FonteStatus status;
    if (o->tokens_in) return model_parse_ids(cli, o->tokens_in, ret, ret_exit);
    if (o->chat) {
        FonteMessage messages[] = { { "system", o->system }, { "user", o->prompt } };
        size_t skip = o->system ? 0 : 1;
        status = fonte_llm_chat(llm, o->template_name, messages + skip, 2 - skip, &ret->ids,
                                &ret->n, NULL, &error);
    } else {
        status = fonte_vocab_encode(fonte_llm_vocab(llm), o->prompt, strlen(o->prompt),
                                    FONTE_VOCAB_AS_MODEL, &ret->ids, &ret->n, &error);
    }
    if (status == FONTE_OK) return true;
    *ret_exit = cli_fail(cli, &error);
    return false;
}

static int run(Cli *cli, const char *path, const GenerateOptions *o,
               const RunOptions *run_options) {
    int status = EXIT_OK;
    FonteLlm *llm = NULL;
    Ids prompt = { 0 };
    if (model_open(cli, path, run_options, 0, &llm, &status) &&
        make_prompt(cli, llm, o, &prompt, &status)) {
        status = write_text(cli, llm, o, &prompt);
    }
    free(prompt.ids);
    fonte_llm_close(llm);
    return status;
}

/* "ID=X", e.g. "13=-2.5". */
static bool parse_bias(const char *text, FonteLogitBias *ret) {
    char *end;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 9 || text[digits] != '=') return false;
    ret->id = (int32_t)strtol(text, NULL, 10);
    ret->bias = strtof(text + digits + 1, &end);
    return end != text + digits + 1 && *end == 0;
}

static bool parse_biases(Cli *cli, GenerateOptions *o, int *ret_exit) {
    o->bias = calloc(o->biases.n + 1, sizeof *o->bias);
    if (!o->bias) return cli_warn(cli, "out of memory"), *ret_exit = EXIT_FAILED, false;
    for (size_t i = 0; i < o->biases.n; i++) {
        if (parse_bias(o->biases.items[i], &o->bias[i])) continue;
        *ret_exit = cli_fail_usage(cli, "--logit-bias: '%s' is not ID=NUMBER", o->biases.items[i]);
        return false;
    }
    return true;
}

static const char *check(const Cli *cli, const GenerateOptions *o) {
    if (!o->prompt == !o->tokens_in) return "either --prompt or --tokens-in";
    if (o->chat && o->tokens_in) return "--chat needs --prompt";
    if ((o->system || o->template_name) && !o->chat) return "--system and --template need --chat";
    if (o->logprobs && !cli->json) return "--logprobs needs --json";
    return NULL;
}

int model_generate(Cli *cli, int argc, char **argv) {
    RunOptions run_options = { 0 };
    GenerateOptions o = { .top_p = 1, .repetition = 1 };
    Option table[N_OPTIONS + MODEL_N_RUN_OPTIONS] = {
        { 'p', "prompt", OPTION_TEXT, &o.prompt, "TEXT", "What the text goes on from" },
        { 0, "tokens-in", OPTION_TEXT, &o.tokens_in, "IDS", "The same as token ids, or @FILE" },
        { 'n', "tokens", OPTION_COUNT, &o.tokens, "N", "Tokens to write at most (default: 256)", 1,
          1 << 24 },
        { 0, "temperature", OPTION_NUMBER, &o.temperature, "X",
          "0 takes the likeliest always (default)", 0, 100 },
        { 0, "top-k", OPTION_COUNT, &o.top_k, "K", "Draw from the K likeliest (0 = all)", 0, 1e9 },
        { 0, "top-p", OPTION_NUMBER, &o.top_p, "P", "From the fewest that have P (default 1)", 0,
          1 },
        { 0, "min-p", OPTION_NUMBER, &o.min_p, "P", "From those with P times the best's", 0, 1 },
        { 0, "repetition-penalty", OPTION_NUMBER, &o.repetition, "X", "Default 1: none", 0.1, 10 },
        { 0, "frequency-penalty", OPTION_NUMBER, &o.frequency, "X", "Default 0: none", -2, 2 },
        { 0, "presence-penalty", OPTION_NUMBER, &o.presence, "X", "Default 0: none", -2, 2 },
        { 0, "logit-bias", OPTION_LIST, &o.biases, "ID=X",
          "Add X to a token's logit, -100 to 100; may be repeated" },
        { 0, "seed", OPTION_COUNT, &o.seed, "N", "The same seed draws the same (default 0)", 0,
          9e15 },
        { 0, "stop", OPTION_LIST, &o.stops, "TEXT", "End before this text; may be repeated" },
        { 0, "ignore-end", OPTION_FLAG, &o.ignore_end, NULL, "Go on after the end of the text" },
        { 0, "chat", OPTION_FLAG, &o.chat, NULL, "The prompt is a message in a chat" },
        { 0, "system", OPTION_TEXT, &o.system, "TEXT", "With --chat: the system's message" },
        { 0, "template", OPTION_CHOICE, &o.template_name, "llama2|llama3|mistral|zephyr|chatml",
          "With --chat: default is the file's" },
        { 0, "logprobs", OPTION_COUNT, &o.logprobs, "N",
          "With --json: log-probabilities, and those of the N likeliest", 1, FONTE_MAX_TOP },
        { 0, "ids", OPTION_FLAG, &o.ids, NULL,
          "Print the token ids alone, as many as --tokens says" },
    };
    model_run_options(&run_options, table + N_OPTIONS);
    Usage usage = { "model generate", "MODEL --prompt TEXT | --tokens-in IDS",
                    "Write on from a prompt, and print the text as it comes. Ctrl-C ends it.",
                    table, sizeof table / sizeof table[0] };
    int first, status;
    if (!cli_parse(cli, &usage, argc, argv, &first, &status)) return status;
    const char *wrong = check(cli, &o);
    if (argc - first != 1) wrong = "one model";
    if (wrong)
        status = cli_fail_usage(cli, "%s", wrong);
    else if (parse_biases(cli, &o, &status))
        status = run(cli, argv[first], &o, &run_options);
    free(o.bias);
    option_list_deinit(&o.biases);
    option_list_deinit(&o.stops);
    return status;
}
