/* Open addressing over an array of owned strings. Folded and unfolded names live side by side: a
 * source that was folded is a string like any other. */
#include "store/names.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/utf8.h"

void store_names_deinit(StoreNames *names) {
    for (size_t i = 0; i < names->n; i++) free((char *)names->names[i].p);
    free(names->names);
    free(names->table);
    *names = (StoreNames){ 0 };
}

uint32_t store_fold_char(uint32_t c) {
    if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
    if (c >= 0xC0 && c <= 0xDE && c != 0xD7) return c + 32;
    if (c == 0x178) return 0xFF;
    /* pairs of neighbours: in these ranges the capital is even, in the next odd */
    if ((c >= 0x100 && c <= 0x137) || (c >= 0x14A && c <= 0x177) || (c >= 0x1E00 && c <= 0x1E95) ||
        (c >= 0x1EA0 && c <= 0x1EFF) || (c >= 0x460 && c <= 0x481) || (c >= 0x48A && c <= 0x4BF)) {
        return c == 0x130 ? 'i' : c == 0x131 ? c : c | 1;
    }
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E)) return c & 1 ? c + 1 : c;
    if (c >= 0x391 && c <= 0x3AB && c != 0x3A2) return c + 32;
    if (c == 0x386) return 0x3AC;
    if (c >= 0x388 && c <= 0x38A) return c + 37;
    if (c == 0x38C) return 0x3CC;
    if (c == 0x38E || c == 0x38F) return c + 63;
    if (c == 0x3C2) return 0x3C3;
    if (c >= 0x410 && c <= 0x42F) return c + 32;
    if (c >= 0x400 && c <= 0x40F) return c + 80;
    if (c >= 0x531 && c <= 0x556) return c + 48;
    return c;
}

/* False where the copy does not fit into memory. */
static bool fold_name(Slice name, Buf *ret) {
    while (name.n) {
        uint32_t c;
        size_t n = utf8_decode(name, &c);
        if (!n) {
            buf_append_byte(ret, name.p[0]);
            n = 1;
        } else {
            char out[4];
            buf_append(ret, out, utf8_encode(store_fold_char(c), out));
        }
        name = slice_skip(name, n);
    }
    return !ret->failed;
}

static size_t slot_of(const StoreNames *names, Slice name) {
    size_t mask = names->table_size - 1, slot = hash_mix64(name, 1) & mask;
    while (names->table[slot] && !slice_equal(names->names[names->table[slot] - 1], name)) {
        slot = (slot + 1) & mask;
    }
    return slot;
}

static bool make_room(StoreNames *names) {
    if (!mem_grow((void **)&names->names, &names->capacity, names->n + 1, sizeof *names->names)) {
        return false;
    }
    if (names->table_size && (names->n + 1) * 2 <= names->table_size) return true;
    size_t size = names->table_size ? names->table_size * 2 : 256;
    uint32_t *table = mem_alloc(size, sizeof *table);
    if (!table) return false;
    free(names->table);
    names->table = table;
    names->table_size = size;
    for (size_t i = 0; i < names->n; i++) {
        names->table[slot_of(names, names->names[i])] = (uint32_t)(i + 1);
    }
    return true;
}

static bool add_exact(StoreNames *names, Slice name, uint32_t *ret) {
    if (!make_room(names)) return false;
    size_t slot = slot_of(names, name);
    if (!names->table[slot]) {
        char *copy = mem_copy_string(name.p, name.n);
        if (!copy) return false;
        names->names[names->n++] = (Slice){ copy, name.n };
        names->table[slot] = (uint32_t)names->n;
    }
    *ret = names->table[slot] - 1;
    return true;
}

bool store_names_add(StoreNames *names, Slice name, bool fold, uint32_t *ret) {
    if (!fold) return add_exact(names, name, ret);
    AUTO_BUF Buf folded = BUF_NULL;
    return fold_name(name, &folded) && add_exact(names, buf_slice(&folded), ret);
}

uint32_t store_names_find(const StoreNames *names, Slice name, bool fold) {
    if (!names->table_size) return STORE_NAME_NONE;
    AUTO_BUF Buf folded = BUF_NULL;
    if (fold) {
        if (!fold_name(name, &folded)) return STORE_NAME_NONE;
        name = buf_slice(&folded);
    }
    uint32_t number = names->table[slot_of(names, name)];
    return number ? number - 1 : STORE_NAME_NONE;
}

Slice store_names_get(const StoreNames *names, uint32_t number) {
    return names->names[number];
}
