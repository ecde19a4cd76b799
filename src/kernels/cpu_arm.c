/* Which sets this AArch64 processor has: the kernel's word for it, which also says that the
 * registers are kept. Source: Linux Documentation/arch/arm64/elf_hwcaps.rst. */
#include "kernels/kernels_internal.h"

#include <asm/hwcap.h>
#include <sys/auxv.h>

KernelsCpu kernels_cpu(void) {
    unsigned long caps = getauxval(AT_HWCAP);
    KernelsCpu cpu = { .sets = KERNELS_REF };
    if (!(caps & HWCAP_ASIMD)) return cpu;
    cpu.sets |= KERNELS_NEON;
    if (caps & HWCAP_ASIMDDP) cpu.sets |= KERNELS_DOTPROD;
    return cpu;
}
