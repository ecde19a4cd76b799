/* Two ways to the same result. A short word is searched for its best pair again and again. A long
 * one keeps its symbols in a linked list and the pairs in one bucket per rank.
 *
 * Ranks are worked off in ascending order. Scanning left to right fills each bucket in ascending
 * order of position, and so does a pass over a bucket for the buckets above it; where several
 * passes fed one bucket it is sorted when its turn comes. A new pair whose rank is not above the
 * current one (possible: scores are any numbers) goes to a small heap that is asked before each
 * step. So no priority queue ever holds the whole text: with one, 10 MB of one letter were mostly
 * cache misses.
 *
 * A bucket may hold positions whose pair has changed since. A pair is current if the rule noted at
 * its left symbol has the bucket's rank; whenever that note changes, the new pair is queued as
 * well, so the best queued current pair is the best of all. */
#include "llm/merge.h"
#include <assert.h>
#include <string.h>

enum { SHORT_WORD = 64 };

typedef struct MergeSlot {
    uint32_t left, right;
    uint32_t rule; /* MERGE_NONE: empty */
} MergeSlot;

/* ---- the table ---- */

void merge_table_deinit(MergeTable *table) {
    free(table->slots);
    free(table->rules);
    *table = (MergeTable){ 0 };
}

Status merge_table_init(MergeTable *table, size_t n_rules, uint64_t seed, Err *err) {
    size_t n_slots = 16;
    if (n_rules >= MERGE_NONE / 4)
        return err_set(err, STATUS_TOO_LARGE, "%zu merge rules are too many", n_rules);
    while (n_slots < n_rules * 2) n_slots *= 2;
    MergeTable made = { .n_slots = n_slots, .capacity = n_rules, .seed = seed | 1 };
    made.slots = mem_alloc(n_slots, sizeof(*made.slots));
    made.rules = mem_alloc(n_rules, sizeof(*made.rules));
    if (!made.slots || !made.rules) {
        merge_table_deinit(&made);
        return err_set(err, STATUS_NO_MEMORY, "no memory for %zu merge rules", n_rules);
    }
    for (size_t i = 0; i < n_slots; i++) made.slots[i].rule = MERGE_NONE;
    *table = made;
    return STATUS_OK;
}

static size_t slot_of(const MergeTable *table, uint32_t left, uint32_t right) {
    uint64_t key = ((uint64_t)left << 32 | right) ^ table->seed;
    key = (key ^ key >> 29) * 0xBF58476D1CE4E5B9u;
    key = (key ^ key >> 32) * table->seed;
    size_t i = (size_t)(key ^ key >> 31) & (table->n_slots - 1);
    while (table->slots[i].rule != MERGE_NONE &&
           (table->slots[i].left != left || table->slots[i].right != right))
        i = (i + 1) & (table->n_slots - 1);
    return i;
}

void merge_table_add(MergeTable *table, uint32_t left, uint32_t right, uint32_t rank,
                     uint32_t merged) {
    MergeSlot *slot = &table->slots[slot_of(table, left, right)];
    if (slot->rule != MERGE_NONE) return;
    assert(table->n_rules < table->capacity);
    *slot = (MergeSlot){ left, right, (uint32_t)table->n_rules };
    table->rules[table->n_rules++] = (MergeRule){ rank, merged };
    if (rank >= table->n_ranks) table->n_ranks = rank + 1;
}

uint32_t merge_table_find(const MergeTable *table, uint32_t left, uint32_t right) {
    return table->slots[slot_of(table, left, right)].rule;
}

/* ---- short words ---- */

static size_t merge_short(const MergeTable *table, uint32_t *symbols, size_t n) {
    uint32_t rule[SHORT_WORD];
    for (size_t i = 0; i + 1 < n; i++)
        rule[i] = merge_table_find(table, symbols[i], symbols[i + 1]);
    for (;;) {
        size_t best = n;
        uint32_t best_rank = MERGE_NONE;
        for (size_t i = 0; i + 1 < n; i++) {
            if (rule[i] != MERGE_NONE && table->rules[rule[i]].rank < best_rank)
                best = i, best_rank = table->rules[rule[i]].rank;
        }
        if (best == n) return n;
        symbols[best] = table->rules[rule[best]].merged;
        memmove(symbols + best + 1, symbols + best + 2, (n - best - 2) * sizeof(*symbols));
        memmove(rule + best, rule + best + 1, (n - best - 2) * sizeof(*rule));
        n--;
        if (best > 0) rule[best - 1] = merge_table_find(table, symbols[best - 1], symbols[best]);
        if (best + 1 < n) rule[best] = merge_table_find(table, symbols[best], symbols[best + 1]);
    }
}

/* ---- long words ---- */

#define NODE_NONE UINT32_MAX

enum { NODE_POSITIONS = 14 };

typedef struct Node { /* of a bucket's list, the newest first: a cache line of positions */
    uint32_t next, n;
    uint32_t positions[NODE_POSITIONS];
} Node;

typedef struct Symbol {
    uint32_t previous, next; /* positions; NODE_NONE at the ends */
    uint32_t id;
    uint32_t rule; /* of the pair that begins here, MERGE_NONE where none or merged away */
} Symbol;

typedef struct MergeLong {
    Symbol *symbols;
    size_t symbols_capacity;
    Node *nodes;
    size_t nodes_capacity, n_nodes;
    uint32_t free_node;
    uint32_t *heads; /* [n_ranks] first node of each bucket */
    uint64_t *used;  /* bit per rank: the bucket is not empty */
    size_t n_ranks;
    uint32_t *batch; /* positions of the current bucket, ascending */
    size_t batch_capacity;
    uint64_t *urgent; /* heap of rank << 32 | position, smallest first */
    size_t urgent_capacity, n_urgent;
} MergeLong;

void merger_deinit(Merger *merger) {
    MergeLong *s = merger->scratch;
    if (s) {
        free(s->symbols);
        free(s->nodes);
        free(s->heads);
        free(s->used);
        free(s->batch);
        free(s->urgent);
        free(s);
    }
    *merger = MERGER_NULL;
}

static bool bucket_put(MergeLong *s, uint32_t rank, uint32_t position) {
    uint32_t node = s->heads[rank];
    if (node == NODE_NONE || s->nodes[node].n == NODE_POSITIONS) {
        node = s->free_node;
        if (node != NODE_NONE) {
            s->free_node = s->nodes[node].next;
        } else {
            if (!mem_grow((void **)&s->nodes, &s->nodes_capacity, s->n_nodes + 1, sizeof(Node)))
                return false;
            node = (uint32_t)s->n_nodes++;
        }
        s->nodes[node].n = 0;
        s->nodes[node].next = s->heads[rank];
        s->heads[rank] = node;
        s->used[rank / 64] |= 1ull << rank % 64;
    }
    s->nodes[node].positions[s->nodes[node].n++] = position;
    return true;
}

static bool urgent_put(MergeLong *s, uint64_t key) {
    if (!mem_grow((void **)&s->urgent, &s->urgent_capacity, s->n_urgent + 1, sizeof(*s->urgent)))
        return false;
    size_t i = s->n_urgent++;
    for (; i > 0 && s->urgent[(i - 1) / 2] > key; i = (i - 1) / 2)
        s->urgent[i] = s->urgent[(i - 1) / 2];
    s->urgent[i] = key;
    return true;
}

static uint64_t urgent_take(MergeLong *s) {
    uint64_t top = s->urgent[0], last = s->urgent[--s->n_urgent];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < s->n_urgent; i = child) {
        if (child + 1 < s->n_urgent && s->urgent[child + 1] < s->urgent[child]) child++;
        if (s->urgent[child] >= last) break;
        s->urgent[i] = s->urgent[child];
    }
    s->urgent[i] = last;
    return top;
}

static int compare_positions(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Move a bucket into s->batch, sorted, its nodes back to the free ones. */
static bool bucket_take(MergeLong *s, uint32_t rank, size_t *ret_n) {
    size_t n = 0;
    for (uint32_t node = s->heads[rank]; node != NODE_NONE; node = s->nodes[node].next)
        n += s->nodes[node].n;
    if (!mem_grow((void **)&s->batch, &s->batch_capacity, n, sizeof(*s->batch))) return false;
    uint32_t last = NODE_NONE;
    size_t at = n;
    for (uint32_t node = s->heads[rank]; node != NODE_NONE; node = s->nodes[node].next) {
        at -= s->nodes[node].n;
        memcpy(s->batch + at, s->nodes[node].positions, s->nodes[node].n * sizeof(*s->batch));
        last = node;
    }
    if (last != NODE_NONE) {
        s->nodes[last].next = s->free_node;
        s->free_node = s->heads[rank];
    }
    s->heads[rank] = NODE_NONE;
    s->used[rank / 64] &= ~(1ull << rank % 64);
    bool sorted = true;
    for (size_t i = 1; i < n && sorted; i++) sorted = s->batch[i - 1] <= s->batch[i];
    if (!sorted) qsort(s->batch, n, sizeof(*s->batch), compare_positions);
    *ret_n = n;
    return true;
}

/* Note the rule of the pair that begins at a position, and queue it. current: the rank being worked
 * off; pairs above it wait in their bucket. */
static bool queue_pair(MergeLong *s, const MergeTable *table, uint32_t position, int64_t current) {
    Symbol *left = &s->symbols[position];
    left->rule = left->next == NODE_NONE
                     ? MERGE_NONE
                     : merge_table_find(table, left->id, s->symbols[left->next].id);
    if (left->rule == MERGE_NONE) return true;
    uint32_t rank = table->rules[left->rule].rank;
    if ((int64_t)rank > current) return bucket_put(s, rank, position);
    return urgent_put(s, (uint64_t)rank << 32 | position);
}

/* Join the pair at a position if it still has that rank. */
static bool merge_at(MergeLong *s, const MergeTable *table, uint32_t position, uint32_t rank,
                     uint32_t current) {
    Symbol *left = &s->symbols[position];
    if (left->rule == MERGE_NONE || table->rules[left->rule].rank != rank) return true;
    Symbol *right = &s->symbols[left->next];
    left->id = table->rules[left->rule].merged;
    left->next = right->next;
    right->rule = MERGE_NONE;
    if (right->next != NODE_NONE) s->symbols[right->next].previous = position;
    if (left->previous != NODE_NONE && !queue_pair(s, table, left->previous, current)) return false;
    return queue_pair(s, table, position, current);
}

static bool long_prepare(MergeLong *s, const MergeTable *table, size_t n) {
    if (s->n_ranks < table->n_ranks) {
        free(s->heads);
        free(s->used);
        s->n_ranks = 0;
        s->heads = mem_alloc(table->n_ranks, sizeof(*s->heads));
        s->used = mem_alloc(table->n_ranks / 64 + 1, sizeof(*s->used));
        if (!s->heads || !s->used) return false;
        s->n_ranks = table->n_ranks;
        memset(s->heads, 0xFF, table->n_ranks * sizeof(*s->heads));
    }
    s->n_nodes = 0, s->n_urgent = 0, s->free_node = NODE_NONE;
    return mem_grow((void **)&s->symbols, &s->symbols_capacity, n, sizeof(Symbol));
}

enum { AHEAD = 12 }; /* positions of a rank lie far apart in a long word */

static bool work_off_rank(MergeLong *s, const MergeTable *table, uint32_t rank) {
    size_t n;
    if (!bucket_take(s, rank, &n)) return false;
    for (size_t i = 0; i < n || s->n_urgent;) {
        if (i + AHEAD < n) __builtin_prefetch(&s->symbols[s->batch[i + AHEAD]]);
        bool first = s->n_urgent && (i == n || s->urgent[0] < ((uint64_t)rank << 32 | s->batch[i]));
        uint64_t key = first ? urgent_take(s) : (uint64_t)rank << 32 | s->batch[i++];
        if (!merge_at(s, table, (uint32_t)key, (uint32_t)(key >> 32), rank)) return false;
    }
    return true;
}

static bool merge_long(MergeLong *s, const MergeTable *table, uint32_t *symbols, size_t n,
                       size_t *ret_n) {
    if (!long_prepare(s, table, n)) return false;
    for (size_t i = 0; i < n; i++) {
        uint32_t next = i + 1 < n ? (uint32_t)i + 1 : NODE_NONE;
        s->symbols[i] = (Symbol){ i ? (uint32_t)i - 1 : NODE_NONE, next, symbols[i], MERGE_NONE };
    }
    for (size_t i = 0; i + 1 < n; i++) {
        if (!queue_pair(s, table, (uint32_t)i, -1)) return false;
    }
    for (size_t word = 0; word * 64 < table->n_ranks; word++) {
        while (s->used[word]) {
            uint32_t rank = (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(s->used[word]);
            if (!work_off_rank(s, table, rank)) return false;
        }
    }
    size_t left = 0;
    for (uint32_t i = 0; i != NODE_NONE; i = s->symbols[i].next) symbols[left++] = s->symbols[i].id;
    *ret_n = left;
    return true;
}

Status merger_run(Merger *merger, const MergeTable *table, uint32_t *symbols, size_t n,
                  size_t *ret_n, Err *err) {
    if (n <= SHORT_WORD) {
        *ret_n = n < 2 ? n : merge_short(table, symbols, n);
        return STATUS_OK;
    }
    if (n > INT32_MAX)
        return err_set(err, STATUS_TOO_LARGE, "a word of %zu characters (at most %d)", n,
                       INT32_MAX);
    if (!merger->scratch) merger->scratch = mem_alloc(1, sizeof(*merger->scratch));
    if (merger->scratch && merge_long(merger->scratch, table, symbols, n, ret_n)) return STATUS_OK;
    merger_deinit(merger); /* buckets may hold leftovers */
    return err_set(err, STATUS_NO_MEMORY, "no memory to tokenize a word of %zu characters", n);
}
