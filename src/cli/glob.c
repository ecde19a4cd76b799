/* Two places to come back to are enough: after a mismatch the last '*' takes one character more,
 * and when it would have to take a '/', the last '**' does. So the time is at most
 * length(pattern) * length(text)^2, whatever the pattern. */
#include "cli/glob.h"

#include "cli/clean.h"

#include <string.h>

/* Match one set "[...]" at *pattern (behind the bracket) and move behind it; -1 where it does not
 * end and the bracket is a plain character. */
static int set_match(const char **pattern, uint32_t c) {
    const char *p = *pattern;
    bool negated = *p == '!' || *p == '^', found = false, first = true;
    if (negated) p++;
    for (; *p && (*p != ']' || first); first = false) {
        uint32_t low, high;
        if (*p == '\\' && p[1]) p++;
        p += clean_decode(p, strlen(p), &low);
        high = low;
        if (*p == '-' && p[1] && p[1] != ']') {
            p++;
            if (*p == '\\' && p[1]) p++;
            p += clean_decode(p, strlen(p), &high);
        }
        if (c >= low && c <= high) found = true;
    }
    if (*p != ']') return -1;
    *pattern = p + 1;
    return found != negated;
}

/* Match one pattern element against one character: 1 and both moved, or 0. */
static bool step(const char **pattern, const char **text) {
    const char *p = *pattern, *t = *text;
    if (!*p || !*t) return false;
    uint32_t c;
    size_t n = clean_decode(t, strlen(t), &c);
    if (*p == '?') {
        if (*t == '/') return false;
        *pattern = p + 1;
        *text = t + n;
        return true;
    }
    if (*p == '[') {
        const char *after = p + 1;
        int r = *t == '/' ? 0 : set_match(&after, c);
        if (r == 0) return false;
        if (r == 1) {
            *pattern = after;
            *text = t + n;
            return true;
        }
    }
    if (*p == '\\' && p[1]) p++;
    if (*p != *t) return false;
    *pattern = p + 1;
    *text = t + 1;
    return true;
}

bool glob_match(const char *pattern, const char *text) {
    const char *begin = pattern, *star = NULL, *star_text = NULL, *deep = NULL, *deep_text = NULL;
    bool deep_parts = false; /* the last deep was a whole part of the path: it ends at a '/' */
    for (;;) {
        if (pattern[0] == '*' && pattern[1] == '*') {
            bool at_part = pattern == begin || pattern[-1] == '/';
            while (*pattern == '*') pattern++;
            deep_parts = at_part && *pattern == '/';
            if (deep_parts) pattern++;
            deep = pattern;
            deep_text = text;
            star = NULL;
            continue;
        }
        if (*pattern == '*') {
            star = ++pattern;
            star_text = text;
            continue;
        }
        if (!*pattern && !*text) return true;
        if (step(&pattern, &text)) continue;
        if (star && *star_text && *star_text != '/') {
            pattern = star;
            text = ++star_text;
            continue;
        }
        if (!deep || !*deep_text) return false;
        if (deep_parts) {
            deep_text = strchr(deep_text, '/');
            if (!deep_text) return false;
        }
        pattern = deep;
        text = ++deep_text;
        star = NULL;
    }
}

bool glob_match_path(const char *pattern, const char *relative_path) {
    if (strchr(pattern, '/')) return glob_match(pattern + (pattern[0] == '/'), relative_path);
    const char *slash = strrchr(relative_path, '/');
    return glob_match(pattern, slash ? slash + 1 : relative_path);
}
