/* The set for AArch64: vec/ over this set's vectors. Built with this set's flags; nothing in it may
 * run before kernels_cpu has said that the machine has them. */
#include "kernels/arm/vec_neon.h"

#include "kernels/arm/blocks_neon.h"
#include "kernels/vec/vec_matmul.h"
#include "kernels/vec/vec_rows.h"

#include "kernels/vec/vec_attention.h"

KERNELS_NUMBER_TYPES(VEC_DEFINE_NUMBERS)
KERNELS_BLOCK_TYPES(VEC_DEFINE_BLOCKS)
VEC_DEFINE_ATTENTION(F32, f32)
VEC_DEFINE_ATTENTION(F16, f16)
VEC_DEFINE_ATTENTION(Q8_0, q8_0)

static void kv_store_f16_neon(const float *x, size_t n, void *y) {
    uint8_t *p = y;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        vst1_u8(p + 2 * i, vreinterpret_u8_f16(vcvt_f16_f32(vld1q_f32(x + i))));
    }
    for (; i < n; i++) {
        uint16_t h = gguf_f32_to_f16(x[i]);
        memcpy(p + 2 * i, &h, sizeof h);
    }
}

void kernels_fill_neon(KernelTable *table) {
    table->name = "neon";
    table->rmsnorm = rmsnorm_neon;
    table->rope = rope_neon;
    table->silu_mul = silu_mul_neon;
    table->add = add_neon;
    table->peak[KERNELS_F32] = peak_f32_neon;
    table->kv_store[KERNELS_KV_F32] = kv_store_f32_neon;
    table->kv_store[KERNELS_KV_F16] = kv_store_f16_neon;
    table->kv_store[KERNELS_KV_Q8_0] = kv_store_q8_0_neon;
    set_attention(table, KERNELS_KV_F32, attention_f32_neon);
    set_attention(table, KERNELS_KV_F16, attention_f16_neon);
    set_attention(table, KERNELS_KV_Q8_0, attention_q8_0_neon);
    set_form(table, KERNELS_F32_LANES, lanes_pack, lanes_unpack);
    KERNELS_WEIGHT_TYPES(VEC_FILL_TYPE)
}
