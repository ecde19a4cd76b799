/* Names, masks and the choice among sets. */
#include "check.h"

static void check_names(void) {
    unsigned mask = 0;
    for (unsigned bit = 1; bit < KERNELS_SET_END; bit <<= 1) {
        const char *name = kernels_set_name((KernelsSet)bit);
        check(name != NULL, "set without a name", "", bit, 0);
        mask = 0;
        if (name) {
            check(kernels_mask_parse(name, &mask, NULL) == STATUS_OK && mask == bit, "mask of",
                  name, bit, mask);
        }
    }
    check(!kernels_set_name((KernelsSet)0) && !kernels_set_name((KernelsSet)3), "name", "", 0, 0);
    check(kernels_mask_parse("ref,avx2,neon", &mask, NULL) == STATUS_OK &&
              mask == (KERNELS_REF | KERNELS_AVX2 | KERNELS_NEON),
          "mask of", "ref,avx2,neon", 0, mask);
    check(kernels_mask_parse("all", &mask, NULL) == STATUS_OK && mask == KERNELS_ALL, "mask of",
          "all", 0, mask);
}

static void check_wrong_names(void) {
    static const char *const wrong[] = { "",    ",",    "ref,",  "ref,,avx2",
                                         "sse", "AVX2", "avx2 ", "ref;avx2" };
    for (size_t i = 0; i < N_ELEMENTS(wrong); i++) {
        unsigned mask = 77;
        Err err = { 0 };
        Status status = kernels_mask_parse(wrong[i], &mask, &err);
        check(status == STATUS_USAGE && mask == 77 && err.text[0], "no mask", wrong[i], i, mask);
    }
}

static void check_choice(void) {
    KernelTable table = { .name = "before" };
    Err err = { 0 };
    check(kernels_available() & KERNELS_REF, "ref everywhere", "", 0, 0);
    check(kernels_pick(0, &table, &err) == STATUS_UNSUPPORTED && err.text[0], "no set", "", 0, 0);
    unsigned missing = (KERNELS_SET_END - 1) & ~kernels_available();
    if (missing) {
        check(kernels_pick(missing, &table, &err) == STATUS_UNSUPPORTED, "sets that lack", "",
              missing, 0);
    }
    check(strcmp(table.name, "before") == 0, "table touched", "", 0, 0);
    check(kernels_pick(missing | KERNELS_REF, &table, &err) == STATUS_OK &&
              strcmp(table.name, "ref") == 0,
          "ref among missing", "", missing, 0);
}

/* Has what it takes its inputs in, and the peak of that. */
static bool product_whole(const KernelTable *t, const KernelsProduct *p) {
    KernelsArithmetic few = p->forms.few, many = p->forms.many;
    return p->matmul && t->peak[few] && p->many_rows >= KERNELS_PANEL_ROWS &&
           p->many_rows <= KERNELS_TILES_ROWS &&
           (few == KERNELS_F32 || (t->pack[few] && t->unpack[few])) &&
           (many == KERNELS_F32 || (t->pack[many] && t->unpack[many]));
}

static bool has_tiles(const KernelsForms *forms) {
    return kernels_in_tiles(forms->few) || kernels_in_tiles(forms->many);
}

/* Every entry that a program may call is there, in every set; what packs also unpacks. */
static void check_whole(const KernelTable *t) {
    bool good = t->name && t->rmsnorm && t->rope && t->silu_mul && t->add && t->peak[KERNELS_F32];
    for (size_t i = 0; i < KERNELS_N_KV_TYPES; i++) {
        good &= t->kv_store[i] && t->attention[KERNELS_READING][i];
        good &= t->attention[KERNELS_WRITING][i] != NULL;
    }
    for (uint32_t type = 0; type < GGUF_N_TYPE_NUMBERS; type++) {
        bool known = gguf_type_traits(type) != NULL;
        const KernelsProduct *reading = &t->products[KERNELS_READING][type];
        const KernelsProduct *writing = &t->products[KERNELS_WRITING][type];
        good &= known == (reading->matmul != NULL) && known == (t->decode_row[type] != NULL);
        if (!known) continue;
        good &= product_whole(t, reading) && product_whole(t, writing);
        /* tokens of both uses come together, and tiles begin where the memory does */
        good &= kernels_same_product(t, type) || !has_tiles(&writing->forms);
    }
    check(good, "table with holes", t->name, 0, 0);
    for (size_t a = 0; a < KERNELS_N_ARITHMETICS; a++) {
        if (t->peak[a]) check(t->peak[a](3) > 0, "peak", t->name, a, 0);
    }
}

void check_pick(void) {
    check_names();
    check_wrong_names();
    check_choice();
    check_whole(&set);
}
