/* Which sets this x86-64 processor has, and whether the operating system keeps their registers.
 * Source: Intel SDM vol. 1 ch. 13-15 (CPUID leaves 1 and 7, XCR0), AMD APM vol. 3 app. E. */
#include "kernels/kernels_internal.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t xcr0(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool has(uint32_t reg, unsigned bit) {
    return reg >> bit & 1;
}

static bool is_vendor(unsigned ebx, unsigned edx, unsigned ecx) {
    unsigned a, b, c, d;
    return __get_cpuid(0, &a, &b, &c, &d) && b == ebx && d == edx && c == ecx;
}
/* VDPBF16PS does twice the products of f32 on AMD's processors, half of them on Intel's. */
static bool is_amd(void) {
    return is_vendor(signature_AMD_ebx, signature_AMD_edx, signature_AMD_ecx);
}
static bool is_intel(void) {
    return is_vendor(signature_INTEL_ebx, signature_INTEL_edx, signature_INTEL_ecx);
}

/* Leaf 7: AMX-BF16, AMX-TILE; the registers of tiles are kept, once the system has been asked to.
 * The permission holds for all threads of the process. */
static bool may_use_tiles(uint32_t d, uint64_t kept) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    if (!has(d, 22) || !has(d, 24) || (kept >> 17 & 3) != 3) return false;
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

static unsigned cpu_sets(void) {
    unsigned a, b, c, d, sets = KERNELS_REF;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return sets;
    bool fma = has(c, 12), osxsave = has(c, 27), avx = has(c, 28), f16c = has(c, 29);
    if (!osxsave || !avx) return sets;
    uint64_t kept = xcr0();
    if ((kept & 0x06) != 0x06) return sets; /* SSE and AVX registers */
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return sets;
    if (fma && f16c && has(b, 5)) sets |= KERNELS_AVX2 | KERNELS_MADDUBS;
    bool avx512 = has(b, 16) && has(b, 17) && has(b, 30) && has(b, 31); /* F DQ BW VL */
    /* mask registers, upper halves of 0-15, registers 16-31 */
    if ((sets & KERNELS_AVX2) && avx512 && (kept & 0xE0) == 0xE0) sets |= KERNELS_AVX512;
    bool vbmi = has(c, 1), gfni = has(c, 8), vnni = has(c, 11);
    if ((sets & KERNELS_AVX512) && vbmi && gfni && vnni) sets |= KERNELS_VNNI;
    if ((sets & KERNELS_VNNI) && may_use_tiles(d, kept)) sets |= KERNELS_AMX;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d)) return sets;
    if ((sets & KERNELS_AVX512) && has(a, 5) && is_amd()) sets |= KERNELS_BF16_SET;
    return sets;
}

KernelsCpu kernels_cpu(void) {
    return (KernelsCpu){ .sets = cpu_sets(), .streams = is_intel() };
}
