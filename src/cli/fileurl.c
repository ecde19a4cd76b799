#include "cli/fileurl.h"

#include <fonte/client.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *fileurl_of(const char *absolute_path) {
    char *url = NULL;
    size_t n;
    FILE *file = open_memstream(&url, &n);
    if (!file) return NULL;
    fputs("file://", file);
    for (const char *p = absolute_path; *p; p++) {
        char one[2] = { *p, 0 };
        char *escaped = *p == '/' ? NULL : fonte_client_escape(one);
        fputs(escaped ? escaped : one, file);
        free(escaped);
    }
    if (fclose(file) != 0) {
        free(url);
        return NULL;
    }
    return url;
}

static int digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

char *fileurl_path(const char *url) {
    if (strncmp(url, "file:///", 8) != 0) return NULL;
    char *path = strdup(url + 7), *out = path;
    if (!path) return NULL;
    for (const char *p = path; *p; p++) {
        int high = *p == '%' ? digit(p[1]) : -1, low = high >= 0 ? digit(p[2]) : -1;
        if (low >= 0 && (high || low)) {
            *out++ = (char)(high << 4 | low);
            p += 2;
        } else {
            *out++ = *p;
        }
    }
    *out = 0;
    return path;
}
