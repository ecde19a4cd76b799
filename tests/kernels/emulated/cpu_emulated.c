/* Which sets a build with emulated AVX-512 and tiles has, on a processor with AVX2. */
#include "kernels/kernels_internal.h"

KernelsCpu kernels_cpu(void) {
    KernelsCpu cpu = { .sets = KERNELS_REF };
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return cpu;
    cpu.sets |= KERNELS_AVX2 | KERNELS_MADDUBS | KERNELS_AVX512 | KERNELS_VNNI | KERNELS_BF16_SET |
                KERNELS_AMX;
    return cpu;
}
