#pragma once
/* What every command shares: global options, the two output streams, the connection, and errors
 * as one line on stderr. Threads: one owner at a time. */
#include "cli/options.h"
#include "cli/term.h"

#include <cjson/cJSON.h>
#include <fonte/client.h>

enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_INTERRUPTED = 130, /* 128 + SIGINT, as shells report it */
};

typedef struct Cli {
    const char *command; /* its name, for messages; NULL before it is known */
    const char *socket;  /* NULL = the default */
    const char *color;
    bool json;
    bool version;
    Term out, err;
    FonteClient *client; /* opened by the first cli_send */
} Cli;

/* The options that every command has. ret: storage for cli_n_global() rows. */
enum { CLI_N_GLOBAL = 4 };
void cli_global_options(Cli *cli, Option ret[CLI_N_GLOBAL]);

/* Parse a command's line. True: go on with the operands argv[*ret_first..argc). False: end with
 * *ret_exit (help was shown, or the usage was wrong and said so). */
bool cli_parse(Cli *cli, const Usage *usage, int argc, char **argv, int *ret_first, int *ret_exit);

/* One line on stderr: "fonte: ..."; returns the exit status that goes with it. */
int cli_fail(Cli *cli, const FonteError *error);
int cli_fail_usage(Cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cli_warn(Cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Flush stdout: a full disk or a closed pipe makes EXIT_FAILED of EXIT_OK. */
int cli_finish(Cli *cli, int exit_status);

/* The client, opened where it is not yet. */
FonteStatus cli_client(Cli *cli, FonteError *error);
/* Send and take only a 2xx answer for success; ret is owned then (fonte_response_deinit). */
FonteStatus cli_send(Cli *cli, const FonteRequest *request, FonteResponse *ret, FonteError *error);
/* The same with the answer as JSON, returned owned (cJSON_Delete). */
FonteStatus cli_send_json(Cli *cli, const FonteRequest *request, cJSON **ret, FonteError *error);
/* A JSON body. Returns with the answer's bytes. body is consumed whatever happens. */
FonteStatus cli_post_json(Cli *cli, const char *path, cJSON *body, FonteResponse *ret,
                          FonteError *error);
/* The daemon's JSON as it came, and a newline. */
void cli_print_json(Cli *cli, const char *json, size_t n);
void cli_print_object(Cli *cli, const cJSON *object);

/* Fields of an answer: "" / 0 / false where they are missing or of another type. */
const char *json_text(const cJSON *object, const char *key);
double json_number(const cJSON *object, const char *key);
bool json_bool(const cJSON *object, const char *key);
const cJSON *json_get(const cJSON *object, const char *key);

/* A path and query "PATH?key=value&..." of the pairs whose value is neither NULL nor "": percent
 * encoded, returned owned (free); NULL without memory. pairs: key, value, ..., NULL. */
char *cli_path(const char *path, const char *const *pairs);
/* "/v1/documents/ID[/part]", returned owned (free). */
char *cli_document_path(const char *id, const char *part);
/* Ask on the terminal; false for no, and for no terminal. */
bool cli_confirm(Cli *cli, const char *question);
