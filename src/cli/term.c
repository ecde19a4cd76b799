#include "cli/term.h"

#include "cli/clean.h"
#include "cli/fileurl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static unsigned columns_of(int fd) {
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20) return size.ws_col;
    return 80;
}

void term_init(Term *term, FILE *file, const char *color) {
    int fd = fileno(file);
    const char *name = getenv("TERM"), *no_color = getenv("NO_COLOR");
    *term = (Term){ .file = file, .is_terminal = fd >= 0 && isatty(fd) };
    if (term->is_terminal) term->columns = columns_of(fd);
    if (strcmp(color, "always") == 0)
        term->color = true;
    else if (strcmp(color, "auto") == 0)
        term->color =
            term->is_terminal && !(no_color && *no_color) && !(name && strcmp(name, "dumb") == 0);
}

void term_style(Term *term, Style style) {
    static const char *const codes[] = {
        [STYLE_BOLD] = "1",    [STYLE_DIM] = "2",     [STYLE_TITLE] = "1;36",
        [STYLE_MARK] = "1;33", [STYLE_NUMBER] = "36", [STYLE_ERROR] = "1;31",
    };
    if (term->color) fprintf(term->file, "\033[%sm", codes[style]);
}

void term_plain(Term *term) {
    if (term->color) fputs("\033[0m", term->file);
}

void term_text(Term *term, const char *text) {
    clean_write(term->file, text, strlen(text), false);
}

void term_line(Term *term, const char *text) {
    clean_write(term->file, text, strlen(text), true);
}

void term_styled(Term *term, Style style, const char *text) {
    term_style(term, style);
    term_line(term, text);
    term_plain(term);
}

/* Only what is surely one URL of a scheme that opens a page or a file is made clickable. */
static bool is_clickable(const char *url) {
    if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0 &&
        strncmp(url, "file:///", 8) != 0)
        return false;
    for (const char *p = url; *p; p++)
        if (*p <= 0x20 || *p >= 0x7F) return false;
    return true;
}

void term_link(Term *term, const char *url) {
    char *path = fileurl_path(url);
    bool link = term->is_terminal && is_clickable(url);
    if (link) fprintf(term->file, "\033]8;;%s\033\\", url);
    term_line(term, path ? path : url);
    if (link) fputs("\033]8;;\033\\", term->file);
    free(path);
}

static void new_line(Term *term, unsigned indent) {
    fprintf(term->file, "\n%*s", (int)indent, "");
}

static bool is_space(char c) {
    return c == ' ' || c == '\n' || c == '\t';
}

void term_paragraph(Term *term, const char *text, size_t n, unsigned indent, TermMatch match,
                    const void *context) {
    size_t width = term->columns > indent + 20 ? term->columns - indent : SIZE_MAX;
    size_t column = 0, marked_to = 0;
    fprintf(term->file, "%*s", (int)indent, "");
    for (size_t at = 0; at < n;) {
        size_t end = at, word = 0;
        while (end < n && is_space(text[end])) end++;
        bool space = end > at && column > 0;
        at = end;
        for (uint32_t c; end < n && !is_space(text[end]);) {
            end += clean_decode(text + end, n - end, &c);
            word += clean_width(c);
        }
        if (space && word && column + 1 + word > width)
            new_line(term, indent), column = 0;
        else if (space && word)
            fputc(' ', term->file), column++;
        while (at < end) {
            uint32_t c;
            size_t length = clean_decode(text + at, n - at, &c);
            if (column + clean_width(c) > width) new_line(term, indent), column = 0;
            size_t mark = match && at >= marked_to ? match(context, text, n, at) : 0;
            if (mark) {
                marked_to = at + mark;
                term_style(term, STYLE_MARK);
            }
            clean_write(term->file, text + at, length, true);
            column += clean_width(c);
            at += length;
            if (marked_to && at >= marked_to) {
                term_plain(term);
                marked_to = 0;
            }
        }
    }
    if (marked_to) term_plain(term);
    fputc('\n', term->file);
}

void term_raw(Term *term, const char *bytes, size_t n) {
    if (term->is_terminal)
        clean_write(term->file, bytes, n, false);
    else
        fwrite(bytes, 1, n, term->file);
}
