/* A tokenizer that never fails, never looks at a byte more than a fixed number of times, and keeps
 * nothing but offsets. gumbo is not used for three reasons: it decodes entities before one can see
 * where they stood, so that an exact map would need a second tokenizer beside it; version 0.10.1 is
 * quadratic in unclosed elements and recursive when it frees them, and asserts or dereferences NULL
 * where memory runs out, which input may provoke; and a tree is not needed to read text in order.
 */
#include "text/html.h"

#include "base/hash.h"

#include <strings.h>

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool is_letter(char c) {
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

uint64_t html_id(Slice name) {
    char lower[32];
    size_t n = MIN(name.n, sizeof lower);
    for (size_t i = 0; i < n; i++)
        lower[i] = (char)(is_letter(name.p[i]) ? name.p[i] | 0x20 : name.p[i]);
    return hash_mix64((Slice){ lower, n }, name.n);
}

bool html_is(const HtmlToken *tag, const char *name) {
    return tag->name.n == strlen(name) && strncasecmp(tag->name.p, name, tag->name.n) == 0;
}

/* The offset behind the first `what` from `at` on; SIZE_MAX where there is none. */
static size_t behind(Slice s, size_t at, const char *what) {
    if (at >= s.n) return SIZE_MAX;
    const char *hit = memmem(s.p + at, s.n - at, what, strlen(what));
    return hit ? (size_t)(hit - s.p) + strlen(what) : SIZE_MAX;
}

/* Behind the '>' that ends the tag at `at`, quotes respected. A tag that never ends: behind its
 * first
 * '>' if it has one (a quote was forgotten), else the end. */
static size_t tag_end(Slice s, size_t at) {
    enum { BETWEEN, EQUALS, VALUE } state = BETWEEN;
    for (size_t i = at; i < s.n; i++) {
        char c = s.p[i];
        if (c == '>') return i + 1;
        if (state == EQUALS && (c == '"' || c == '\'')) {
            const char *close = memchr(s.p + i + 1, c, s.n - i - 1);
            if (!close) break;
            i = (size_t)(close - s.p);
            state = BETWEEN;
        } else if (c == '=') {
            state = state == VALUE ? VALUE : EQUALS;
        } else if (is_space(c)) {
            if (state == VALUE) state = BETWEEN;
        } else {
            state = state == EQUALS ? VALUE : state;
        }
    }
    size_t first = behind(s, at, ">");
    return first == SIZE_MAX ? s.n : first;
}

/* A comment or declaration at `at`: its end. */
static size_t declaration_end(HtmlTokens *tokens, size_t at) {
    Slice s = tokens->s;
    size_t end = SIZE_MAX;
    if (slice_starts(slice_skip(s, at), SLICE("<!--")) && !tokens->no_comment_end) {
        end = behind(s, at + 4, "-->");
        if (slice_starts(slice_skip(s, at), SLICE("<!-->"))) end = at + 5;
        tokens->no_comment_end = end == SIZE_MAX;
    }
    if (end == SIZE_MAX) end = behind(s, at, ">");
    return end == SIZE_MAX ? s.n : end;
}

static HtmlToken tag_token(HtmlTokens *tokens, size_t at) {
    Slice s = tokens->s;
    bool closing = s.p[at + 1] == '/';
    size_t start = at + 1 + closing, n = 0;
    while (start + n < s.n && !is_space(s.p[start + n]) && s.p[start + n] != '>' &&
           s.p[start + n] != '/')
        n++;
    HtmlToken token = { .kind = closing ? HTML_CLOSE : HTML_OPEN, .start = at };
    token.name = (Slice){ s.p + start, n };
    token.end = tag_end(s, start + n);
    token.id = html_id(token.name);
    token.flags = html_tag_flags(token.id);
    token.self_closing = token.end >= 2 && s.p[token.end - 1] == '>' && s.p[token.end - 2] == '/';
    if (!closing && !token.self_closing && (token.flags & TAG_RAW) && n < sizeof tokens->raw_name) {
        tokens->raw_id = token.id;
        memcpy(tokens->raw_name, token.name.p, n);
        tokens->raw_name_n = n;
    }
    return token;
}

/* The text of a raw element: to its end tag. Where that is missing, a title ends at the next tag
 * and the others at the end of the input. */
static size_t raw_end(HtmlTokens *tokens) {
    Slice s = tokens->s;
    Slice name = { tokens->raw_name, tokens->raw_name_n };
    bool title = name.n == 5 && strncasecmp(name.p, "title", 5) == 0;
    for (size_t i = tokens->at; i < s.n && !(title && tokens->no_title_end); i++) {
        const char *hit = memchr(s.p + i, '<', s.n - i);
        if (!hit) break;
        i = (size_t)(hit - s.p);
        if (i + 2 + name.n <= s.n && s.p[i + 1] == '/' &&
            strncasecmp(s.p + i + 2, name.p, name.n) == 0 &&
            (i + 2 + name.n == s.n || !is_letter(s.p[i + 2 + name.n])))
            return i;
    }
    if (!title) return s.n;
    tokens->no_title_end = true;
    const char *hit = memchr(s.p + tokens->at, '<', s.n - tokens->at);
    return hit ? (size_t)(hit - s.p) : s.n;
}

HtmlToken html_next(HtmlTokens *tokens) {
    Slice s = tokens->s;
    if (tokens->raw_id) {
        HtmlToken token = { .kind = HTML_TEXT, .start = tokens->at };
        token.end = tokens->at = raw_end(tokens);
        tokens->raw_id = 0;
        if (token.end > token.start) return token;
    }
    size_t start = tokens->at;
    for (size_t i = start; i < s.n;) {
        const char *hit = memchr(s.p + i, '<', s.n - i);
        if (!hit) break;
        i = (size_t)(hit - s.p);
        char next = i + 1 < s.n ? s.p[i + 1] : '\0';
        bool declaration = next == '!' || next == '?';
        bool tag = is_letter(next) || (next == '/' && i + 2 < s.n && is_letter(s.p[i + 2]));
        if (!declaration && !tag) {
            i++;
            continue;
        }
        if (i > start) { /* first the text before it */
            tokens->at = i;
            return (HtmlToken){ .kind = HTML_TEXT, .start = start, .end = i };
        }
        if (tag) {
            HtmlToken token = tag_token(tokens, i);
            tokens->at = token.end;
            return token;
        }
        i = start = tokens->at = declaration_end(tokens, i);
    }
    if (start >= s.n) return (HtmlToken){ .kind = HTML_END_OF_INPUT, .start = s.n, .end = s.n };
    tokens->at = s.n;
    return (HtmlToken){ .kind = HTML_TEXT, .start = start, .end = s.n };
}

bool html_attribute(const HtmlTokens *tokens, const HtmlToken *tag, size_t *at, Slice *ret_name,
                    Slice *ret_value) {
    const char *p = tokens->s.p;
    size_t i = *at ? *at : (size_t)(tag->name.p - p) + tag->name.n;
    size_t end = tag->end;
    if (end > i && p[end - 1] == '>') end--;
    while (i < end && (is_space(p[i]) || p[i] == '/')) i++;
    if (i >= end) return false;
    size_t start = i;
    do i++;
    while (i < end && !is_space(p[i]) && p[i] != '=' && p[i] != '/');
    *ret_name = (Slice){ p + start, i - start };
    *ret_value = (Slice){ p + i, 0 };
    while (i < end && is_space(p[i])) i++;
    if (i < end && p[i] == '=') {
        i++;
        while (i < end && is_space(p[i])) i++;
        char quote = i < end && (p[i] == '"' || p[i] == '\'') ? p[i++] : '\0';
        start = i;
        while (i < end && (quote ? p[i] != quote : !is_space(p[i]))) i++;
        *ret_value = (Slice){ p + start, i - start };
        if (quote && i < end) i++;
    }
    *at = i;
    return true;
}
