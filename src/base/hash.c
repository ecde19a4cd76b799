/* SHA-256, by libcrypto. */
#include "base/hash.h"

#include "base/mem.h"

#include <openssl/evp.h>

struct HashStream {
    EVP_MD_CTX *md;
    bool ok;
};

HashStream *hash_stream_new(void) {
    HashStream *stream = mem_alloc(1, sizeof *stream);
    if (!stream) return NULL;
    stream->md = EVP_MD_CTX_new();
    if (!stream->md) return hash_stream_free(stream);
    stream->ok = EVP_DigestInit_ex(stream->md, EVP_sha256(), NULL);
    return stream;
}

HashStream *hash_stream_free(HashStream *stream) {
    if (!stream) return NULL;
    EVP_MD_CTX_free(stream->md);
    free(stream);
    return NULL;
}

void hash_stream_update(HashStream *stream, Slice bytes) {
    if (bytes.n) stream->ok = stream->ok && EVP_DigestUpdate(stream->md, bytes.p, bytes.n);
}

Status hash_stream_finish(HashStream *stream, Hash *ret, Err *err) {
    Hash hash;
    if (!stream->ok || !EVP_DigestFinal_ex(stream->md, hash.bytes, NULL)) {
        return err_set(err, STATUS_INTERNAL, "libcrypto refuses SHA-256");
    }
    *ret = hash;
    return STATUS_OK;
}

Status hash_sha256(const Slice *pieces, size_t n_pieces, Hash *ret, Err *err) {
    HashStream *stream = hash_stream_new();
    if (!stream) return err_set(err, STATUS_NO_MEMORY, "out of memory for SHA-256");
    for (size_t i = 0; i < n_pieces; i++) hash_stream_update(stream, pieces[i]);
    Status status = hash_stream_finish(stream, ret, err);
    hash_stream_free(stream);
    return status;
}

void hash_hex(const Hash *hash, char ret[HASH_HEX_BYTES]) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < HASH_BYTES; i++) {
        ret[2 * i] = digits[hash->bytes[i] >> 4];
        ret[2 * i + 1] = digits[hash->bytes[i] & 15];
    }
    ret[2 * HASH_BYTES] = '\0';
}
