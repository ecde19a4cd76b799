/* Talk to a model file, a line a message: cc chat.c $(pkg-config --cflags --libs fonte) */
#include <fonte/fonte.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_MESSAGES = 64 };

static bool show(void *answer, const FonteLlmToken *token) {
    fwrite(token->text, 1, token->n_text, stdout);
    fwrite(token->text, 1, token->n_text, answer);
    return fflush(stdout) == 0;
}

/* What is typed is only ever text: "</s>" or "[INST]" in it end and begin nothing. Each time the
 * whole conversation is handed over; what was computed already is not computed again. */
int main(int argc, char **argv) {
    FonteError error = { 0 };
    FonteLlm *llm = NULL;
    FonteMessage messages[MAX_MESSAGES];
    char *line = NULL, *answer;
    size_t n = 0, n_ids = 0, n_line = 0, n_answer;
    if (argc < 2 || argc > 3) return fprintf(stderr, "usage: chat MODEL [TEMPLATE]\n"), 2;
    FonteStatus status = fonte_llm_open(argv[1], NULL, &llm, &error);
    while (status == FONTE_OK && n < MAX_MESSAGES && getline(&line, &n_line, stdin) > 0) {
        int32_t *ids = NULL;
        FILE *file = open_memstream(&answer, &n_answer);
        line[strcspn(line, "\n")] = 0;
        messages[n++] = (FonteMessage){ "user", strdup(line) };
        status = fonte_llm_chat(llm, argv[2], messages, n, &ids, &n_ids, NULL, &error);
        FonteGenerate generate = { ids, n_ids, 64, FONTE_SAMPLING_GREEDY, .token = show };
        generate.context = file;
        if (status == FONTE_OK) status = fonte_llm_generate(llm, &generate, NULL, &error);
        fclose(file);
        free(ids);
        messages[n++] = (FonteMessage){ "assistant", answer };
        putchar('\n');
    }
    while (n > 0) free((char *)messages[--n].text);
    free(line);
    fonte_llm_close(llm);
    if (status != FONTE_OK) fprintf(stderr, "chat: %s\n", error.text);
    return fonte_status_exit(status);
}
