/* Which page holds what: sharing, copies on write, what comes back. A walk of random operations is
 * compared with plain lists. */
#include "llm/kvcache.h"

#include "base/mem.h"
#include <criterion/criterion.h>

enum { N_LAYERS = 2, PAGE = 32 };

static const LlmShape shape = { .n_layers = N_LAYERS,
                                .dim = 64,
                                .ffn_dim = 64,
                                .n_vocab = 10,
                                .n_heads = 4,
                                .n_kv_heads = 2,
                                .key_dim = 32,
                                .value_dim = 64,
                                .context = 1024 };

typedef struct Bench {
    Pool *pool;
    LlmDevice *device;
    LlmKvCache *cache;
} Bench;

static Status bench_try(Bench *b, const LlmShape *s, LlmKvCacheOptions o, Err *err) {
    PoolOptions pool = { .n_threads = 1 };
    KernelTable kernels;
    cr_assert_eq(pool_new(&pool, &b->pool, NULL), STATUS_OK);
    cr_assert_eq(kernels_pick(KERNELS_REF, &kernels, NULL), STATUS_OK);
    cr_assert_eq(llm_device_cpu_new(b->pool, &kernels, s, 1, &b->device, NULL), STATUS_OK);
    LlmDevice *device[N_LAYERS] = { b->device, b->device };
    o.device = device;
    return llm_kvcache_new(s, &o, &b->cache, err);
}

static Bench bench_new(size_t n_sequences, size_t context, size_t n_tokens) {
    Bench b = { 0 };
    Err err = { 0 };
    LlmKvCacheOptions o = { .n_sequences = n_sequences, .context = context, .n_tokens = n_tokens };
    cr_assert_eq(bench_try(&b, &shape, o, &err), STATUS_OK, "%s", err.text);
    return b;
}

static void bench_free(Bench *b) {
    llm_kvcache_free(b->cache);
    b->device->ops->free(b->device);
    pool_free(b->pool);
}

static uint32_t new_seq(Bench *b) {
    uint32_t seq = UINT32_MAX;
    cr_assert_eq(llm_kvcache_seq_new(b->cache, &seq, NULL), STATUS_OK);
    return seq;
}

/* The first key element of a position in a layer: where a test leaves its mark. */
static float *mark_of(const Bench *b, uint32_t seq, size_t position, size_t layer) {
    const LlmKvLayout *l = llm_kvcache_layout(b->cache);
    uint32_t page = llm_kvcache_seq_pages(b->cache, seq)[position / l->page_tokens];
    cr_assert_lt(page, l->n_pages);
    uint8_t *at = (uint8_t *)llm_kvcache_layer(b->cache, layer) + page * l->page_bytes +
                  position % l->page_tokens * l->key_bytes;
    return (float *)(void *)at;
}

static void append(Bench *b, uint32_t seq, float mark) {
    size_t position = llm_kvcache_seq_length(b->cache, seq);
    llm_kvcache_grow(b->cache, seq, 1);
    for (size_t i = 0; i < N_LAYERS; i++) *mark_of(b, seq, position, i) = mark + (float)i / 2;
}

Test(llm_kvcache, layout_follows_the_type) {
    static const size_t bytes[] = { 4 * 32, 2 * 32, 34 };
    for (size_t type = 0; type < KERNELS_N_KV_TYPES; type++) {
        Bench b = { 0 };
        LlmKvCacheOptions o = {
            .type = (KernelsKvType)type, .n_sequences = 2, .context = 100, .n_tokens = 200
        };
        cr_assert_eq(bench_try(&b, &shape, o, NULL), STATUS_OK);
        const LlmKvLayout *l = llm_kvcache_layout(b.cache);
        cr_assert_eq(l->page_tokens, PAGE);
        cr_assert_eq(l->key_bytes, bytes[type]);
        cr_assert_eq(l->value_bytes, 2 * bytes[type]);
        cr_assert_eq(l->page_bytes, 2 * PAGE * 3 * bytes[type]);
        /* 200 positions, and a page that is not full for each sequence */
        cr_assert_eq(l->n_pages, 200 / PAGE + 1 + 2);
        cr_assert_eq(llm_kvcache_bytes(b.cache), N_LAYERS * l->n_pages * l->page_bytes);
        cr_assert_eq(llm_kvcache_n_free_pages(b.cache), l->n_pages);
        bench_free(&b);
    }
}

Test(llm_kvcache, heads_that_q8_0_cannot_hold_are_refused) {
    Bench b = { 0 };
    Err err = { 0 };
    LlmShape narrow = shape;
    narrow.key_dim = 24;
    LlmKvCacheOptions o = {
        .type = KERNELS_KV_Q8_0, .n_sequences = 1, .context = 64, .n_tokens = 64
    };
    cr_assert_eq(bench_try(&b, &narrow, o, &err), STATUS_UNSUPPORTED);
    cr_assert(strstr(err.text, "Q8_0") && strstr(err.text, "24"), "%s", err.text);
    bench_free(&b);
}

Test(llm_kvcache, a_cache_beyond_all_memory_is_refused) {
    Bench b = { 0 };
    Err err = { 0 };
    LlmKvCacheOptions o = { .n_sequences = 1, .context = 64, .n_tokens = SIZE_MAX };
    cr_assert_eq(bench_try(&b, &shape, o, &err), STATUS_TOO_LARGE, "%s", err.text);
    bench_free(&b);
    o.n_tokens = (size_t)1 << 36;
    cr_assert_eq(bench_try(&b, &shape, o, &err), STATUS_NO_MEMORY, "%s", err.text);
    cr_assert(strstr(err.text, "MiB"), "%s", err.text);
    bench_free(&b);
}

Test(llm_kvcache, sequences_run_out_and_come_back) {
    Bench b = bench_new(3, 64, 64);
    uint32_t seq[3], more = 77;
    for (size_t i = 0; i < 3; i++) seq[i] = new_seq(&b);
    Err err = { 0 };
    cr_assert_eq(llm_kvcache_seq_new(b.cache, &more, &err), STATUS_BUSY);
    cr_assert_eq(more, 77);
    cr_assert(strstr(err.text, "3"), "%s", err.text);
    cr_assert_eq(llm_kvcache_fork(b.cache, seq[0], 0, &more, &err), STATUS_BUSY);
    llm_kvcache_seq_free(b.cache, seq[1]);
    cr_assert_not(llm_kvcache_seq_valid(b.cache, seq[1]));
    cr_assert_not(llm_kvcache_seq_valid(b.cache, 3));
    cr_assert_eq(new_seq(&b), seq[1]);
    bench_free(&b);
}

Test(llm_kvcache, a_fork_shares_whole_pages_and_copies_the_last_when_written) {
    Bench b = bench_new(2, 256, 512);
    uint32_t a = new_seq(&b), fork = 0;
    for (size_t i = 0; i < 70; i++) append(&b, a, (float)i);
    size_t n_free = llm_kvcache_n_free_pages(b.cache);
    cr_assert_eq(llm_kvcache_fork(b.cache, a, 70, &fork, NULL), STATUS_OK);
    cr_assert_eq(llm_kvcache_n_free_pages(b.cache), n_free, "a fork takes no page");
    cr_assert_eq(llm_kvcache_pages_needed(b.cache, fork, 1), 1);
    cr_assert_eq(llm_kvcache_pages_needed(b.cache, fork, 26), 1);
    cr_assert_eq(llm_kvcache_pages_needed(b.cache, fork, 27), 2);
    cr_assert_eq(llm_kvcache_pages_needed(b.cache, fork, 0), 0);
    append(&b, fork, 1000);
    cr_assert_eq(llm_kvcache_n_free_pages(b.cache), n_free - 1);
    const uint32_t *pa = llm_kvcache_seq_pages(b.cache, a);
    const uint32_t *pf = llm_kvcache_seq_pages(b.cache, fork);
    cr_assert(pa[0] == pf[0] && pa[1] == pf[1] && pa[2] != pf[2]);
    append(&b, a, 2000);
    cr_assert_eq(llm_kvcache_n_free_pages(b.cache), n_free - 1, "the first's page is its own now");
    for (size_t layer = 0; layer < N_LAYERS; layer++) {
        float half = (float)layer / 2;
        for (size_t i = 0; i < 70; i++) {
            cr_assert_eq(*mark_of(&b, a, i, layer), (float)i + half);
            cr_assert_eq(*mark_of(&b, fork, i, layer), (float)i + half);
        }
        cr_assert_eq(*mark_of(&b, fork, 70, layer), 1000 + half);
        cr_assert_eq(*mark_of(&b, a, 70, layer), 2000 + half);
    }
    bench_free(&b);
}

Test(llm_kvcache, a_full_last_page_is_not_copied) {
    Bench b = bench_new(2, 256, 512);
    uint32_t a = new_seq(&b), fork = 0;
    for (size_t i = 0; i < 2 * PAGE; i++) append(&b, a, (float)i);
    cr_assert_eq(llm_kvcache_fork(b.cache, a, 2 * PAGE, &fork, NULL), STATUS_OK);
    append(&b, fork, 1);
    cr_assert_eq(llm_kvcache_seq_pages(b.cache, a)[1], llm_kvcache_seq_pages(b.cache, fork)[1]);
    bench_free(&b);
}

Test(llm_kvcache, truncating_gives_back_what_nobody_else_holds) {
    Bench b = bench_new(2, 256, 512);
    size_t all = llm_kvcache_n_free_pages(b.cache);
    uint32_t a = new_seq(&b), fork = 0;
    for (size_t i = 0; i < 100; i++) append(&b, a, (float)i);
    cr_assert_eq(llm_kvcache_fork(b.cache, a, 50, &fork, NULL), STATUS_OK);
    cr_assert_eq(llm_kvcache_n_free_pages(b.cache), all - 4);
    llm_kvcache_truncate(b.cache, a, 33);
    cr_assert_eq(llm_kvcache_n_free_pages(b.cache), all - 2);
    llm_kvcache_truncate(b.cache, a, 32);
    cr_assert_eq(llm_kvcache_n_free_pages(b.cache), all - 2, "the fork still holds the second");
    llm_kvcache_seq_free(b.cache, fork);
    cr_assert_eq(llm_kvcache_n_free_pages(b.cache), all - 1);
    llm_kvcache_truncate(b.cache, a, 0);
    cr_assert_eq(llm_kvcache_n_free_pages(b.cache), all);
    bench_free(&b);
}

/* ---- a walk -----------------------------------------------------------------------------------
 */

enum { WALK_SEQUENCES = 6, WALK_CONTEXT = 150, WALK_TOKENS = 300 };

typedef struct Plain {
    bool used;
    size_t n;
    float marks[WALK_CONTEXT];
} Plain;

static uint64_t state = 88172645463325252U;
static size_t random_below(size_t n) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state >> 16) % n;
}

static void walk_append(Bench *b, Plain *plain, uint32_t seq, float *mark) {
    Plain *p = &plain[seq];
    size_t n = random_below(40);
    for (size_t i = 0; i < n && p->n < WALK_CONTEXT; i++) {
        if (llm_kvcache_pages_needed(b->cache, seq, 1) > llm_kvcache_n_free_pages(b->cache)) {
            return;
        }
        append(b, seq, *mark);
        p->marks[p->n++] = (*mark)++;
    }
}

static void walk_fork(Bench *b, Plain *plain, uint32_t seq) {
    size_t n = random_below(plain[seq].n + 1);
    uint32_t fork = UINT32_MAX;
    Status status = llm_kvcache_fork(b->cache, seq, n, &fork, NULL);
    bool room = false;
    for (size_t i = 0; i < WALK_SEQUENCES; i++) room |= !plain[i].used;
    cr_assert_eq(status, room ? STATUS_OK : STATUS_BUSY);
    if (!room) return;
    cr_assert_not(plain[fork].used);
    plain[fork] = plain[seq];
    plain[fork].n = n;
}

static void walk_compare(const Bench *b, const Plain *plain) {
    for (uint32_t seq = 0; seq < WALK_SEQUENCES; seq++) {
        cr_assert_eq(llm_kvcache_seq_valid(b->cache, seq), plain[seq].used);
        if (!plain[seq].used) continue;
        cr_assert_eq(llm_kvcache_seq_length(b->cache, seq), plain[seq].n);
        for (size_t i = 0; i < plain[seq].n; i++) {
            cr_assert_eq(*mark_of(b, seq, i, 0), plain[seq].marks[i]);
            cr_assert_eq(*mark_of(b, seq, i, 1), plain[seq].marks[i] + 0.5F);
        }
    }
}

Test(llm_kvcache, any_operations_keep_every_sequence_its_own) {
    Bench b = bench_new(WALK_SEQUENCES, WALK_CONTEXT, WALK_TOKENS);
    size_t all = llm_kvcache_n_free_pages(b.cache);
    static Plain plain[WALK_SEQUENCES];
    float mark = 0;
    for (int step = 0; step < 4000; step++) {
        uint32_t seq = (uint32_t)random_below(WALK_SEQUENCES);
        if (!plain[seq].used) {
            bool there = false;
            for (size_t i = 0; i < WALK_SEQUENCES; i++) there |= plain[i].used;
            if (there && random_below(3)) continue;
            plain[new_seq(&b)] = (Plain){ .used = true };
            continue;
        }
        switch (random_below(8)) {
        case 0: walk_fork(&b, plain, seq); break;
        case 1:
            llm_kvcache_seq_free(b.cache, seq);
            plain[seq].used = false;
            break;
        case 2:
            plain[seq].n = random_below(plain[seq].n + 1);
            llm_kvcache_truncate(b.cache, seq, plain[seq].n);
            break;
        default: walk_append(&b, plain, seq, &mark); break;
        }
        if (step % 8 == 0) walk_compare(&b, plain);
    }
    cr_assert_gt(mark, 10000);
    cr_assert_lt(mark, 1 << 22);
    for (uint32_t seq = 0; seq < WALK_SEQUENCES; seq++) {
        if (plain[seq].used) llm_kvcache_seq_free(b.cache, seq);
    }
    cr_assert_eq(llm_kvcache_n_free_pages(b.cache), all, "pages are lost");
    bench_free(&b);
}
