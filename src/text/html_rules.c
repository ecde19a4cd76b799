/* What elements, roles and class names mean for reading. The words are those that sites use for
 * what stands around an article; whether they are believed is decided by how much text they would
 * take away (reader_html.c). */
#include "text/html.h"

#include "base/hash.h"

#include <pthread.h>
#include <strings.h>

enum { P = TAG_BLOCK | TAG_ENDS_P };

static const struct {
    char name[12];
    unsigned flags;
} tags[] = {
    { "p", P | TAG_CLOSED_BY_SELF },
    { "div", P },
    { "section", P },
    { "article", P | TAG_MAIN },
    { "main", P | TAG_MAIN },
    { "header", P | TAG_SOFT },
    { "footer", P | TAG_SOFT },
    { "nav", P | TAG_SOFT },
    { "aside", P | TAG_SOFT },
    { "form", P | TAG_SOFT },
    { "dialog", P | TAG_SOFT },
    { "menu", P | TAG_SOFT },
    { "address", P },
    { "blockquote", P },
    { "center", P },
    { "details", P },
    { "summary", P },
    { "dl", P },
    { "dd", P | TAG_CLOSED_BY_SELF },
    { "dt", P | TAG_CLOSED_BY_SELF },
    { "fieldset", P },
    { "figure", P },
    { "figcaption", P },
    { "hr", P | TAG_VOID },
    { "ul", P },
    { "ol", P },
    { "li", TAG_LINE | TAG_ENDS_P | TAG_ITEM | TAG_CLOSED_BY_SELF },
    { "table", P },
    { "caption", P },
    { "tr", TAG_LINE | TAG_ROW | TAG_CLOSED_BY_SELF },
    { "td", TAG_CELL | TAG_CLOSED_BY_SELF },
    { "th", TAG_CELL | TAG_CLOSED_BY_SELF },
    { "tbody", TAG_LINE },
    { "thead", TAG_LINE },
    { "tfoot", TAG_LINE },
    { "pre", P | TAG_PRE },
    { "h1", P | TAG_HEADING },
    { "h2", P | TAG_HEADING },
    { "h3", P | TAG_HEADING },
    { "h4", P | TAG_HEADING },
    { "h5", P | TAG_HEADING },
    { "h6", P | TAG_HEADING },
    { "hgroup", P },
    { "body", TAG_BLOCK },
    { "br", TAG_LINE | TAG_VOID },
    { "wbr", TAG_VOID },
    { "img", TAG_VOID },
    { "input", TAG_VOID },
    { "meta", TAG_VOID },
    { "link", TAG_VOID },
    { "base", TAG_VOID },
    { "col", TAG_VOID },
    { "area", TAG_VOID },
    { "embed", TAG_VOID },
    { "param", TAG_VOID },
    { "source", TAG_VOID },
    { "track", TAG_VOID },
    { "script", TAG_RAW | TAG_HIDDEN },
    { "style", TAG_RAW | TAG_HIDDEN },
    { "title", TAG_RAW | TAG_HIDDEN },
    { "textarea", TAG_RAW | TAG_HIDDEN },
    { "iframe", TAG_RAW | TAG_HIDDEN },
    { "xmp", TAG_RAW | P },
    { "noembed", TAG_RAW | TAG_HIDDEN },
    { "noframes", TAG_RAW | TAG_HIDDEN },
    { "noscript", TAG_HIDDEN },
    { "template", TAG_HIDDEN },
    { "svg", TAG_HIDDEN },
    { "canvas", TAG_HIDDEN },
    { "object", TAG_HIDDEN },
    { "audio", TAG_HIDDEN },
    { "video", TAG_HIDDEN },
    { "select", TAG_HIDDEN },
    { "datalist", TAG_HIDDEN },
    { "option", TAG_HIDDEN | TAG_CLOSED_BY_SELF },
    { "button", TAG_HIDDEN },
    { "b", TAG_FORMAT },
    { "i", TAG_FORMAT },
    { "u", TAG_FORMAT },
    { "s", TAG_FORMAT },
    { "em", TAG_FORMAT },
    { "strong", TAG_FORMAT },
    { "font", TAG_FORMAT },
    { "big", TAG_FORMAT },
    { "small", TAG_FORMAT },
    { "tt", TAG_FORMAT },
    { "code", TAG_FORMAT },
    { "strike", TAG_FORMAT },
    { "nobr", TAG_FORMAT },
    { "mark", TAG_FORMAT },
    { "sub", TAG_FORMAT },
    { "sup", TAG_FORMAT },
};

enum { SLOTS = 512 };
static struct {
    uint64_t id;
    unsigned flags;
} slots[SLOTS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void build(void) {
    for (size_t i = 0; i < N_ELEMENTS(tags); i++) {
        uint64_t id = html_id(slice_of(tags[i].name));
        size_t at = id % SLOTS;
        while (slots[at].id) at = (at + 1) % SLOTS;
        slots[at].id = id;
        slots[at].flags = tags[i].flags;
    }
}

unsigned html_tag_flags(uint64_t id) {
    pthread_once(&once, build);
    size_t at = id % SLOTS;
    while (slots[at].id && slots[at].id != id) at = (at + 1) % SLOTS;
    return slots[at].flags;
}

static bool is_one_of(Slice word, const char *const *words, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (word.n == strlen(words[i]) && strncasecmp(word.p, words[i], word.n) == 0) return true;
    return false;
}

static bool is_word_of_boilerplate(Slice word) {
    static const char *const words[] = {
        "cookie",     "cookies",     "consent",  "gdpr",    "banner",        "share",
        "sharing",    "social",      "related",  "sidebar", "recommended",   "newsletter",
        "subscribe",  "ad",          "ads",      "advert",  "advertisement", "promo",
        "breadcrumb", "breadcrumbs", "menu",     "nav",     "navbar",        "navigation",
        "footer",     "comments",    "popup",    "modal",   "pagination",    "sponsored",
        "outbrain",   "taboola",     "toolbar",  "skip",    "masthead",      "correlati",
        "condividi",  "pubblicita",  "commenti", "privacy", "paywall",
    };
    return is_one_of(word, words, N_ELEMENTS(words));
}

/* Words within "cookie-banner", "relatedPosts", "site_nav". */
static bool has_boilerplate_word(Slice value) {
    size_t start = 0;
    for (size_t i = 0; i <= value.n; i++) {
        char c = i < value.n ? value.p[i] : ' ';
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        bool hump = letter && c < 'a' && i > start && value.p[i - 1] >= 'a';
        if (letter && !hump) continue;
        if (i > start && is_word_of_boilerplate((Slice){ value.p + start, i - start })) return true;
        start = letter ? i : i + 1;
    }
    return false;
}

bool html_is_boilerplate(Slice attribute, Slice value) {
    static const char *const roles[] = { "navigation", "banner",       "contentinfo", "search",
                                         "dialog",     "alertdialog",  "menu",        "menubar",
                                         "toolbar",    "complementary" };
    static const char *const names[] = { "class", "id" };
    static const char *const role[] = { "role" };
    if (is_one_of(attribute, role, 1))
        return is_one_of(slice_trim(value), roles, N_ELEMENTS(roles));
    return is_one_of(attribute, names, 2) && has_boilerplate_word(value);
}
