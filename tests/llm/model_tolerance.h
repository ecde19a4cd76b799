#pragma once
/* For tests: by what a kernel set's logits of a model may differ from exact ones. */
#include "llm/model.h"

#include "base/mem.h"
#include "kernels/kernels.h"
#include "tolerance.h"

/* NMSE: the ceiling of the roughest arithmetic that the set has for the model's matrices. */
static inline double model_tolerance(const LlmModel *model, const KernelTable *kernels) {
    const LlmLayer *l = &model->layers[0];
    const GgufType types[] = { model->output.type, l->wq.type,     l->wk.type,   l->wv.type,
                               l->wo.type,         l->w_gate.type, l->w_up.type, l->w_down.type };
    double tolerance = TOLERANCE_MODEL;
    for (size_t i = 0; i < N_ELEMENTS(types); i++) {
        KernelsArithmetic a = kernels->arithmetic[types[i]];
        if (a == KERNELS_INT8 || a == KERNELS_INT8_TILES) return TOLERANCE_MODEL_INT8;
        if (a == KERNELS_BF16) tolerance = TOLERANCE_MODEL_BF16;
    }
    return tolerance;
}
