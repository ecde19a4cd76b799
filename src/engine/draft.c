/* Prompt lookup: an answer from documents repeats them, so the tokens that followed the last few
 * tokens when they stood in the prompt (or in the answer) before are likely to follow again. Three
 * tokens are looked for, then two: one is chance too often.
 * Guesses are not free: each makes the step a little longer. So the length doubles while guesses
 * are right, halves where they are wrong, and after several failures the stream pauses for twice as
 * many steps each time; where text does not repeat, hardly any step pays. */
#include "engine/engine_internal.h"

#include "base/mem.h"
#include <string.h>

enum { LONGEST_KEY = 3, SHORTEST_KEY = 2, FIRST_LENGTH = 4, MAX_REST = 256 };

/* Where the last key_length tokens stood the last time before, or n. */
static size_t find_key(const int32_t *tokens, size_t n, size_t key_length) {
    if (n <= key_length) return n;
    const int32_t *key = tokens + n - key_length;
    for (size_t at = n - key_length; at-- > 0;) {
        if (memcmp(tokens + at, key, key_length * sizeof *key) == 0) return at;
    }
    return n;
}

size_t draft_guess(Draft *draft, const int32_t *tokens, size_t n, size_t max, int32_t *ret) {
    if (draft->rest > 0) {
        draft->rest--;
        return 0;
    }
    size_t length = MIN(draft->length ? draft->length : FIRST_LENGTH, max);
    for (size_t key = LONGEST_KEY; length > 0 && key >= SHORTEST_KEY; key--) {
        size_t at = find_key(tokens, n, key);
        if (at == n) continue;
        length = MIN(length, n - at - key);
        memcpy(ret, tokens + at + key, length * sizeof *ret);
        return length;
    }
    return 0;
}

void draft_learn(Draft *draft, size_t n, size_t n_right, size_t max) {
    if (n == 0) return;
    if (n_right == n) {
        draft->length = MIN(MAX(n, draft->length) * 2, max);
        draft->fails = 0;
    } else if (n_right > 0) {
        draft->length = n_right + 1;
        draft->fails = 0;
    } else {
        draft->length = MAX(n / 2, (size_t)1);
        draft->fails++;
        if (draft->fails > 1) draft->rest = MIN((size_t)1 << draft->fails, (size_t)MAX_REST);
    }
}
