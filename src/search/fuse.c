/* Scores are added, not reciprocal ranks: measured on 13 languages, ranks cost up to 20 points of
 * recall@1 against BM25 alone, as they forget how far ahead the first passage is, while a cosine
 * counted as a few points of BM25 costs nothing and helps where words differ in form (see
 * docs/quality.md).
 * Source: Fox & Shaw 1994, "Combination of multiple searches" (CombSUM); near-duplicates: Broder
 * 1997, "On the resemblance and containment of documents". */
#include "search/fuse.h"

#include "base/utf8.h"
#include "text/script.h"

#include <stdlib.h>
#include <string.h>

static int by_passage(const void *a, const void *b) {
    const FusedHit *x = a, *y = b;
    return (x->passage > y->passage) - (x->passage < y->passage);
}

static int by_score(const void *a, const void *b) {
    const FusedHit *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return by_passage(a, b);
}

/* Put together the two hits of a passage that both lists have. hits are in order of passage. */
static size_t merge_equal(FusedHit *hits, size_t n) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept && hits[kept - 1].passage == hits[i].passage) {
            FusedHit *hit = &hits[kept - 1];
            hit->lexical_rank = MAX(hit->lexical_rank, hits[i].lexical_rank);
            hit->vector_rank = MAX(hit->vector_rank, hits[i].vector_rank);
            hit->lexical_score += hits[i].lexical_score;
            hit->vector_score += hits[i].vector_score;
        } else {
            hits[kept++] = hits[i];
        }
    }
    return kept;
}

size_t fuse_lists(const StoreHit *lexical, size_t n_lexical, const VectorsHit *vector,
                  size_t n_vector, double vector_weight, FusedHit *ret) {
    for (size_t i = 0; i < n_lexical; i++) {
        ret[i] = (FusedHit){ .passage = lexical[i].passage,
                             .lexical_score = lexical[i].score,
                             .lexical_rank = i + 1 };
    }
    for (size_t i = 0; i < n_vector; i++) {
        ret[n_lexical + i] = (FusedHit){ .passage = vector[i].id,
                                         .vector_score = (double)vector[i].score,
                                         .vector_rank = i + 1 };
    }
    size_t n = n_lexical + n_vector;
    if (n == 0) return 0;
    qsort(ret, n, sizeof *ret, by_passage);
    n = merge_equal(ret, n);
    for (size_t i = 0; i < n; i++) {
        ret[i].score = ret[i].lexical_score + vector_weight * ret[i].vector_score;
    }
    qsort(ret, n, sizeof *ret, by_score);
    return n;
}

/* ---- near-duplicates ---- */

static bool is_word_byte(unsigned char c) {
    return c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Where text without spaces (Chinese, Thai) is cut: behind every other character, more or less, as
 * the character alone decides, so that a shift does not change all that follows. */
static bool ends_piece(uint32_t c, size_t n_bytes) {
    return script_is_unspaced(c) && (n_bytes >= 24 || (c * 0x9E3779B1u) >> 31);
}

/* The hash of the next word, in lower ASCII case. */
static bool next_word(Slice *text, uint32_t *ret) {
    while (text->n && !is_word_byte((unsigned char)text->p[0])) *text = slice_skip(*text, 1);
    if (text->n == 0) return false;
    uint32_t h = 2166136261u, c = 0;
    size_t n = 0;
    while (n < text->n && is_word_byte((unsigned char)text->p[n]) && !(n && ends_piece(c, n))) {
        size_t length = utf8_decode(slice_skip(*text, n), &c);
        if (length == 0) c = ' ', length = 1; /* a broken byte */
        for (size_t i = n; i < n + length; i++) {
            unsigned char byte = (unsigned char)text->p[i];
            h = (h ^ (byte >= 'A' && byte <= 'Z' ? byte | 0x20u : byte)) * 16777619u;
        }
        n += length;
    }
    *text = slice_skip(*text, n);
    *ret = h;
    return true;
}

Status fuse_sketch_init(Slice text, FuseSketch *ret, Err *err) {
    AUTO_FREE uint32_t *pairs = mem_alloc(text.n / 2 + 2, sizeof *pairs);
    if (!pairs) return err_set(err, STATUS_NO_MEMORY, "out of memory for a passage");
    size_t n = 0;
    uint32_t previous = 0, word;
    while (next_word(&text, &word)) {
        pairs[n++] = (previous * 0x9E3779B1u) ^ word;
        previous = word;
    }
    qsort(pairs, n, sizeof *pairs, by_value);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || pairs[kept - 1] != pairs[i]) pairs[kept++] = pairs[i];
    }
    *ret = (FuseSketch){ STEAL(pairs), kept };
    return STATUS_OK;
}

void fuse_sketch_deinit(FuseSketch *sketch) {
    free(sketch->pairs);
    *sketch = (FuseSketch){ NULL, 0 };
}

bool fuse_is_near_duplicate(const FuseSketch *a, const FuseSketch *b) {
    size_t i = 0, j = 0, common = 0;
    if (MIN(a->n, b->n) * 5 < MAX(a->n, b->n) * 4) return false;
    while (i < a->n && j < b->n) {
        if (a->pairs[i] == b->pairs[j]) {
            common++, i++, j++;
        } else if (a->pairs[i] < b->pairs[j]) {
            i++;
        } else {
            j++;
        }
    }
    return common * 5 >= (a->n + b->n - common) * 4;
}
