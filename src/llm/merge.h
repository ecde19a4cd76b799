#pragma once
/* Byte-pair merging over symbol numbers: of all neighbours that a rule joins, the pair of the best
 * rank is joined first, the leftmost of equals, until no rule fits. Both SentencePiece's BPE (rank
 * = order of scores) and byte-level BPE (rank = line of the merge list) are exactly this. Threads:
 * a finished MergeTable is read-only, any; a Merger has one owner at a time. Source: Sennrich,
 * Haddow, Birch 2016, algorithm 1; SentencePiece 0.1.97 bpe_model.cc. */
#include "base/mem.h"

#define MERGE_NONE UINT32_MAX

typedef struct MergeRule {
    uint32_t rank;   /* 0 is best */
    uint32_t merged; /* the symbol that the pair becomes */
} MergeRule;

typedef struct MergeTable {
    struct MergeSlot *slots; /* open addressing, a power of two */
    size_t n_slots;
    MergeRule *rules; /* [n_rules] */
    size_t n_rules, capacity;
    uint32_t n_ranks; /* largest rank + 1 */
    uint64_t seed;
} MergeTable;

void merge_table_deinit(MergeTable *table);
/* Room for n_rules rules. seed: any number that the author of a file cannot know. NO_MEMORY. */
Status merge_table_init(MergeTable *table, size_t n_rules, uint64_t seed, Err *err) MUST_CHECK;
/* Add left + right -> merged. A pair that has a rule already keeps the first. At most n_rules
 * calls (asserted). */
void merge_table_add(MergeTable *table, uint32_t left, uint32_t right, uint32_t rank,
                     uint32_t merged);
/* Index of the pair's rule, or MERGE_NONE. */
uint32_t merge_table_find(const MergeTable *table, uint32_t left, uint32_t right);

/* Scratch memory, kept between words. */
typedef struct Merger {
    struct MergeLong *scratch; /* only for long words; owned */
} Merger;

#define MERGER_NULL ((Merger){ NULL })
void merger_deinit(Merger *merger);
/* Merge symbols[n] in place; *ret_n symbols are left.
 * Cost: O(n^2) up to 64 symbols; above that about O(n), whatever the text, with some 30 bytes of
 * scratch per symbol. Errors: NO_MEMORY (symbols unchanged); TOO_LARGE where n does not fit 31
 * bits. */
Status merger_run(Merger *merger, const MergeTable *table, uint32_t *symbols, size_t n,
                  size_t *ret_n, Err *err) MUST_CHECK;
