#pragma once
/* What the files of the processor's device share. */
#include "llm/device.h"

typedef struct CpuDevice {
    LlmDevice device;
    Pool *pool;
    KernelTable kernels;
    const LlmBatch *batch;
    size_t shared_heads; /* query heads of a key/value head */
    float *scratch;      /* [n_threads, scratch_floats], the beginning of memory */
    size_t scratch_floats;
    size_t gate_at; /* in a thread's scratch: llm_cpu_gate_floats beside what kernels need */
    uint32_t *runs; /* [max_batch + 1]: where in the batch consecutive tokens of a sequence begin */
    size_t n_runs;
    uint8_t *packed[KERNELS_N_ARITHMETICS]; /* inputs of the running product; NULL: none needed */
    uint8_t *memory;
    size_t memory_bytes;
} CpuDevice;

static inline CpuDevice *cpu_of(LlmDevice *d) {
    return (CpuDevice *)d;
}

static inline float *llm_cpu_scratch(const CpuDevice *cpu, unsigned thread) {
    return cpu->scratch + thread * cpu->scratch_floats;
}

enum { CPU_ROW_PART_TOKENS = 4 /* of operations on rows of activations */ };
/* The tokens of a part, n in all. */
#define FOR_ROWS(t, n, part)                                                                       \
    for (size_t t = (part)*CPU_ROW_PART_TOKENS;                                                    \
         t < MIN((n), ((part) + 1) * (size_t)CPU_ROW_PART_TOKENS); t++)
static inline size_t llm_cpu_row_parts(size_t n) {
    return (n + CPU_ROW_PART_TOKENS - 1) / CPU_ROW_PART_TOKENS;
}

/* device_cpu_matmul.c: what one part of matmul_swiglu keeps of its products at most */
size_t llm_cpu_gate_floats(size_t max_batch);
/* see LlmDeviceOps */
void llm_cpu_matmul(LlmDevice *d, const LlmTensor *w, const float *x, size_t n, size_t n_written,
                    float *y);
void llm_cpu_matmul_add(LlmDevice *d, const LlmTensor *w, const float *x, float *y);
void llm_cpu_matmul_qkv(LlmDevice *d, const LlmLayer *layer, const float *x, float *q, float *k,
                        float *v);
void llm_cpu_matmul_swiglu(LlmDevice *d, const LlmLayer *layer, const float *x, float *up,
                           float *y);
