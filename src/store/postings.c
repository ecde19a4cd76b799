/* Decoded postings: term -> slots with frequencies, four bytes each. FTS5 gives a list at about
 * 0.1 us an entry, which for the common words of a question is most of its time; a list that was
 * decoded once is scored at about 2 ns an entry. Lists are kept in order of use up to
 * StoreOptions.postings_bytes. They never go stale: passages do not change, new ones have greater
 * ids and are fetched from where the list ends, gone ones are not live in the table. */
#include "store/store_internal.h"

typedef struct List List;
struct List {
    List *newer, *older; /* order of use */
    List *next;          /* same bucket */
    uint64_t hash;
    uint32_t *items;
    size_t n, capacity;
    int64_t until; /* passages up to this id are in it */
    size_t n_term;
    char term[]; /* [n_term] */
};

struct StorePostings {
    List **buckets;
    size_t n_buckets; /* power of two */
    size_t n_lists, bytes;
    List *newest, *oldest;
};

static size_t list_bytes(const List *list) {
    return sizeof *list + list->n_term + list->capacity * sizeof *list->items;
}

static void list_free(List *list) {
    free(list->items);
    free(list);
}

static void unlink_use(StorePostings *p, List *list) {
    if (list->newer)
        list->newer->older = list->older;
    else
        p->newest = list->older;
    if (list->older)
        list->older->newer = list->newer;
    else
        p->oldest = list->newer;
}

static void link_newest(StorePostings *p, List *list) {
    list->newer = NULL;
    list->older = p->newest;
    if (p->newest)
        p->newest->newer = list;
    else
        p->oldest = list;
    p->newest = list;
}

static void drop(StorePostings *p, List *list) {
    List **at = &p->buckets[list->hash & (p->n_buckets - 1)];
    while (*at != list) at = &(*at)->next;
    *at = list->next;
    unlink_use(p, list);
    p->bytes -= list_bytes(list);
    p->n_lists--;
    list_free(list);
}

void store_postings_free(Store *store) {
    StorePostings *p = STEAL(store->postings);
    if (!p) return;
    while (p->newest) drop(p, p->newest);
    free(p->buckets);
    free(p);
}

static bool make_postings(Store *store) {
    if (store->postings) return true;
    StorePostings *p = mem_alloc(1, sizeof *p);
    if (!p) return false;
    p->n_buckets = 4096;
    p->buckets = mem_alloc(p->n_buckets, sizeof *p->buckets);
    if (!p->buckets) {
        free(p);
        return false;
    }
    store->postings = p;
    return true;
}

static List *find(StorePostings *p, Slice term, uint64_t hash) {
    for (List *list = p->buckets[hash & (p->n_buckets - 1)]; list; list = list->next) {
        if (list->hash == hash && slice_equal((Slice){ list->term, list->n_term }, term)) {
            return list;
        }
    }
    return NULL;
}

static List *add(StorePostings *p, Slice term, uint64_t hash) {
    List *list = mem_alloc(1, sizeof *list + term.n);
    if (!list) return NULL;
    list->hash = hash;
    list->n_term = term.n;
    memcpy(list->term, term.p, term.n);
    List **bucket = &p->buckets[hash & (p->n_buckets - 1)];
    list->next = *bucket;
    *bucket = list;
    link_newest(p, list);
    p->n_lists++;
    p->bytes += list_bytes(list);
    return list;
}

typedef struct Fetch {
    const StoreTable *table;
    List *list;
    size_t slot; /* the next passage is here or later */
} Fetch;

static Status take(void *context, int64_t passage, unsigned tf) {
    Fetch *f = context;
    uint32_t slot = store_table_slot_from(f->table, f->slot, passage);
    if (slot == STORE_SLOT_NONE) return STATUS_OK; /* not in the table: no passage */
    f->slot = (size_t)slot + 1;
    List *list = f->list;
    if (!mem_grow((void **)&list->items, &list->capacity, list->n + 1, sizeof *list->items)) {
        return STATUS_NO_MEMORY;
    }
    list->items[list->n++] = slot << 5 | tf;
    return STATUS_OK;
}

/* Append what was added since; on failure the list goes, so that no half of it is ever used. */
static Status fetch(Store *store, List *list, Err *err) {
    StorePostings *p = store->postings;
    Fetch f = { .table = store->table, .list = list };
    f.slot = list->n ? (size_t)STORE_ITEM_SLOT(list->items[list->n - 1]) + 1 : 0;
    StoreFtsTake taker = { take, &f, STATUS_OK };
    p->bytes -= list_bytes(list);
    Status status =
        store_fts_each(store, (Slice){ list->term, list->n_term }, list->until, &taker, err);
    p->bytes += list_bytes(list);
    if (status != STATUS_OK) {
        drop(p, list);
        return status;
    }
    list->until = store_table_last(store->table);
    return STATUS_OK;
}

Status store_postings_get(Store *store, Slice term, StoreList *ret, Err *err) {
    if (!make_postings(store)) return err_set(err, STATUS_NO_MEMORY, "index: out of memory");
    StorePostings *p = store->postings;
    uint64_t hash = hash_mix64(term, 2);
    List *list = find(p, term, hash);
    if (list) {
        unlink_use(p, list);
        link_newest(p, list);
    } else {
        list = add(p, term, hash);
        if (!list) return err_set(err, STATUS_NO_MEMORY, "index: out of memory");
    }
    if (list->until < store_table_last(store->table)) TRY(fetch(store, list, err));
    while (p->bytes > store->postings_bytes && p->oldest != list) drop(p, p->oldest);
    *ret = (StoreList){ list->items, list->n };
    return STATUS_OK;
}
