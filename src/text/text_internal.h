#pragma once
/* What the readers share: the builder of a clean text with its offset map, and what stands around
 * one input while it is read. Not for other rooms.
 * Threads: one owner at a time, but for the pure functions, which any thread may call. */
#include "text/date.h"
#include "text/reader.h"

/* --- the offset map (map.c) ----------------------------------------------------------------- */

typedef struct MapBuilder {
    TextRun *runs;
    size_t n_runs, capacity;
    bool failed; /* a run was lost for want of memory */
} MapBuilder;

#define MAP_BUILDER_NULL ((MapBuilder){ NULL, 0, 0, false })

void map_builder_deinit(MapBuilder *map);
/* Append a run, joined to the last one where it continues it. A run that would not ascend in both
 * offsets is left out: its clean bytes then have no origin, which is allowed; a wrong one is not.
 */
void map_builder_add(MapBuilder *map, TextRun run);
/* clean -> middle and middle -> origin become clean -> origin, appended to ret. Linear. */
void map_compose(TextMap outer, TextMap inner, MapBuilder *ret);
static inline TextMap map_of(const MapBuilder *map) {
    return (TextMap){ map->runs, map->n_runs };
}

/* --- clean text as it is built (out.c) ------------------------------------------------------- */

/* White space that is owed before the next text; the strongest wins, none is written at the
 * beginning or the end. */
typedef enum OutGap { GAP_NONE, GAP_SPACE, GAP_LINE, GAP_PARAGRAPH } OutGap;

typedef struct TextOut {
    Slice source; /* what the offsets below point into; valid UTF-8 */
    Buf text;
    MapBuilder map; /* text -> source */
    TextHeading *headings;
    size_t n_headings, headings_capacity;
    size_t max_bytes; /* of text; more sets too_large and is dropped */
    OutGap gap;
    size_t gap_start, gap_end; /* the white space in the source that stands for it; start <= end */
    bool in_heading;
    TextHeading heading; /* the one that is open; start SIZE_MAX until it has text */
    bool failed, too_large;
} TextOut;

void out_init(TextOut *out, Slice source, size_t max_bytes);
void out_deinit(TextOut *out);
/* Forget the content, keep the memory. */
void out_reset(TextOut *out, Slice source);
/* Source bytes [start, end) as they are; must hold no white space to be folded or controls. */
void out_verbatim(TextOut *out, size_t start, size_t end);
/* Clean bytes that stand for source bytes [start, end); an empty span has no origin. */
void out_unit(TextOut *out, const char *bytes, size_t n, size_t start, size_t end);
void out_gap(TextOut *out, OutGap gap);
/* A gap that source bytes [start, end) stand for. */
void out_gap_at(TextOut *out, OutGap gap, size_t start, size_t end);
/* Source bytes [start, end) with runs of white space folded to one space, controls left out. */
void out_folded(TextOut *out, size_t start, size_t end);
/* The text until out_heading_end is a heading on its own. */
void out_heading_begin(TextOut *out, unsigned level);
void out_heading_end(TextOut *out);
/* NO_MEMORY, TOO_LARGE, or OK. */
Status out_status(const TextOut *out, Err *err) MUST_CHECK;

/* How the character at s (valid UTF-8, s.n > 0) reads in clean text. */
typedef enum CharClass {
    CHAR_TEXT,    /* stays */
    CHAR_SPACE,   /* white space within a line */
    CHAR_NEWLINE, /* \n, \r, \v, NEL, line separator */
    CHAR_BREAK,   /* \f, paragraph separator */
    CHAR_DROP,    /* controls, U+FEFF */
} CharClass;
CharClass out_char_class(Slice s, size_t *ret_bytes);

/* --- one input (reader.c) -------------------------------------------------------------------- */

typedef struct Read {
    Slice input;    /* the caller's bytes */
    Slice source;   /* the same as valid UTF-8 */
    TextMap decode; /* source -> input */
    bool is_same;   /* source is the input itself (it may begin later, after a byte order mark) */
    const TextHints *hints;
    const TextLimits *limits;
    TextDocs *docs;
    size_t capacity; /* of docs->docs; the array itself is owned by the caller of the readers */
    TextDoc *array;
} Read;

/* What a document says of itself, as raw text (trimmed, folded and copied by read_add_doc). */
typedef struct DocMeta {
    Slice title, url, date, source, language;
    Slice text; /* set: the clean text is this slice of the source as it is, out is not looked at */
} DocMeta;

/* Add the document whose text is in out. [start, end) is its place in the source. middle: where
 * out's source is not the read's source, the map from it to that; NULL where it is.
 * NOT_FOUND where it has no text (nothing is added). */
Status read_add_doc(Read *read, TextOut *out, const DocMeta *meta, TextFormat format, size_t start,
                    size_t end, const TextMap *middle, Err *err) MUST_CHECK;
/* Count a record that could not be read; the first is described. */
void read_skip(Read *read, const char *format, ...) PRINTF_LIKE(2, 3);

Status reader_plain(Read *read, Err *err) MUST_CHECK;
Status reader_markdown(Read *read, Err *err) MUST_CHECK;
Status reader_html(Read *read, Err *err) MUST_CHECK;
Status reader_jsonl(Read *read, Err *err) MUST_CHECK;
Status reader_feed(Read *read, Err *err) MUST_CHECK;
/* Source [start, end) of plain text into out. */
void plain_clean(TextOut *out, size_t start, size_t end);

/* --- parts ------------------------------------------------------------------------------------ */

/* The format by content (sniff.c). UNSUPPORTED for binary input, which the message names. */
Status sniff_binary(Slice input, Err *err) MUST_CHECK;
TextFormat sniff_format(Slice source, const TextHints *hints);

/* Bytes of any encoding to UTF-8 (charset.c): by byte order mark, declaration (of the caller or
 * inside), validity as UTF-8, or statistics. ret_text is a view of the input where it is UTF-8
 * already, else into the arena; malformed bytes become U+FFFD. */
Status charset_decode(Slice input, Slice declared, Arena *arena, Slice *ret_text, TextMap *ret_map,
                      Err *err) MUST_CHECK;

/* A character reference at the beginning of s ("&egrave;", "&#232;", "&#xE8;"): its UTF-8 in out
 * and the bytes it takes; 0 where there is none. Named ones are those of HTML 4 and XML. */
size_t entity_decode(Slice s, char out[8], size_t *ret_n);

/* Markdown text of one block (markdown_inline.c): block holds its lines, pieces say where each
 * stands in the source. Emphasis, links, code marks, tags and comments go, their text stays. */
typedef struct InlinePiece {
    size_t at;     /* offset in the block */
    size_t source; /* offset of the same byte in the source */
} InlinePiece;
typedef struct Inline {
    Buf block;
    InlinePiece *pieces;
    size_t n_pieces, capacity;
    unsigned char *marks; /* [block.n] scratch */
    size_t marks_capacity;
    struct InlineOpen *opens; /* scratch */
    size_t opens_capacity;
    bool failed;
} Inline;
void inline_deinit(Inline *inl);
void inline_clear(Inline *inl);
void inline_add(Inline *inl, Slice source, size_t start, size_t end);
void inline_emit(Inline *inl, TextOut *out);
