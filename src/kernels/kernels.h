#pragma once
/* The operations of transformers, each declared once as a function type; a KernelTable holds one
 * function per operation, picked at start for this processor. It knows no model and no threads.
 *
 * Order of sums: inside one set, an output depends on its own inputs only and is summed in an order
 * that its length alone decides. So results are the same bit for bit whichever rows or tokens are
 * computed together, on any number of threads. Different sets round differently (tolerances:
 * tests/kernels/tolerance.h).
 * Weights are multiplied as the numbers that gguf_decode_row gives, or the nearest bf16, or the
 * nearest of 255 steps (KernelsProduct.rounds). That, and
 * what activations are rounded to before, depends on set and type (KernelsArithmetic) and on
 * whether the token is read or written (KernelsUse); it never depends on other rows or tokens.
 * Alignment: none is needed unless said. Overlap: none unless said.
 * Threads: any; nothing here has state. Errors: none after kernels_pick; sizes are the caller's
 * duty (asserted). Infinities and NaN pass through; in products, infinities may become NaN.
 * Oracle: ref/ (scalar, f64 sums). */
#include "base/mem.h"
#include "base/status.h"
#include "gguf/blocks.h"

/* Decode n elements (whole blocks) of one row: y f32 [n], the same bits as gguf_decode_row. */
typedef void KernelsDecodeRow(const void *row, size_t n, float *y);

/* How a set multiplies weights of a type, and so the form in which it takes the inputs. */
typedef enum KernelsArithmetic {
    KERNELS_F32,             /* multiply-add of f32; inputs as they are */
    KERNELS_F32_LANES,       /* the same; inputs lane by lane: those of a vector are far apart */
    KERNELS_BF16,            /* pairs of bf16, summed in f32 */
    KERNELS_BF16_LANES,      /* the numbers of BF16, lane by lane */
    KERNELS_BF16_TILES,      /* bf16, 16 tokens side by side; weights are rounded to bf16 too */
    KERNELS_BF16_PART_TILES, /* the same; inputs are three bf16 that add up to the f32 */
    KERNELS_INT8,            /* fours of int8, summed in int32; a scale for each 32 inputs */
    KERNELS_INT8_SHARED,     /* the same, but a scale for up to 128: four times 32, 512 apart */
    KERNELS_N_ARITHMETICS,
} KernelsArithmetic;
/* A matmul may want many tokens' inputs in another form than those of up to few_tokens. */
typedef struct KernelsForms {
    size_t few_tokens;
    KernelsArithmetic few, many;
} KernelsForms;
/* Bytes of a token's n inputs in that form, a multiple of 64 unless F32. */
size_t kernels_packed_bytes(KernelsArithmetic arithmetic, size_t n);
/* Whether the form has tokens side by side. */
static inline bool kernels_in_tiles(KernelsArithmetic arithmetic) {
    return arithmetic == KERNELS_BF16_TILES || arithmetic == KERNELS_BF16_PART_TILES;
}

/* Inputs to be packed: n is whole blocks of 32 for all of INT8. */
typedef struct KernelsPackJob {
    const float *x;  /* f32 [n_tokens, n] */
    size_t x_stride; /* elements from one token's inputs to the next */
    size_t n, n_tokens;
    void *y; /* kernels_packed_bytes for each token, n_tokens rounded up to whole
                KERNELS_PACK_TOKENS; 64-byte aligned */
} KernelsPackJob;
enum { KERNELS_PACK_TOKENS = 16 };
/* Tokens [begin, end) to that form; of tiles, both are whole KERNELS_PACK_TOKENS, but for the last
 * end. Each number is rounded to the nearest that the form has: bf16, or a multiple of max |x| /
 * 127 of those that share its scale. Three bf16 hold an f32 exactly (but bits below 2^-133, and
 * 0x1.FFp127 and more is infinite); infinities and NaN are in the first alone. Products take a bf16
 * below 2^-126 for zero. */
typedef void KernelsPack(const KernelsPackJob *job, size_t begin, size_t end);
/* The f32 numbers that a token's packed inputs at y stand for: for tests. */
typedef void KernelsUnpack(const KernelsPackJob *job, size_t token, float *x);

/* y[t, r] = sum_i W[r, i] x[t, i] for the rows r in [row_begin, row_end) of a weight matrix. */
typedef struct KernelsMatmulJob {
    const void *w;    /* [n_rows, n] blocks of the table's type */
    size_t row_bytes; /* of a row of w */
    size_t n;         /* inputs; whole blocks */
    const void *x;    /* [n_tokens] times n inputs in the form that kernels_arithmetic says */
    size_t x_stride;  /* bytes from one token's inputs to the next */
    size_t n_tokens;
    float *y;        /* f32 [n_tokens, n_rows] */
    size_t y_stride; /* elements from one token's outputs to the next */
    bool accumulate; /* y += instead of y = */
    size_t ahead;    /* rows so many after these are what is multiplied next, for a kernel that has
                        them fetched; 0: those that follow */
    bool streams;    /* the table's */
} KernelsMatmulJob;
/* scratch: f32 [KERNELS_MATMUL_SCRATCH(n)], 64-byte aligned, the calling thread's own. Rows are
 * best given in multiples of KERNELS_PANEL_ROWS; with many tokens, many_rows at once. */
typedef void KernelsMatmul(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                           float *scratch);
enum { KERNELS_MATMUL_ROWS = 4, KERNELS_PANEL_ROWS = 48, KERNELS_SCRATCH_ROWS = 64 };
#define KERNELS_ROUND_UP(n) (((n) + 31) / 32 * 32)
/* For outer products (vec/vec_outer.h): a panel of f32, and sums that wait. */
enum { KERNELS_PANEL_TOKENS = 256, KERNELS_PANEL_LEVELS = 4 };
#define KERNELS_OUTER_SCRATCH(n)                                                                   \
    (KERNELS_PANEL_ROWS *                                                                          \
     (KERNELS_ROUND_UP(n) + (size_t)KERNELS_PANEL_LEVELS * KERNELS_PANEL_TOKENS))
/* Two panels of weights as bytes, with scales: 1.5 bytes a weight; and 256 sums a row. */
#define KERNELS_DOT_SCRATCH(n) (KERNELS_SCRATCH_ROWS * (((n) / 512 + 1) * 512 * 3 / 8 + 256))
/* Twice 256 numbers of 16 bits of each row, and its sums. */
enum {
    KERNELS_TILES_ROWS = 256,
    KERNELS_TILES_TOKENS = 512,
    KERNELS_TILES_SCRATCH = KERNELS_TILES_ROWS * (256 + KERNELS_TILES_TOKENS)
};
#define KERNELS_MATMUL_SCRATCH(n)                                                                  \
    MAX(MAX(KERNELS_OUTER_SCRATCH(n), KERNELS_DOT_SCRATCH(n)), (size_t)KERNELS_TILES_SCRATCH)

/* y = g x / sqrt(mean(x^2) + eps), all f32 [n]; y may be x. Source: arXiv:1910.07467, eq. 4. */
typedef void KernelsRmsnorm(const float *x, const float *g, size_t n, float eps, float *y);

/* Rotate neighbouring pairs of each head: x f32 [n_heads, head_dim] in place, the first n_rot
 * elements of each. cos, sin f32 [n_rot]: both entries of a pair hold the pair's cosine; sin holds
 * -sine, sine. Source: arXiv:2104.09864, eq. 34. */
typedef void KernelsRope(float *x, size_t n_heads, size_t head_dim, size_t n_rot, const float *cos,
                         const float *sin);

/* y = silu(gate) up = gate up / (1 + exp(-gate)), f32 [n]; y may be gate or up.
 * Source: arXiv:2002.05202, eq. 6. */
typedef void KernelsSiluMul(const float *gate, const float *up, size_t n, float *y);
/* y += x, f32 [n]. */
typedef void KernelsAdd(const float *x, size_t n, float *y);

/* Numbers in which keys and values are kept. */
typedef enum KernelsKvType {
    KERNELS_KV_F32,
    KERNELS_KV_F16,
    KERNELS_KV_Q8_0, /* blocks of GgufBlockQ8_0 */
    KERNELS_N_KV_TYPES,
} KernelsKvType;
/* x f32 [n] to n numbers of the table's type at y (n whole blocks of 32 for Q8_0). F16 rounds to
 * nearest even; Q8_0: d = max |x| / 127 as f16, q = round(x / d) to nearest. Same bits in all
 * sets. */
typedef void KernelsKvStore(const float *x, size_t n, void *y);

/* The query heads that share one key/value head, of n_queries tokens that follow each other in one
 * sequence, over that head's cached positions: token i sees [begin, end + i).
 *     y[i, h] = sum_p softmax_p(q[i, h] . k[p] * scale) v[p]
 * Keys and values lie in pages of page_tokens positions: page p / page_tokens holds position p.
 * Summed page by page with a running maximum (arXiv:1805.02867), so that scratch does not grow with
 * the context. */
typedef struct KernelsAttentionJob {
    const float *q;  /* f32 [n_queries, n_heads, key_dim] */
    size_t q_stride; /* elements from one token's heads to the next's */
    size_t n_queries, n_heads;
    size_t key_dim, value_dim; /* elements; multiples of 32 for Q8_0 */
    const uint8_t *base;       /* page i of this head begins at base + pages[i] * page_bytes */
    const uint32_t *pages;
    size_t page_bytes;
    size_t page_tokens;   /* positions of a page, <= KERNELS_PAGE_TOKENS */
    size_t values_offset; /* bytes from a page's keys to its values */
    size_t begin, end;    /* positions of the first token; begin < end */
    float scale;          /* > 0 */
    float *y;             /* f32 [n_queries, n_heads, value_dim] */
    size_t y_stride;
} KernelsAttentionJob;
enum { KERNELS_PAGE_TOKENS = 64, KERNELS_ATTENTION_ROWS = 64 };
/* scratch: f32 [KERNELS_ATTENTION_SCRATCH(key_dim, value_dim, n_queries * n_heads)], 64-byte
 * aligned. */
typedef void KernelsAttention(const KernelsAttentionJob *job, float *scratch);
#define KERNELS_ATTENTION_SCRATCH(key_dim, value_dim, n_rows)                                      \
    (KERNELS_PAGE_TOKENS * (KERNELS_ROUND_UP(key_dim) + KERNELS_ROUND_UP(value_dim) + 32 + 96) +   \
     ((n_rows) + 15) * (KERNELS_PAGE_TOKENS + 32 + 2 * KERNELS_ROUND_UP(key_dim) +                 \
                        KERNELS_ROUND_UP(value_dim) + 32))

/* Multiply and add on registers alone, for n rounds of some dozens of nanoseconds each: what this
 * thread could do at most. Returns the number of operations (two a multiply-add). */
typedef double KernelsPeak(size_t n_rounds);

/* Tokens of a prompt are many, or few of many; those that are written come one by one. A set may
 * multiply them in different arithmetics, and so which it is belongs to the token: it never depends
 * on what else is computed with it. */
typedef enum KernelsUse { KERNELS_READING, KERNELS_WRITING, KERNELS_N_USES } KernelsUse;
typedef struct KernelsProduct {
    KernelsMatmul *matmul;
    KernelsForms forms;
    size_t many_rows; /* how many rows at once suit it with many tokens */
    bool rounds;      /* weights once more: to multiples of the 127th part of the largest that a
                         group of blocks can hold, those whose inputs share a scale */
} KernelsProduct;

/* Few tokens take weights from memory as fast as it gives them, and how it gives most depends on
 * the processor. What software prefetches holds one of the buffers of L1 meanwhile, of which a Xeon
 * has 16: 14 GB/s a thread. Its own prefetching, into L2, reads 18, but follows no further than to
 * the end of a page of 4 KiB and begins anew in the next. So with streams some parts of the rows
 * are read side by side, each in the order of addresses, and software prefetches just so far ahead
 * that it leads the processor's own into the next page. */
enum { KERNELS_STREAM_AHEAD = 2048 };

typedef struct KernelTable {
    const char *name; /* the best set in it: "avx512" */
    bool streams;     /* rows from memory are read as streams */
    KernelsDecodeRow *decode_row[GGUF_N_TYPE_NUMBERS];
    KernelsProduct products[KERNELS_N_USES][GGUF_N_TYPE_NUMBERS];
    KernelsPack *pack[KERNELS_N_ARITHMETICS]; /* NULL for F32 and where matmul has none */
    KernelsUnpack *unpack[KERNELS_N_ARITHMETICS];
    KernelsRmsnorm *rmsnorm;
    KernelsRope *rope;
    KernelsSiluMul *silu_mul;
    KernelsAdd *add;
    KernelsKvStore *kv_store[KERNELS_N_KV_TYPES];
    KernelsAttention *attention[KERNELS_N_USES][KERNELS_N_KV_TYPES];
    size_t attention_rows[KERNELS_N_USES];    /* how many, queries times heads, suit it at once */
    KernelsPeak *peak[KERNELS_N_ARITHMETICS]; /* NULL where matmul has no such */
} KernelTable;

/* The form in which a product takes the inputs of so many tokens. */
static inline KernelsArithmetic kernels_arithmetic(const KernelsProduct *product, size_t n_tokens) {
    KernelsForms forms = product->forms;
    return n_tokens <= forms.few_tokens ? forms.few : forms.many;
}

/* Whether tokens are multiplied in the same way when they are read and when they are written. */
static inline bool kernels_same_product(const KernelTable *table, uint32_t type) {
    return table->products[KERNELS_READING][type].matmul ==
           table->products[KERNELS_WRITING][type].matmul;
}

/* One more whenever a set rounds in another way than before: records of results say by which they
 * were computed. 2: inputs of superblocks share scales (vnni). 3: prompts in bf16 (amx). 4: pages
 * of attention over prompts (amx). 5: prompts in Q4_K and Q5_K round weights (vnni), and their last
 * token is computed as what is written. */
enum { KERNELS_REVISION = 5 };

/* Sets of kernels; a mask is an OR of them. */
typedef enum KernelsSet {
    KERNELS_REF = 1 << 0,      /* every machine */
    KERNELS_AVX2 = 1 << 1,     /* x86-64 with AVX2, FMA, F16C */
    KERNELS_AVX512 = 1 << 2,   /* x86-64 with AVX-512 F, BW, DQ, VL */
    KERNELS_NEON = 1 << 3,     /* AArch64 */
    KERNELS_AMX = 1 << 4,      /* x86-64 with VNNI and AMX tiles: prompts alone */
    KERNELS_VNNI = 1 << 5,     /* x86-64 with AVX-512 VNNI, VBMI and GFNI: int8 products alone */
    KERNELS_DOTPROD = 1 << 6,  /* AArch64 with dot product: int8 products alone */
    KERNELS_BF16_SET = 1 << 7, /* x86-64 of AMD with AVX-512 BF16: bf16 products alone */
    KERNELS_MADDUBS = 1 << 8,  /* x86-64 with AVX2: int8 products alone */
    KERNELS_SET_END = 1 << 9,
} KernelsSet;
enum { KERNELS_ALL = KERNELS_SET_END - 1 };

/* "ref", "avx2", ...; NULL for what is no single set. */
const char *kernels_set_name(KernelsSet set);
/* Sets that this machine (processor and operating system) can run and this program has. Where the
 * processor has AMX, this asks the system to let the process use tiles. */
unsigned kernels_available(void);
/* "ref,avx2" to a mask; "all" is KERNELS_ALL. USAGE naming the word that is no set. */
Status kernels_mask_parse(const char *names, unsigned *ret, Err *err) MUST_CHECK;
/* Fill the table: ref first, then each better set that mask and machine allow overwrites.
 * UNSUPPORTED where mask has sets, but none that this machine can run. */
Status kernels_pick(unsigned mask, KernelTable *ret, Err *err) MUST_CHECK;
