/* fonte model generate: text as it is written, or its token ids. */
#include "cli/model_run.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_TOKENS = 256 };

typedef struct GenerateOptions {
    const char *prompt, *tokens_in, *system, *template_name;
    OptionList stops;
    size_t tokens, top_k, seed;
    double temperature, top_p, min_p, repetition, frequency, presence;
    bool chat, ids, ignore_end;
} GenerateOptions;

typedef struct Written {
    Cli *cli;
    bool ids, quiet;
    size_t n, n_text, capacity;
    int32_t *list; /* owned */
    char *text;    /* owned, for --json */
    size_t n_list;
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
    cJSON_AddNumberToObject(object, "read_s", done->read_s);
    cJSON_AddNumberToObject(object, "write_s", done->write_s);
    cli_print_object(w->cli, object);
    cJSON_Delete(object);
}

static int write_text(Cli *cli, FonteLlm *llm, const GenerateOptions *o, const Ids *prompt) {
    FonteError error = { 0 };
    FonteLlmGenerated done = { 0 };
    size_t context = fonte_llm_context(llm), left = context > prompt->n ? context - prompt->n : 1;
    Written written = { .cli = cli, .ids = o->ids, .quiet = cli->json };
    FonteGenerate generate = {
        .prompt = prompt->ids,
        .n_prompt = prompt->n,
        .n_tokens = o->tokens               ? o->tokens
                    : left < DEFAULT_TOKENS ? left
                                            : DEFAULT_TOKENS,
        .sampling = { (float)o->temperature, o->top_k, (float)o->top_p, (float)o->min_p,
                      (float)o->repetition, (float)o->frequency, (float)o->presence, NULL, 0,
                      o->seed },
        .stops = o->stops.items,
        .n_stops = o->stops.n,
        .ignore_end = o->ignore_end,
        .is_continued = !o->chat,
        .token = on_token,
        .context = &written,
    };
    model_catch_interrupt();
    FonteStatus status = fonte_llm_generate(llm, &generate, &done, &error);
    if (cli->json && status == FONTE_OK) print_json(&written, &done);
    if (!cli->json && (o->ids || cli->out.is_terminal)) fputc('\n', cli->out.file);
    free(written.list);
    free(written.text);
    if (model_interrupted) return EXIT_INTERRUPTED;
    if (status == FONTE_CANCELLED) return EXIT_OK; /* stdout failed, which cli_finish says */
    return status == FONTE_OK ? EXIT_OK : cli_fail(cli, &error);
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

static const char *check(const GenerateOptions *o) {
    if (!o->prompt == !o->tokens_in) return "either --prompt or --tokens-in";
    if (o->chat && o->tokens_in) return "--chat needs --prompt";
    if ((o->system || o->template_name) && !o->chat) return "--system and --template need --chat";
    return NULL;
}

int model_generate(Cli *cli, int argc, char **argv) {
    RunOptions run_options = { 0 };
    GenerateOptions o = { .top_p = 1, .repetition = 1 };
    Option table[17 + MODEL_N_RUN_OPTIONS] = {
        { 'p', "prompt", OPTION_TEXT, &o.prompt, "TEXT", "What the text goes on from" },
        { 0, "tokens-in", OPTION_TEXT, &o.tokens_in, "IDS", "The same as token ids, or @FILE" },
        { 'n', "tokens", OPTION_COUNT, &o.tokens, "N",
          "Tokens to write at most (default: 256, or what the context leaves)", 1, 1 << 24 },
        { 0, "temperature", OPTION_NUMBER, &o.temperature, "X",
          "0 takes the likeliest always (default)", 0, 100 },
        { 0, "top-k", OPTION_COUNT, &o.top_k, "K", "Draw from the K likeliest (0 = all)", 0, 1e9 },
        { 0, "top-p", OPTION_NUMBER, &o.top_p, "P", "From the fewest that have P (default 1)", 0,
          1 },
        { 0, "min-p", OPTION_NUMBER, &o.min_p, "P", "From those with P times the best's", 0, 1 },
        { 0, "repetition-penalty", OPTION_NUMBER, &o.repetition, "X", "Default 1: none", 0.1, 10 },
        { 0, "frequency-penalty", OPTION_NUMBER, &o.frequency, "X", "Default 0: none", -2, 2 },
        { 0, "presence-penalty", OPTION_NUMBER, &o.presence, "X", "Default 0: none", -2, 2 },
        { 0, "seed", OPTION_COUNT, &o.seed, "N", "The same seed draws the same (default 0)", 0,
          9e15 },
        { 0, "stop", OPTION_LIST, &o.stops, "TEXT", "End before this text; may be repeated" },
        { 0, "ignore-end", OPTION_FLAG, &o.ignore_end, NULL, "Go on after the end of the text" },
        { 0, "chat", OPTION_FLAG, &o.chat, NULL, "The prompt is a message in a chat" },
        { 0, "system", OPTION_TEXT, &o.system, "TEXT", "With --chat: the system's message" },
        { 0, "template", OPTION_CHOICE, &o.template_name, "llama2|llama3|mistral|zephyr|chatml",
          "With --chat: default is the file's" },
        { 0, "ids", OPTION_FLAG, &o.ids, NULL, "Print the token ids alone, separated by spaces" },
    };
    model_run_options(&run_options, table + 17);
    Usage usage = { "model generate", "MODEL --prompt TEXT | --tokens-in IDS",
                    "Write on from a prompt, and print the text as it comes. Ctrl-C ends it.",
                    table, sizeof table / sizeof table[0] };
    int first, status;
    if (!cli_parse(cli, &usage, argc, argv, &first, &status)) return status;
    const char *wrong = check(&o);
    if (argc - first != 1) {
        status = cli_fail_usage(cli, "one model");
    } else if (wrong) {
        status = cli_fail_usage(cli, "%s", wrong);
    } else {
        status = run(cli, argv[first], &o, &run_options);
    }
    option_list_deinit(&o.stops);
    return status;
}
