#pragma once
/* Readers: the bytes of a file become one or more documents of clean UTF-8 text, each with a map
 * from every clean byte to the bytes of the original. The format is chosen by content; the name and
 * the declared type only break ties. What is text in the file stays text: nothing is interpreted,
 * fetched or executed.
 * Threads: any (no shared state).
 * Source: CommonMark 0.31, HTML Living Standard, JSON Lines (RFC 8259), RSS 2.0, RFC 4287 (Atom).
 */
#include "base/arena.h"
#include "base/buf.h"

typedef enum TextFormat {
    TEXT_UNKNOWN, /* let the content decide */
    TEXT_PLAIN,
    TEXT_MARKDOWN,
    TEXT_HTML,
    TEXT_JSONL,
    TEXT_FEED, /* RSS 2.0 and Atom */
    TEXT_N_FORMATS,
} TextFormat;

/* "text", "markdown", "html", "jsonl", "feed"; never NULL. */
const char *text_format_name(TextFormat format);
/* From a MIME type with or without parameters ("text/html; charset=x"); TEXT_UNKNOWN where not
 * known or where it says nothing (application/octet-stream, text/plain). */
TextFormat text_format_of_mime(Slice mime);

/* A run of the offset map: `count` units of `clean_unit` bytes in the clean text stand for as many
 * units of `origin_unit` bytes in the original. {1, 1} is verbatim; {1, 2} ASCII out of UTF-16;
 * {2, 6} one character out of "\u00e8". Clean bytes that no run covers (a paragraph break that
 * the reader put in) have no origin of their own. Runs ascend in both offsets and do not overlap.
 */
typedef struct TextRun {
    size_t clean, origin; /* byte offsets of the first unit */
    size_t count;
    uint32_t clean_unit, origin_unit; /* bytes per unit */
} TextRun;

typedef struct TextMap {
    TextRun *runs;
    size_t n_runs;
} TextMap;

typedef struct TextHeading {
    size_t start, end; /* bytes of the heading's own text in the clean text */
    unsigned level;    /* 1-6 */
} TextHeading;

/* One document. All strings and arrays are views into the TextDocs' arena, the text of
 * a file that needed no cleaning into the input. */
typedef struct TextDoc {
    Slice text;     /* clean text: valid UTF-8, '\n' line ends, paragraphs parted by "\n\n", no
                     * control characters but '\n' and '\t' */
    TextMap map;    /* clean byte -> byte of `origin` */
    Slice origin;   /* the document's bytes in the input: the whole input, or the line of JSON, or
                     * the feed's item; a view into the caller's input */
    Slice title;    /* "" where there is none */
    Slice url;      /* as declared inside the document */
    Slice date;     /* ISO 8601: YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ; "" where none or not a date */
    Slice source;   /* who published it, as declared */
    Slice language; /* ISO 639-1: as declared, else guessed, "" unknown */
    TextHeading *headings;
    size_t n_headings;
    TextFormat format;
} TextDoc;

typedef struct TextDocs {
    Arena arena;
    TextDoc *docs;
    size_t n_docs;
    size_t n_skipped;  /* records that could not be read (a broken JSON line, an empty item) */
    char skipped[256]; /* the first such record: where and why; "" where none */
} TextDocs;

typedef struct TextLimits {
    size_t max_clean_bytes; /* of one document's clean text (default 64 MiB) */
    size_t max_docs;        /* documents in one input (default 1,000,000) */
    unsigned max_depth;     /* nesting of HTML, XML, JSON (default 512) */
} TextLimits;
#define TEXT_LIMITS_DEFAULT ((TextLimits){ (size_t)64 << 20, 1000000, 512 })

/* What is known of the input beside its bytes; all may be empty. */
typedef struct TextHints {
    Slice name;        /* file name or path: only its ending is looked at */
    TextFormat format; /* as declared by a Content-Type; TEXT_UNKNOWN = by content */
    Slice charset;     /* as declared by a Content-Type */
    Slice language;    /* as declared by the caller: wins over the document's own */
} TextHints;

/* Read all documents of the input. input is borrowed until text_docs_deinit (origins are views).
 * UNSUPPORTED for bytes that are not text (PDF, images, archives: the message names what was
 * recognised); INVALID with byte offset for input that claims a format and breaks it beyond use;
 * TOO_LARGE over a limit; an input with no text at all is INVALID ("no text in it"). Records that
 * cannot be read are skipped and counted. */
Status text_read(Slice input, const TextHints *hints, const TextLimits *limits, TextDocs *ret,
                 Err *err) MUST_CHECK;
void text_docs_deinit(TextDocs *docs);

/* The bytes of the original for clean bytes [start, end): the smallest span that holds every origin
 * of theirs. False where none of them has an origin. map_is_identity: one run {0,0,n,1,1}. */
bool text_map_span(const TextMap *map, size_t start, size_t end, size_t *ret_start,
                   size_t *ret_end) MUST_CHECK;
bool text_map_is_identity(const TextMap *map, size_t n_text);
/* The map as bytes for the store (varints, delta coded) and back; decode allocates in the arena and
 * refuses (DAMAGED) runs that do not ascend or overflow. */
void text_map_encode(const TextMap *map, Buf *ret);
Status text_map_decode(Slice bytes, Arena *arena, TextMap *ret, Err *err) MUST_CHECK;
