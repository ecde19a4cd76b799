#pragma once
/* exp over the vectors of a set, which the including file has chosen. Folder-private. */

/* exp(x) to about 1 unit in the last place, for x in [-87.3, 88.3]; below that exp(-87.3), above it
 * infinity (n is 128 then, whose bits as an exponent are infinity's).
 * x = n ln 2 + r with |r| <= ln 2 / 2; e^r by its Taylor polynomial of degree 7, whose remainder
 * there is below 6e-9; ln 2 in two parts, so that the first product is exact. */
static inline Vec vec_exp(Vec x) {
    x = vec_max(vec_set1(-87.3F), x); /* this order keeps NaN on x86 */
    x = vec_min(vec_set1(89.0F), x);
    Vec n = vec_round(vec_mul(x, vec_set1(0x1.715476p+0F)));
    Vec r = vec_fma(n, vec_set1(-0x1.62e4p-1F), x);
    r = vec_fma(n, vec_set1(-0x1.7f7d1cp-20F), r);
    Vec p = vec_set1(0x1.a01a02p-13F); /* 1/5040 */
    p = vec_fma(p, r, vec_set1(0x1.6c16c2p-10F));
    p = vec_fma(p, r, vec_set1(0x1.111112p-7F));
    p = vec_fma(p, r, vec_set1(0x1.555556p-5F));
    p = vec_fma(p, r, vec_set1(0x1.555556p-3F));
    p = vec_fma(p, r, vec_set1(0.5F));
    p = vec_fma(p, r, vec_set1(1.0F));
    p = vec_fma(p, r, vec_set1(1.0F));
    return vec_mul(p, vec_exp2_whole(n));
}
