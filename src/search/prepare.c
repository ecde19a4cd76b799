/* The part of adding that needs no lock: reading, cutting into passages, embedding, counting terms.
 * An IndexPrepared owns all that it points to: the caller's bytes are copied first, and everything
 * else is a view into that copy or into its arena. */
#include "search/index_internal.h"

#include "base/utf8.h"
#include "text/date.h"
#include "text/passage.h"

#include <stdio.h>
#include <string.h>

/* ---- checking what is given ---- */

static Status check_text(const char *value, const char *param, size_t max_bytes, Err *err) {
    if (!value) return STATUS_OK;
    size_t n = strnlen(value, max_bytes + 1);
    if (n > max_bytes) {
        return err_set_param(err, STATUS_TOO_LARGE, param, "%s is longer than %zu bytes", param,
                             max_bytes);
    }
    if (utf8_valid_length((Slice){ value, n }) != n) {
        return err_set_param(err, STATUS_INVALID, param, "%s is not UTF-8", param);
    }
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)value[i] < 0x20 || value[i] == 0x7F) {
            return err_set_param(err, STATUS_INVALID, param,
                                 "%s has a control character at byte %zu", param, i);
        }
    }
    return STATUS_OK;
}

Status index_check_collection(const char *collection, const char **ret, Err *err) {
    if (!collection) collection = FONTE_COLLECTION_DEFAULT;
    size_t n = strnlen(collection, INDEX_COLLECTION_MAX_BYTES + 1);
    size_t n_right = strspn(collection, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    if (n == 0 || n > INDEX_COLLECTION_MAX_BYTES || n_right < n) {
        return err_set_param(err, STATUS_INVALID, "collection",
                             "a collection's name has 1-%d of a-z, 0-9, _ and -",
                             INDEX_COLLECTION_MAX_BYTES);
    }
    *ret = collection;
    return STATUS_OK;
}

static bool is_given(const char *value) {
    return value && value[0];
}

/* What is given beside the bytes, checked and in the form that is stored. */
typedef struct Given {
    const char *collection;
    char language[LANGUAGE_BYTES];
    char date[DATE_BYTES];
} Given;

static Status check_input(const IndexInput *input, Given *ret, Err *err) {
    Given given = { 0 };
    TRY(index_check_collection(input->collection, &given.collection, err));
    TRY(check_text(input->title, "title", INDEX_TITLE_MAX_BYTES, err));
    TRY(check_text(input->url, "url", INDEX_URL_MAX_BYTES, err));
    TRY(check_text(input->source, "source", INDEX_SOURCE_MAX_BYTES, err));
    TRY(check_text(input->name, "name", INDEX_NAME_MAX_BYTES, err));
    TRY(check_text(input->mime, "mime", INDEX_SOURCE_MAX_BYTES, err));
    TRY(check_text(input->language, "lang", INDEX_SOURCE_MAX_BYTES, err));
    TRY(check_text(input->date, "date", INDEX_SOURCE_MAX_BYTES, err));
    TRY(check_text(input->id, "id", STORE_ID_BYTES - 1, err));
    if (is_given(input->language)) {
        language_parse(slice_of(input->language), given.language);
        if (!given.language[0]) {
            return err_set_param(err, STATUS_INVALID, "lang", "\"%.32s\" is no language",
                                 input->language);
        }
    }
    if (is_given(input->date) && !date_parse(slice_of(input->date), given.date)) {
        return err_set_param(err, STATUS_INVALID, "date", "\"%.32s\" is no date", input->date);
    }
    *ret = given;
    return STATUS_OK;
}

/* ---- passages ---- */

Status index_embed(IndexScratch *scratch, const Embedder *embedder, const EmbedText *text,
                   int8_t *ret, Err *err) {
    void *own;
    TRY(index_scratch_embedder(scratch, embedder, &own, err));
    float x[EMBEDDER_MAX_DIM];
    TRY(embedder->embed(embedder, own, text, x, err));
    embedder_pack(x, embedder->dim, ret);
    return STATUS_OK;
}

static Slice passage_text(const StoreDocument *document, const StorePassage *passage) {
    return (Slice){ document->text.p + passage->start, passage->end - passage->start };
}

static Status embed_document(PreparedDocument *d, IndexScratch *scratch,
                             const IndexEmbedder *embedder, Arena *arena, Err *err) {
    size_t dim = embedder->embedder->dim;
    int8_t *vectors = arena_alloc(arena, d->document.n_passages, dim);
    if (!vectors) return err_set(err, STATUS_NO_MEMORY, "out of memory for vectors");
    StorePassage *passages = (StorePassage *)d->document.passages;
    for (size_t i = 0; i < d->document.n_passages; i++) {
        EmbedText text = { .text = passage_text(&d->document, &passages[i]),
                           .title = d->document.title,
                           .heading = passages[i].heading,
                           .language = d->language };
        TRY(index_embed(scratch, embedder->embedder, &text, vectors + i * dim, err));
        passages[i].vector = (Slice){ (char *)vectors + i * dim, dim };
    }
    d->document.embedder = embedder->row;
    return STATUS_OK;
}

Status index_prepared_embed(IndexPrepared *prepared, IndexScratch *scratch,
                            const IndexEmbedder *embedder, Err *err) {
    for (size_t i = 0; i < prepared->n_documents; i++) {
        TRY(embed_document(&prepared->documents[i], scratch, embedder, &prepared->arena, err));
    }
    prepared->embedder_row = embedder->row;
    return STATUS_OK;
}

/* The bytes of a Buf, moved into the arena so that they live as long as the rest. */
static Status keep_bytes(Arena *arena, const Buf *buf, Slice *ret, Err *err) {
    TRY(buf_status(buf, err));
    char *p = arena_string(arena, buf_slice(buf));
    if (!p) return err_set(err, STATUS_NO_MEMORY, "out of memory for a document");
    *ret = (Slice){ p, buf->n };
    return STATUS_OK;
}

static Status count_terms(PreparedDocument *d, IndexScratch *scratch, Arena *arena, Err *err) {
    StorePassage *passages = (StorePassage *)d->document.passages;
    AUTO_BUF Buf terms = BUF_NULL;
    for (size_t i = 0; i < d->document.n_passages; i++) {
        buf_clear(&terms);
        TRY(store_terms_build(scratch->terms, d->document.title, passages[i].heading,
                              passage_text(&d->document, &passages[i]), d->language, &terms, err));
        TRY(keep_bytes(arena, &terms, &passages[i].terms, err));
    }
    return STATUS_OK;
}

static Status cut_passages(PreparedDocument *d, const TextDoc *doc, size_t max_words, Arena *arena,
                           Err *err) {
    TextPassage *cut;
    size_t n;
    TRY(text_passages(doc, max_words, arena, &cut, &n, err));
    StorePassage *passages = arena_alloc(arena, n, sizeof *passages);
    if (!passages) return err_set(err, STATUS_NO_MEMORY, "out of memory for passages");
    for (size_t i = 0; i < n; i++) {
        passages[i] = (StorePassage){ .start = cut[i].span.start,
                                      .end = cut[i].span.end,
                                      .heading = cut[i].heading_path };
    }
    d->document.passages = passages;
    d->document.n_passages = n;
    return STATUS_OK;
}

/* ---- documents ---- */

/* The value given, else the document's own, cut to the limit. */
static Status choose(Arena *arena, const char *given, Slice own, size_t max_bytes, Slice *ret,
                     Err *err) {
    Slice s = is_given(given) ? slice_of(given) : own;
    if (s.n > max_bytes) s.n = utf8_floor(s, max_bytes);
    char *copy = arena_string(arena, s);
    if (!copy) return err_set(err, STATUS_NO_MEMORY, "out of memory for a document");
    *ret = (Slice){ copy, s.n };
    return STATUS_OK;
}

const char *index_part_key(Arena *arena, const char *container, size_t number) {
    AUTO_BUF Buf key = BUF_NULL;
    buf_printf(&key, "%s#%zu", container, number);
    return key.failed ? NULL : arena_string(arena, buf_slice(&key));
}

/* Formats that hold records are containers even of one: the next version may have two. */
static bool is_container(const TextDocs *docs) {
    return docs->n_docs > 1 || docs->docs[0].format == TEXT_JSONL ||
           docs->docs[0].format == TEXT_FEED;
}

/* Parts are numbered without those that have a URL of their own, so that there are no gaps. */
static Status choose_key(IndexPrepared *p, const TextDoc *doc, Slice url, Slice *ret, Err *err) {
    if (!is_container(&p->docs) || doc->url.n || !p->container) {
        *ret = is_container(&p->docs) ? doc->url : url;
        return STATUS_OK;
    }
    const char *key = index_part_key(&p->arena, p->container, ++p->n_parts);
    if (!key) return err_set(err, STATUS_NO_MEMORY, "out of memory for a document");
    *ret = slice_of(key);
    return STATUS_OK;
}

static Status describe(IndexPrepared *p, const IndexInput *input, const Given *given, size_t i,
                       Err *err) {
    const TextDoc *doc = &p->docs.docs[i];
    StoreDocument *d = &p->documents[i].document;
    /* Of several documents the given title would be each one's. */
    Slice own_url = doc->url;
    bool has_own = is_container(&p->docs) && own_url.n;
    TRY(choose(&p->arena, p->docs.n_docs > 1 ? NULL : input->title, doc->title,
               INDEX_TITLE_MAX_BYTES, &d->title, err));
    TRY(choose(&p->arena, has_own ? NULL : input->url, own_url, INDEX_URL_MAX_BYTES, &d->url, err));
    TRY(choose(&p->arena, input->source, doc->source, INDEX_SOURCE_MAX_BYTES, &d->source, err));
    TRY(choose(&p->arena, given->date, doc->date, DATE_BYTES, &d->date, err));
    TRY(choose(&p->arena, given->collection, SLICE_NULL, INDEX_COLLECTION_MAX_BYTES, &d->collection,
               err));
    TRY(choose(&p->arena, input->id, SLICE_NULL, STORE_ID_BYTES, &d->id, err));
    TRY(choose_key(p, doc, d->url, &d->key, err));
    language_parse(given->language[0] ? slice_of(given->language) : doc->language,
                   p->documents[i].language);
    d->language = slice_of(p->documents[i].language);
    d->format = slice_of(text_format_name(doc->format));
    return STATUS_OK;
}

static Status prepare_content(IndexPrepared *p, size_t i, Err *err) {
    const TextDoc *doc = &p->docs.docs[i];
    StoreDocument *d = &p->documents[i].document;
    d->text = doc->text;
    d->origin = slice_equal(doc->text, doc->origin) ? SLICE_NULL : doc->origin;
    TRY(hash_sha256(&doc->origin, 1, &d->version, err));
    if (text_map_is_identity(&doc->map, doc->text.n)) return STATUS_OK;
    AUTO_BUF Buf map = BUF_NULL;
    text_map_encode(&doc->map, &map);
    return keep_bytes(&p->arena, &map, &d->map, err);
}

static Status prepare_document(Index *index, IndexPrepared *p, const IndexInput *input,
                               const Given *given, size_t i, IndexScratch *scratch, Err *err) {
    PreparedDocument *d = &p->documents[i];
    TRY(describe(p, input, given, i, err));
    TRY(prepare_content(p, i, err));
    /* The reader guessed the language where neither side said it; passages go by what is stored. */
    TextDoc doc = p->docs.docs[i];
    doc.language = d->document.language;
    TRY(cut_passages(d, &doc, index->options.max_passage_words, &p->arena, err));
    return count_terms(d, scratch, &p->arena, err);
}

static Status read_input(Index *index, IndexPrepared *p, const IndexInput *input,
                         const Given *given, Err *err) {
    char *bytes = arena_alloc(&p->arena, input->bytes.n, 1);
    if (!bytes) return err_set(err, STATUS_NO_MEMORY, "out of memory for a document");
    if (input->bytes.n) memcpy(bytes, input->bytes.p, input->bytes.n);
    TextHints hints = { .name = slice_of(input->name),
                        .format = text_format_of_mime(slice_of(input->mime)),
                        .language = slice_of(given->language) };
    TRY(text_read((Slice){ bytes, input->bytes.n }, &hints, &index->options.text_limits, &p->docs,
                  err));
    if (p->docs.n_docs > 1 && is_given(input->id)) {
        return err_set_param(err, STATUS_INVALID, "id",
                             "one document cannot be replaced by an input that holds %zu",
                             p->docs.n_docs);
    }
    p->documents = arena_alloc(&p->arena, p->docs.n_docs, sizeof *p->documents);
    if (!p->documents) return err_set(err, STATUS_NO_MEMORY, "out of memory for documents");
    p->n_documents = p->docs.n_docs;
    if (is_container(&p->docs) && is_given(input->url)) {
        p->container = arena_string(&p->arena, slice_of(input->url));
        if (!p->container) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    return STATUS_OK;
}

static Status prepare(Index *index, IndexPrepared *p, const IndexInput *input, const Given *given,
                      IndexScratch *scratch, const IndexEmbedder *embedder, Err *err) {
    TRY(read_input(index, p, input, given, err));
    for (size_t i = 0; i < p->n_documents; i++) {
        TRY(prepare_document(index, p, input, given, i, scratch, err));
    }
    TRY(index_prepared_embed(p, scratch, embedder, err));
    p->n_bytes = sizeof *p + p->arena.total_bytes + p->docs.arena.total_bytes;
    return STATUS_OK;
}

Status index_prepare(Index *index, const IndexInput *input, IndexPrepared **ret, Err *err) {
    Given given;
    TRY(check_input(input, &given, err));
    IndexPrepared *p = mem_alloc(1, sizeof *p);
    if (!p) return err_set(err, STATUS_NO_MEMORY, "out of memory for a document");
    IndexScratch *scratch = index_scratch_take(index, err);
    IndexEmbedder *embedder = index_embedder_live(index);
    Status status =
        scratch ? prepare(index, p, input, &given, scratch, embedder, err) : STATUS_NO_MEMORY;
    index_embedder_unref(embedder);
    index_scratch_give(index, scratch);
    if (status != STATUS_OK) {
        index_prepared_free(p);
        return status;
    }
    *ret = p;
    return STATUS_OK;
}

IndexPrepared *index_prepared_free(IndexPrepared *p) {
    if (!p) return NULL;
    text_docs_deinit(&p->docs);
    arena_deinit(&p->arena);
    free(p);
    return NULL;
}

size_t index_prepared_bytes(const IndexPrepared *p) {
    return p->n_bytes;
}
