/* Which sets a build with emulated AVX-512 and tiles has, on a processor with AVX2. */
#include "kernels/kernels_internal.h"

unsigned kernels_cpu_sets(void) {
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return KERNELS_REF;
    return KERNELS_REF | KERNELS_AVX2 | KERNELS_MADDUBS | KERNELS_AVX512 | KERNELS_VNNI |
           KERNELS_BF16_SET | KERNELS_AMX;
}
