/* Source of the terms: Llama 2 Community License Agreement of 18 July 2023, sections 1.b and 2. */
#include "cli/licence.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define NOTICE_LINE                                                                                \
    "Llama 2 is licensed under the LLAMA 2 Community License, Copyright (c) Meta Platforms, Inc. " \
    "All Rights Reserved."
#define LICENCE_URL "https://ai.meta.com/llama/license/"
#define POLICY_URL "https://ai.meta.com/llama/use-policy"

static const char llama2_terms[] =
    "%s is under the Llama 2 Community License of Meta Platforms. What matters of it:\n"
    "  - Notice: every copy that you pass on comes with the agreement and with a text file "
    "\"Notice\"\n"
    "    (one is kept beside the model).\n"
    "  - Acceptable use: the law, and Meta's policy, which forbids among others violence, crime,\n"
    "    deception, and planning what may hurt people: " POLICY_URL "\n"
    "  - 700 million: whose products had more than 700 million monthly active users in the month\n"
    "    before 18 July 2023 needs a licence of its own from Meta.\n"
    "  - What it writes may not be used to improve other large language models.\n"
    "  - No warranty. It is the agreement that counts, not these lines: " LICENCE_URL "\n";

static const char unknown_terms[] =
    "The licence of %s is not known to this program: it is for you to find out whether you may "
    "use\n"
    "it. If it is Llama 2 or made from it, the Llama 2 Community License holds: a notice with "
    "every\n"
    "copy, Meta's acceptable use policy (" POLICY_URL "), and a\n"
    "licence of its own for whose products had more than 700 million monthly active users.\n"
    "The agreement: " LICENCE_URL "\n";

const char *licence_name(Licence licence) {
    return licence == LICENCE_LLAMA2 ? "llama2" : "unknown";
}

Licence licence_guess(const char *name) {
    static const char *const marks[] = { "llama-2", "llama2", "llama_2" };
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (strcasestr(name, marks[i])) return LICENCE_LLAMA2;
    return LICENCE_UNKNOWN;
}

static bool ask(Cli *cli) {
    char answer[16];
    fputs("Do you accept? Type yes: ", cli->err.file);
    fflush(cli->err.file);
    return fgets(answer, sizeof answer, stdin) && strcmp(answer, "yes\n") == 0;
}

bool licence_accept(Cli *cli, Licence licence, const char *what, bool accepted) {
    bool can_ask = isatty(STDIN_FILENO) && cli->err.is_terminal;
    fprintf(cli->err.file, licence == LICENCE_LLAMA2 ? llama2_terms : unknown_terms, what);
    if (accepted || (can_ask && ask(cli))) return true;
    cli_warn(cli, can_ask ? "not accepted: nothing is fetched"
                          : "the licence has to be accepted: on a terminal, or with --yes");
    return false;
}

static void write_text(FILE *file, const NoticeFacts *facts) {
    char day[16];
    time_t now = time(NULL);
    struct tm utc;
    strftime(day, sizeof day, "%Y-%m-%d", gmtime_r(&now, &utc));
    if (facts->licence == LICENCE_LLAMA2)
        fputs(NOTICE_LINE "\n\nLicence: " LICENCE_URL "\nAcceptable use policy: " POLICY_URL "\n",
              file);
    else
        fputs("The licence of this file was not known to the program that fetched it.\n", file);
    fprintf(file, "\nFile: %s\nSource: %s\nSHA-256: %s\nFetched: %s\n", facts->file, facts->url,
            facts->sha256, day);
}

FonteStatus licence_write_notice(const char *path, const NoticeFacts *facts, char **ret_path,
                                 FonteError *error) {
    char *notice = NULL;
    if (asprintf(&notice, "%s.NOTICE", path) < 0) notice = NULL;
    FILE *file = notice ? fopen(notice, "we") : NULL;
    if (file) write_text(file, facts);
    bool bad = file && ferror(file);
    if (!file || fclose(file) != 0 || bad) {
        *error = (FonteError){ .status = FONTE_IO };
        snprintf(error->text, sizeof error->text, "%.300s: %s", notice ? notice : path,
                 strerror(errno));
        free(notice);
        return FONTE_IO;
    }
    *ret_path = notice;
    return FONTE_OK;
}
