/* One list for all languages: a token is an abbreviation in any of them or in none, and what is a
 * word in one ("no", "mag", "art") only counts before a number. Sorted by nothing: it is hashed. */
#include "text/abbreviations.h"

#include "base/hash.h"
#include "base/mem.h"

#include <pthread.h>
#include <strings.h>

static const struct {
    AbbreviationKind kind;
    const char *words;
} lists[] = {
    { ABBREVIATION_BEFORE,
      "mr mrs ms dr prof gen col lt sgt capt cmdr adm rev hon sen rep gov pres st mt vs cf fig "
      "figs eqs dott dr.ssa sig sigg sig.ra dottssa proff avv ing arch on rag geom cav comm mons "
      "egr spett gent pag pagg cap capp artt nn tel cfr ss sra srta lic exc mgr mme mlle hr fr "
      "nr abs bzw bspw vgl ggf usw-z.b evtl inkl exkl ca approx dept ed eds vol vols sec secs al "
      "op inv ind seg aprox pp dl d.lgs lett vd ibid id str prot sez" },
    { ABBREVIATION_NUMBER,
      "no n art p nos par jan feb mar apr jun jul aug sept sep oct nov dec gen mag giu lug ago set "
      "ott dic abr ch eq sect num c co v" },
    { ABBREVIATION_AFTER, "inc ltd corp co cos bros jr sr plc llc etc ecc usw spa srl gmbh ag cie "
                          "es fam est ave blvd rd "
                          "ph phd univ assn" },
};

enum { SLOTS = 1024, WORD_BYTES = 12 };
static struct {
    Slice word;
    unsigned char kinds; /* bits */
} slots[SLOTS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static size_t slot_of(Slice word) {
    size_t i = hash_mix64(word, 1) % SLOTS;
    while (slots[i].word.p && !slice_equal(slots[i].word, word)) i = (i + 1) % SLOTS;
    return i;
}

static void build(void) {
    for (size_t l = 0; l < N_ELEMENTS(lists); l++) {
        for (const char *p = lists[l].words; *p;) {
            Slice word = { p, strcspn(p, " ") };
            size_t i = slot_of(word);
            slots[i].word = word;
            slots[i].kinds |= (unsigned char)(1u << lists[l].kind);
            p += word.n + strspn(p + word.n, " ");
        }
    }
}

AbbreviationKind abbreviation_kind(Slice token) {
    char lower[WORD_BYTES];
    if (!token.n || token.n > WORD_BYTES) return ABBREVIATION_NONE;
    for (size_t i = 0; i < token.n; i++) {
        char c = token.p[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    pthread_once(&once, build);
    unsigned kinds = slots[slot_of((Slice){ lower, token.n })].kinds;
    if (kinds & 1u << ABBREVIATION_BEFORE) return ABBREVIATION_BEFORE;
    if (kinds & 1u << ABBREVIATION_AFTER) return ABBREVIATION_AFTER;
    return kinds ? ABBREVIATION_NUMBER : ABBREVIATION_NONE;
}
