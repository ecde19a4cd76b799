/* The set for AArch64 with dot product (SDOT): products of quantised weights in int8. Everything
 * else is left to neon. Built with this set's flags; nothing in it may run before kernels_cpu
 * has said that the machine has them.
 *
 * An output is one vector of four partial sums. For each 32 inputs in order: the integer dot
 * product (exact), to float, times the product of the two scales, added with one rounding; then,
 * where the type has addends, these times the sums of the inputs. At the end one fixed tree adds
 * the lanes. Tiles of rows x tokens only decide how many such sums run side by side, so the bits
 * are the same for any batch. */
#include "kernels/arm/unpack_neon.h"

#include <assert.h>

/* The form of 32 inputs: input = q d. */
typedef struct Input {
    int8_t q[GGUF_BLOCK];
    float d;
    float sum[2]; /* d times the sum of q over each half: for addends */
} Input;
_Static_assert(sizeof(Input) * SLAB_BLOCKS <= sizeof(KernelsInputSlab), "kernels_packed_bytes");

enum { TILE_TOKENS = 4 };

/* acc += the products of 32 weights and 32 inputs. */
ALWAYS_INLINE float32x4_t dot_group(float32x4_t acc, const Unpacked *w, const Input *x, bool halves,
                                    bool has_min) {
    int8x16_t x0 = vld1q_s8(x->q), x1 = vld1q_s8(x->q + 16);
    int32x4_t first = vdotq_s32(vdupq_n_s32(0), w->q.v[0], x0);
    if (halves) {
        int32x4_t second = vdotq_s32(vdupq_n_s32(0), w->q.v[1], x1);
        acc = vfmaq_n_f32(acc, vcvtq_f32_s32(first), w->scale[0] * x->d);
        acc = vfmaq_n_f32(acc, vcvtq_f32_s32(second), w->scale[1] * x->d);
    } else {
        first = vdotq_s32(first, w->q.v[1], x1);
        acc = vfmaq_n_f32(acc, vcvtq_f32_s32(first), w->scale[0] * x->d);
    }
    if (!has_min) return acc;
    float32x4_t sums = vcombine_f32(vld1_f32(x->sum), vdup_n_f32(0));
    return vfmaq_f32(acc, vcombine_f32(vld1_f32(w->min), vdup_n_f32(0)), sums);
}

/* Lanes i and i + 2, then i + 1. */
ALWAYS_INLINE float lanes_sum(float32x4_t v) {
    float32x2_t b = vadd_f32(vget_low_f32(v), vget_high_f32(v));
    return vget_lane_f32(b, 0) + vget_lane_f32(b, 1);
}

/* Four rows (fewer: the last one repeated, not stored) times n_tokens tokens. */
ALWAYS_INLINE void tile(const KernelsMatmulJob *job, size_t row, size_t n_rows, size_t token,
                        size_t n_tokens, bool halves, bool has_min, UnpackGroup *unpack) {
    const uint8_t *w[KERNELS_MATMUL_ROWS];
    const Input *x[TILE_TOKENS];
    float32x4_t acc[KERNELS_MATMUL_ROWS][TILE_TOKENS];
    for (size_t r = 0; r < KERNELS_MATMUL_ROWS; r++) {
        w[r] = (const uint8_t *)job->w + (row + MIN(r, n_rows - 1)) * job->row_bytes;
        for (size_t t = 0; t < n_tokens; t++) acc[r][t] = vdupq_n_f32(0);
    }
    for (size_t t = 0; t < n_tokens; t++) {
        x[t] = (const void *)((const uint8_t *)job->x + (token + t) * job->x_stride);
    }
    for (size_t g = 0; g < job->n / GGUF_BLOCK; g++) {
        for (size_t r = 0; r < KERNELS_MATMUL_ROWS; r++) {
            Unpacked weights = unpack(w[r], g);
            for (size_t t = 0; t < n_tokens; t++) {
                acc[r][t] = dot_group(acc[r][t], &weights, x[t] + g, halves, has_min);
            }
        }
    }
    for (size_t r = 0; r < n_rows; r++) {
        for (size_t t = 0; t < n_tokens; t++) {
            float *y = job->y + (token + t) * job->y_stride + row + r;
            float sum = lanes_sum(acc[r][t]);
            *y = job->accumulate ? *y + sum : sum;
        }
    }
}

ALWAYS_INLINE void matmul_with(const KernelsMatmulJob *job, size_t row_begin, size_t row_end,
                               bool halves, bool has_min, UnpackGroup *unpack) {
    assert(job->n % GGUF_BLOCK == 0);
    for (size_t row = row_begin; row < row_end; row += KERNELS_MATMUL_ROWS) {
        size_t n_rows = MIN(row_end - row, (size_t)KERNELS_MATMUL_ROWS), t = 0;
        for (; t + TILE_TOKENS <= job->n_tokens; t += TILE_TOKENS) {
            tile(job, row, n_rows, t, TILE_TOKENS, halves, has_min, unpack);
        }
        for (; t < job->n_tokens; t++) tile(job, row, n_rows, t, 1, halves, has_min, unpack);
    }
}

#define DEFINE_MATMUL(type, name, halves, min)                                                     \
    static void matmul_##name##_dotprod(const KernelsMatmulJob *job, size_t row_begin,             \
                                        size_t row_end, float *scratch) {                          \
        (void)scratch;                                                                             \
        matmul_with(job, row_begin, row_end, halves, min, unpack_##name);                          \
    }
NEON_QUANTIZED_TYPES(DEFINE_MATMUL)
#undef DEFINE_MATMUL

/* ---- inputs ------------------------------------------------------------------------------------
 */

/* 16 inputs to bytes, and their sum. */
static inline float pack_half(const float *x, float inverse, float d, int8_t *ret) {
    int32x4_t q[4];
    for (size_t i = 0; i < 4; i++)
        q[i] = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + 4 * i), inverse));
    int16x8_t low = vcombine_s16(vqmovn_s32(q[0]), vqmovn_s32(q[1]));
    int16x8_t high = vcombine_s16(vqmovn_s32(q[2]), vqmovn_s32(q[3]));
    int8x16_t bytes = vcombine_s8(vqmovn_s16(low), vqmovn_s16(high));
    vst1q_s8(ret, bytes);
    return (float)vaddlvq_s8(bytes) * d;
}

static void pack_int8_dotprod(const float *x, size_t n, void *y) {
    Input *input = y;
    for (size_t i = 0; i < n; i += GGUF_BLOCK, input++) {
        float32x4_t largest = vdupq_n_f32(0); /* NaN where one of them is */
        for (size_t k = 0; k < GGUF_BLOCK; k += 4) {
            largest = vmaxq_f32(largest, vabsq_f32(vld1q_f32(x + i + k)));
        }
        float max = vmaxvq_f32(largest);
        /* below that 127 / max overflows; such a block counts as zeros */
        bool usable = max > 0x1p-120F || max != max;
        float inverse = usable ? 127 / max : 0;
        input->d = usable ? max / 127 : 0;
        for (size_t j = 0; j < 2; j++) {
            input->sum[j] = pack_half(x + i + 16 * j, inverse, input->d, input->q + 16 * j);
        }
    }
}

static void unpack_int8_dotprod(const void *packed, size_t n, float *x) {
    const Input *input = packed;
    for (size_t i = 0; i < n; i++) {
        x[i] = (float)input[i / GGUF_BLOCK].q[i % GGUF_BLOCK] * input[i / GGUF_BLOCK].d;
    }
}

DEFINE_ROW_FORM(int8, KERNELS_INT8, pack_int8_dotprod, unpack_int8_dotprod)

/* ---- the peak ---------------------------------------------------------------------------------
 */

static double peak_int8_dotprod(size_t n_rounds) {
    enum { CHAINS = 12, STEPS = 16 };
    int32x4_t sums[CHAINS];
    int8x16_t one = vdupq_n_s8(1);
    for (size_t i = 0; i < CHAINS; i++) sums[i] = vdupq_n_s32(0);
    for (size_t n = 0; n < n_rounds; n++) {
        for (size_t k = 0; k < STEPS; k++) {
            for (size_t i = 0; i < CHAINS; i++) {
                __asm__ volatile("sdot %0.4s, %1.16b, %1.16b" : "+w"(sums[i]) : "w"(one));
            }
        }
    }
    return (double)n_rounds * STEPS * CHAINS * 16 * 2;
}

void kernels_fill_dotprod(KernelTable *table) {
    table->name = "dotprod";
    set_form(table, KERNELS_INT8, int8_pack, int8_unpack);
    table->peak[KERNELS_INT8] = peak_int8_dotprod;
#define FILL_TYPE(type, name, halves, min)                                                         \
    set_product(table, GGUF_TYPE_##type, matmul_##name##_dotprod, one_form(KERNELS_INT8));
    NEON_QUANTIZED_TYPES(FILL_TYPE)
#undef FILL_TYPE
}
