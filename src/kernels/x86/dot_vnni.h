#pragma once
/* What all products by VPDPBUSD share: the arithmetic of an output.
 *
 * An output is a vector of 16 partial sums, one for each block of 32 of a slab. For each slab in
 * order: the integer dot product of each block (exact), to float, times the product of the two
 * scales, added with one rounding; then, where the type has them, the minima in the same way.
 * Where inputs share scales, the slabs of a group are added up without the inputs' scale,
 * and that sum, times the scale, is added to the partial sum with one rounding. At the end one
 * fixed tree adds the lanes. Nothing in it depends on how many rows and tokens are computed side by
 * side, so that both ways of doing it (direct_vnni.h, panel_vnni.h) give the same bits. */
#include "kernels/x86/statements.h"
#include "kernels/x86/types_int8.h"
#include "kernels/x86/unpack_vnni.h"

/* How the weights of a type are multiplied. Always a constant. */
typedef struct DotType {
    SlabKind kind;
    int zero;
    bool shared; /* inputs share scales */
} DotType;
#define DOT_TYPE(type, kind, zero) ((DotType){ kind, zero, SHARES_SCALES(type) })

/* Sum of q over half h of each block, or (halves 1) over all of it. */
ALWAYS_INLINE __m512i q_sum(const KernelsInputSlab *x, size_t h, size_t halves) {
    __m512i all = _mm512_load_si512(x->sum);
    if (halves == 1) return all;
    __m512i first = _mm512_load_si512(x->first);
    return h == 0 ? first : _mm512_sub_epi32(all, first);
}

/* What integer sums begin with: -zero * sum of q. */
ALWAYS_INLINE __m512i correction(const KernelsInputSlab *x, size_t h, size_t halves, int zero) {
    if (zero == 0) return _mm512_setzero_si512();
    return _mm512_mullo_epi32(q_sum(x, h, halves), _mm512_set1_epi32(-zero));
}

/* Sum of the inputs themselves, without a shared scale, for addends. */
ALWAYS_INLINE __m512 input_sum(const KernelsInputSlab *x, size_t h, size_t halves, bool shared) {
    if (halves == 1) return _mm512_load_ps(x->total);
    __m512 sum = _mm512_cvtepi32_ps(q_sum(x, h, halves));
    return shared ? sum : _mm512_mul_ps(sum, _mm512_load_ps(x->d));
}

/* Slab s of a row. The part at its end is followed by zeros: blocks of zeros have scales of zero.
 */
ALWAYS_INLINE Slab unpack_at(const uint8_t *row, size_t s, const RowShape *shape,
                             size_t slab_stride, UnpackSlab *unpack) {
    if (s < shape->whole) return unpack(row + s * slab_stride);
    uint8_t padded[MAX_SLAB_BYTES] = { 0 };
    memcpy(padded, row + s * slab_stride, shape->rest);
    return unpack(padded);
}
