/* One table (fonte/status.h) makes every name and number here, so that a new status is one line.
 * Messages are cut at a whole UTF-8 character and stripped of control characters: they may carry
 * text from files and end up on a terminal or in the journal. */
#include "base/status.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *fonte_status_code(FonteStatus status) {
    switch (status) {
#define STATUS_CASE(name, number, code, text, http, exit)                                          \
    case FONTE_##name: return code;
        FONTE_STATUS_TABLE(STATUS_CASE)
#undef STATUS_CASE
    }
    return "internal";
}

const char *fonte_status_text(FonteStatus status) {
    switch (status) {
#define STATUS_CASE(name, number, code, text, http, exit)                                          \
    case FONTE_##name: return text;
        FONTE_STATUS_TABLE(STATUS_CASE)
#undef STATUS_CASE
    }
    return "internal error";
}

int fonte_status_http(FonteStatus status) {
    switch (status) {
#define STATUS_CASE(name, number, code, text, http, exit)                                          \
    case FONTE_##name: return http;
        FONTE_STATUS_TABLE(STATUS_CASE)
#undef STATUS_CASE
    }
    return 500;
}

int fonte_status_exit(FonteStatus status) {
    switch (status) {
#define STATUS_CASE(name, number, code, text, http, exit)                                          \
    case FONTE_##name: return exit;
        FONTE_STATUS_TABLE(STATUS_CASE)
#undef STATUS_CASE
    }
    return 1;
}

static void text_clean(char *text) {
    size_t n = strlen(text);
    /* vsnprintf may have cut a character in two: drop its beginning */
    size_t start = n;
    while (start > 0 && n - start < 4 && ((unsigned char)text[start - 1] & 0xC0) == 0x80) start--;
    if (start > 0 && (unsigned char)text[start - 1] >= 0xC0) {
        unsigned char lead = (unsigned char)text[start - 1];
        size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
        if (n - (start - 1) < need) text[start - 1] = '\0';
    }
    uint32_t c;
    for (Slice rest = slice_of(text); rest.n;) {
        char *p = text + (rest.p - text);
        size_t length = utf8_decode(rest, &c);
        if (!length) *p = '?'; /* names and texts from files may be any bytes */
        if (length == 1 && (c < 0x20 || c == 0x7F)) *p = ' ';
        rest = slice_skip(rest, length ? length : 1);
    }
}

static void err_fill(Err *err, Status status, const char *param, const char *format, va_list args) {
    err->status = status;
    snprintf(err->param, sizeof err->param, "%s", param);
    vsnprintf(err->text, sizeof err->text, format, args);
    text_clean(err->text);
}

Status err_set(Err *err, Status status, const char *format, ...) {
    if (!err) return status;
    va_list args;
    va_start(args, format);
    err_fill(err, status, "", format, args);
    va_end(args);
    return status;
}

Status err_set_param(Err *err, Status status, const char *param, const char *format, ...) {
    if (!err) return status;
    va_list args;
    va_start(args, format);
    err_fill(err, status, param, format, args);
    va_end(args);
    return status;
}

static Status status_of_errno(int errno_value) {
    switch (errno_value) {
    case ENOSPC:
    case EDQUOT: return STATUS_NO_SPACE;
    case ENOMEM: return STATUS_NO_MEMORY;
    case ENOENT: return STATUS_NOT_FOUND;
    case EACCES:
    case EPERM: return STATUS_DENIED;
    default: return STATUS_IO;
    }
}

Status err_set_errno(Err *err, int errno_value, const char *format, ...) {
    Status status = status_of_errno(errno_value);
    if (!err) return status;
    va_list args;
    va_start(args, format);
    err_fill(err, status, "", format, args);
    va_end(args);
    size_t n = strlen(err->text);
    snprintf(err->text + n, sizeof err->text - n, ": %s", strerror(errno_value));
    text_clean(err->text);
    return status;
}

Status err_prefix(Err *err, Status status, const char *format, ...) {
    if (!err) return status;
    char before[sizeof err->text];
    memcpy(before, err->text, sizeof before);
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    size_t n = strlen(err->text);
    snprintf(err->text + n, sizeof err->text - n, ": %s", before);
    text_clean(err->text);
    err->status = status;
    return status;
}
