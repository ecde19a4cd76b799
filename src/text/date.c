/* Dates as documents write them. A date that is not certain is no date: day and month are never
 * guessed from their order in numbers ("03/04/2023"), a two-digit year only in RFC 822.
 * Source: ISO 8601, RFC 3339, RFC 822 section 5 with RFC 1123's four-digit years. */
#include "text/text_internal.h"

#include <stdio.h>
#include <strings.h>
#include <time.h>

/* The first three letters tell months apart in English and in most of these languages; longer where
 * they would not. English, Italian, French, Spanish, Portuguese, German, Romanian. */
static const struct {
    char name[8];
    int month;
} months[] = {
    { "jan", 1 },  { "gen", 1 },        { "janv", 1 },       { "ene", 1 },  { "ian", 1 },
    { "feb", 2 },  { "fev", 2 },        { "f\xC3\xA9v", 2 }, { "mar", 3 },  { "m\xC3\xA4r", 3 },
    { "apr", 4 },  { "avr", 4 },        { "abr", 4 },        { "may", 5 },  { "mag", 5 },
    { "mai", 5 },  { "juin", 6 },       { "jun", 6 },        { "giu", 6 },  { "iun", 6 },
    { "juil", 7 }, { "jul", 7 },        { "lug", 7 },        { "iul", 7 },  { "aug", 8 },
    { "ago", 8 },  { "ao\xC3\xBB", 8 }, { "aou", 8 },        { "sep", 9 },  { "set", 9 },
    { "oct", 10 }, { "ott", 10 },       { "okt", 10 },       { "out", 10 }, { "nov", 11 },
    { "noi", 11 }, { "dec", 12 },       { "dic", 12 },       { "dez", 12 }, { "d\xC3\xA9", 12 },
};

/* A word's month, 0 where it is none. */
static int month_of(Slice word) {
    if (word.n < 3 || word.n > 12) return 0;
    for (size_t i = 0; i < N_ELEMENTS(months); i++) {
        size_t n = strlen(months[i].name);
        if (word.n >= n && strncasecmp(word.p, months[i].name, n) == 0) return months[i].month;
    }
    return 0;
}

/* Up to max digits at the beginning; -1 where there are fewer than min. */
static int take_number(Slice *s, size_t min, size_t max) {
    int value = 0;
    size_t n = 0;
    while (n < s->n && n < max && s->p[n] >= '0' && s->p[n] <= '9') {
        value = value * 10 + (s->p[n] - '0');
        n++;
    }
    if (n < min) return -1;
    *s = slice_skip(*s, n);
    return value;
}

static bool take_byte(Slice *s, const char *any) {
    if (!s->n || !s->p[0] || !strchr(any, s->p[0])) return false;
    *s = slice_skip(*s, 1);
    return true;
}

static void take_separators(Slice *s) {
    while (take_byte(s, " \t\r\n,.")) {}
}

static bool is_day(int year, int month, int day) {
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    if (year < 1000 || year > 9999 || month < 1 || month > 12 || day < 1) return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= days[month - 1] + (month == 2 && leap);
}

/* "+02:00", "+0200", "Z", "GMT", "EST": seconds east of Greenwich. false: none is there. */
static bool take_zone(Slice *s, int *ret) {
    static const struct {
        char name[4];
        int hours;
    } zones[] = { { "GMT", 0 },  { "UTC", 0 },  { "UT", 0 },   { "Z", 0 },
                  { "EST", -5 }, { "EDT", -4 }, { "CST", -6 }, { "CDT", -5 },
                  { "MST", -7 }, { "MDT", -6 }, { "PST", -8 }, { "PDT", -7 } };
    while (take_byte(s, " \t")) {}
    for (size_t i = 0; i < N_ELEMENTS(zones); i++) {
        size_t n = strlen(zones[i].name);
        if (s->n < n || strncasecmp(s->p, zones[i].name, n) != 0) continue;
        *ret = zones[i].hours * 3600;
        return true;
    }
    if (!s->n || (s->p[0] != '+' && s->p[0] != '-')) return false;
    int sign = s->p[0] == '-' ? -1 : 1;
    Slice rest = slice_skip(*s, 1);
    int hours = take_number(&rest, 2, 2);
    (void)take_byte(&rest, ":");
    int minutes = take_number(&rest, 2, 2);
    if (hours < 0 || hours > 15 || minutes > 59) return false;
    *ret = sign * (hours * 3600 + (minutes < 0 ? 0 : minutes) * 60);
    return true;
}

/* The time behind a date ("T10:00:00+02:00", " 10:00:00 GMT"), if it is one with a zone; without a
 * zone the moment is not known, and the day alone is true. */
static void date_write(int year, int month, int day, Slice rest, char ret[DATE_BYTES]) {
    snprintf(ret, DATE_BYTES, "%04d-%02d-%02d", year % 10000, month % 100, day % 100);
    while (take_byte(&rest, "T t,")) {}
    int hour = take_number(&rest, 1, 2), second = 0, zone;
    if (hour < 0 || hour > 24 || !take_byte(&rest, ":")) return;
    int minute = take_number(&rest, 2, 2);
    if (minute < 0 || minute > 59) return;
    if (take_byte(&rest, ":")) second = take_number(&rest, 2, 2);
    if (second < 0 || second > 60) return;
    if (take_byte(&rest, ".,"))
        while (take_byte(&rest, "0123456789")) {}
    if (!take_zone(&rest, &zone)) return;
    struct tm tm = { .tm_year = year - 1900,
                     .tm_mon = month - 1,
                     .tm_mday = day,
                     .tm_hour = hour,
                     .tm_min = minute,
                     .tm_sec = second };
    time_t at = timegm(&tm) - zone;
    struct tm utc;
    if (!gmtime_r(&at, &utc) || utc.tm_year + 1900 < 1000 || utc.tm_year + 1900 > 9999) return;
    strftime(ret, DATE_BYTES, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

static bool date_numeric(Slice s, char ret[DATE_BYTES]) {
    int year = take_number(&s, 4, 4);
    if (year < 0) return false;
    char separator = s.n ? s.p[0] : '\0';
    bool compact = separator >= '0' && separator <= '9';
    if (!compact && !take_byte(&s, "-/.")) return false;
    int month = take_number(&s, compact ? 2 : 1, 2);
    if (month < 0 || (!compact && (!s.n || s.p[0] != separator))) return false;
    if (!compact) s = slice_skip(s, 1);
    int day = take_number(&s, compact ? 2 : 1, 2);
    if (!is_day(year, month, day) || (s.n && s.p[0] >= '0' && s.p[0] <= '9')) return false;
    date_write(year, month, day, s, ret);
    return true;
}

/* A word of letters (any UTF-8) at the beginning. */
static Slice take_word(Slice *s) {
    size_t n = 0;
    while (n < s->n && ((s->p[n] | 0x20) >= 'a' ? (s->p[n] | 0x20) <= 'z' : (s->p[n] & 0x80) != 0))
        n++;
    Slice word = { s->p, n };
    *s = slice_skip(*s, n);
    return word;
}

static bool date_words(Slice s, char ret[DATE_BYTES]) {
    int day = -1, month = 0, year = -1;
    for (unsigned parts = 0; s.n && parts < 8 && year < 0; parts++) {
        take_separators(&s);
        (void)take_byte(&s, "-"); /* 18-Jul-2023 */
        if (s.n && s.p[0] >= '0' && s.p[0] <= '9') {
            Slice before = s;
            int number = take_number(&s, 1, 4);
            size_t digits = before.n - s.n;
            if (digits == 4 || (day >= 0 && month))
                year = digits == 4   ? number
                       : digits == 2 ? number + (number < 70 ? 2000 : 1900)
                                     : 0;
            else if (day < 0)
                day = number;
            else
                return false;
            (void)take_byte(&s, "\xC2"); /* 1º */
            (void)take_byte(&s, "\xBA\xB0");
            continue;
        }
        Slice word = take_word(&s);
        if (!word.n) return false;
        int named = month_of(word);
        if (named) month = named; /* the last one: "martedi 18 luglio" begins like March */
    }
    if (!month || !is_day(year, month, day)) return false;
    date_write(year, month, day, s, ret);
    return true;
}

bool date_parse(Slice s, char ret[DATE_BYTES]) {
    s = slice_trim(s);
    if (s.n > 80) return false;
    return date_numeric(s, ret) || date_words(s, ret);
}
