/* The format of an input by what stands in it. Names and declared types only break ties: files are
 * saved under any name and servers send "text/plain" for all of them. */
#include "text/text_internal.h"

#include <strings.h>

enum { HEAD_BYTES = 64 * 1024 };

static const struct {
    const char *magic;
    size_t n, at;
    const char *what;
} magics[] = {
    { "%PDF-", 5, 0, "a PDF document" },
    { "PK\3\4", 4, 0, "a ZIP archive (or a DOCX, ODT or EPUB document)" },
    { "PK\5\6", 4, 0, "an empty ZIP archive" },
    { "\x89PNG\r\n\x1A\n", 8, 0, "a PNG image" },
    { "\xFF\xD8\xFF", 3, 0, "a JPEG image" },
    { "GIF8", 4, 0, "a GIF image" },
    { "RIFF", 4, 0, "a RIFF file (WebP, WAV or AVI)" },
    { "\x7F"
      "ELF",
      4, 0, "an ELF program" },
    { "MZ\x90", 3, 0, "a Windows program" },
    { "\x1F\x8B", 2, 0, "a gzip file" },
    { "BZh", 3, 0, "a bzip2 file" },
    { "\xFD"
      "7zXZ",
      5, 0, "an xz file" },
    { "\x28\xB5\x2F\xFD", 4, 0, "a zstd file" },
    { "7z\xBC\xAF\x27\x1C", 6, 0, "a 7-Zip archive" },
    { "Rar!\x1A\x07", 6, 0, "a RAR archive" },
    { "ustar", 5, 257, "a tar archive" },
    { "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", 8, 0, "an old Microsoft Office document" },
    { "{\\rtf", 5, 0, "an RTF document" },
    { "SQLite format 3", 15, 0, "an SQLite database" },
    { "GGUF", 4, 0, "a GGUF model" },
    { "ID3", 3, 0, "an MP3 file" },
    { "OggS", 4, 0, "an Ogg file" },
    { "fLaC", 4, 0, "a FLAC file" },
    { "ftyp", 4, 4, "an MP4 file" },
    { "II*\0", 4, 0, "a TIFF image" },
    { "MM\0*", 4, 0, "a TIFF image" },
    { "wOF2", 4, 0, "a font" },
    { "wOFF", 4, 0, "a font" },
};

Status sniff_binary(Slice s, Err *err) {
    for (size_t i = 0; i < N_ELEMENTS(magics); i++) {
        Slice magic = { magics[i].magic, magics[i].n };
        if (slice_starts(slice_skip(s, magics[i].at), magic))
            return err_set(err, STATUS_UNSUPPORTED, "this looks like %s, not text", magics[i].what);
    }
    /* UTF-16 and UTF-32 are full of zeros and controls: whoever has a mark is text */
    if (slice_starts(s, SLICE("\xFF\xFE")) || slice_starts(s, SLICE("\xFE\xFF")) ||
        slice_starts(s, (Slice){ "\0\0\xFE\xFF", 4 }))
        return STATUS_OK;
    size_t n = MIN(s.n, (size_t)HEAD_BYTES), zeros[2] = { 0, 0 }, controls = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        zeros[i & 1] += !c;
        controls += c < 0x20 && (!c || !strchr("\t\n\v\f\r\x1B", (char)c));
    }
    size_t few = MIN(zeros[0], zeros[1]), many = MAX(zeros[0], zeros[1]);
    bool utf16 = many > n / 10 && few < n / 50;
    if (!utf16 && controls > 3 && controls > n / 20)
        return err_set(err, STATUS_UNSUPPORTED,
                       "this looks like binary data (%zu control characters in its first %zu "
                       "bytes), not text",
                       controls, n);
    return STATUS_OK;
}

static bool starts_fold(Slice s, const char *prefix) {
    size_t n = strlen(prefix);
    return s.n >= n && strncasecmp(s.p, prefix, n) == 0;
}

static bool ends_fold(Slice s, const char *end) {
    size_t n = strlen(end);
    return s.n >= n && strncasecmp(s.p + s.n - n, end, n) == 0;
}

static Slice take_line(Slice *s) {
    const char *end = s->n ? memchr(s->p, '\n', s->n) : NULL;
    Slice line = { s->p, end ? (size_t)(end - s->p) : s->n };
    *s = slice_skip(*s, line.n + 1);
    return slice_trim(line);
}

/* What an XML or HTML text is, past declarations and comments. */
static TextFormat sniff_markup(Slice s) {
    static const char *const html[] = { "<!doctype html", "<html",    "<head",   "<body",
                                        "<title",         "<meta",    "<div",    "<article",
                                        "<main",          "<section", "<script", "<style",
                                        "<table",         "<p>",      "<p ",     "<h1",
                                        "<link",          "<ul",      "<header", "<nav" };
    for (unsigned steps = 0; steps < 64; steps++) {
        s = slice_trim(s);
        const char *close = NULL;
        if (starts_fold(s, "<!--")) {
            close = memmem(s.p, s.n, "-->", 3);
            if (close) close += 2;
        } else if (starts_fold(s, "<?") ||
                   (starts_fold(s, "<!doctype") && !starts_fold(s, "<!doctype html"))) {
            close = memchr(s.p, '>', s.n);
            const char *subset = close ? memchr(s.p, '[', (size_t)(close - s.p)) : NULL;
            const char *end = subset ? memmem(subset, (size_t)(s.p + s.n - subset), "]>", 2) : NULL;
            if (end) close = end + 1;
        } else {
            break;
        }
        if (!close) return TEXT_UNKNOWN;
        s = slice_skip(s, (size_t)(close - s.p) + 1);
    }
    if (starts_fold(s, "<rss") || starts_fold(s, "<feed") || starts_fold(s, "<rdf:RDF"))
        return TEXT_FEED;
    for (size_t i = 0; i < N_ELEMENTS(html); i++)
        if (starts_fold(s, html[i])) return TEXT_HTML;
    return TEXT_UNKNOWN;
}

/* '{' and a quoted key, or '{' alone on its line before one. */
static bool is_json_object(Slice s) {
    s = slice_trim(s);
    if (!s.n || s.p[0] != '{') return false;
    s = slice_trim(slice_skip(s, 1));
    return s.n && (s.p[0] == '"' || s.p[0] == '}');
}

static bool is_heading_line(Slice line) {
    size_t n = 0;
    while (n < line.n && line.p[n] == '#') n++;
    return n >= 1 && n <= 6 && n < line.n && line.p[n] == ' ';
}

/* Front matter: "---", at least one "key: value" line, "---". */
static bool has_front_matter(Slice s) {
    Slice first = take_line(&s);
    if (!slice_equal(first, SLICE("---"))) return false;
    size_t keys = 0;
    for (unsigned i = 0; i < 200 && s.n; i++) {
        Slice line = take_line(&s);
        if (slice_equal(line, SLICE("---")) || slice_equal(line, SLICE("..."))) return keys > 0;
        keys += line.n && memchr(line.p, ':', line.n) != NULL;
    }
    return false;
}

/* How many kinds of marks only Markdown has. */
static unsigned markdown_marks(Slice s) {
    bool heading = false, fence = false, link = false, strong = false;
    for (bool first = true; s.n;) {
        Slice line = take_line(&s);
        if (!line.n) continue;
        /* "# x" may be a comment of a script; as the first line of a text it is its title */
        if (is_heading_line(line)) heading = heading || first || line.p[1] == '#';
        if (starts_fold(line, "```") || starts_fold(line, "~~~")) fence = true;
        if (memmem(line.p, line.n, "](", 2)) link = true;
        const char *bold = memmem(line.p, line.n, "**", 2);
        if (bold && memmem(bold + 2, (size_t)(line.p + line.n - bold) - 2, "**", 2)) strong = true;
        first = false;
    }
    return (heading ? 2u : 0u) + fence + link + strong;
}

TextFormat sniff_format(Slice source, const TextHints *hints) {
    Slice head = { source.p, MIN(source.n, (size_t)HEAD_BYTES) };
    Slice name = hints->name;
    bool named_markdown =
        ends_fold(name, ".md") || ends_fold(name, ".markdown") || hints->format == TEXT_MARKDOWN;
    bool named_html = ends_fold(name, ".html") || ends_fold(name, ".htm") ||
                      ends_fold(name, ".xhtml") || hints->format == TEXT_HTML;
    if (has_front_matter(head)) return TEXT_MARKDOWN;
    if (is_json_object(head)) return TEXT_JSONL;
    TextFormat markup = sniff_markup(head);
    if (markup == TEXT_FEED) return markup;
    if (named_markdown) return TEXT_MARKDOWN; /* it may begin with a tag */
    if (markup == TEXT_HTML) return markup;
    if (named_html && memchr(head.p, '<', head.n)) return TEXT_HTML;
    if (hints->format == TEXT_FEED || hints->format == TEXT_JSONL) return hints->format;
    return markdown_marks(head) >= 2 ? TEXT_MARKDOWN : TEXT_PLAIN;
}
