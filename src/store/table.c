/* All passages in memory: length, document, and of each document what filters ask for. It makes
 * filtering and BM25's lengths array lookups instead of joins: 13 bytes a passage, 24 a document,
 * strings once each.
 *
 * Passages are slots in order of id. Rows never change and ids only grow, so a newer snapshot only
 * appends slots and, by the table `removed`, clears `live` of some. A reader that is further behind
 * than `removed` reaches, or whose table is mostly dead, reads all anew (about 60 ms for 100,000
 * passages); slot numbers change then, so decoded postings go too. */
#include "store/store_internal.h"

#include "store/names.h"

#define SLOT_LIMIT ((size_t)1 << 27) /* a posting's slot has 27 bits */

typedef struct Document {
    int64_t id;
    uint32_t collection;             /* row of collection */
    uint32_t language, source, date; /* names */
} Document;

struct StoreTable {
    int64_t generation;
    Document *documents; /* ascending by id */
    size_t n_documents, documents_capacity;
    int64_t *ids; /* [n_slots] ascending */
    uint32_t *document_of, *n_words;
    uint8_t *live;
    size_t n_slots, ids_capacity, document_capacity, words_capacity, live_capacity;
    size_t n_live;
    uint64_t total_words; /* of those live */
    StoreNames names;

    /* the last scope asked for */
    bool has_scope, scope_all;
    Buf scope;
    uint8_t *allowed; /* [n_slots], unless scope_all */
    size_t allowed_capacity, n_allowed;
    uint64_t allowed_words;
};

static Status no_memory(Err *err) {
    return err_set(err, STATUS_NO_MEMORY, "index: out of memory for the table of passages");
}

void store_table_free(Store *store) {
    StoreTable *table = STEAL(store->table);
    if (!table) return;
    free(table->documents);
    free(table->ids);
    free(table->document_of);
    free(table->n_words);
    free(table->live);
    store_names_deinit(&table->names);
    buf_deinit(&table->scope);
    free(table->allowed);
    free(table);
}

int64_t store_table_last(const StoreTable *table) {
    return table->n_slots ? table->ids[table->n_slots - 1] : 0;
}

/* First slot with id >= passage, at or after `from`: steps that double, then halving. */
static size_t lower_slot(const StoreTable *table, size_t from, int64_t passage) {
    size_t step = 1, low = from;
    while (low + step < table->n_slots && table->ids[low + step] < passage) {
        low += step;
        step *= 2;
    }
    size_t high = MIN(low + step + 1, table->n_slots);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->ids[middle] < passage)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t store_table_slot_from(const StoreTable *table, size_t from, int64_t passage) {
    size_t slot = lower_slot(table, from, passage);
    return slot < table->n_slots && table->ids[slot] == passage ? (uint32_t)slot : STORE_SLOT_NONE;
}

/* ---- refreshing ---- */

static Status add_document(StoreTable *table, sqlite3_stmt *row, Err *err) {
    int64_t id = sqlite3_column_int64(row, 0), collection = sqlite3_column_int64(row, 3);
    if (collection < 0 || collection > UINT32_MAX) {
        return store_damaged(err, "document %lld: collection %lld", (long long)id,
                             (long long)collection);
    }
    Document d = { .id = id, .collection = (uint32_t)collection };
    if (!mem_grow((void **)&table->documents, &table->documents_capacity, table->n_documents + 1,
                  sizeof *table->documents) ||
        !store_names_add(&table->names, store_column(row, 4), false, &d.language) ||
        !store_names_add(&table->names, store_column(row, 5), true, &d.source) ||
        !store_names_add(&table->names, store_column(row, 6), false, &d.date)) {
        return no_memory(err);
    }
    table->documents[table->n_documents++] = d;
    return STATUS_OK;
}

static Status add_documents(Store *store, StoreTable *table, Err *err) {
    AUTO_RESET sqlite3_stmt *select = NULL;
    TRY(store_sql(store, SQL_DOCUMENTS_AFTER, &select, err));
    sqlite3_bind_int64(select, 1,
                       table->n_documents ? table->documents[table->n_documents - 1].id : 0);
    for (;;) {
        bool row = false;
        TRY(store_step(store, select, &row, err));
        if (!row) return STATUS_OK;
        TRY(add_document(table, select, err));
    }
}

static bool make_slots(StoreTable *table, size_t n) {
    return mem_grow((void **)&table->ids, &table->ids_capacity, n, sizeof *table->ids) &&
           mem_grow((void **)&table->document_of, &table->document_capacity, n,
                    sizeof *table->document_of) &&
           mem_grow((void **)&table->n_words, &table->words_capacity, n, sizeof *table->n_words) &&
           mem_grow((void **)&table->live, &table->live_capacity, n, sizeof *table->live);
}

/* document: where to look on; passages come in order of their documents. */
static Status add_passage(StoreTable *table, sqlite3_stmt *row, size_t *document, Err *err) {
    int64_t id = sqlite3_column_int64(row, 0), owner = sqlite3_column_int64(row, 1);
    int64_t n_words = sqlite3_column_int64(row, 2);
    while (*document < table->n_documents && table->documents[*document].id < owner) ++*document;
    if (*document == table->n_documents || table->documents[*document].id != owner) {
        return store_damaged(err, "passage %lld: its document %lld is missing", (long long)id,
                             (long long)owner);
    }
    if (n_words < 0 || n_words > INT32_MAX || id < 1 || id >= STORE_ID_LIMIT) {
        return store_damaged(err, "passage %lld: numbers out of range", (long long)id);
    }
    size_t n = table->n_slots;
    if (n == SLOT_LIMIT) return err_set(err, STATUS_TOO_LARGE, "index: more than 2^27 passages");
    if (!make_slots(table, n + 1)) return no_memory(err);
    table->ids[n] = id;
    table->document_of[n] = (uint32_t)*document;
    table->n_words[n] = (uint32_t)n_words;
    table->live[n] = 1;
    table->n_slots++;
    table->n_live++;
    table->total_words += (uint64_t)n_words;
    return STATUS_OK;
}

static Status add_passages(Store *store, StoreTable *table, Err *err) {
    AUTO_RESET sqlite3_stmt *select = NULL;
    TRY(store_sql(store, SQL_PASSAGES_AFTER, &select, err));
    sqlite3_bind_int64(select, 1, store_table_last(table));
    size_t document = table->n_slots ? table->document_of[table->n_slots - 1] : 0;
    for (;;) {
        bool row = false;
        TRY(store_step(store, select, &row, err));
        if (!row) return STATUS_OK;
        TRY(add_passage(table, select, &document, err));
    }
}

static Status clear_removed(Store *store, StoreTable *table, Err *err) {
    AUTO_RESET sqlite3_stmt *select = NULL;
    TRY(store_sql(store, SQL_REMOVED_AFTER, &select, err));
    sqlite3_bind_int64(select, 1, table->generation);
    for (;;) {
        bool row = false;
        TRY(store_step(store, select, &row, err));
        if (!row) return STATUS_OK;
        int64_t first = sqlite3_column_int64(select, 0), n = sqlite3_column_int64(select, 1);
        if (first < 1 || n < 0 || first >= STORE_ID_LIMIT || n >= STORE_ID_LIMIT) {
            return store_damaged(err, "removed: numbers out of range");
        }
        for (size_t i = lower_slot(table, 0, first);
             i < table->n_slots && table->ids[i] < first + n; i++) {
            if (!table->live[i]) continue;
            table->live[i] = 0;
            table->n_live--;
            table->total_words -= table->n_words[i];
        }
    }
}

static Status refresh(Store *store, int64_t generation, Err *err) {
    StoreTable *table = store->table;
    TRY(clear_removed(store, table, err));
    TRY(add_documents(store, table, err));
    TRY(add_passages(store, table, err));
    table->generation = generation;
    table->has_scope = false;
    return STATUS_OK;
}

static bool is_far_behind(const StoreTable *table, int64_t generation) {
    return table->generation < generation - STORE_REMOVED_GENERATIONS ||
           table->generation > generation ||
           (table->n_slots > 1024 && table->n_live < table->n_slots / 2);
}

Status store_table_refresh(Store *store, Err *err) {
    TRY(store_need_no_change(store, err));
    int64_t generation;
    TRY(store_meta_int(store, "generation", &generation, err));
    if (store->table && store->table->generation == generation) return STATUS_OK;
    if (store->table && is_far_behind(store->table, generation)) {
        store_table_free(store);
        store_postings_free(store);
    }
    if (!store->table) {
        store->table = mem_alloc(1, sizeof *store->table);
        if (!store->table) return no_memory(err);
        store->table->generation = generation; /* nothing that was removed before matters */
    }
    Status status = refresh(store, generation, err);
    if (status != STATUS_OK) {
        store_table_free(store);
        store_postings_free(store);
    }
    return status;
}

/* ---- scopes ---- */

/* A scope with its names looked up; STORE_NAME_NONE = any. */
typedef struct Wanted {
    bool none; /* it names something that no document has */
    bool any_collection;
    uint32_t collection;
    uint32_t language, source;
    Slice from, to; /* beginnings of dates */
} Wanted;

static Status want_collection(Store *store, const char *name, Wanted *w, Err *err) {
    AUTO_RESET sqlite3_stmt *get = NULL;
    bool row = false;
    TRY(store_sql(store, SQL_COLLECTION_BY_NAME, &get, err));
    TRY(store_bind_text(store, get, 1, slice_of(name), err));
    TRY(store_step(store, get, &row, err));
    if (row)
        w->collection = (uint32_t)sqlite3_column_int64(get, 0);
    else
        w->none = true;
    return STATUS_OK;
}

static Status want(Store *store, const StoreScope *scope, Wanted *ret, Err *err) {
    const FonteFilters *f = &scope->filters;
    Wanted w = { .language = STORE_NAME_NONE, .source = STORE_NAME_NONE };
    w.any_collection = !scope->collection || !*scope->collection;
    if (!w.any_collection) TRY(want_collection(store, scope->collection, &w, err));
    const StoreNames *names = &store->table->names;
    if (f->language && *f->language) {
        w.language = store_names_find(names, slice_of(f->language), false);
        if (w.language == STORE_NAME_NONE) w.none = true;
    }
    if (f->source && *f->source) {
        w.source = store_names_find(names, slice_of(f->source), true);
        if (w.source == STORE_NAME_NONE) w.none = true;
    }
    w.from = slice_of(f->date_from);
    w.to = slice_of(f->date_to);
    *ret = w;
    return STATUS_OK;
}

/* Compared as far as both go: "2023-07-18" is within "2023" on both sides. No date is in no range.
 */
static bool date_in_range(Slice date, Slice from, Slice to) {
    if (!date.n) return false;
    size_t n = MIN(date.n, from.n);
    if (n && memcmp(date.p, from.p, n) < 0) return false;
    n = MIN(date.n, to.n);
    return !n || memcmp(date.p, to.p, n) <= 0;
}

static bool is_wanted(const StoreTable *table, const Document *d, const Wanted *w) {
    if (!w->any_collection && d->collection != w->collection) return false;
    if (w->language != STORE_NAME_NONE && d->language != w->language) return false;
    if (w->source != STORE_NAME_NONE && d->source != w->source) return false;
    if (!w->from.n && !w->to.n) return true;
    return date_in_range(store_names_get(&table->names, d->date), w->from, w->to);
}

static void allow(StoreTable *table, const Wanted *w) {
    table->n_allowed = 0;
    table->allowed_words = 0;
    size_t last = SIZE_MAX;
    bool ok = false;
    for (size_t i = 0; i < table->n_slots; i++) {
        if (table->document_of[i] != last) {
            last = table->document_of[i];
            ok = !w->none && is_wanted(table, &table->documents[last], w);
        }
        table->allowed[i] = ok && table->live[i];
        table->n_allowed += table->allowed[i];
        table->allowed_words += table->allowed[i] ? table->n_words[i] : 0;
    }
    table->scope_all = table->n_allowed == table->n_live;
}

static Status scope_key(const StoreScope *scope, Buf *ret, Err *err) {
    const char *parts[] = { scope->collection, scope->filters.language, scope->filters.source,
                            scope->filters.date_from, scope->filters.date_to };
    for (size_t i = 0; i < N_ELEMENTS(parts); i++) {
        buf_append_string(ret, parts[i] ? parts[i] : "");
        buf_append_byte(ret, '\0');
    }
    return buf_status(ret, err);
}

static Status set_scope(Store *store, const StoreScope *scope, Err *err) {
    StoreTable *table = store->table;
    AUTO_BUF Buf key = BUF_NULL;
    TRY(scope_key(scope, &key, err));
    if (table->has_scope && slice_equal(buf_slice(&key), buf_slice(&table->scope))) {
        return STATUS_OK;
    }
    Wanted w;
    TRY(want(store, scope, &w, err));
    table->has_scope = false;
    if (!mem_grow((void **)&table->allowed, &table->allowed_capacity, table->n_slots, 1)) {
        return no_memory(err);
    }
    allow(table, &w);
    buf_clear(&table->scope);
    buf_append_slice(&table->scope, buf_slice(&key));
    TRY(buf_status(&table->scope, err));
    table->has_scope = true;
    return STATUS_OK;
}

Status store_table_allowed(Store *store, const StoreScope *scope, StoreAllowed *ret, Err *err) {
    TRY(set_scope(store, scope, err));
    const StoreTable *table = store->table;
    *ret = (StoreAllowed){
        .slots = table->allowed,
        .n_words = table->n_words,
        .ids = table->ids,
        .n_slots = table->n_slots,
        .n_allowed = table->n_allowed,
        .total_words = table->allowed_words,
        .all = table->scope_all,
    };
    return STATUS_OK;
}

Status store_scope_ids(Store *store, const StoreScope *scope, StoreIds *ret, Err *err) {
    AUTO_SNAPSHOT StoreSnapshot snapshot = { NULL };
    TRY(store_snapshot_begin(store, &snapshot, err));
    TRY(store_table_refresh(store, err));
    StoreAllowed allowed;
    TRY(store_table_allowed(store, scope, &allowed, err));
    if (allowed.all) return STATUS_UNCHANGED;
    if (!mem_grow((void **)&ret->ids, &ret->capacity, ret->n + allowed.n_allowed,
                  sizeof *ret->ids)) {
        return no_memory(err);
    }
    for (size_t i = 0; i < allowed.n_slots; i++) {
        if (allowed.slots[i]) ret->ids[ret->n++] = allowed.ids[i];
    }
    return STATUS_OK;
}
