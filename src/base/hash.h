#pragma once
/* SHA-256 (FIPS 180-4, by libcrypto) for versions and snapshots; a fast mixing hash for tables.
 * Threads: any. */
#include "base/slice.h"
#include "base/status.h"

enum { HASH_BYTES = 32, HASH_HEX_BYTES = 65 };
typedef struct Hash {
    uint8_t bytes[HASH_BYTES];
} Hash;

/* SHA-256 of several pieces as if they stood one after another. */
Status hash_sha256(const Slice *pieces, size_t n_pieces, Hash *ret, Err *err) MUST_CHECK;
/* The same of bytes that come by and by. NULL where there is no memory; finish may be called once.
 */
typedef struct HashStream HashStream;
HashStream *hash_stream_new(void) MUST_CHECK;
HashStream *hash_stream_free(HashStream *stream);
void hash_stream_update(HashStream *stream, Slice bytes);
Status hash_stream_finish(HashStream *stream, Hash *ret, Err *err) MUST_CHECK;
/* Lower-case hexadecimal, NUL-terminated. */
void hash_hex(const Hash *hash, char ret[HASH_HEX_BYTES]);
/* 64 well mixed bits of s, the same on every machine; not for adversarial input. Any seed. */
uint64_t hash_mix64(Slice s, uint64_t seed);
