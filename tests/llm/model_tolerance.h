#pragma once
/* For tests: by what a kernel set's logits of a model may differ from exact ones. */
#include "llm/model.h"

#include "base/mem.h"
#include "kernels/kernels.h"
#include "tolerance.h"

/* Whether one of the model's matrices is multiplied in one of these, a mask of 1 <<
 * KernelsArithmetic. */
static inline bool model_uses(const LlmModel *model, const KernelTable *kernels, unsigned which) {
    const LlmLayer *l = &model->layers[0];
    const GgufType types[] = { model->output.type, l->wq.type,     l->wk.type,   l->wv.type,
                               l->wo.type,         l->w_gate.type, l->w_up.type, l->w_down.type };
    for (size_t i = 0; i < N_ELEMENTS(types); i++) {
        const KernelsProduct *product = &kernels->products[KERNELS_READING][types[i]];
        if (which >> kernels_arithmetic(product, 1) & 1) return true;
    }
    return false;
}

/* NMSE: the ceiling of the roughest arithmetic that the set has for the model's matrices. */
static inline double model_tolerance(const LlmModel *model, const KernelTable *kernels) {
    unsigned int8 = 1U << KERNELS_INT8 | 1U << KERNELS_INT8_SHARED;
    unsigned bf16 = 1U << KERNELS_BF16 | 1U << KERNELS_BF16_TILES;
    if (model_uses(model, kernels, int8)) return TOLERANCE_MODEL_INT8;
    return model_uses(model, kernels, bf16) ? TOLERANCE_MODEL_BF16 : TOLERANCE_MODEL;
}
