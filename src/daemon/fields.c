/* Messages name the field, not its content: logs and error texts carry no user text. */
#include "daemon/fields.h"

#include <math.h>
#include <stdio.h>

static Status wrong_type(const Json *value, const char *name, const char *wanted, Err *err) {
    return err_set_param(err, STATUS_INVALID, name, "%s: %s is expected, not %s", name, wanted,
                         json_type_name(value->type));
}

/* The member, NULL where it is missing or null. */
static const Json *member(const Json *object, const char *name) {
    const Json *value = json_get(object, name);
    return value && value->type != JSON_NULL ? value : NULL;
}

Status field_string(const Json *object, const char *name, size_t max_bytes, const char **ret,
                    Err *err) {
    const Json *value = member(object, name);
    if (!value) return STATUS_OK;
    if (value->type != JSON_STRING) return wrong_type(value, name, "a string", err);
    TRY(value_check_text(name, value->string, max_bytes, err));
    *ret = value->string.p;
    return STATUS_OK;
}

Status field_bool(const Json *object, const char *name, bool *ret, Err *err) {
    const Json *value = member(object, name);
    if (!value) return STATUS_OK;
    if (value->type != JSON_BOOL) return wrong_type(value, name, "true or false", err);
    *ret = value->boolean;
    return STATUS_OK;
}

Status field_count(const Json *object, const char *name, size_t min, size_t max, size_t *ret,
                   Err *err) {
    const Json *value = member(object, name);
    if (!value) return STATUS_OK;
    if (value->type != JSON_NUMBER) return wrong_type(value, name, "a number", err);
    if (value->number != floor(value->number) || value->number < (double)min ||
        value->number > (double)max) {
        return err_set_param(err, STATUS_INVALID, name, "%s: a whole number within %zu and %zu",
                             name, min, max);
    }
    *ret = (size_t)value->number;
    return STATUS_OK;
}

Status field_number(const Json *object, const char *name, double min, double max, double *ret,
                    Err *err) {
    const Json *value = member(object, name);
    if (!value) return STATUS_OK;
    if (value->type != JSON_NUMBER) return wrong_type(value, name, "a number", err);
    if (value->number < min || value->number > max) {
        return err_set_param(err, STATUS_INVALID, name, "%s: a number within %g and %g", name, min,
                             max);
    }
    *ret = value->number;
    return STATUS_OK;
}

Status field_check_names(const Json *object, const char *const *names, Err *err) {
    for (const Json *child = object->child; child; child = child->next) {
        size_t i = 0;
        while (names[i] && !slice_equal(slice_of(names[i]), child->key)) i++;
        if (names[i]) continue;
        char name[64];
        snprintf(name, sizeof name, "%.*s", SLICE_ARGS(child->key));
        return err_set_param(err, STATUS_INVALID, name, "byte %zu: no such field", child->offset);
    }
    return STATUS_OK;
}

Status value_check_text(const char *name, Slice value, size_t max_bytes, Err *err) {
    if (value.n > max_bytes) {
        return err_set_param(err, STATUS_TOO_LARGE, name, "%s: longer than %zu bytes", name,
                             max_bytes);
    }
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F) {
            return err_set_param(err, STATUS_INVALID, name, "%s: a control character", name);
        }
    }
    return STATUS_OK;
}

Status value_check_collection(const char *value, Err *err) {
    size_t n = strlen(value);
    if (n >= 1 && n <= 64 && strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789_-") == n) {
        return STATUS_OK;
    }
    return err_set_param(err, STATUS_INVALID, "collection",
                         "collection: a name is 1 to 64 of a-z, 0-9, '_' and '-'");
}

/* n digits at *p as a number within min and max; moves *p. */
static bool take_number(const char **p, size_t n, int min, int max) {
    int value = 0;
    for (size_t i = 0; i < n; i++) {
        char c = (*p)[i];
        if (c < '0' || c > '9') return false;
        value = value * 10 + (c - '0');
    }
    *p += n;
    return value >= min && value <= max;
}

static bool take_byte(const char **p, char c) {
    if (**p != c) return false;
    (*p)++;
    return true;
}

static bool take_time(const char **p) {
    if (!take_number(p, 2, 0, 23) || !take_byte(p, ':') || !take_number(p, 2, 0, 59)) return false;
    if (take_byte(p, ':')) {
        if (!take_number(p, 2, 0, 60)) return false;
        if (take_byte(p, '.')) {
            size_t n = strspn(*p, "0123456789");
            if (n == 0) return false;
            *p += n;
        }
    }
    if (take_byte(p, 'Z')) return true;
    if (take_byte(p, '+') || take_byte(p, '-')) {
        return take_number(p, 2, 0, 14) && take_byte(p, ':') && take_number(p, 2, 0, 59);
    }
    return true;
}

static bool is_date(const char *p, bool whole) {
    if (!take_number(&p, 4, 0, 9999)) return false;
    if (!*p) return !whole;
    if (!take_byte(&p, '-') || !take_number(&p, 2, 1, 12)) return false;
    if (!*p) return !whole;
    if (!take_byte(&p, '-') || !take_number(&p, 2, 1, 31)) return false;
    if (!*p) return true;
    return (take_byte(&p, 'T') || take_byte(&p, ' ')) && take_time(&p) && !*p;
}

Status value_check_date(const char *name, const char *value, bool whole, Err *err) {
    if (is_date(value, whole)) return STATUS_OK;
    return err_set_param(err, STATUS_INVALID, name,
                         "%s: a date is %sYYYY-MM-DD or "
                         "YYYY-MM-DDThh:mm:ssZ",
                         name, whole ? "" : "YYYY, YYYY-MM, ");
}

Status value_parse_count(const char *name, const char *value, size_t min, size_t max, size_t *ret,
                         Err *err) {
    size_t n = strlen(value), number = 0;
    bool ok = n > 0 && n < 12 && strspn(value, "0123456789") == n;
    for (size_t i = 0; ok && i < n; i++) number = number * 10 + (size_t)(value[i] - '0');
    if (!ok || number < min || number > max) {
        return err_set_param(err, STATUS_INVALID, name, "%s: a whole number within %zu and %zu",
                             name, min, max);
    }
    *ret = number;
    return STATUS_OK;
}
