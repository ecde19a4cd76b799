/* The set for AVX-512 F, BW, DQ and VL: vec/ over this set's vectors. Built with this set's
 * flags; nothing in it may run before kernels_cpu has said that the machine has them. */
#include "kernels/x86/vec_avx512.h"

#include "kernels/vec/vec_matmul.h"
#include "kernels/vec/vec_rows.h"
#include "kernels/x86/blocks_avx512.h"

#include "kernels/vec/vec_attention.h"

KERNELS_NUMBER_TYPES(VEC_DEFINE_NUMBERS)
KERNELS_BLOCK_TYPES(VEC_DEFINE_BLOCKS)
VEC_DEFINE_ATTENTION(F32, f32)
VEC_DEFINE_ATTENTION(F16, f16)
VEC_DEFINE_ATTENTION(Q8_0, q8_0)

static void kv_store_f16_avx512(const float *x, size_t n, void *y) {
    uint8_t *p = y;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256i h = _mm512_cvtps_ph(_mm512_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT);
        _mm256_storeu_si256((void *)(p + 2 * i), h);
    }
    for (; i < n; i++) {
        uint16_t h = gguf_f32_to_f16(x[i]);
        memcpy(p + 2 * i, &h, sizeof h);
    }
}

void kernels_fill_avx512(KernelTable *table) {
    table->name = "avx512";
    table->rmsnorm = rmsnorm_avx512;
    table->rope = rope_avx512;
    table->silu_mul = silu_mul_avx512;
    table->add = add_avx512;
    table->peak[KERNELS_F32] = peak_f32_avx512;
    table->kv_store[KERNELS_KV_F32] = kv_store_f32_avx512;
    table->kv_store[KERNELS_KV_F16] = kv_store_f16_avx512;
    table->kv_store[KERNELS_KV_Q8_0] = kv_store_q8_0_avx512;
    set_attention(table, KERNELS_KV_F32, attention_f32_avx512);
    set_attention(table, KERNELS_KV_F16, attention_f16_avx512);
    set_attention(table, KERNELS_KV_Q8_0, attention_q8_0_avx512);
    set_form(table, KERNELS_F32_LANES, lanes_pack, lanes_unpack);
    KERNELS_WEIGHT_TYPES(VEC_FILL_TYPE)
}
