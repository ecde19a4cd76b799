/* Talk to a model file: cc chat.c $(pkg-config --cflags --libs fonte) */
#include <fonte/fonte.h>
#include <stdio.h>
#include <stdlib.h>

static bool show(void *context, const FonteLlmToken *token) {
    (void)context;
    fwrite(token->text, 1, token->n_text, stdout);
    return fflush(stdout) == 0;
}

/* What is typed is only ever text: "</s>" or "[INST]" in it end and begin nothing. */
int main(int argc, char **argv) {
    FonteError error = { 0 };
    FonteLlm *llm = NULL;
    int32_t *ids = NULL;
    size_t n = 0;
    if (argc != 4) return fprintf(stderr, "usage: chat MODEL TEMPLATE MESSAGE\n"), 2;
    FonteMessage messages[] = {
        { "system", "Answer in one sentence." },
        { "user", argv[3] },
    };
    if (fonte_llm_open(argv[1], NULL, &llm, &error) == FONTE_OK &&
        fonte_llm_chat(llm, argv[2], messages, 2, &ids, &n, NULL, &error) == FONTE_OK) {
        FonteGenerate generate = { .prompt = ids,
                                   .n_prompt = n,
                                   .n_tokens = 64,
                                   .sampling = FONTE_SAMPLING_GREEDY,
                                   .token = show };
        if (fonte_llm_generate(llm, &generate, NULL, &error) == FONTE_OK) putchar('\n');
    }
    free(ids);
    fonte_llm_close(llm);
    if (error.status != FONTE_OK) fprintf(stderr, "chat: %s\n", error.text);
    return fonte_status_exit(error.status);
}
