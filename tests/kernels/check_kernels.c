/* Every kernel of every set that this machine has against ref: lengths around the vectors' width,
 * misaligned rows, canaries round every output, and the same bits whichever rows and tokens are
 * computed together. A plain program without a test library, so that the same source runs under
 * qemu when it is cross-built.
 * Usage: check_kernels [SETS]   ("avx2,vnni"; without: all; skipped where the machine has none) */
#include "check.h"

KernelTable ref, set;
static unsigned n_checks, n_failed;
static uint64_t random_state = 88172645463325252U;

uint64_t random_bits(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

float random_float(void) {
    return (float)((double)(random_bits() >> 11) * 0x1p-52 - 1);
}

void check(bool good, const char *what, const char *type, size_t n, size_t detail) {
    n_checks++;
    if (good) return;
    if (n_failed++ < 20) {
        printf("FAIL %s: %s %s, length %zu, case %zu\n", set.name, what, type, n, detail);
    }
}

void *need(void *p) {
    if (!p) {
        puts("out of memory");
        exit(1);
    }
    return p;
}

#define CANARY 0x1.badp+9F
enum { MARGIN = 32 };

Guarded guarded_new(size_t n, size_t shift) {
    size_t total = n + 2 * MARGIN + shift;
    Guarded g = { need(aligned_alloc(64, (total * sizeof(float) + 63) / 64 * 64)), NULL, n };
    for (size_t i = 0; i < total; i++) g.all[i] = CANARY;
    g.y = g.all + MARGIN + shift;
    return g;
}
bool guarded_whole(const Guarded *g) {
    for (size_t i = 0; i < MARGIN; i++) {
        if (g->y[-1 - (ptrdiff_t)i] != CANARY || g->y[g->n + i] != CANARY) return false;
    }
    return true;
}
float *random_row(size_t n, Guarded *ret, size_t shift) {
    *ret = guarded_new(n, shift);
    for (size_t i = 0; i < n; i++) ret->y[i] = random_float();
    return ret->y;
}

float *scratch_of(size_t n_floats) {
    return need(aligned_alloc(64, (n_floats * sizeof(float) + 63) / 64 * 64));
}

bool same_bits(const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        bool both_nan = a[i] != a[i] && b[i] != b[i];
        if (!both_nan && memcmp(a + i, b + i, sizeof *a) != 0) return false;
    }
    return true;
}

bool close_to(const float *got, const float *wanted, size_t n, double tolerance,
              const float *scale) {
    for (size_t i = 0; i < n; i++) {
        double limit = tolerance * fabs(scale ? (double)scale[i] : (double)wanted[i]) + 1e-37;
        if (!(fabs((double)got[i] - wanted[i]) <= limit)) return false;
    }
    return true;
}

int main(int argc, char **argv) {
    enum { SKIPPED = 77 };
    unsigned mask = KERNELS_ALL, n_sets = 0;
    Err err = { 0 };
    if ((argc > 1 && kernels_mask_parse(argv[1], &mask, &err) != STATUS_OK) ||
        kernels_pick(KERNELS_REF, &ref, &err) != STATUS_OK) {
        printf("FAIL: %s\n", err.text);
        return 1;
    }
    for (unsigned bit = 1; bit < KERNELS_SET_END; bit <<= 1) {
        const char *name = kernels_set_name((KernelsSet)bit);
        if (!(mask & bit)) continue;
        if (!(kernels_available() & bit)) {
            printf("SKIP %s: this machine lacks it\n", name);
            continue;
        }
        if (kernels_pick(bit, &set, &err) != STATUS_OK) {
            printf("FAIL %s: %s\n", name, err.text);
            return 1;
        }
        unsigned before = n_checks;
        n_sets++;
        check_pick();
        check_products();
        check_rows();
        check_attentions();
        printf("%s: %u checks\n", name, n_checks - before);
    }
    printf("%u of %u checks failed\n", n_failed, n_checks);
    return n_sets == 0 ? SKIPPED : n_failed || !n_checks;
}
