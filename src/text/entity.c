/* Character references: numbers in both bases, and the names of HTML 4 and XML. Numbers 128-159 are
 * windows-1252, as browsers take them; what is no character becomes U+FFFD.
 * Source: HTML 4.01 section 24, HTML Living Standard 13.2.5.80. */
#include "text/text_internal.h"

#include "base/utf8.h"

typedef struct Entity {
    char name[9]; /* case matters; sorted by bytes */
    uint16_t character;
} Entity;

/* clang-format off */
static const Entity entities[] = {
    {"AElig",198}, {"Aacute",193}, {"Acirc",194}, {"Agrave",192}, {"Alpha",913}, {"Aring",197},
    {"Atilde",195}, {"Auml",196}, {"Beta",914}, {"Ccedil",199}, {"Chi",935}, {"Dagger",8225},
    {"Delta",916}, {"ETH",208}, {"Eacute",201}, {"Ecirc",202}, {"Egrave",200}, {"Epsilon",917},
    {"Eta",919}, {"Euml",203}, {"Gamma",915}, {"Iacute",205}, {"Icirc",206}, {"Igrave",204},
    {"Iota",921}, {"Iuml",207}, {"Kappa",922}, {"Lambda",923}, {"Mu",924}, {"Ntilde",209},
    {"Nu",925}, {"OElig",338}, {"Oacute",211}, {"Ocirc",212}, {"Ograve",210}, {"Omega",937},
    {"Omicron",927}, {"Oslash",216}, {"Otilde",213}, {"Ouml",214}, {"Phi",934}, {"Pi",928},
    {"Prime",8243}, {"Psi",936}, {"Rho",929}, {"Scaron",352}, {"Sigma",931}, {"THORN",222},
    {"Tau",932}, {"Theta",920}, {"Uacute",218}, {"Ucirc",219}, {"Ugrave",217}, {"Upsilon",933},
    {"Uuml",220}, {"Xi",926}, {"Yacute",221}, {"Yuml",376}, {"Zeta",918}, {"aacute",225},
    {"acirc",226}, {"acute",180}, {"aelig",230}, {"agrave",224}, {"alefsym",8501}, {"alpha",945},
    {"amp",38}, {"and",8743}, {"ang",8736}, {"apos",39}, {"aring",229}, {"asymp",8776},
    {"atilde",227}, {"auml",228}, {"bdquo",8222}, {"beta",946}, {"brvbar",166}, {"bull",8226},
    {"cap",8745}, {"ccedil",231}, {"cedil",184}, {"cent",162}, {"chi",967}, {"circ",710},
    {"clubs",9827}, {"cong",8773}, {"copy",169}, {"crarr",8629}, {"cup",8746}, {"curren",164},
    {"dArr",8659}, {"dagger",8224}, {"darr",8595}, {"deg",176}, {"delta",948}, {"diams",9830},
    {"divide",247}, {"eacute",233}, {"ecirc",234}, {"egrave",232}, {"empty",8709}, {"emsp",8195},
    {"ensp",8194}, {"epsilon",949}, {"equiv",8801}, {"eta",951}, {"eth",240}, {"euml",235},
    {"euro",8364}, {"exist",8707}, {"fnof",402}, {"forall",8704}, {"frac12",189}, {"frac14",188},
    {"frac34",190}, {"frasl",8260}, {"gamma",947}, {"ge",8805}, {"gt",62}, {"hArr",8660},
    {"harr",8596}, {"hearts",9829}, {"hellip",8230}, {"iacute",237}, {"icirc",238}, {"iexcl",161},
    {"igrave",236}, {"image",8465}, {"infin",8734}, {"int",8747}, {"iota",953}, {"iquest",191},
    {"isin",8712}, {"iuml",239}, {"kappa",954}, {"lArr",8656}, {"lambda",955}, {"lang",9001},
    {"laquo",171}, {"larr",8592}, {"lceil",8968}, {"ldquo",8220}, {"le",8804}, {"lfloor",8970},
    {"lowast",8727}, {"loz",9674}, {"lrm",8206}, {"lsaquo",8249}, {"lsquo",8216}, {"lt",60},
    {"macr",175}, {"mdash",8212}, {"micro",181}, {"middot",183}, {"minus",8722}, {"mu",956},
    {"nabla",8711}, {"nbsp",160}, {"ndash",8211}, {"ne",8800}, {"ni",8715}, {"not",172},
    {"notin",8713}, {"nsub",8836}, {"ntilde",241}, {"nu",957}, {"oacute",243}, {"ocirc",244},
    {"oelig",339}, {"ograve",242}, {"oline",8254}, {"omega",969}, {"omicron",959}, {"oplus",8853},
    {"or",8744}, {"ordf",170}, {"ordm",186}, {"oslash",248}, {"otilde",245}, {"otimes",8855},
    {"ouml",246}, {"para",182}, {"part",8706}, {"permil",8240}, {"perp",8869}, {"phi",966},
    {"pi",960}, {"piv",982}, {"plusmn",177}, {"pound",163}, {"prime",8242}, {"prod",8719},
    {"prop",8733}, {"psi",968}, {"quot",34}, {"rArr",8658}, {"radic",8730}, {"rang",9002},
    {"raquo",187}, {"rarr",8594}, {"rceil",8969}, {"rdquo",8221}, {"real",8476}, {"reg",174},
    {"rfloor",8971}, {"rho",961}, {"rlm",8207}, {"rsaquo",8250}, {"rsquo",8217}, {"sbquo",8218},
    {"scaron",353}, {"sdot",8901}, {"sect",167}, {"shy",173}, {"sigma",963}, {"sigmaf",962},
    {"sim",8764}, {"spades",9824}, {"sub",8834}, {"sube",8838}, {"sum",8721}, {"sup",8835},
    {"sup1",185}, {"sup2",178}, {"sup3",179}, {"supe",8839}, {"szlig",223}, {"tau",964},
    {"there4",8756}, {"theta",952}, {"thetasym",977}, {"thinsp",8201}, {"thorn",254},
    {"tilde",732}, {"times",215}, {"trade",8482}, {"uArr",8657}, {"uacute",250}, {"uarr",8593},
    {"ucirc",251}, {"ugrave",249}, {"uml",168}, {"upsih",978}, {"upsilon",965}, {"uuml",252},
    {"weierp",8472}, {"xi",958}, {"yacute",253}, {"yen",165}, {"yuml",255}, {"zeta",950},
    {"zwj",8205}, {"zwnj",8204},
};
/* clang-format on */

static const uint16_t windows_1252[32] = {
    0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x8D,   0x017D, 0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178,
};

/* "#232" or "#xE8" behind the '&': its bytes without a ';', 0 where it is none. */
static size_t number_decode(Slice s, uint32_t *ret) {
    bool hex = s.n > 1 && (s.p[1] == 'x' || s.p[1] == 'X');
    size_t i = hex ? 2 : 1, digits = i;
    uint32_t value = 0;
    for (; i < s.n && i < 32; i++) {
        char c = s.p[i], low = (char)(c | 0x20);
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if (hex && low >= 'a' && low <= 'f')
            digit = (unsigned)(low - 'a' + 10);
        else
            break;
        value = MIN(value * (hex ? 16 : 10) + digit, (uint32_t)0x110000);
    }
    if (i == digits) return 0;
    if (value >= 128 && value < 160) value = windows_1252[value - 128];
    if (!value || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) value = 0xFFFD;
    *ret = value;
    return i;
}

static int entity_compare(Slice name, const Entity *entity) {
    size_t n = strlen(entity->name);
    int order = memcmp(name.p, entity->name, MIN(name.n, n));
    return order ? order : name.n < n ? -1 : name.n > n;
}

size_t entity_decode(Slice s, char out[8], size_t *ret_n) {
    if (s.n < 3 || s.p[0] != '&') return 0;
    uint32_t character;
    size_t n;
    if (s.p[1] == '#') {
        n = number_decode(slice_skip(s, 1), &character);
        if (!n) return 0;
        *ret_n = utf8_encode(character, out);
        n++;
        return n < s.n && s.p[n] == ';' ? n + 1 : n;
    }
    for (n = 1; n < s.n && n < 10; n++) {
        char low = (char)(s.p[n] | 0x20);
        if (!((low >= 'a' && low <= 'z') || (s.p[n] >= '0' && s.p[n] <= '9'))) break;
    }
    if (n >= s.n || s.p[n] != ';') return 0;
    Slice name = { s.p + 1, n - 1 };
    size_t low = 0, high = N_ELEMENTS(entities);
    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = entity_compare(name, &entities[mid]);
        if (!order) {
            *ret_n = utf8_encode(entities[mid].character, out);
            return n + 1;
        }
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return 0;
}
