#pragma once
/* Text from documents made safe for a terminal: a document must not be able to move the cursor,
 * change colours or titles, or show other characters than it holds. Left out: C0 controls but
 * newline and tab, DEL, C1 controls, and the bidirectional overrides; what is not UTF-8 becomes
 * U+FFFD. Threads: any. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The character at the beginning of p[0..n) and its length in bytes (at least 1, n > 0): U+FFFD and
 * 1 where it is not valid UTF-8. */
size_t clean_decode(const char *p, size_t n, uint32_t *ret);
/* Columns that a character takes on a terminal: 0 (combining), 1 or 2. */
unsigned clean_width(uint32_t character);
/* False where the character must not reach a terminal. */
bool clean_is_safe(uint32_t character);
/* Write p[0..n) cleaned. one_line: newlines and tabs become spaces. */
void clean_write(FILE *file, const char *p, size_t n, bool one_line);
/* The same into a NUL-terminated string, returned owned (free); NULL without memory. */
char *clean_string(const char *p, size_t n, bool one_line);
/* Columns of a cleaned string. */
size_t clean_columns(const char *string);
