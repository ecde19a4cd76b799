#include "daemon/modelhash.h"

#include "base/mem.h"

#include <criterion/criterion.h>
#include <string.h>

Test(daemon_modelhash, is_sha256_of_the_bytes) {
    ModelHash *hash = NULL;
    Err err = { 0 };
    cr_assert_eq(modelhash_start(SLICE("abc"), &hash, &err), STATUS_OK, "%s", err.text);
    const char *text = modelhash_text(hash);
    cr_assert_str_eq(modelhash_wait(hash),
                     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    cr_assert_eq(modelhash_wait(hash), text, "its place stays");
    modelhash_free(hash);
}

Test(daemon_modelhash, takes_several_steps_and_can_be_stopped) {
    ModelHash *hash = NULL;
    Err err = { 0 };
    Hash whole;
    char hex[HASH_HEX_BYTES];
    size_t n = 9 << 20;
    AUTO_FREE char *bytes = mem_alloc(n, 1);
    for (size_t i = 0; i < n; i++) bytes[i] = (char)(i * 7 >> 3);
    Slice all = { bytes, n };
    cr_assert_eq(hash_sha256(&all, 1, &whole, &err), STATUS_OK);
    hash_hex(&whole, hex);
    cr_assert_eq(modelhash_start(all, &hash, &err), STATUS_OK);
    cr_assert_str_eq(modelhash_wait(hash), hex);
    modelhash_free(hash);
    cr_assert_eq(modelhash_start(all, &hash, &err), STATUS_OK);
    modelhash_stop(hash);
    const char *text = modelhash_wait(hash);
    cr_assert(!*text || strcmp(text, hex) == 0, "%s", text);
    cr_assert_null(modelhash_free(hash));
    cr_assert_null(modelhash_free(NULL));
}
