#pragma once
/* Unicode classes of characters as words and languages need them, by ranges: no look-up in large
 * tables for the scripts that most text is in.
 * Threads: any. */
#include <stdbool.h>
#include <stdint.h>

/* Written without spaces between words. */
static inline bool script_is_han(uint32_t c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || c == 0x3005 ||
           c == 0x3007 || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x323AF);
}
static inline bool script_is_kana(uint32_t c) {
    return (c >= 0x3041 && c <= 0x309F) || (c >= 0x30A1 && c <= 0x30FA) || c == 0x30FC ||
           (c >= 0x31F0 && c <= 0x31FF) || (c >= 0xFF66 && c <= 0xFF9F);
}
static inline bool script_is_thai(uint32_t c) { /* and Lao */
    return (c >= 0x0E01 && c <= 0x0E4E && c != 0x0E3F) || (c >= 0x0E81 && c <= 0x0ECE);
}
static inline bool script_is_khmer(uint32_t c) { /* and Myanmar */
    return (c >= 0x1000 && c <= 0x109F) || (c >= 0x1780 && c <= 0x17D3);
}
static inline bool script_is_hangul(uint32_t c) {
    return (c >= 0xAC00 && c <= 0xD7A3) || (c >= 0x1100 && c <= 0x11FF) ||
           (c >= 0x3130 && c <= 0x318F);
}
static inline bool script_is_unspaced(uint32_t c) {
    return c >= 0x0E01 &&
           (script_is_thai(c) || script_is_khmer(c) || script_is_kana(c) || script_is_han(c));
}
