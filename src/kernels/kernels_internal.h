#pragma once
/* What the sets give to pick.c, and what all of them share. Folder-private. */
#include "base/mem.h"
#include "kernels/kernels.h"
#include "kernels/slab.h"
#include <math.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))
/* For loops on arrays that must become registers. */
#define UNROLL _Pragma("GCC unroll 16")

/* Each overwrites the table's entries with its own. Only where the machine has the set. */
void kernels_fill_ref(KernelTable *table);
void kernels_fill_avx2(KernelTable *table);
void kernels_fill_avx512(KernelTable *table);
void kernels_fill_maddubs(KernelTable *table);
void kernels_fill_vnni(KernelTable *table);
void kernels_fill_bf16(KernelTable *table);
void kernels_fill_amx(KernelTable *table);
void kernels_fill_neon(KernelTable *table);
void kernels_fill_dotprod(KernelTable *table);

/* The processor that runs this, by its own registers (cpu_x86.c, cpu_arm.c). */
typedef struct KernelsCpu {
    unsigned sets; /* that it has */
    bool streams;  /* KernelTable.streams */
} KernelsCpu;
KernelsCpu kernels_cpu(void);

static inline KernelsForms one_form(KernelsArithmetic arithmetic) {
    return (KernelsForms){ .few = arithmetic, .many = arithmetic };
}
/* For all uses. */
static inline void set_product(KernelTable *table, GgufType type, KernelsMatmul *matmul,
                               KernelsForms forms) {
    for (size_t use = 0; use < KERNELS_N_USES; use++) {
        table->products[use][type] = (KernelsProduct){ matmul, forms, KERNELS_PANEL_ROWS };
    }
}

static inline void set_form(KernelTable *table, KernelsArithmetic arithmetic, KernelsPack *pack,
                            KernelsUnpack *unpack) {
    table->pack[arithmetic] = pack;
    table->unpack[arithmetic] = unpack;
}
static inline void set_attention(KernelTable *table, KernelsKvType kv,
                                 KernelsAttention *attention) {
    for (size_t use = 0; use < KERNELS_N_USES; use++) table->attention[use][kv] = attention;
}

/* name##_pack and name##_unpack of a form in which each token's inputs stand alone, from functions
 * of one token's. */
#define DEFINE_ROW_FORM(name, arithmetic, pack_row, unpack_row)                                    \
    static void name##_pack(const KernelsPackJob *job, size_t begin, size_t end) {                 \
        size_t bytes = kernels_packed_bytes(arithmetic, job->n);                                   \
        for (size_t t = begin; t < end; t++) {                                                     \
            pack_row(job->x + t * job->x_stride, job->n, (uint8_t *)job->y + t * bytes);           \
        }                                                                                          \
    }                                                                                              \
    static void name##_unpack(const KernelsPackJob *job, size_t token, float *x) {                 \
        size_t bytes = kernels_packed_bytes(arithmetic, job->n);                                   \
        unpack_row((const uint8_t *)job->y + token * bytes, job->n, x);                            \
    }

/* The types of weights, for tables: X(enum suffix, name of functions, bytes of an element or 0). */
#define KERNELS_WEIGHT_TYPES(X) KERNELS_NUMBER_TYPES(X) KERNELS_BLOCK_TYPES(X)
#define KERNELS_NUMBER_TYPES(X)                                                                    \
    X(F32, f32, 4)                                                                                 \
    X(F16, f16, 2)                                                                                 \
    X(BF16, bf16, 2)
#define KERNELS_BLOCK_TYPES(X)                                                                     \
    X(Q4_0, q4_0, 0)                                                                               \
    X(Q4_1, q4_1, 0)                                                                               \
    X(Q5_0, q5_0, 0)                                                                               \
    X(Q5_1, q5_1, 0)                                                                               \
    X(Q8_0, q8_0, 0)                                                                               \
    X(Q2_K, q2_k, 0)                                                                               \
    X(Q3_K, q3_k, 0)                                                                               \
    X(Q4_K, q4_k, 0)                                                                               \
    X(Q5_K, q5_k, 0)                                                                               \
    X(Q6_K, q6_k, 0)                                                                               \
    X(IQ4_NL, iq4_nl, 0)                                                                           \
    X(IQ4_XS, iq4_xs, 0)

/* One block of 32 numbers to Q8_0: every operation is exact or rounded as IEEE says, so that all
 * sets give the same bits. */
static inline void kernels_store_q8_0_block(const float *x, GgufBlockQ8_0 *ret) {
    float max = 0;
    for (size_t i = 0; i < GGUF_BLOCK; i++) max = fabsf(x[i]) > max ? fabsf(x[i]) : max;
    ret->d = gguf_f32_to_f16(max / 127);
    float d = gguf_f16_to_f32(ret->d);
    for (size_t i = 0; i < GGUF_BLOCK; i++) {
        float q = d > 0 ? rintf(x[i] / d) : 0;
        q = q > 127 ? 127 : q < -127 ? -127 : q;
        ret->qs[i] = (int8_t)(q == q ? q : 0);
    }
}
