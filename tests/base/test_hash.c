#include "base/hash.h"

#include <criterion/criterion.h>

Test(hash, sha256_of_pieces_is_that_of_the_whole) {
    Slice pieces[] = { SLICE("a"), SLICE_NULL, SLICE("bc") };
    Hash hash;
    char hex[HASH_HEX_BYTES];
    cr_assert_eq(hash_sha256(pieces, 3, &hash, NULL), STATUS_OK);
    hash_hex(&hash, hex);
    /* FIPS 180-4, "abc" */
    cr_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

Test(hash, mix_is_stable_and_sees_every_byte_and_the_seed) {
    char bytes[32] = { 0 };
    uint64_t zero = hash_mix64((Slice){ bytes, 32 }, 0);
    for (size_t i = 0; i < 32; i++) {
        bytes[i] = 1;
        cr_assert_neq(hash_mix64((Slice){ bytes, 32 }, 0), zero);
        bytes[i] = 0;
    }
    cr_assert_neq(hash_mix64((Slice){ bytes, 31 }, 0), zero);
    cr_assert_neq(hash_mix64((Slice){ bytes, 32 }, 1), zero);
    cr_assert_eq(hash_mix64((Slice){ bytes, 32 }, 0), zero);
}
