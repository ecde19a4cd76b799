/* The generator is SplitMix64. A rank r of the vocabulary is drawn with probability about 1/r by
 * r = V^u for uniform u, which is Zipf's law with exponent 1. */
#include "cli/bench_text.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VOCABULARY = 60000, WORD_BYTES = 20 };

struct BenchText {
    uint64_t state;
    char words[VOCABULARY][WORD_BYTES];
};

static const char
    *const function_words[2][24] = {
        { "il",   "la",    "di",  "che",   "e",   "un",   "una",  "per",
          "con",  "non",   "del", "della", "nel", "alla", "come", "da",
          "sono", "stato", "più", "anche", "le",  "gli",  "dei",  "questo" },
        { "the",  "of", "and", "to", "in",   "a",    "is",   "that",  "for", "it",  "was", "on",
          "with", "as", "by",  "at", "from", "this", "have", "which", "are", "not", "has", "been" },
    };

static uint64_t next(BenchText *t) {
    uint64_t z = t->state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static double uniform(BenchText *t) {
    return (double)(next(t) >> 11) * 0x1p-53;
}

static size_t below(BenchText *t, size_t n) {
    return (size_t)(next(t) % n);
}

static void make_word(BenchText *t, char *out) {
    static const char *const onsets[] = { "b", "c", "d", "f", "g",  "l",  "m",  "n",  "p",  "r",
                                          "s", "t", "v", "z", "st", "tr", "pr", "gr", "ch", "qu" };
    static const char *const vowels[] = { "a", "e", "i", "o", "u", "ia", "io", "à" };
    static const char *const codas[] = { "", "", "", "n", "r", "l", "s", "t" };
    size_t syllables = 2 + below(t, 3), n = 0;
    for (size_t i = 0; i < syllables && n + 7 < WORD_BYTES; i++) {
        n += (size_t)snprintf(out + n, WORD_BYTES - n, "%s%s%s", onsets[below(t, 20)],
                              vowels[below(t, 8)], codas[below(t, 8)]);
    }
}

BenchText *bench_text_new(uint64_t seed) {
    BenchText *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->state = 1; /* the vocabulary is the same for all seeds */
    for (size_t i = 0; i < VOCABULARY; i++) make_word(t, t->words[i]);
    t->state = seed;
    return t;
}

BenchText *bench_text_free(BenchText *text) {
    free(text);
    return NULL;
}

static const char *zipf_word(BenchText *t) {
    size_t rank = (size_t)pow(VOCABULARY, uniform(t));
    return t->words[rank < VOCABULARY ? rank : VOCABULARY - 1];
}

char *bench_text_document(BenchText *t, size_t n_bytes) {
    char *out = malloc(n_bytes + 64);
    if (!out) return NULL;
    size_t n = 0, language = below(t, 2), in_sentence = 0, sentences = 0;
    size_t length = 8 + below(t, 22);
    while (n < n_bytes) {
        const char *word =
            below(t, 100) < 42 ? function_words[language][below(t, 24)] : zipf_word(t);
        size_t start = n;
        n += (size_t)sprintf(out + n, "%s", word);
        bool is_first = in_sentence == 0;
        if (is_first && out[start] >= 'a' && out[start] <= 'z')
            out[start] = (char)(out[start] - 32);
        if (++in_sentence < length) {
            if (below(t, 14) == 0) out[n++] = ',';
            out[n++] = ' ';
            continue;
        }
        out[n++] = '.';
        n += (size_t)sprintf(out + n, "%s", ++sentences % 6 == 0 ? "\n\n" : " ");
        in_sentence = 0;
        length = 8 + below(t, 22);
    }
    n += (size_t)sprintf(out + n, ".\n");
    return out;
}

char *bench_text_question(BenchText *t) {
    char *out = malloc(16 * WORD_BYTES);
    if (!out) return NULL;
    size_t language = below(t, 2), n_words = 5 + below(t, 6), n = 0;
    for (size_t i = 0; i < n_words; i++) {
        const char *word =
            below(t, 100) < 40 ? function_words[language][below(t, 24)] : zipf_word(t);
        n += (size_t)sprintf(out + n, "%s%s", i ? " " : "", word);
    }
    sprintf(out + n, "?");
    return out;
}
