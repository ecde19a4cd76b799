/* Free pages are a stack; every page has a count of the sequences that hold it. The page table of a
 * sequence holds ceil(length / page_tokens) pages. Only the last page of a sequence is ever written
 * (positions are appended), so only that one can need a copy. */
#include "llm/kvcache.h"

#include "base/mem.h"
#include <assert.h>
#include <string.h>

enum { PAGE_TOKENS = 32 };
_Static_assert((int)PAGE_TOKENS <= (int)KERNELS_PAGE_TOKENS, "attention's scratch");

typedef struct Sequence {
    bool used;
    size_t length;   /* positions */
    uint32_t *pages; /* [pages_per_sequence], part of LlmKvCache.tables */
} Sequence;

struct LlmKvCache {
    LlmKvLayout layout;
    size_t n_layers, n_sequences, context;
    LlmDevice **device; /* [n_layers] */
    void **layers;      /* [n_layers], memory of the device */
    Sequence *sequences;
    uint32_t *tables; /* of all sequences */
    uint32_t *counts; /* [n_pages] */
    uint32_t *free_pages;
    size_t n_free;
};

static Status make_layout(const LlmShape *s, const LlmKvCacheOptions *o, LlmKvLayout *ret,
                          Err *err) {
    static const GgufType types[] = { GGUF_TYPE_F32, GGUF_TYPE_F16, GGUF_TYPE_Q8_0 };
    LlmKvLayout l = { .type = o->type,
                      .page_tokens = PAGE_TOKENS,
                      .key_dim = s->key_dim,
                      .value_dim = s->value_dim,
                      .n_kv_heads = s->n_kv_heads };
    if (!gguf_type_row_bytes(types[o->type], s->key_dim, &l.key_bytes) ||
        !gguf_type_row_bytes(types[o->type], s->value_dim, &l.value_bytes)) {
        return err_set_param(err, STATUS_UNSUPPORTED, "kv",
                             "a key/value cache in %s needs heads of a multiple of 32 elements, "
                             "this model's have %zu and %zu",
                             gguf_type_name(types[o->type]), s->key_dim, s->value_dim);
    }
    l.head_bytes = PAGE_TOKENS * (l.key_bytes + l.value_bytes);
    l.page_bytes = l.n_kv_heads * l.head_bytes;
    /* Every sequence may end in a page of its own that is not full. */
    size_t n_pages, bytes;
    if (!mem_add(o->n_tokens / PAGE_TOKENS + 1, o->n_sequences, &n_pages) || n_pages > UINT32_MAX ||
        !mem_mul(n_pages, l.page_bytes, &bytes) || !mem_mul(bytes, s->n_layers, &bytes)) {
        return err_set(err, STATUS_TOO_LARGE, "a key/value cache of %zu tokens is too large",
                       o->n_tokens);
    }
    l.n_pages = n_pages;
    *ret = l;
    return STATUS_OK;
}

static Status allocate_tables(LlmKvCache *c, Err *err) {
    size_t per_sequence = c->context / PAGE_TOKENS + 1, n_tables;
    if (!mem_mul(per_sequence, c->n_sequences, &n_tables)) n_tables = SIZE_MAX;
    c->sequences = mem_alloc(c->n_sequences, sizeof *c->sequences);
    c->tables = mem_alloc(n_tables, sizeof *c->tables);
    c->counts = mem_alloc(c->layout.n_pages, sizeof *c->counts);
    c->free_pages = mem_alloc(c->layout.n_pages, sizeof *c->free_pages);
    if (!c->sequences || !c->tables || !c->counts || !c->free_pages) {
        return err_set(err, STATUS_NO_MEMORY, "no memory for the tables of %zu sequences",
                       c->n_sequences);
    }
    for (size_t i = 0; i < c->n_sequences; i++) {
        c->sequences[i].pages = c->tables + i * per_sequence;
    }
    /* The lowest page is on top of the stack. */
    for (size_t i = 0; i < c->layout.n_pages; i++) {
        c->free_pages[i] = (uint32_t)(c->layout.n_pages - 1 - i);
    }
    c->n_free = c->layout.n_pages;
    return STATUS_OK;
}

static Status allocate_layers(LlmKvCache *c, LlmDevice *const *device, Err *err) {
    c->layers = mem_alloc(c->n_layers, sizeof *c->layers);
    c->device = mem_alloc(c->n_layers, sizeof *c->device);
    if (!c->layers || !c->device) {
        return err_set(err, STATUS_NO_MEMORY, "no memory for a key/value cache");
    }
    for (size_t i = 0; i < c->n_layers; i++) {
        Status status = device[i]->ops->memory_new(
            device[i], c->layout.n_pages * c->layout.page_bytes, &c->layers[i], err);
        if (status != STATUS_OK) {
            return err_prefix(err, status, "key/value cache of %zu MiB",
                              llm_kvcache_bytes(c) >> 20);
        }
        c->device[i] = device[i];
    }
    return STATUS_OK;
}

Status llm_kvcache_new(const LlmShape *shape, const LlmKvCacheOptions *options, LlmKvCache **ret,
                       Err *err) {
    LlmKvLayout layout;
    TRY(make_layout(shape, options, &layout, err));
    LlmKvCache *c = mem_alloc(1, sizeof *c);
    if (!c) return err_set(err, STATUS_NO_MEMORY, "no memory for a key/value cache");
    *c = (LlmKvCache){ .layout = layout,
                       .n_layers = shape->n_layers,
                       .n_sequences = options->n_sequences,
                       .context = options->context };
    /* The cache first: of a size that cannot be had, no table is filled in. */
    Status status = allocate_layers(c, options->device, err);
    if (status == STATUS_OK) status = allocate_tables(c, err);
    if (status != STATUS_OK) {
        llm_kvcache_free(c);
        return status;
    }
    *ret = c;
    return STATUS_OK;
}

LlmKvCache *llm_kvcache_free(LlmKvCache *c) {
    if (!c) return NULL;
    for (size_t i = 0; c->layers && c->device && i < c->n_layers; i++) {
        if (!c->layers[i]) continue;
        c->device[i]->ops->memory_free(c->device[i], c->layers[i],
                                       c->layout.n_pages * c->layout.page_bytes);
    }
    free(c->layers);
    free(c->device);
    free(c->sequences);
    free(c->tables);
    free(c->counts);
    free(c->free_pages);
    free(c);
    return NULL;
}

const LlmKvLayout *llm_kvcache_layout(const LlmKvCache *c) {
    return &c->layout;
}

void *llm_kvcache_layer(const LlmKvCache *c, size_t layer) {
    return c->layers[layer];
}

size_t llm_kvcache_bytes(const LlmKvCache *c) {
    return c->n_layers * c->layout.n_pages * c->layout.page_bytes;
}

size_t llm_kvcache_n_free_pages(const LlmKvCache *c) {
    return c->n_free;
}

static size_t pages_of(size_t positions) {
    return (positions + PAGE_TOKENS - 1) / PAGE_TOKENS;
}

static uint32_t take_page(LlmKvCache *c) {
    assert(c->n_free > 0);
    uint32_t page = c->free_pages[--c->n_free];
    c->counts[page] = 1;
    return page;
}

static void drop_page(LlmKvCache *c, uint32_t page) {
    if (--c->counts[page] == 0) c->free_pages[c->n_free++] = page;
}

bool llm_kvcache_seq_valid(const LlmKvCache *c, uint32_t seq) {
    return seq < c->n_sequences && c->sequences[seq].used;
}

static Sequence *sequence(const LlmKvCache *c, uint32_t seq) {
    assert(llm_kvcache_seq_valid(c, seq));
    return &c->sequences[seq];
}

Status llm_kvcache_seq_new(LlmKvCache *c, uint32_t *ret_seq, Err *err) {
    for (uint32_t i = 0; i < c->n_sequences; i++) {
        if (c->sequences[i].used) continue;
        c->sequences[i].used = true;
        c->sequences[i].length = 0;
        *ret_seq = i;
        return STATUS_OK;
    }
    return err_set(err, STATUS_BUSY, "all %zu sequences are in use", c->n_sequences);
}

void llm_kvcache_seq_free(LlmKvCache *c, uint32_t seq) {
    llm_kvcache_truncate(c, seq, 0);
    c->sequences[seq].used = false;
}

size_t llm_kvcache_seq_length(const LlmKvCache *c, uint32_t seq) {
    return sequence(c, seq)->length;
}

const uint32_t *llm_kvcache_seq_pages(const LlmKvCache *c, uint32_t seq) {
    return sequence(c, seq)->pages;
}

Status llm_kvcache_fork(LlmKvCache *c, uint32_t seq, size_t n, uint32_t *ret_seq, Err *err) {
    const Sequence *from = sequence(c, seq);
    assert(n <= from->length);
    uint32_t forked = 0;
    TRY(llm_kvcache_seq_new(c, &forked, err));
    Sequence *to = sequence(c, forked);
    to->length = n;
    for (size_t i = 0; i < pages_of(n); i++) {
        to->pages[i] = from->pages[i];
        c->counts[to->pages[i]]++;
    }
    *ret_seq = forked;
    return STATUS_OK;
}

void llm_kvcache_truncate(LlmKvCache *c, uint32_t seq, size_t n) {
    Sequence *s = sequence(c, seq);
    assert(n <= s->length);
    for (size_t i = pages_of(s->length); i > pages_of(n); i--) drop_page(c, s->pages[i - 1]);
    s->length = n;
}

/* The last page is not full and others hold it too: it must be copied before it is written. */
static bool shares_last(const LlmKvCache *c, const Sequence *s) {
    return s->length % PAGE_TOKENS != 0 && c->counts[s->pages[s->length / PAGE_TOKENS]] > 1;
}

size_t llm_kvcache_pages_needed(const LlmKvCache *c, uint32_t seq, size_t n) {
    const Sequence *s = sequence(c, seq);
    if (n == 0) return 0;
    return pages_of(s->length + n) - pages_of(s->length) + shares_last(c, s);
}

void llm_kvcache_grow(LlmKvCache *c, uint32_t seq, size_t n) {
    Sequence *s = sequence(c, seq);
    assert(s->length + n <= c->context);
    if (n > 0 && shares_last(c, s)) {
        uint32_t *last = &s->pages[s->length / PAGE_TOKENS], copy = take_page(c);
        for (size_t i = 0; i < c->n_layers; i++) {
            c->device[i]->ops->kv_copy(c->device[i], &c->layout, c->layers[i], *last, copy);
        }
        drop_page(c, *last);
        *last = copy;
    }
    for (size_t i = pages_of(s->length); i < pages_of(s->length + n); i++) {
        s->pages[i] = take_page(c);
    }
    s->length += n;
}
