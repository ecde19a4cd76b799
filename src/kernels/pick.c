/* Names of the sets and the choice among them, once at start. */
#include "kernels/kernels_internal.h"

#include "base/mem.h"
#include "base/slice.h"
#include <stdio.h>
#include <string.h>

typedef struct SetRow {
    KernelsSet set;
    const char *name;
    void (*fill)(KernelTable *); /* NULL: not in this program */
} SetRow;

/* From plain to best: a later row overwrites what earlier ones filled in. */
static const SetRow sets[] = {
    { KERNELS_REF, "ref", kernels_fill_ref },
#ifdef KERNELS_HAVE_X86
    { KERNELS_AVX2, "avx2", kernels_fill_avx2 },
    { KERNELS_AVX512, "avx512", kernels_fill_avx512 },
    { KERNELS_MADDUBS, "maddubs", kernels_fill_maddubs },
    { KERNELS_BF16_SET, "bf16", kernels_fill_bf16 },
    { KERNELS_VNNI, "vnni", kernels_fill_vnni },
    { KERNELS_AMX, "amx", kernels_fill_amx },
#else
    { KERNELS_AVX2, "avx2", NULL },           { KERNELS_AVX512, "avx512", NULL },
    { KERNELS_MADDUBS, "maddubs", NULL },     { KERNELS_BF16_SET, "bf16", NULL },
    { KERNELS_VNNI, "vnni", NULL },           { KERNELS_AMX, "amx", NULL },
#endif
#ifdef KERNELS_HAVE_ARM
    { KERNELS_NEON, "neon", kernels_fill_neon },
    { KERNELS_DOTPROD, "dotprod", kernels_fill_dotprod },
#else
    { KERNELS_NEON, "neon", NULL },           { KERNELS_DOTPROD, "dotprod", NULL },
#endif
};

size_t kernels_packed_bytes(KernelsArithmetic arithmetic, size_t n) {
    size_t n_slabs = (n + KERNELS_SLAB - 1) / KERNELS_SLAB;
    switch (arithmetic) {
    /* an odd number of cache lines, so that tokens' inputs do not meet in the same sets */
    case KERNELS_F32_LANES: return KERNELS_ROUND_UP(n) * sizeof(float) + 64;
    case KERNELS_BF16_LANES: return ((n + 31) / 32 | 1) * 64;
    case KERNELS_BF16:
    case KERNELS_BF16_TILES: return (n + 31) / 32 * 64;
    case KERNELS_BF16_PART_TILES: return (n + 31) / 32 * 3 * 64;
    case KERNELS_INT8:
    case KERNELS_INT8_SHARED: return n_slabs * sizeof(KernelsInputSlab);
    default: return n * sizeof(float);
    }
}

const char *kernels_set_name(KernelsSet set) {
    for (size_t i = 0; i < N_ELEMENTS(sets); i++) {
        if (sets[i].set == set) return sets[i].name;
    }
    return NULL;
}

unsigned kernels_available(void) {
    unsigned built = 0;
    for (size_t i = 0; i < N_ELEMENTS(sets); i++) built |= sets[i].fill ? sets[i].set : 0;
    return built & kernels_cpu().sets;
}

enum { NAMES_SIZE = 128 };

/* "ref, avx2, ..." */
static void name_sets(unsigned mask, char ret[NAMES_SIZE]) {
    size_t n = 0;
    for (size_t i = 0; i < N_ELEMENTS(sets) && n < NAMES_SIZE; i++) {
        if (!(mask & sets[i].set)) continue;
        n += (size_t)snprintf(ret + n, NAMES_SIZE - n, "%s%s", n ? ", " : "", sets[i].name);
    }
}

Status kernels_mask_parse(const char *names, unsigned *ret, Err *err) {
    unsigned mask = 0;
    for (const char *p = names;; p++) {
        Slice word = { p, strcspn(p, ",") };
        bool known = slice_equal(word, SLICE("all"));
        if (known) mask = KERNELS_ALL;
        for (size_t i = 0; i < N_ELEMENTS(sets); i++) {
            if (!slice_equal(word, slice_of(sets[i].name))) continue;
            mask |= sets[i].set;
            known = true;
        }
        if (!known) {
            char all[NAMES_SIZE];
            name_sets(KERNELS_ALL, all);
            return err_set_param(err, STATUS_USAGE, "cpu-mask",
                                 "\"%.*s\" is no set of kernels (%s, all)", SLICE_ARGS(word), all);
        }
        p += word.n;
        if (*p == 0) break;
    }
    *ret = mask;
    return STATUS_OK;
}

Status kernels_pick(unsigned mask, KernelTable *ret, Err *err) {
    unsigned usable = mask & kernels_available();
    if (usable == 0) {
        char names[NAMES_SIZE];
        name_sets(kernels_available(), names);
        return err_set_param(err, STATUS_UNSUPPORTED, "cpu-mask",
                             "this machine has none of the chosen sets of kernels: it has %s",
                             names);
    }
    KernelTable table;
    kernels_fill_ref(&table);
    for (size_t i = 0; i < N_ELEMENTS(sets); i++) {
        if (usable & sets[i].set) sets[i].fill(&table);
    }
    table.streams = kernels_cpu().streams;
    *ret = table;
    return STATUS_OK;
}
