/* RFC 3629, table 3-7 of the Unicode standard for what a second byte may be. */
#include "base/utf8.h"

size_t utf8_decode(Slice s, uint32_t *ret_char) {
    if (!s.n) return 0;
    const unsigned char *p = (const unsigned char *)s.p;
    uint32_t c = p[0];
    if (c < 0x80) {
        *ret_char = c;
        return 1;
    }
    size_t n = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    if (c < 0xC2 || c > 0xF4 || s.n < n) return 0;
    unsigned low = 0x80, high = 0xBF;
    if (c == 0xE0) low = 0xA0;
    if (c == 0xED) high = 0x9F;
    if (c == 0xF0) low = 0x90;
    if (c == 0xF4) high = 0x8F;
    if (p[1] < low || p[1] > high) return 0;
    c = (c & (0x7Fu >> n)) << 6 | (p[1] & 0x3Fu);
    for (size_t i = 2; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80) return 0;
        c = c << 6 | (p[i] & 0x3Fu);
    }
    *ret_char = c;
    return n;
}

size_t utf8_encode(uint32_t c, char out[4]) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (c & 0x3F));
        c >>= 6;
    }
    out[0] = (char)(lead[n] | c);
    return n;
}

size_t utf8_valid_length(Slice s) {
    size_t i = 0;
    while (i < s.n) {
        uint32_t c;
        if ((unsigned char)s.p[i] < 0x80) {
            i++;
            continue;
        }
        size_t n = utf8_decode(slice_skip(s, i), &c);
        if (!n) break;
        i += n;
    }
    return i;
}

bool utf8_is_partial(Slice s) {
    /* Valid with some continuation: a second byte of 0x80..0xBF is narrowed by four leads only, so
     * these two values cover every case. */
    uint32_t c;
    char whole[4] = { 0 };
    if (!s.n || s.n > 3 || utf8_decode(s, &c)) return false;
    for (int fill = 0; fill < 2; fill++) {
        memset(whole, fill ? 0xBF : 0x80, sizeof(whole));
        memcpy(whole, s.p, s.n);
        if (utf8_decode((Slice){ whole, 4 }, &c) > s.n) return true;
    }
    return false;
}

size_t utf8_count(Slice s) {
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    return n;
}

size_t utf8_floor(Slice s, size_t limit) {
    if (limit >= s.n) return s.n;
    while (limit > 0 && ((unsigned char)s.p[limit] & 0xC0) == 0x80) limit--;
    return limit;
}
