#pragma once
/* Angles of rotary position embeddings, with the ways to stretch them over a longer context.
 * Threads: any; plain data.
 * Source: arXiv:2104.09864 (RoPE); position interpolation arXiv:2306.15595; YaRN arXiv:2309.00071;
 * llama3's rule comes as factors in the file. */
#include "base/status.h"
#include <stddef.h>

typedef enum LlmRopeScaling { LLM_ROPE_NONE, LLM_ROPE_LINEAR, LLM_ROPE_YARN } LlmRopeScaling;

enum { LLM_ROPE_MAX_ROTATED = 1024 }; /* elements of a head */

typedef struct LlmRopeSpec {
    size_t n_rotated; /* elements of a head that are rotated: even, <= LLM_ROPE_MAX_ROTATED */
    double theta;     /* base of the frequencies */
    LlmRopeScaling scaling;
    double factor;               /* by how much the context is stretched; > 0 */
    double original_context;     /* tokens, YaRN */
    double ext_factor;           /* share of YaRN's ramp: 1 in YaRN, else 0 */
    double attn_factor;          /* extra factor on queries and keys, whatever the scaling; 1 */
    double beta_fast, beta_slow; /* YaRN: rotations over the original context, 32 and 1 */
    const float *divisors;       /* [n_rotated / 2] the angles are divided by (llama3); or NULL */
} LlmRopeSpec;

typedef struct LlmRope {
    size_t n_rotated;
    double per_position[LLM_ROPE_MAX_ROTATED / 2]; /* radians that a pair turns per position */
    double magnitude;                              /* cosines and sines are multiplied by it */
} LlmRope;

/* Errors: none (sizes asserted, numbers checked by the model reader). */
void llm_rope_init(LlmRope *rope, const LlmRopeSpec *spec);
/* cos, sin: f32 [n_rotated] each, as KernelsRope wants them. */
void llm_rope_angles(const LlmRope *rope, size_t position, float *ret_cos, float *ret_sin);
