/* The set for AVX2 without dot products: products of quantised weights in int8, by VPMADDUBSW.
 * Everything else is left to the sets before it. Built with AVX2's flags; nothing in it may run
 * before kernels_cpu has said that the machine has them. */
#include "kernels/x86/matmul_maddubs.h"

INT8_TYPES(DEFINE_MATMUL)

/* ---- inputs ------------------------------------------------------------------------------------
 */

/* max |x| of 32, as bits: so that NaN is larger than infinity, and both come through. */
static inline uint32_t largest_bits(const __m256 x[4]) {
    __m256i mask = _mm256_set1_epi32(0x7FFFFFFF), max = _mm256_setzero_si256();
    for (size_t i = 0; i < 4; i++) {
        max = _mm256_max_epu32(max, _mm256_and_si256(_mm256_castps_si256(x[i]), mask));
    }
    __m128i m = _mm_max_epu32(_mm256_castsi256_si128(max), _mm256_extracti128_si256(max, 1));
    m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0x4E));
    m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0xB1));
    return (uint32_t)_mm_cvtsi128_si32(m);
}

/* One block to its lane of the slab. */
static inline void pack_block(const float *from, size_t lane, KernelsInputSlab *ret) {
    __m256 x[4];
    __m256i q[4];
    for (size_t i = 0; i < 4; i++) x[i] = _mm256_loadu_ps(from + 8 * i);
    float max = gguf_bits_f32(largest_bits(x));
    /* below that 127 / max overflows; such a block counts as zeros */
    bool usable = max > 0x1p-120F || max != max;
    __m256 inverse = _mm256_set1_ps(usable ? 127 / max : 0);
    for (size_t i = 0; i < 4; i++) q[i] = _mm256_cvtps_epi32(_mm256_mul_ps(x[i], inverse));
    __m256i bytes =
        _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
    bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    int32_t steps[SLAB_STEPS], sums[SLAB_STEPS];
    _mm256_storeu_si256((void *)steps, bytes);
    __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);
    _mm256_storeu_si256((void *)sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    for (size_t k = 0; k < SLAB_STEPS; k++) memcpy(&ret->q[k][4 * lane], &steps[k], 4);
    ret->d[lane] = usable ? max / 127 : 0;
    ret->first[lane] = sums[0] + sums[1] + sums[2] + sums[3];
    ret->sum[lane] = ret->first[lane] + sums[4] + sums[5] + sums[6] + sums[7];
    ret->total[lane] = ret->d[lane] * (float)ret->sum[lane];
}

static void pack_int8_maddubs(const float *x, size_t n, void *y) {
    slab_pack(x, n, y, pack_block);
}
DEFINE_ROW_FORM(int8, KERNELS_INT8, pack_int8_maddubs, slab_unpack)

/* ---- the peak ---------------------------------------------------------------------------------
 */

/* Products of four bits or less, which are added in 16 bits. */
static double peak_int8_maddubs(size_t n_rounds) {
    enum { CHAINS = 8, STEPS = 16 };
    __m256i sums[CHAINS], one = _mm256_set1_epi8(1), product;
    UNROLL for (size_t i = 0; i < CHAINS; i++) sums[i] = _mm256_setzero_si256();
    for (size_t n = 0; n < n_rounds; n++) {
        for (size_t k = 0; k < STEPS; k++) {
            UNROLL for (size_t i = 0; i < CHAINS; i++) {
                __asm__ volatile("vpmaddubsw %2, %2, %1\n\tvpaddw %1, %0, %0"
                                 : "+x"(sums[i]), "=&x"(product)
                                 : "x"(one));
            }
        }
    }
    return (double)n_rounds * STEPS * CHAINS * 32 * 2;
}

void kernels_fill_maddubs(KernelTable *table) {
    table->name = "maddubs";
    set_form(table, KERNELS_INT8, int8_pack, int8_unpack);
    table->peak[KERNELS_INT8] = peak_int8_maddubs;
#define FILL_TYPE(type, name, kind, zero, top)                                                     \
    set_product(table, GGUF_TYPE_##type, matmul_##name##_maddubs, one_form(KERNELS_INT8));
    INT8_TYPES(FILL_TYPE)
#undef FILL_TYPE
}
