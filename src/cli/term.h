#pragma once
/* A stream that may be a terminal: styles, links, width, wrapped paragraphs. Colours and links only
 * on a terminal (or --color always, colours only); NO_COLOR and TERM=dumb turn colours off.
 * Threads: one owner at a time. Errors: none here; cli_finish looks at the stream. */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct Term {
    FILE *file; /* borrowed */
    bool is_terminal;
    bool color;
    unsigned columns; /* 0 = not a terminal: lines are not wrapped */
} Term;

typedef enum Style {
    STYLE_BOLD,
    STYLE_DIM,
    STYLE_TITLE,
    STYLE_MARK, /* highlighted words */
    STYLE_NUMBER,
    STYLE_ERROR,
} Style;

/* color: "auto", "always", "never" */
void term_init(Term *term, FILE *file, const char *color);
void term_style(Term *term, Style style);
void term_plain(Term *term);
/* Text of documents or the daemon: cleaned (clean.h). _line: newlines become spaces. */
void term_text(Term *term, const char *text);
void term_line(Term *term, const char *text);
void term_styled(Term *term, Style style, const char *text);
/* url as people read it (file:// paths decoded), clickable (OSC 8) on a terminal. */
void term_link(Term *term, const char *url);

/* How many bytes at text[at..n) shall be highlighted; 0 = none. */
typedef size_t (*TermMatch)(const void *context, const char *text, size_t n, size_t at);
/* A paragraph, cleaned, white space made single, wrapped to the terminal with `indent` spaces
 * before each line, and a newline behind it. match may be NULL. */
void term_paragraph(Term *term, const char *text, size_t n, unsigned indent, TermMatch match,
                    const void *context);
/* Bytes as the daemon or a document has them: exact where it is no terminal, cleaned where it is.
 */
void term_raw(Term *term, const char *bytes, size_t n);
