/* Changing documents. A document's rows never change: a new version is a new row with new passages
 * (ids are never used twice), so whatever is remembered by id in memory is either right or gone.
 * `removed` tells readers which passages went away since they last looked. */
#include "store/store_internal.h"

#include "base/clock.h"
#include "base/utf8.h"

enum { LANGUAGE_MAX_BYTES = 35 }; /* RFC 5646, section 4.4.1 */

/* ---- ids ---- */

/* The first 130 bits of SHA-256(collection NUL key) in Crockford's base32, lower case. */
Status store_document_id(Slice collection, Slice key, char ret[STORE_ID_BYTES], Err *err) {
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    Slice pieces[] = { collection, { "\0", 1 }, key };
    Hash hash;
    TRY(hash_sha256(pieces, N_ELEMENTS(pieces), &hash, err));
    unsigned bits = 0, n_bits = 0;
    size_t byte = 0;
    for (size_t i = 0; i + 1 < STORE_ID_BYTES; i++) {
        if (n_bits < 5) {
            bits = (bits << 8) | hash.bytes[byte++];
            n_bits += 8;
        }
        n_bits -= 5;
        ret[i] = digits[(bits >> n_bits) & 31];
    }
    ret[STORE_ID_BYTES - 1] = '\0';
    return STATUS_OK;
}

/* ---- checks ---- */

static Status check_document(const StoreDocument *d, Err *err) {
    if (!d->collection.n && !d->id.n) {
        return err_set_param(err, STATUS_INVALID, "collection", "a document without collection");
    }
    if (d->language.n > LANGUAGE_MAX_BYTES) {
        return err_set_param(err, STATUS_INVALID, "language", "a language of %zu bytes",
                             d->language.n);
    }
    const Slice strings[] = { d->collection, d->key,      d->title,  d->url,
                              d->date,       d->language, d->source, d->format };
    for (size_t i = 0; i < N_ELEMENTS(strings); i++) {
        if (strings[i].n && memchr(strings[i].p, 0, strings[i].n)) {
            return err_set(err, STATUS_INVALID, "a NUL in the document's metadata");
        }
        if (utf8_valid_length(strings[i]) != strings[i].n) {
            return err_set(err, STATUS_INVALID, "metadata that is not UTF-8");
        }
    }
    size_t last = 0;
    for (size_t i = 0; i < d->n_passages; i++) {
        const StorePassage *p = &d->passages[i];
        if (p->start < last || p->end < p->start || p->end > d->text.n) {
            return err_set(err, STATUS_INVALID, "passage %zu: bytes %zu to %zu of %zu", i, p->start,
                           p->end, d->text.n);
        }
        last = p->start;
    }
    return STATUS_OK;
}

/* ---- removing ---- */

/* The terms that the passages were indexed with are made again from the text: FTS5 needs them to
 * take the passages out, and they are not worth storing twice. */
static Status unindex(Store *store, const StoreRow *row, const FonteDocument *document, Err *err) {
    AUTO_BUF Buf text = BUF_NULL, terms = BUF_NULL;
    TRY(store_content_read(store, row->id, STORE_TEXT, 0, row->n_text, &text, err));
    AUTO_RESET sqlite3_stmt *passages = NULL;
    TRY(store_sql(store, SQL_PASSAGES_OF, &passages, err));
    sqlite3_bind_int64(passages, 1, row->first_passage);
    sqlite3_bind_int64(passages, 2, row->first_passage + row->n_passages);
    for (;;) {
        bool found = false;
        TRY(store_step(store, passages, &found, err));
        if (!found) return STATUS_OK;
        StorePassage passage = { 0 };
        TRY(store_passage_read(passages, row->n_text, &passage, err));
        buf_clear(&terms);
        TRY(store_terms_build(store->terms, slice_of(document->title), passage.heading,
                              (Slice){ text.p + passage.start, passage.end - passage.start },
                              document->language, &terms, err));
        TRY(store_fts_delete(store, sqlite3_column_int64(passages, 0), buf_slice(&terms), err));
    }
}

static Status delete_range(Store *store, StoreSql sql, int64_t first, int64_t end, Err *err) {
    sqlite3_stmt *delete = NULL;
    TRY(store_sql(store, sql, &delete, err));
    sqlite3_bind_int64(delete, 1, first);
    sqlite3_bind_int64(delete, 2, end);
    return store_run(store, delete, err);
}

static Status count_collection(Store *store, int64_t collection, int64_t documents,
                               int64_t passages, Err *err) {
    sqlite3_stmt *count = NULL;
    TRY(store_sql(store, SQL_COLLECTION_COUNT, &count, err));
    sqlite3_bind_int64(count, 1, collection);
    sqlite3_bind_int64(count, 2, documents);
    sqlite3_bind_int64(count, 3, passages);
    return store_run(store, count, err);
}

static Status append_removed(const StoreRow *row, StoreIds *removed, Err *err) {
    if (!removed) return STATUS_OK;
    size_t n = (size_t)row->n_passages;
    if (!mem_grow((void **)&removed->ids, &removed->capacity, removed->n + n,
                  sizeof *removed->ids)) {
        return err_set(err, STATUS_NO_MEMORY, "index: out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        removed->ids[removed->n++] = row->first_passage + (int64_t)i;
    }
    return STATUS_OK;
}

/* Tell the readers; a document without passages has none to forget. */
static Status log_removed(Store *store, const StoreRow *row, Err *err) {
    sqlite3_stmt *add = NULL;
    TRY(store_sql(store, SQL_REMOVED_ADD, &add, err));
    sqlite3_bind_int64(add, 1, store->generation + 1);
    sqlite3_bind_int64(add, 2, row->first_passage);
    sqlite3_bind_int64(add, 3, row->n_passages);
    return store_run(store, add, err);
}

static Status remove_row(Store *store, const StoreRow *row, const FonteDocument *document,
                         Err *err) {
    int64_t first = row->first_passage, end = first + row->n_passages;
    TRY(unindex(store, row, document, err));
    TRY(delete_range(store, SQL_PASSAGE_DELETE, first, end, err));
    TRY(store_vectors_delete(store, first, end, err));
    TRY(store_content_delete(store, row->id, err));
    sqlite3_stmt *delete = NULL;
    TRY(store_sql(store, SQL_DOCUMENT_DELETE, &delete, err));
    sqlite3_bind_int64(delete, 1, row->id);
    TRY(store_run(store, delete, err));
    if (row->n_passages) TRY(log_removed(store, row, err));
    store->changed = true;
    return count_collection(store, row->collection, -1, -row->n_passages, err);
}

Status store_delete(Store *store, const char *id, StoreIds *removed, Err *err) {
    TRY(store_need_change(store, err));
    AUTO_ARENA Arena arena = ARENA_NULL;
    StoreRow row;
    FonteDocument document;
    TRY(store_row_by_public_id(store, id, &arena, &row, &document, err));
    TRY(remove_row(store, &row, &document, err));
    sqlite3_stmt *drop = NULL;
    TRY(store_sql(store, SQL_COLLECTION_DROP_EMPTY, &drop, err));
    sqlite3_bind_int64(drop, 1, row.collection);
    TRY(store_run(store, drop, err));
    return append_removed(&row, removed, err);
}

/* ---- adding ---- */

static Status collection_id(Store *store, Slice name, bool make, int64_t *ret, Err *err) {
    AUTO_RESET sqlite3_stmt *get = NULL;
    bool row = false;
    TRY(store_sql(store, SQL_COLLECTION_BY_NAME, &get, err));
    TRY(store_bind_text(store, get, 1, name, err));
    TRY(store_step(store, get, &row, err));
    if (row) {
        *ret = sqlite3_column_int64(get, 0);
        return STATUS_OK;
    }
    if (!make) return STATUS_NOT_FOUND;
    sqlite3_stmt *add = NULL;
    TRY(store_sql(store, SQL_COLLECTION_ADD, &add, err));
    TRY(store_bind_text(store, add, 1, name, err));
    TRY(store_run(store, add, err));
    *ret = sqlite3_last_insert_rowid(store->db);
    return STATUS_OK;
}

/* What the document is in the database: its own place, or the row that it replaces. */
typedef struct Place {
    Slice collection, key;
    char id[STORE_ID_BYTES];
    char key_hex[HASH_HEX_BYTES]; /* where the key is the hash */
    bool exists;
    StoreRow row;
    FonteDocument document; /* views into arena */
    Slice existing_key;
    Arena arena;
} Place;

static void place_deinit(Place *place) {
    arena_deinit(&place->arena);
}

static Status place_by_id(Store *store, Place *place, Err *err) {
    AUTO_RESET sqlite3_stmt *get = NULL;
    bool found = false;
    TRY(store_sql(store, SQL_DOCUMENT_BY_PUBLIC_ID, &get, err));
    TRY(store_bind_text(store, get, 1, slice_of(place->id), err));
    TRY(store_step(store, get, &found, err));
    if (!found) return STATUS_NOT_FOUND;
    TRY(store_row_read(get, &place->arena, &place->row, &place->document, err));
    Slice key = store_column(get, 17);
    char *copy = arena_string(&place->arena, key);
    if (!copy) return err_set(err, STATUS_NO_MEMORY, "index: out of memory");
    place->existing_key = (Slice){ copy, key.n };
    place->exists = true;
    return STATUS_OK;
}

static Status place_of_id(Store *store, Slice id, Place *place, Err *err) {
    Status status = STATUS_NOT_FOUND;
    if (id.n == STORE_ID_BYTES - 1) {
        memcpy(place->id, id.p, id.n);
        status = place_by_id(store, place, err);
    }
    if (status == STATUS_NOT_FOUND) {
        return err_set(err, STATUS_NOT_FOUND, "no document with id %.*s",
                       (int)MIN(id.n, (size_t)40), id.p);
    }
    TRY(status);
    place->collection = slice_of(place->document.collection);
    place->key = place->existing_key;
    return STATUS_OK;
}

static Status place_of(Store *store, const StoreDocument *d, Place *place, Err *err) {
    if (d->id.n) return place_of_id(store, d->id, place, err);
    place->collection = d->collection;
    place->key = d->key;
    if (!d->key.n) {
        hash_hex(&d->version, place->key_hex);
        place->key = slice_of(place->key_hex);
    }
    TRY(store_document_id(place->collection, place->key, place->id, err));
    Status status = place_by_id(store, place, err);
    if (status == STATUS_NOT_FOUND) return STATUS_OK;
    TRY(status);
    if (!slice_equal(place->existing_key, place->key) ||
        !slice_equal(slice_of(place->document.collection), place->collection)) {
        return err_set(err, STATUS_CONFLICT, "document id %s is taken by another document",
                       place->id);
    }
    return STATUS_OK;
}

/* UNCHANGED, with the id, where key is "" and a document of the collection has these bytes. */
static Status same_bytes(Store *store, const StoreDocument *d, StorePut *ret, Err *err) {
    int64_t collection;
    Status status = collection_id(store, d->collection, false, &collection, err);
    if (status == STATUS_NOT_FOUND) return STATUS_OK;
    TRY(status);
    AUTO_RESET sqlite3_stmt *get = NULL;
    bool row = false;
    TRY(store_sql(store, SQL_DOCUMENT_BY_VERSION, &get, err));
    TRY(store_bind_blob(store, get, 1, (Slice){ (const char *)d->version.bytes, HASH_BYTES }, err));
    sqlite3_bind_int64(get, 2, collection);
    TRY(store_step(store, get, &row, err));
    if (!row) return STATUS_OK;
    Slice id = store_column(get, 0);
    if (id.n != STORE_ID_BYTES - 1) return store_damaged(err, "a document id of %zu bytes", id.n);
    *ret = (StorePut){ .replaced = false };
    memcpy(ret->id, id.p, id.n);
    return STATUS_UNCHANGED;
}

static bool is_same(const StoreDocument *d, const FonteDocument *there) {
    char hex[HASH_HEX_BYTES];
    hash_hex(&d->version, hex);
    return strcmp(hex, there->version) == 0 && slice_equal(d->title, slice_of(there->title)) &&
           slice_equal(d->url, slice_of(there->url)) &&
           slice_equal(d->date, slice_of(there->date)) &&
           slice_equal(d->language, slice_of(there->language)) &&
           slice_equal(d->source, slice_of(there->source)) &&
           slice_equal(d->format, slice_of(there->format));
}

static Status add_row(Store *store, const StoreDocument *d, const Place *place, int64_t id,
                      int64_t collection, Err *err) {
    sqlite3_stmt *add = NULL;
    TRY(store_sql(store, SQL_DOCUMENT_ADD, &add, err));
    sqlite3_bind_int64(add, 1, id);
    TRY(store_bind_text(store, add, 2, slice_of(place->id), err));
    sqlite3_bind_int64(add, 3, collection);
    TRY(store_bind_blob(store, add, 5, (Slice){ (const char *)d->version.bytes, HASH_BYTES }, err));
    const struct {
        int n;
        Slice text;
    } texts[] = { { 4, place->key },  { 6, d->title },   { 7, d->url },    { 8, d->date },
                  { 9, d->language }, { 10, d->source }, { 11, d->format } };
    for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
        TRY(store_bind_text(store, add, texts[i].n, texts[i].text, err));
    }
    const int64_t numbers[] = { (int64_t)d->text.n,  (int64_t)d->origin.n,   (int64_t)d->map.n,
                                store->next_passage, (int64_t)d->n_passages, clock_unix_s() };
    for (size_t i = 0; i < N_ELEMENTS(numbers); i++) {
        sqlite3_bind_int64(add, 12 + (int)i, numbers[i]);
    }
    TRY(store_run(store, add, err));
    TRY(store_content_write(store, id, STORE_TEXT, d->text, err));
    TRY(store_content_write(store, id, STORE_ORIGIN, d->origin, err));
    return store_content_write(store, id, STORE_MAP, d->map, err);
}

static Status add_passage(Store *store, const StoreDocument *d, const StorePassage *p,
                          const char *language, int64_t document, Buf *scratch, Err *err) {
    Slice terms = p->terms, rest;
    if (!terms.n) {
        buf_clear(scratch);
        TRY(store_terms_build(store->terms, d->title, p->heading,
                              (Slice){ d->text.p + p->start, p->end - p->start }, language, scratch,
                              err));
        terms = buf_slice(scratch);
    }
    rest = terms;
    uint64_t n_words = 0;
    TRY(store_terms_read(&rest, &n_words, err));
    int64_t id = store->next_passage;
    sqlite3_stmt *add = NULL;
    TRY(store_sql(store, SQL_PASSAGE_ADD, &add, err));
    const int64_t numbers[] = { id, document, (int64_t)p->start, (int64_t)p->end,
                                (int64_t)n_words };
    for (size_t i = 0; i < N_ELEMENTS(numbers); i++)
        sqlite3_bind_int64(add, 1 + (int)i, numbers[i]);
    TRY(store_bind_text(store, add, 6, p->heading, err));
    TRY(store_run(store, add, err));
    TRY(store_fts_insert(store, id, terms, err));
    store->next_passage++;
    if (!d->embedder || !p->vector.n) return STATUS_OK;
    return store_vector_insert(store, d->embedder, id, p->vector, err);
}

static Status add_passages(Store *store, const StoreDocument *d, int64_t document, Err *err) {
    char language[LANGUAGE_MAX_BYTES + 1] = { 0 };
    if (d->language.n) memcpy(language, d->language.p, d->language.n);
    AUTO_BUF Buf scratch = BUF_NULL;
    int64_t n_vectors = 0;
    for (size_t i = 0; i < d->n_passages; i++) {
        TRY(add_passage(store, d, &d->passages[i], language, document, &scratch, err));
        n_vectors += d->passages[i].vector.n > 0;
    }
    if (!d->embedder || !n_vectors) return STATUS_OK;
    return store_vectors_count(store, d->embedder, n_vectors, err);
}

static Status check_room(const Store *store, const StoreDocument *d, Err *err) {
    if (store->next_document < STORE_ID_LIMIT - 1 &&
        (uint64_t)d->n_passages < (uint64_t)(STORE_ID_LIMIT - store->next_passage)) {
        return STATUS_OK;
    }
    return err_set(err, STATUS_TOO_LARGE, "index: no ids are left for new documents");
}

Status store_put(Store *store, const StoreDocument *document, StorePut *ret, StoreIds *removed,
                 Err *err) {
    const StoreDocument *d = document;
    TRY(store_need_change(store, err));
    TRY(check_document(d, err));
    TRY(check_room(store, d, err));
    if (!d->key.n && !d->id.n) TRY(same_bytes(store, d, ret, err));
    CLEANUP(place_deinit) Place place = { .arena = ARENA_NULL };
    TRY(place_of(store, d, &place, err));
    StorePut put = { .replaced = place.exists, .first_passage = store->next_passage };
    memcpy(put.id, place.id, sizeof put.id);
    if (place.exists && is_same(d, &place.document)) {
        put.replaced = false;
        put.first_passage = place.row.first_passage;
        *ret = put;
        return STATUS_UNCHANGED;
    }
    if (place.exists) {
        TRY(remove_row(store, &place.row, &place.document, err));
        TRY(append_removed(&place.row, removed, err));
    }
    int64_t collection, id = store->next_document;
    TRY(collection_id(store, place.collection, true, &collection, err));
    TRY(add_row(store, d, &place, id, collection, err));
    TRY(add_passages(store, d, id, err));
    TRY(count_collection(store, collection, 1, (int64_t)d->n_passages, err));
    store->next_document++;
    store->changed = true;
    *ret = put;
    return STATUS_OK;
}
