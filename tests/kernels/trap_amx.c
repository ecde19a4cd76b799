/* check_kernels for the set "amx" itself on a processor without it: each tile instruction traps,
 * its bytes are decoded, and emulated tiles do what they say. What a build with emulated tiles
 * leaves out is seen so: encodings, operands, and whether the compiler kept every store before what
 * reads it.
 * Ends with 77 (skipped) where the rest of the set, AVX-512 VNNI, VBMI and GFNI, is missing too,
 * where nothing would trap, and where traps are slow: with 14 us each, as in some virtual machines,
 * all of them took a quarter of an hour. Source: Intel SDM vol. 2, ch. 2.3 (VEX prefixes, ModRM,
 * SIB) and LDTILECFG to TILEZERO. */
#define KERNELS_EMULATED
#include "kernels/kernels_internal.h"
#include "kernels/x86/tiles.h"

#include <cpuid.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile sig_atomic_t n_trapped;

/* Instead of the program's own: only what is to be checked. */
KernelsCpu kernels_cpu(void) {
    return (KernelsCpu){ .sets = KERNELS_REF | KERNELS_AMX };
}

typedef struct Instruction {
    const uint8_t *next;
    unsigned opcode, prefix; /* of VEX: 0 none, 1 66, 2 F3, 3 F2 */
    unsigned reg, rm, vvvv;
    bool is_memory;
    uint8_t *memory;
    size_t stride;
} Instruction;

static uint64_t value_of(const greg_t *registers, unsigned number) {
    static const int order[] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                 REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                 REG_R12, REG_R13, REG_R14, REG_R15 };
    return (uint64_t)registers[order[number]];
}

/* Base, and as stride the scaled index. */
static void read_address(Instruction *i, const greg_t *registers, unsigned mod, bool x, bool b) {
    unsigned base = i->rm;
    if (i->rm == 4) {
        unsigned sib = *i->next++, index = (sib >> 3 & 7) + 8 * x;
        base = sib & 7;
        if (index != 4) i->stride = value_of(registers, index) << (sib >> 6);
    }
    int32_t displacement = 0;
    bool is_relative = mod == 0 && i->rm == 5;
    if (mod == 1) displacement = (int8_t)*i->next++;
    if (mod == 2 || is_relative) {
        memcpy(&displacement, i->next, 4);
        i->next += 4;
    }
    uint64_t from = is_relative ? (uint64_t)i->next : value_of(registers, base + 8 * b);
    i->memory = (uint8_t *)(from + (uint64_t)(int64_t)displacement);
}

/* False: no instruction in three bytes of VEX of the map 0F 38. */
static bool decode(const uint8_t *p, const greg_t *registers, Instruction *ret) {
    Instruction i = { .next = p + 5, .opcode = p[3], .prefix = p[2] & 3 };
    if (p[0] != 0xC4 || (p[1] & 0x1F) != 2) return false;
    unsigned mod = p[4] >> 6;
    i.reg = p[4] >> 3 & 7;
    i.rm = p[4] & 7;
    i.vvvv = ~(unsigned)(p[2] >> 3) & 15;
    i.is_memory = mod != 3;
    if (i.is_memory) read_address(&i, registers, mod, !(p[1] & 0x40), !(p[1] & 0x20));
    *ret = i;
    return true;
}

static bool execute(const Instruction *i) {
    switch (i->opcode << 4 | i->prefix << 1 | i->is_memory) {
    case 0x490: tiles_release(); return true;
    case 0x491: tiles_configure((const TileConfig *)(const void *)i->memory); return true;
    case 0x496: emulated_zero(i->reg); return true;
    case 0x4B3: /* of what need not stay in L1 */
    case 0x4B7: emulated_load(i->reg, i->memory, i->stride); return true;
    case 0x4B5: emulated_store(i->reg, i->memory, i->stride); return true;
    case 0x5C4: emulated_dot_bf16(i->reg, i->rm, i->vvvv); return true;
    default: return false;
    }
}

static void trap(int number, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    Instruction i;
    (void)number, (void)info;
    if (!decode((const uint8_t *)registers[REG_RIP], registers, &i) || !execute(&i)) {
        static const char text[] = "FAIL: an instruction that is no tile's\n";
        if (write(STDOUT_FILENO, text, sizeof text - 1) < 0) _exit(2);
        _exit(1);
    }
    registers[REG_RIP] = (greg_t)i.next;
    n_trapped = 1;
}

enum { LONGEST_US = 4 };

/* How long a trap takes. */
static double trap_us(void) {
    enum { TRAPS = 1000 };
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (size_t i = 0; i < TRAPS; i++) __asm__ volatile("tilerelease" ::: "memory");
    clock_gettime(CLOCK_MONOTONIC, &end);
    double ns = (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
    return ns / 1e3 / TRAPS;
}

__attribute__((constructor)) static void begin(void) {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx512vnni") || !__builtin_cpu_supports("avx512vbmi") ||
        !__builtin_cpu_supports("gfni")) {
        puts("SKIP: this machine lacks AVX-512 VNNI, VBMI or GFNI");
        exit(77);
    }
    unsigned a, b, c, d;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && d >> 24 & 1) {
        puts("SKIP: this machine has tiles, check_kernels uses them");
        exit(77);
    }
    struct sigaction action = { .sa_sigaction = trap, .sa_flags = SA_SIGINFO | SA_NODEFER };
    sigaction(SIGILL, &action, NULL);
    double us = trap_us();
    if (us > LONGEST_US) {
        printf("SKIP: a trap takes %.1f us on this machine\n", us);
        fflush(stdout);
        _exit(77);
    }
    n_trapped = 0;
}

__attribute__((destructor)) static void end(void) {
    puts(n_trapped ? "tiles: trapped" : "tiles: the processor's own");
}
