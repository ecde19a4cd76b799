/* The set for AVX-512 with VNNI and VBMI: products of quantised weights in int8. Everything else is
 * left to the sets before it. Built with this set's flags; nothing in it may run before
 * kernels_cpu_sets has said that the machine has them. */
#include "kernels/x86/matmul_vnni.h"

INT8_TYPES(DEFINE_MATMUL)

/* ---- inputs ------------------------------------------------------------------------------------
 */

/* max |x| of 32, as bits: so that NaN is larger than infinity, and both come through. */
static inline uint32_t largest_bits(__m512 a, __m512 b) {
    __m512i m = _mm512_set1_epi32(0x7FFFFFFF);
    return _mm512_reduce_max_epu32(_mm512_max_epu32(_mm512_and_si512(_mm512_castps_si512(a), m),
                                                    _mm512_and_si512(_mm512_castps_si512(b), m)));
}

/* One block to its lane of the slab. */
static inline void pack_block(const float *x, size_t lane, KernelsInputSlab *ret) {
    __m512 a = _mm512_loadu_ps(x), b = _mm512_loadu_ps(x + 16);
    float max = gguf_bits_f32(largest_bits(a, b));
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
    ret->total[lane] = ret->d[lane] * (float)ret->sum[lane];
}

void kernels_pack_int8_vnni(const float *x, size_t n, void *y) {
    slab_pack(x, n, y, pack_block);
}

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
    table->pack[KERNELS_INT8] = kernels_pack_int8_vnni;
    table->unpack[KERNELS_INT8] = slab_unpack;
    table->peak[KERNELS_INT8] = peak_int8_vnni;
#define FILL_TYPE(type, name, kind, zero, top)                                                     \
    table->matmul[GGUF_TYPE_##type] = kernels_matmul_##name##_vnni;                                \
    table->arithmetic[GGUF_TYPE_##type] = KERNELS_INT8;
    INT8_TYPES(FILL_TYPE)
#undef FILL_TYPE
}
