/* The escape sequences themselves need not be understood: without ESC and the C1 controls
 * (U+009B is CSI in one character) what is left of one is plain letters. */
#include "cli/clean.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

size_t clean_decode(const char *p, size_t n, uint32_t *ret) {
    const unsigned char *u = (const unsigned char *)p;
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t length = u[0] < 0x80         ? 1
                    : (u[0] >> 5) == 6  ? 2
                    : (u[0] >> 4) == 14 ? 3
                    : (u[0] >> 3) == 30 ? 4
                                        : 0;
    uint32_t character = length == 1 ? u[0] : u[0] & (0x7Fu >> (length + (length < 1)));
    bool valid = length > 0 && length <= n;
    for (size_t i = 1; valid && i < length; i++) {
        valid = (u[i] & 0xC0) == 0x80;
        character = character << 6 | (u[i] & 0x3F);
    }
    if (!valid || character < least[length] || character > 0x10FFFF ||
        (character >= 0xD800 && character <= 0xDFFF)) {
        *ret = 0xFFFD;
        return 1;
    }
    *ret = character;
    return length;
}

unsigned clean_width(uint32_t character) {
    int width = wcwidth((wchar_t)character);
    return width < 0 ? 1 : (unsigned)width;
}

bool clean_is_safe(uint32_t c) {
    if (c == '\n' || c == '\t') return true;
    if (c < 0x20 || (c >= 0x7F && c <= 0x9F)) return false;
    return !((c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069));
}

void clean_write(FILE *file, const char *p, size_t n, bool one_line) {
    for (size_t i = 0; i < n;) {
        uint32_t c;
        size_t length = clean_decode(p + i, n - i, &c);
        if (c == 0xFFFD && length == 1)
            fputs("\xEF\xBF\xBD", file);
        else if (one_line && (c == '\n' || c == '\t'))
            fputc(' ', file);
        else if (clean_is_safe(c))
            fwrite(p + i, 1, length, file);
        i += length;
    }
}

char *clean_string(const char *p, size_t n, bool one_line) {
    char *string = NULL;
    size_t n_string;
    FILE *file = open_memstream(&string, &n_string);
    if (!file) return NULL;
    clean_write(file, p, n, one_line);
    if (fclose(file) != 0) {
        free(string);
        return NULL;
    }
    return string;
}

size_t clean_columns(const char *string) {
    size_t n = strlen(string), columns = 0;
    for (size_t i = 0; i < n;) {
        uint32_t c;
        i += clean_decode(string + i, n - i, &c);
        columns += clean_width(c);
    }
    return columns;
}
