#pragma once
/* What the commands of `fonte model` share: lists of token ids, whole files, Ctrl-C.
 * Threads: one owner at a time. */
#include "cli/cli.h"

#include <signal.h>
#include <stdint.h>

int model_convert(Cli *cli, int argc, char **argv);
int model_detokenize(Cli *cli, int argc, char **argv);
int model_generate(Cli *cli, int argc, char **argv);
int model_inspect(Cli *cli, int argc, char **argv);
int model_logits(Cli *cli, int argc, char **argv);
int model_perplexity(Cli *cli, int argc, char **argv);
int model_pull(Cli *cli, int argc, char **argv);
int model_quantize(Cli *cli, int argc, char **argv);
int model_random(Cli *cli, int argc, char **argv);
int model_tokenize(Cli *cli, int argc, char **argv);
int model_use(Cli *cli, int argc, char **argv);
int model_verify(Cli *cli, int argc, char **argv);

/* A larger text or list is refused; the tokenizer's own limit. */
enum { MODEL_MAX_FILE_BYTES = 256 << 20 };

/* Set by SIGINT, SIGTERM and SIGHUP after model_catch_interrupt; the second one ends at once. */
extern volatile sig_atomic_t model_interrupted;
void model_catch_interrupt(void);

typedef struct Ids {
    int32_t *ids; /* owned (free) */
    size_t n;
} Ids;
/* "1,2 3" (commas or white space), or "@FILE" with the same in it ("@-": standard input), appended
 * to ids. False, with a line on stderr and *ret_exit, where that is no list of ids. */
bool model_parse_ids(Cli *cli, const char *text, Ids *ids, int *ret_exit);
/* Ids separated by spaces, and a newline. */
void model_print_ids(Cli *cli, const int32_t *ids, size_t n);
cJSON *model_ids_json(const int32_t *ids, size_t n);

/* A file's bytes, NUL-terminated, returned owned (free); "-" is standard input. False as above. */
bool model_read_file(Cli *cli, const char *path, char **ret, size_t *ret_n, int *ret_exit);
/* "4.3 MB" */
void model_format_bytes(char *out, size_t n_out, double bytes);
/* Text that goes on, as it comes: cleaned where stdout is a terminal, exact elsewhere. */
void model_print_text(Cli *cli, const char *text, size_t n);
