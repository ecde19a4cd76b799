/* Add a file to an index and ask it a question: cc ask.c $(pkg-config --cflags --libs fonte) */
#include <fonte/fonte.h>
#include <stdio.h>

int main(int argc, char **argv) {
    static char bytes[1 << 20];
    FonteError error = { 0 };
    FonteIndex *index = NULL;
    FonteAnswer *answer = NULL;
    FILE *file = argc == 4 ? fopen(argv[2], "rb") : NULL;
    if (!file) return fprintf(stderr, "usage: ask INDEX FILE QUESTION\n"), 2;
    FonteInput input = { .bytes = bytes,
                         .n_bytes = fread(bytes, 1, sizeof bytes, file),
                         .name = argv[2],
                         .url = argv[2] };
    FonteQuery query = { .text = argv[3] };
    fclose(file);

    if (fonte_index_open(argv[1], NULL, &index, &error) == FONTE_OK &&
        fonte_index_add(index, &input, NULL, &error) == FONTE_OK &&
        fonte_index_ask(index, &query, NULL, &answer, &error) == FONTE_OK) {
        puts(answer->abstained ? "The documents do not hold the answer." : answer->text);
        for (size_t i = 0; i < answer->n_citations; i++) {
            const FonteCitation *c = &answer->citations[i];
            printf("[%zu] %s, bytes %zu-%zu: %s\n", c->n, c->url, c->start, c->end, c->quote);
        }
    }
    fonte_answer_free(answer);
    fonte_index_close(index);
    if (error.status != FONTE_OK) fprintf(stderr, "ask: %s\n", error.text);
    return fonte_status_exit(error.status);
}
