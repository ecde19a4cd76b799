/* Which sets this AArch64 processor has: the kernel's word for it, which also says that the
 * registers are kept. Source: Linux Documentation/arch/arm64/elf_hwcaps.rst. */
#include "kernels/kernels_internal.h"

#include <asm/hwcap.h>
#include <sys/auxv.h>

unsigned kernels_cpu_sets(void) {
    unsigned long caps = getauxval(AT_HWCAP);
    if (!(caps & HWCAP_ASIMD)) return KERNELS_REF;
    unsigned sets = KERNELS_REF | KERNELS_NEON;
    return caps & HWCAP_ASIMDDP ? sets | KERNELS_DOTPROD : sets;
}
