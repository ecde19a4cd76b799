#pragma once
/* HTML inside the text room: tokens with their places in the source, and what elements mean for
 * reading. reader_html.c walks them.
 * Threads: any.
 * Source: HTML Living Standard 13.2.5 (tokenization), reduced to what changes the text. */
#include "text/text_internal.h"

typedef enum HtmlKind { HTML_END_OF_INPUT, HTML_TEXT, HTML_OPEN, HTML_CLOSE } HtmlKind;

/* What an element does to text; bits. */
enum {
    TAG_BLOCK = 1,   /* stands on its own: a paragraph break before and after */
    TAG_LINE = 2,    /* begins a new line */
    TAG_VOID = 4,    /* has no content */
    TAG_RAW = 8,     /* its content is not markup */
    TAG_HIDDEN = 16, /* its content is never text of the page */
    TAG_SOFT = 32, /* nearly always not of the article: left out unless most of the text is in it */
    TAG_FORMAT = 64, /* changes only the look: not tracked */
    TAG_MAIN = 128,  /* may hold the article */
    TAG_HEADING = 256,
    TAG_CLOSED_BY_SELF = 512, /* a new one ends the one before (li, tr, td, p, option) */
    TAG_ENDS_P = 1024,        /* a paragraph ends where it begins */
    TAG_ROW = 2048,
    TAG_CELL = 4096,
    TAG_ITEM = 8192,
    TAG_PRE = 16384,
};

typedef struct HtmlToken {
    HtmlKind kind;
    size_t start, end; /* in the source */
    Slice name;        /* of a tag, as written */
    uint64_t id;       /* the same for the same name in any case */
    unsigned flags;    /* TAG_* */
    bool self_closing;
} HtmlToken;

typedef struct HtmlTokens {
    Slice s;
    size_t at;
    bool no_comment_end; /* no "-->" comes any more */
    bool no_title_end;   /* no "</title>" */
    uint64_t raw_id;     /* inside of a raw element: until its end tag */
    char raw_name[16];
    size_t raw_name_n;
} HtmlTokens;

/* The next token; HTML_END_OF_INPUT at the end. Comments and declarations are passed over. */
HtmlToken html_next(HtmlTokens *tokens);
/* The next attribute of an opening tag: *at is 0 at first. False where there is no more. */
bool html_attribute(const HtmlTokens *tokens, const HtmlToken *tag, size_t *at, Slice *ret_name,
                    Slice *ret_value);
bool html_is(const HtmlToken *tag, const char *name);
uint64_t html_id(Slice name);
/* TAG_* of an element by html_id of its name (html_rules.c). */
unsigned html_tag_flags(uint64_t id);

/* Whether an attribute says that the element is not part of the article: its role, or a word of its
 * class or id ("cookie-banner", "relatedPosts"). */
bool html_is_boilerplate(Slice attribute, Slice value);

/* Clean HTML of the out's source into out; meta gets what the page says of itself, NULL where it
 * does not matter (fragments). TOO_LARGE over the depth. */
Status html_clean(TextOut *out, unsigned max_depth, Arena *arena, DocMeta *meta,
                  Err *err) MUST_CHECK;
