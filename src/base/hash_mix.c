/* FNV-1a taken eight bytes at a time with a final avalanche (the finaliser of SplitMix64); bytes
 * are read as little-endian, so that the result is the same everywhere. */
#include "base/hash.h"

static uint64_t load_le(const unsigned char *p, size_t n) {
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) v |= (uint64_t)p[i] << (8 * i);
    return v;
}

uint64_t hash_mix64(Slice s, uint64_t seed) {
    const unsigned char *p = (const unsigned char *)s.p;
    uint64_t h = (seed ^ 0xCBF29CE484222325u) + s.n;
    size_t i = 0;
    for (; i + 8 <= s.n; i += 8) {
        h = (h ^ load_le(p + i, 8)) * 0x9FB21C651E98DF25u;
        h ^= h >> 32;
    }
    if (i < s.n) h = (h ^ load_le(p + i, s.n - i)) * 0x9FB21C651E98DF25u;
    h ^= h >> 30;
    h *= 0xBF58476D1CE4E5B9u;
    h ^= h >> 27;
    h *= 0x94D049BB133111EBu;
    return h ^ (h >> 31);
}
