/* Sizes and digests stand here only where they are certain (several independent sources name the
 * same ones); the server's word holds elsewhere. */
#include "cli/catalogue.h"

#include <stdbool.h>
#include <string.h>

#define BLOKE "https://huggingface.co/TheBloke/"

const CatalogueEntry catalogue[] = {
    { "llama-2-7b-chat", "llama-2-7b-chat.Q4_K_M.gguf",
      BLOKE "Llama-2-7B-Chat-GGUF/resolve/main/llama-2-7b-chat.Q4_K_M.gguf", 4081004224,
      "08a5566d61d7cb6b420c3e4387a39e0078e1f2fe5f055f3a03887385304d4bfa",
      "Answers questions; 4.8 bits per weight" },
    { "llama-2-7b-chat-q8", "llama-2-7b-chat.Q8_0.gguf",
      BLOKE "Llama-2-7B-Chat-GGUF/resolve/main/llama-2-7b-chat.Q8_0.gguf", 0, NULL,
      "The same, 8.5 bits per weight" },
    { "llama-2-13b-chat", "llama-2-13b-chat.Q4_K_M.gguf",
      BLOKE "Llama-2-13B-chat-GGUF/resolve/main/llama-2-13b-chat.Q4_K_M.gguf", 0, NULL,
      "Answers questions, larger" },
    { "llama-2-70b-chat", "llama-2-70b-chat.Q4_K_M.gguf",
      BLOKE "Llama-2-70B-Chat-GGUF/resolve/main/llama-2-70b-chat.Q4_K_M.gguf", 0, NULL,
      "Answers questions, largest" },
    { "llama-2-7b", "llama-2-7b.Q4_K_M.gguf",
      BLOKE "Llama-2-7B-GGUF/resolve/main/llama-2-7b.Q4_K_M.gguf", 0, NULL,
      "Goes on with a text; knows no questions" },
};
const size_t catalogue_n = sizeof catalogue / sizeof catalogue[0];

const CatalogueEntry *catalogue_find(const char *name) {
    for (size_t i = 0; i < catalogue_n; i++) {
        const CatalogueEntry *entry = &catalogue[i];
        size_t n_stem = strlen(entry->file) - strlen(".gguf");
        bool is_stem = strlen(name) == n_stem && strncmp(name, entry->file, n_stem) == 0;
        if (is_stem || strcmp(name, entry->name) == 0 || strcmp(name, entry->file) == 0)
            return entry;
    }
    return NULL;
}
