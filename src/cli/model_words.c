/* fonte model tokenize, detokenize. */
#include "cli/model.h"

#include <fonte/model.h>
#include <stdlib.h>
#include <string.h>

typedef struct TokenizeOptions {
    const char *file;
    bool bos, eos, ids;
} TokenizeOptions;

static int print_tokens(Cli *cli, const FonteVocab *vocab, const TokenizeOptions *o,
                        const int32_t *ids, size_t n) {
    if (cli->json) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddItemToObject(object, "ids", model_ids_json(ids, n));
        cli_print_object(cli, object);
        cJSON_Delete(object);
        return EXIT_OK;
    }
    if (o->ids) {
        model_print_ids(cli, ids, n);
        return EXIT_OK;
    }
    for (size_t i = 0; i < n; i++) {
        char *text;
        FonteError error = { 0 };
        if (fonte_vocab_decode(vocab, &ids[i], 1, FONTE_VOCAB_CONTROL | FONTE_VOCAB_CONTINUED,
                               &text, NULL, &error) != FONTE_OK)
            return cli_fail(cli, &error);
        fprintf(cli->out.file, "%8d  ", ids[i]);
        term_line(&cli->out, text);
        fputc('\n', cli->out.file);
        free(text);
    }
    return EXIT_OK;
}

static int tokenize(Cli *cli, const char *path, const TokenizeOptions *o, const char *text,
                    size_t n_text) {
    FonteVocab *vocab;
    FonteError error = { 0 };
    if (fonte_vocab_open(path, &vocab, &error) != FONTE_OK) return cli_fail(cli, &error);
    unsigned flags = (o->bos ? FONTE_VOCAB_BOS : 0U) | (o->eos ? FONTE_VOCAB_EOS : 0U);
    int32_t *ids = NULL;
    size_t n = 0;
    int exit_status;
    if (fonte_vocab_encode(vocab, text, n_text, flags, &ids, &n, &error) == FONTE_OK)
        exit_status = print_tokens(cli, vocab, o, ids, n);
    else
        exit_status = cli_fail(cli, &error);
    free(ids);
    fonte_vocab_close(vocab);
    return exit_status;
}

int model_tokenize(Cli *cli, int argc, char **argv) {
    TokenizeOptions o = { 0 };
    const Option table[] = {
        { 'f', "file", OPTION_TEXT, &o.file, "FILE", "The text is this file's bytes (- = stdin)" },
        { 0, "bos", OPTION_FLAG, &o.bos, NULL, "Put the token that begins a text first" },
        { 0, "eos", OPTION_FLAG, &o.eos, NULL, "Put the token that ends a text last" },
        { 0, "ids", OPTION_FLAG, &o.ids, NULL, "Print the ids alone, separated by spaces" },
    };
    Usage usage = {
        "model tokenize",
        "MODEL TEXT | MODEL --file FILE",
        "The token ids of exactly these bytes, without the tokens that begin and end a text "
        "unless\n"
        "asked for. MODEL is a GGUF file, also one without weights, or a SentencePiece\n"
        "tokenizer.model. Text is only text: control tokens spelled in it are not taken for such.",
        table,
        sizeof table / sizeof table[0],
    };
    int first, status;
    char *text = NULL;
    size_t n = 0;
    if (!cli_parse(cli, &usage, argc, argv, &first, &status)) return status;
    if (argc - first != (o.file ? 1 : 2))
        return cli_fail_usage(cli, o.file ? "one model and a file" : "one model and one text");
    if (!o.file) return tokenize(cli, argv[first], &o, argv[first + 1], strlen(argv[first + 1]));
    if (!model_read_file(cli, o.file, &text, &n, &status)) return status;
    status = tokenize(cli, argv[first], &o, text, n);
    free(text);
    return status;
}

static int detokenize(Cli *cli, const char *path, unsigned flags, const Ids *ids) {
    FonteVocab *vocab;
    FonteError error = { 0 };
    char *text;
    size_t n;
    if (fonte_vocab_open(path, &vocab, &error) != FONTE_OK) return cli_fail(cli, &error);
    FonteStatus status = fonte_vocab_decode(vocab, ids->ids, ids->n, flags, &text, &n, &error);
    fonte_vocab_close(vocab);
    if (status != FONTE_OK) return cli_fail(cli, &error);
    if (cli->json) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "text", text);
        cli_print_object(cli, object);
        cJSON_Delete(object);
    } else {
        model_print_text(cli, text, n);
        if (cli->out.is_terminal) fputc('\n', cli->out.file);
    }
    free(text);
    return EXIT_OK;
}

int model_detokenize(Cli *cli, int argc, char **argv) {
    bool control = false, continued = false;
    const Option table[] = {
        { 0, "control", OPTION_FLAG, &control, NULL, "Write control tokens as they are spelled" },
        { 0, "continued", OPTION_FLAG, &continued, NULL, "Keep the space before the first word" },
    };
    Usage usage = {
        "model detokenize",
        "MODEL ID... | MODEL @FILE",
        "The text of token ids, which are separated by spaces or commas or stand in a file\n"
        "(@- is standard input). Off a terminal exactly the text is printed, without a newline.",
        table,
        sizeof table / sizeof table[0],
    };
    int first, status = EXIT_OK;
    if (!cli_parse(cli, &usage, argc, argv, &first, &status)) return status;
    if (argc - first < 2) return cli_fail_usage(cli, "a model and token ids");
    Ids ids = { 0 };
    unsigned flags =
        (control ? FONTE_VOCAB_CONTROL : 0U) | (continued ? FONTE_VOCAB_CONTINUED : 0U);
    bool ok = true;
    for (int i = first + 1; i < argc && ok; i++) ok = model_parse_ids(cli, argv[i], &ids, &status);
    if (ok) status = detokenize(cli, argv[first], flags, &ids);
    free(ids.ids);
    return status;
}
