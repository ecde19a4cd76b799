/* Open addressing with a seed, so that a file cannot be made whose pieces all collide. Half of the
 * slots stay empty. */
#include "base/hash.h"
#include "llm/vocab_internal.h"

typedef struct PieceSlot {
    Slice text;
    uint32_t number; /* MERGE_NONE: empty */
    uint32_t check;  /* 32 other bits of the hash: spares most comparisons */
} PieceSlot;

bool piece_table_init(PieceTable *table, size_t n_max, uint64_t seed) {
    size_t n_slots = 16;
    while (n_slots < n_max * 2) n_slots *= 2;
    PieceSlot *slots = mem_alloc(n_slots, sizeof(*slots));
    if (!slots) return false;
    for (size_t i = 0; i < n_slots; i++) slots[i].number = MERGE_NONE;
    *table = (PieceTable){ .slots = slots, .n_slots = n_slots, .n_max = n_max, .seed = seed };
    return true;
}

void piece_table_deinit(PieceTable *table) {
    free(table->slots);
    *table = (PieceTable){ 0 };
}

static PieceSlot *slot_of(const PieceTable *table, Slice text, uint64_t hash) {
    size_t i = (size_t)hash & (table->n_slots - 1);
    for (;; i = (i + 1) & (table->n_slots - 1)) {
        PieceSlot *slot = &table->slots[i];
        if (slot->number == MERGE_NONE) return slot;
        if (slot->check == hash >> 32 && slice_equal(slot->text, text)) return slot;
    }
}

uint32_t piece_table_find(const PieceTable *table, Slice text) {
    if (!table->n) return MERGE_NONE;
    return slot_of(table, text, hash_mix64(text, table->seed))->number;
}

uint32_t piece_table_add(PieceTable *table, Slice text, uint32_t number) {
    uint64_t hash = hash_mix64(text, table->seed);
    PieceSlot *slot = slot_of(table, text, hash);
    if (slot->number != MERGE_NONE) return slot->number;
    if (table->n < table->n_max) { /* always: callers count first */
        *slot = (PieceSlot){ text, number, (uint32_t)(hash >> 32) };
        table->n++;
    }
    return MERGE_NONE;
}
