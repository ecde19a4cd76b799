#pragma once
/* UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, nothing above U+10FFFF.
 * Threads: any. Errors: none. */
#include "base/slice.h"
#include <stdint.h>

/* Read the character at the beginning of s into *ret_char and return its length (1-4 bytes); 0
 * where s is empty or does not begin with a whole, valid character. */
size_t utf8_decode(Slice s, uint32_t *ret_char);
/* Write a character (must be valid) to out and return its length. */
size_t utf8_encode(uint32_t character, char out[4]);
/* Offset of the first byte that is not part of a valid character; s.n where all is valid. */
size_t utf8_valid_length(Slice s);
/* Whether s (1-3 bytes) is the beginning of a valid character, but not yet a whole one. */
bool utf8_is_partial(Slice s);
/* Number of characters in valid UTF-8. */
size_t utf8_count(Slice s);
/* Largest n <= limit at which valid UTF-8 can be cut between characters. */
size_t utf8_floor(Slice s, size_t limit);
/* U+FFFD */
#define UTF8_REPLACEMENT "\xEF\xBF\xBD"
