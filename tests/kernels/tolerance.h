#pragma once
/* How far a set may be from ref, relative to the scale that the comment names. The f32 sums of a
 * set are bounded by n roundings of 6e-8 of the sum of magnitudes; they behave like sqrt(n), so the
 * rows leave a factor of about 4 over the largest difference seen with the lengths tested here. */
#define TOLERANCE_MATMUL 1e-6    /* of sum |w x| (+ |y| where accumulating): up to 2,048 terms */
#define TOLERANCE_RMSNORM 5e-7   /* of |y|: one sum, one square root, two products */
#define TOLERANCE_ROPE 2e-7      /* of |a| + |b|: two products, one sum */
#define TOLERANCE_SILU 4e-7      /* of |y|: exp within 1 ulp, one sum, one product, one quotient */
#define TOLERANCE_ADD 0          /* one IEEE addition */
#define TOLERANCE_ATTENTION 4e-6 /* of max |v|: weights near 1 carry the error of the scores */
#define TOLERANCE_ATTENTION_PARTS 5e-5 /* the same; queries and weights have 16 bits */
/* Of a whole model's logits: sum (a - b)^2 / sum b^2. */
#define TOLERANCE_MODEL 1e-10 /* activations stay f32 */
/* Inputs of products are rounded: each to 1/254 of the largest of its 32, or to 9 bits; in tiles so
 * are weights of blocks. These are ceilings for models of every size; golden models have nearer
 * ones of their own (manifest.json).
 */
#define TOLERANCE_MODEL_INT8 5e-3
#define TOLERANCE_MODEL_BF16 5e-4
