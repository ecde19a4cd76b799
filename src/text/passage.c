/* Passages: within a section (what stands under one heading) sentences are taken until the limit;
 * the cut moves back to the last paragraph end where that keeps half of it. The rest of a section
 * that would fill little more than one passage is shared out evenly, so that no passage is a crumb.
 * Words: runs of letters and digits; of scripts without spaces, as many characters as say what one
 * English word says, so that a passage holds the same in every language (the paragraphs of XQuAD,
 * which are translations of each other: 1.7 characters of Chinese, 5.6 of Thai). */
#include "text/passage.h"

#include "base/utf8.h"
#include "text/script.h"

/* LONG_BYTES: what is longer than any word (an address, base64) counts as several. */
enum { WORD_UNITS = 12, HAN_UNITS = 8, THAI_UNITS = 2, LONG_BYTES = 48 };

/* 0 not in a word, 1 in a word, 2: decode it */
static const unsigned char word_class[256] = {
    ['0' ... '9'] = 1,   ['a' ... 'z'] = 1,   ['A' ... 'Z'] = 1, ['\''] = 1,
    [0xC3 ... 0xDF] = 1, [0xE0 ... 0xE1] = 2, [0xE2] = 0,        [0xE3 ... 0xEF] = 2,
    [0xF0 ... 0xF4] = 2, [0x80 ... 0xBF] = 3, /* continues what was before it */
};

/* Words of s, in twelfths. */
static size_t count_units(Slice s) {
    size_t units = 0, word = 0; /* where the word began */
    bool inside = false;
    for (size_t i = 0; i < s.n;) {
        unsigned char a = (unsigned char)s.p[i];
        size_t n = 1;
        switch (word_class[a]) {
        case 0: inside = false; break;
        case 1:
            if (!inside || i - word > LONG_BYTES) {
                units += WORD_UNITS;
                word = i;
            }
            inside = true;
            break;
        case 2: {
            uint32_t c = 0;
            n = utf8_decode(slice_skip(s, i), &c);
            if (!n) n = 1;
            if (script_is_unspaced(c)) {
                units += script_is_han(c) || script_is_kana(c) ? HAN_UNITS : THAI_UNITS;
                inside = false;
            } else if (c >= 0x3000 && (c <= 0x303F || (c >= 0xFF00 && c <= 0xFF0F))) {
                inside = false;
            } else {
                if (!inside || i - word > LONG_BYTES) {
                    units += WORD_UNITS;
                    word = i;
                }
                inside = true;
            }
            break;
        }
        default: break;
        }
        i += n;
    }
    return units;
}

/* A sentence, or a part of one that is too long. */
typedef struct Unit {
    TextSpan span;
    size_t units; /* words in twelfths */
    bool ends_paragraph;
    const TextHeading *heading; /* that it is (a part of) */
} Unit;

typedef struct Cutter {
    const TextDoc *doc;
    size_t max_units;
    Arena *arena;
    Unit *units;
    size_t n_units, units_capacity;
    TextPassage *passages;
    size_t n_passages, passages_capacity;
    const TextHeading *path[6]; /* the heading that is open on each level */
} Cutter;

static Status cutter_push(Cutter *cutter, Unit unit, Err *err) {
    if (!mem_grow((void **)&cutter->units, &cutter->units_capacity, cutter->n_units + 1,
                  sizeof *cutter->units))
        return err_set(err, STATUS_NO_MEMORY, "no memory for passages");
    cutter->units[cutter->n_units++] = unit;
    return STATUS_OK;
}

/* Where to cut text that is too long: after the last blank (or, without one, character) at which
 * what is before it has at most max units. */
static size_t cut_at(Slice s, size_t max_units) {
    size_t low = 1, high = s.n; /* the longest prefix that fits, by halving */
    while (low < high) {
        size_t mid = low + (high - low + 1) / 2;
        if (count_units((Slice){ s.p, mid }) <= max_units)
            low = mid;
        else
            high = mid - 1;
    }
    size_t end = utf8_floor(s, low);
    size_t blank = end;
    while (blank > end / 2 && s.p[blank - 1] != ' ' && s.p[blank - 1] != '\n') blank--;
    if (blank > end / 2) end = blank;
    while (!end || (end < s.n && ((unsigned char)s.p[end] & 0xC0) == 0x80)) end++;
    return end;
}

static Status push_sentence(Cutter *cutter, TextSpan span, const TextHeading *heading,
                            bool ends_paragraph, Err *err) {
    Slice text = cutter->doc->text;
    for (;;) {
        Slice s = { text.p + span.start, span.end - span.start };
        /* a piece of at most so many bytes is looked at: a sentence of megabytes is cut in linear
         * time */
        size_t window = utf8_floor(s, MIN(s.n, cutter->max_units * 4 + 4096));
        size_t units = count_units((Slice){ s.p, window });
        if (window == s.n && units <= cutter->max_units)
            return cutter_push(cutter, (Unit){ span, units, ends_paragraph, heading }, err);
        size_t n =
            units > cutter->max_units ? cut_at((Slice){ s.p, window }, cutter->max_units) : window;
        TextSpan part = { span.start, span.start + n };
        span.start = part.end;
        while (part.end > part.start && strchr(" \n\t", text.p[part.end - 1])) part.end--;
        while (span.start < span.end && strchr(" \n\t", text.p[span.start])) span.start++;
        units = count_units((Slice){ text.p + part.start, part.end - part.start });
        if (part.start < part.end)
            TRY(cutter_push(cutter, (Unit){ part, units, false, heading }, err));
        if (span.start == span.end) return STATUS_OK;
    }
}

static Status make_units(Cutter *cutter, const TextSpan *sentences, size_t n, Err *err) {
    const TextDoc *doc = cutter->doc;
    size_t h = 0;
    for (size_t i = 0; i < n; i++) {
        TextSpan span = sentences[i];
        while (h < doc->n_headings && doc->headings[h].end <= span.start) h++;
        const TextHeading *heading =
            h < doc->n_headings && doc->headings[h].start <= span.start ? &doc->headings[h] : NULL;
        size_t next = i + 1 < n ? sentences[i + 1].start : span.end;
        bool ends =
            i + 1 == n || memmem(doc->text.p + span.end, next - span.end, "\n\n", 2) != NULL;
        TRY(push_sentence(cutter, span, heading, ends, err));
    }
    return STATUS_OK;
}

/* Where the section that begins at `first` ends: before the next heading that follows text. */
static size_t section_end(const Cutter *cutter, size_t first) {
    size_t i = first;
    while (i < cutter->n_units && cutter->units[i].heading) i++;
    while (i < cutter->n_units && !cutter->units[i].heading) i++;
    return i;
}

static size_t passage_end(const Cutter *cutter, size_t first, size_t section) {
    size_t rest = 0, units = 0, limit = cutter->max_units;
    for (size_t i = first; i < section && rest < 2 * limit; i++) rest += cutter->units[i].units;
    if (rest <= limit) return section;
    if (rest < 2 * limit) limit = MIN(limit, rest / 2 + limit / 8);
    size_t end = first, paragraph = first;
    for (size_t i = first; i < section; i++) {
        units += cutter->units[i].units;
        if (i > first && units > limit) break;
        end = i + 1;
        if (cutter->units[i].ends_paragraph && units >= limit / 2) paragraph = end;
    }
    return paragraph > first ? paragraph : end;
}

static void path_enter(Cutter *cutter, const TextHeading *heading) {
    unsigned level = heading->level >= 1 && heading->level <= 6 ? heading->level : 6;
    cutter->path[level - 1] = heading;
    for (unsigned i = level; i < 6; i++) cutter->path[i] = NULL;
}

static Status path_text(const Cutter *cutter, Slice *ret, Err *err) {
    const TextDoc *doc = cutter->doc;
    AUTO_BUF Buf buf = BUF_NULL;
    for (unsigned i = 0; i < 6; i++) {
        if (!cutter->path[i]) continue;
        Slice text = { doc->text.p + cutter->path[i]->start,
                       cutter->path[i]->end - cutter->path[i]->start };
        if (slice_equal(text, doc->title)) continue;
        if (buf.n) buf_append_string(&buf, " > ");
        buf_append_slice(&buf, text);
    }
    const char *copy = buf.failed ? NULL : arena_string(cutter->arena, buf_slice(&buf));
    if (!copy) return err_set(err, STATUS_NO_MEMORY, "no memory for passages");
    *ret = (Slice){ copy, buf.n };
    return STATUS_OK;
}

static Status cut(Cutter *cutter, Err *err) {
    Slice path = SLICE_NULL;
    for (size_t first = 0; first < cutter->n_units;) {
        size_t section = section_end(cutter, first);
        bool entered = first == 0;
        for (size_t i = first; i < section && cutter->units[i].heading; i++) {
            path_enter(cutter, cutter->units[i].heading);
            entered = true;
        }
        if (entered) TRY(path_text(cutter, &path, err));
        while (first < section) {
            size_t end = passage_end(cutter, first, section);
            if (!mem_grow((void **)&cutter->passages, &cutter->passages_capacity,
                          cutter->n_passages + 1, sizeof *cutter->passages))
                return err_set(err, STATUS_NO_MEMORY, "no memory for passages");
            cutter->passages[cutter->n_passages++] =
                (TextPassage){ { cutter->units[first].span.start, cutter->units[end - 1].span.end },
                               path };
            first = end;
        }
    }
    return STATUS_OK;
}

Status text_passages(const TextDoc *doc, size_t max_words, Arena *arena, TextPassage **ret,
                     size_t *ret_n, Err *err) {
    if (!max_words || !mem_mul(max_words, WORD_UNITS, &max_words))
        return err_set_param(err, STATUS_INVALID, "max_words", "passages of %zu words", max_words);
    TextSpan *sentences;
    size_t n;
    char language[16] = "";
    if (doc->language.n < sizeof language) memcpy(language, doc->language.p, doc->language.n);
    AUTO_ARENA Arena scratch = ARENA_NULL;
    TRY(text_sentences(doc->text, language, &scratch, &sentences, &n, err));
    Cutter cutter = { .doc = doc, .max_units = max_words, .arena = arena };
    Status status = make_units(&cutter, sentences, n, err);
    if (!status) status = cut(&cutter, err);
    TextPassage *passages = NULL;
    if (!status) {
        passages = arena_alloc(arena, cutter.n_passages, sizeof *passages);
        if (!passages) status = err_set(err, STATUS_NO_MEMORY, "no memory for passages");
    }
    if (!status) {
        if (cutter.n_passages)
            memcpy(passages, cutter.passages, cutter.n_passages * sizeof *passages);
        *ret = passages;
        *ret_n = cutter.n_passages;
    }
    free(cutter.units);
    free(cutter.passages);
    return status;
}
