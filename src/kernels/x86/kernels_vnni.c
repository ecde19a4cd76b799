/* The set for AVX-512 with VNNI and VBMI: products of quantised weights in int8. Everything else is
 * left to the sets before it. Built with this set's flags; nothing in it may run before
 * kernels_cpu has said that the machine has them. */
#include "kernels/x86/matmul_vnni.h"

INT8_TYPES(DEFINE_MATMUL)
ROUNDED_TYPES(DEFINE_ROUNDED_MATMUL)

/* ---- inputs ------------------------------------------------------------------------------------
 */

/* |x| of 32, the larger of each two, as bits: so that NaN is larger than infinity, and both come
 * through. */
static inline __m512i larger_bits(const float *x) {
    __m512i m = _mm512_set1_epi32(0x7FFFFFFF);
    return _mm512_max_epu32(_mm512_and_si512(_mm512_loadu_si512(x), m),
                            _mm512_and_si512(_mm512_loadu_si512(x + 16), m));
}

/* One block to its lane of the slab. */
static inline void pack_scaled(const float *x, float max, size_t lane, bool shared,
                               KernelsInputSlab *ret) {
    __m512 a = _mm512_loadu_ps(x), b = _mm512_loadu_ps(x + 16);
    /* below that 127 / max overflows; such a block counts as zeros */
    bool usable = max > 0x1p-120F || max != max;
    __m512 inverse = _mm512_set1_ps(usable ? 127 / max : 0);
    /* saturated: what is not finite becomes -2^31, two of which overflow their sum */
    __m128i p = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(a, inverse)));
    __m128i q = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(b, inverse)));
    int32_t bytes[8];
    _mm_storeu_si128((void *)bytes, p);
    _mm_storeu_si128((void *)(bytes + 4), q);
    for (size_t k = 0; k < SLAB_STEPS; k++) memcpy(&ret->q[k][4 * lane], &bytes[k], 4);
    ret->d[lane] = usable ? max / 127 : 0;
    ret->first[lane] = _mm512_reduce_add_epi32(_mm512_cvtepi8_epi32(p));
    ret->sum[lane] = ret->first[lane] + _mm512_reduce_add_epi32(_mm512_cvtepi8_epi32(q));
    ret->total[lane] = (shared ? 1 : ret->d[lane]) * (float)ret->sum[lane];
}

static inline void pack_block(const float *x, size_t lane, KernelsInputSlab *ret) {
    float max = gguf_bits_f32(_mm512_reduce_max_epu32(larger_bits(x)));
    pack_scaled(x, max, lane, false, ret);
}

static void pack_int8_vnni(const float *x, size_t n, void *y) {
    slab_pack(x, n, y, pack_block);
}

static void pack_int8_shared_vnni(const float *x, size_t n, void *y) {
    enum { INPUTS = SLAB_GROUP * KERNELS_SLAB };
    for (size_t begin = 0; begin < n; begin += INPUTS, x += INPUTS) {
        KernelsInputSlab *slabs = (KernelsInputSlab *)y + begin / KERNELS_SLAB;
        size_t n_blocks = MIN(n - begin, (size_t)INPUTS) / GGUF_BLOCK;
        size_t rest = n_blocks % SLAB_BLOCKS;
        KernelsInputSlab *part = &slabs[n_blocks / SLAB_BLOCKS];
        if (rest) memset(part, 0, sizeof *part);
        for (size_t first = 0; first < MIN(n_blocks, (size_t)SLAB_BLOCKS); first++) {
            __m512i bits = _mm512_setzero_si512();
            for (size_t b = first; b < n_blocks; b += SLAB_BLOCKS) {
                bits = _mm512_max_epu32(bits, larger_bits(x + b * GGUF_BLOCK));
            }
            float max = gguf_bits_f32(_mm512_reduce_max_epu32(bits));
            for (size_t b = first; b < n_blocks; b += SLAB_BLOCKS) {
                pack_scaled(x + b * GGUF_BLOCK, max, SLAB_LANE(first), true,
                            &slabs[b / SLAB_BLOCKS]);
            }
            /* a group's scales are in each of its slabs */
            if (rest) part->d[SLAB_LANE(first)] = slabs->d[SLAB_LANE(first)];
        }
    }
}

DEFINE_ROW_FORM(int8, KERNELS_INT8, pack_int8_vnni, slab_unpack)
DEFINE_ROW_FORM(int8_shared, KERNELS_INT8_SHARED, pack_int8_shared_vnni, slab_unpack)

/* ---- the peak ---------------------------------------------------------------------------------
 */

static double peak_int8_vnni(size_t n_rounds) {
    enum { CHAINS = 12, STEPS = 16 };
    __m512i sums[CHAINS], one = _mm512_set1_epi8(1);
    UNROLL for (size_t i = 0; i < CHAINS; i++) sums[i] = _mm512_setzero_si512();
    for (size_t n = 0; n < n_rounds; n++) {
        for (size_t k = 0; k < STEPS; k++) {
            UNROLL for (size_t i = 0; i < CHAINS; i++) {
                DOT_BYTES(sums[i], one, one);
                KEEP(sums[i]);
            }
        }
    }
    return (double)n_rounds * STEPS * CHAINS * 64 * 2;
}

void kernels_fill_vnni(KernelTable *table) {
    table->name = "vnni";
    set_form(table, KERNELS_INT8, int8_pack, int8_unpack);
    table->peak[KERNELS_INT8] = peak_int8_vnni;
    set_form(table, KERNELS_INT8_SHARED, int8_shared_pack, int8_shared_unpack);
    table->peak[KERNELS_INT8_SHARED] = peak_int8_vnni;
#define FILL_TYPE(type, name, kind, zero, top)                                                     \
    set_product(table, GGUF_TYPE_##type, matmul_##name##_vnni,                                     \
                one_form(SHARES_SCALES(type) ? KERNELS_INT8_SHARED : KERNELS_INT8));
    INT8_TYPES(FILL_TYPE)
#undef FILL_TYPE
#define FILL_ROUNDED(type, name, top)                                                              \
    table->products[KERNELS_READING][GGUF_TYPE_##type].matmul = matmul_rounded_##name##_vnni;      \
    table->products[KERNELS_READING][GGUF_TYPE_##type].rounds = true;
    ROUNDED_TYPES(FILL_ROUNDED)
#undef FILL_ROUNDED
}
