/* inih reads lines from memory through read_line, which counts them (inih hands no line numbers to
 * its handler) and refuses lines that inih would cut. The first thing wrong is kept in the Loader;
 * what follows it is ignored. */
#include "daemon/config.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>

enum { MAX_FILE_BYTES = 1 << 20 };

typedef struct Loader {
    Config *config;
    const char *file; /* for messages; "command line" */
    Slice rest;
    size_t line;
    unsigned *seen_in; /* per key: number of the file that gave it last */
    unsigned source;   /* number of this file, from 1 */
    Err *err;
    Status status;
} Loader;

static Status wrong(Loader *l, const char *param, const char *what, const char *detail) {
    if (l->status != STATUS_OK) return l->status;
    if (l->line) {
        err_set_param(l->err, STATUS_INVALID, param, "%s:%zu: %s%s", l->file, l->line, what,
                      detail);
    } else {
        err_set_param(l->err, STATUS_INVALID, param, "%s: %s%s", l->file, what, detail);
    }
    return l->status = STATUS_INVALID;
}

static Status no_memory(Loader *l) {
    return l->status = err_set(l->err, STATUS_NO_MEMORY, "out of memory");
}

/* ---- values ---- */

static bool parse_number(const char *text, double *ret, const char **ret_unit) {
    /* digits and a point only: strtod also knows signs, exponents, hexadecimal and names */
    size_t n = strspn(text, "0123456789.");
    char digits[32], *end;
    if (n == 0 || n >= sizeof digits || text[0] == '.') return false;
    memcpy(digits, text, n);
    digits[n] = '\0';
    *ret = strtod(digits, &end);
    *ret_unit = text + n;
    return *end == '\0';
}

static bool unit_factor(ConfigType type, const char *unit, double *ret) {
    static const struct {
        ConfigType type;
        const char *unit;
        double factor;
    } units[] = {
        { CONFIG_COUNT, "", 1 },      { CONFIG_NUMBER, "", 1 },      { CONFIG_SIZE, "", 1 },
        { CONFIG_SIZE, "K", 1024 },   { CONFIG_SIZE, "M", 1048576 }, { CONFIG_SIZE, "G", 1 << 30 },
        { CONFIG_TIME, "ms", 0.001 }, { CONFIG_TIME, "s", 1 },       { CONFIG_TIME, "min", 60 },
        { CONFIG_TIME, "h", 3600 },
    };
    for (size_t i = 0; i < N_ELEMENTS(units); i++) {
        if (units[i].type == type && strcmp(units[i].unit, unit) == 0) {
            *ret = units[i].factor;
            return true;
        }
    }
    return false;
}

static Status set_number(Loader *l, const ConfigKey *key, const char *text, void *field) {
    static const char *const wants[] = {
        [CONFIG_COUNT] = "a whole number is expected, not ",
        [CONFIG_SIZE] = "a number of bytes with K, M or G is expected, not ",
        [CONFIG_TIME] = "a time with ms, s, min or h is expected, not ",
        [CONFIG_NUMBER] = "a number is expected, not ",
    };
    double value, factor;
    const char *unit;
    if (!parse_number(text, &value, &unit) || !unit_factor(key->type, unit, &factor) ||
        (key->type == CONFIG_COUNT && value != floor(value))) {
        return wrong(l, key->name, wants[key->type], text);
    }
    value *= factor;
    if (value < key->min || value > key->max) {
        char range[96];
        snprintf(range, sizeof range, "%s is not within %.12g and %.12g%s", key->name, key->min,
                 key->max, key->type == CONFIG_TIME ? " seconds" : "");
        return wrong(l, key->name, range, "");
    }
    if (key->type == CONFIG_NUMBER) {
        *(double *)field = value;
    } else if (key->type == CONFIG_TIME) {
        *(int64_t *)field = (int64_t)(value * 1e6);
    } else {
        *(size_t *)field = (size_t)value;
    }
    return STATUS_OK;
}

static Status add_items(Loader *l, ConfigList *list, const char *text) {
    Slice rest = slice_of(text);
    while (rest.n) {
        size_t n = 0;
        while (n < rest.n && !strchr(", \t\n", rest.p[n])) n++;
        if (n) {
            char *item = arena_string(&l->config->arena, (Slice){ rest.p, n });
            if (!item || !mem_grow((void **)&list->items, &list->capacity, list->n + 1,
                                   sizeof *list->items)) {
                return no_memory(l);
            }
            list->items[list->n++] = item;
        }
        rest = slice_skip(rest, n + 1);
    }
    return STATUS_OK;
}

/* Names are not looked up: what they mean is for others to say. */
static Status set_loopback(Loader *l, const ConfigKey *key, const char *text, void *field) {
    static const struct {
        const char *prefix;
        int family;
    } hosts[] = { { "127.0.0.1:", AF_INET }, { "[::1]:", AF_INET6 } };
    *(ConfigLoopback *)field = (ConfigLoopback){ 0 };
    if (!*text) return STATUS_OK;
    for (size_t i = 0; i < N_ELEMENTS(hosts); i++) {
        size_t n = strlen(hosts[i].prefix);
        if (strncmp(text, hosts[i].prefix, n) != 0) continue;
        double port;
        const char *rest;
        if (!parse_number(text + n, &port, &rest) || *rest || strchr(text + n, '.') ||
            port > 65535) {
            return wrong(l, key->name, "a PORT up to 65535 is expected in ", text);
        }
        *(ConfigLoopback *)field = (ConfigLoopback){ hosts[i].family, (uint16_t)port };
        return STATUS_OK;
    }
    return wrong(l, key->name,
                 "a loopback address 127.0.0.1:PORT or [::1]:PORT is expected (nothing here is "
                 "encrypted: for others put a proxy with TLS before it), not ",
                 text);
}

static Status set_value(Loader *l, const ConfigKey *key, const char *text) {
    void *field = (char *)l->config + key->offset;
    switch (key->type) {
    case CONFIG_STRING: {
        char *copy = arena_string(&l->config->arena, slice_of(text));
        if (!copy) return no_memory(l);
        if (strlen(text) > (size_t)key->max) return wrong(l, key->name, key->name, " is too long");
        *(const char **)field = copy;
        return STATUS_OK;
    }
    case CONFIG_LEVEL:
        if (!log_parse_level(text, field)) return wrong(l, key->name, "no such log level: ", text);
        return STATUS_OK;
    case CONFIG_MODE: {
        char *end;
        unsigned long mode = strtoul(text, &end, 8);
        if (end == text || *end || mode > 0777) {
            return wrong(l, key->name, "an octal mode up to 0777 is expected, not ", text);
        }
        *(unsigned *)field = (unsigned)mode;
        return STATUS_OK;
    }
    case CONFIG_LIST: return add_items(l, field, text);
    case CONFIG_LOOPBACK: return set_loopback(l, key, text, field);
    default: return set_number(l, key, text, field);
    }
}

/* ---- keys ---- */

static Status give(Loader *l, size_t i, const char *text) {
    const ConfigKey *key = &config_keys[i];
    bool again = l->seen_in[i] == l->source;
    if (again && key->type != CONFIG_LIST && strcmp(l->file, "command line") != 0) {
        return wrong(l, key->name, key->name, " is given twice");
    }
    if (key->type == CONFIG_LIST && !again) {
        ((ConfigList *)((char *)l->config + key->offset))->n = 0;
    }
    l->seen_in[i] = l->source;
    Status status = set_value(l, key, text);
    if (status != STATUS_OK) return status;
    l->config->given[i] = arena_string(&l->config->arena, slice_of(text));
    return l->config->given[i] ? STATUS_OK : no_memory(l);
}

/* "collection.NAME" or: collection "NAME" */
static bool parse_collection_section(const char *section, Slice *ret) {
    Slice s = slice_of(section);
    if (!slice_starts(s, SLICE("collection"))) return false;
    s = slice_skip(s, 10);
    if (s.n && s.p[0] == '.') {
        s = slice_skip(s, 1);
    } else {
        s = slice_trim(s);
        if (s.n < 2 || s.p[0] != '"' || s.p[s.n - 1] != '"') return false;
        s = (Slice){ s.p + 1, s.n - 2 };
    }
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == 0 || !strchr("abcdefghijklmnopqrstuvwxyz0123456789_-", s.p[i])) return false;
    }
    *ret = s;
    return s.n > 0 && s.n <= 64;
}

static ConfigCollection *collection_of(Loader *l, Slice name) {
    Config *config = l->config;
    for (size_t i = 0; i < config->n_collections; i++) {
        if (slice_equal(slice_of(config->collections[i].name), name)) {
            return &config->collections[i];
        }
    }
    char *copy = arena_string(&config->arena, name);
    char where[300];
    snprintf(where, sizeof where, "%s:%zu", l->file, l->line);
    char *place = arena_string(&config->arena, slice_of(where));
    if (!copy || !place ||
        !mem_grow((void **)&config->collections, &config->collections_capacity,
                  config->n_collections + 1, sizeof *config->collections)) {
        return NULL;
    }
    ConfigCollection *collection = &config->collections[config->n_collections++];
    *collection = (ConfigCollection){ .name = copy, .where = place };
    return collection;
}

static Status give_collection(Loader *l, Slice name, const char *key, const char *text) {
    ConfigCollection *collection = collection_of(l, name);
    if (!collection) return no_memory(l);
    bool read = strcmp(key, "read") == 0;
    if (!read && strcmp(key, "write") != 0) return wrong(l, key, "a collection has no key ", key);
    ConfigList *list = read ? &collection->read : &collection->write;
    unsigned *from = read ? &collection->read_from : &collection->write_from;
    if (*from != l->source) list->n = 0; /* a later file replaces, further lines add */
    *from = l->source;
    return add_items(l, list, text);
}

static Status set_key(Loader *l, const char *section, const char *name, const char *value) {
    Slice collection;
    if (parse_collection_section(section, &collection)) {
        return give_collection(l, collection, name, value);
    }
    bool known_section = false;
    for (size_t i = 0; i < config_n_keys; i++) {
        if (strcmp(config_keys[i].section, section) != 0) continue;
        known_section = true;
        if (strcmp(config_keys[i].name, name) == 0) return give(l, i, value);
    }
    if (!known_section)
        return wrong(l, section, "no such section: ", *section ? section : "(none)");
    return wrong(l, name, "no such key in this section: ", name);
}

/* ---- files ---- */

static char *read_line(char *out, int size, void *context) {
    Loader *l = context;
    if (l->rest.n == 0) return NULL;
    const char *end = memchr(l->rest.p, '\n', l->rest.n);
    size_t n = end ? (size_t)(end - l->rest.p) + 1 : l->rest.n;
    Slice line = { l->rest.p, n };
    l->rest = slice_skip(l->rest, n);
    l->line++;
    if (memchr(line.p, '\0', line.n)) {
        wrong(l, "", "NUL in the file", "");
        line = SLICE_NULL;
    }
    bool section = line.n && line.p[0] == '[';
    if (line.n > MIN(CONFIG_MAX_LINE, (size_t)size - 1) ||
        (section && line.n > CONFIG_MAX_SECTION)) {
        wrong(l, "", "the line is too long (lists may go on in further, indented lines)", "");
        line = SLICE_NULL;
    }
    if (line.n) memcpy(out, line.p, line.n);
    out[line.n] = '\0';
    return out;
}

static int take_pair(void *context, const char *section, const char *name, const char *value) {
    Loader *l = context;
    if (l->status == STATUS_OK) set_key(l, section, name, value);
    return l->status == STATUS_OK;
}

static Status load_file(Loader *l, const char *path) {
    AUTO_BUF Buf text = BUF_NULL;
    TRY(file_read(path, MAX_FILE_BYTES, &text, l->err));
    l->file = path;
    l->source++;
    l->line = 0;
    l->rest = buf_slice(&text);
    int line = ini_parse_stream(read_line, l, take_pair, l);
    if (l->status == STATUS_OK && line != 0) {
        l->line = line > 0 ? (size_t)line : 0;
        return wrong(l, "", "neither [section] nor key = value", "");
    }
    return l->status;
}

static int is_conf(const struct dirent *entry) {
    size_t n = strlen(entry->d_name);
    return n > 5 && entry->d_name[0] != '.' && strcmp(entry->d_name + n - 5, ".conf") == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static Status load_folder(Loader *l, const char *file) {
    const char *slash = strrchr(file, '/');
    AUTO_BUF Buf folder = BUF_NULL;
    buf_append(&folder, file, slash ? (size_t)(slash - file) + 1 : 0);
    buf_append_string(&folder, "conf.d");
    TRY(buf_status(&folder, l->err));
    struct dirent **entries;
    int n = scandir(folder.p, &entries, is_conf, by_bytes);
    if (n < 0) {
        if (errno == ENOENT || errno == ENOTDIR) return STATUS_OK;
        return err_set_errno(l->err, errno, "%s", folder.p);
    }
    Status status = STATUS_OK;
    for (int i = 0; i < n; i++) {
        AUTO_BUF Buf path = BUF_NULL;
        buf_printf(&path, "%s/%s", folder.p, entries[i]->d_name);
        if (status == STATUS_OK) status = buf_status(&path, l->err);
        if (status == STATUS_OK) {
            /* messages name the file for as long as the Config lives */
            const char *name = arena_string(&l->config->arena, buf_slice(&path));
            status = name ? load_file(l, name) : no_memory(l);
        }
        free(entries[i]);
    }
    free(entries);
    return status;
}

static Status load_override(Loader *l, const char *text) {
    l->line = 0;
    const char *equals = strchr(text, '=');
    const char *dot = NULL;
    for (const char *p = text; equals && p < equals; p++) {
        if (*p == '.') dot = p;
    }
    if (!dot) return wrong(l, text, "section.key=value is expected, not ", text);
    AUTO_FREE char *section = mem_copy_string(text, (size_t)(dot - text));
    AUTO_FREE char *name = mem_copy_string(dot + 1, (size_t)(equals - dot) - 1);
    if (!section || !name) return no_memory(l);
    return set_key(l, section, name, equals + 1);
}

/* The file that people name and conf.d beside it. */
static Status load_given(Loader *l, const char *file, bool must_exist) {
    if (!file || strcmp(file, "/dev/null") == 0) return STATUS_OK; /* people name it: no file */
    Status status = load_file(l, file);
    if (status == STATUS_NOT_FOUND && must_exist) {
        return err_set_param(l->err, STATUS_INVALID, "config", "%s: no such file", file);
    }
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) return status;
    return load_folder(l, file);
}

static Status load(Loader *l, const char *file, bool must_exist, const char *chosen,
                   const char *const *overrides, size_t n_overrides) {
    l->file = "built-in default";
    for (size_t i = 0; i < config_n_keys; i++) {
        TRY(set_value(l, &config_keys[i], config_keys[i].fallback));
    }
    TRY(load_given(l, file, must_exist));
    if (chosen) {
        /* who checks the configuration need not be who may look into the state folder */
        Status status = load_file(l, chosen);
        if (status != STATUS_OK && status != STATUS_NOT_FOUND && status != STATUS_DENIED) {
            return status;
        }
    }
    l->file = "command line";
    l->source++;
    for (size_t i = 0; i < n_overrides; i++) TRY(load_override(l, overrides[i]));
    return STATUS_OK;
}

Status config_load(const char *file, bool must_exist, const char *const *overrides,
                   size_t n_overrides, Config **ret, Err *err) {
    return config_load_with(file, must_exist, NULL, overrides, n_overrides, ret, err);
}

Status config_load_with(const char *file, bool must_exist, const char *chosen,
                        const char *const *overrides, size_t n_overrides, Config **ret, Err *err) {
    Config *config = mem_alloc(1, sizeof *config);
    AUTO_FREE unsigned *seen_in = mem_alloc(config_n_keys, sizeof *seen_in);
    if (config) config->given = mem_alloc(config_n_keys, sizeof *config->given);
    if (!config || !config->given || !seen_in) {
        config_free(config);
        return err_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    Loader l = { .config = config, .seen_in = seen_in, .err = err };
    Status status = load(&l, file, must_exist, chosen, overrides, n_overrides);
    if (status != STATUS_OK) {
        config_free(config);
        return status;
    }
    *ret = config;
    return STATUS_OK;
}

Config *config_free(Config *config) {
    if (!config) return NULL;
    free(config->read.items);
    free(config->write.items);
    free(config->admin.items);
    free(config->choose.items);
    free(config->read_records.items);
    for (size_t i = 0; i < config->n_collections; i++) {
        free(config->collections[i].read.items);
        free(config->collections[i].write.items);
    }
    free(config->collections);
    free(config->given);
    arena_deinit(&config->arena);
    free(config);
    return NULL;
}

const char *config_type_name(ConfigType type) {
    static const char *const names[] = { "text",       "count",  "size",
                                         "time",       "number", "level",
                                         "octal mode", "list",   "loopback address" };
    return names[type];
}

void config_help(Buf *ret) {
    const char *section = "";
    for (size_t i = 0; i < config_n_keys; i++) {
        const ConfigKey *key = &config_keys[i];
        if (strcmp(section, key->section) != 0) buf_printf(ret, "[%s]\n", key->section);
        section = key->section;
        buf_printf(ret, "  %s = %s  (%s%s)\n      %s\n", key->name, key->fallback,
                   config_type_name(key->type), key->reloads ? "; SIGHUP" : "; restart", key->doc);
    }
    buf_append_string(ret, "[collection \"NAME\"]\n  read = , write =  (list; SIGHUP)\n"
                           "      As in [access], for the collection of that name.\n");
}

void config_need_restart(const Config *before, const Config *after, Buf *ret) {
    for (size_t i = 0; i < config_n_keys; i++) {
        const ConfigKey *key = &config_keys[i];
        const char *a = before->given[i] ? before->given[i] : key->fallback;
        const char *b = after->given[i] ? after->given[i] : key->fallback;
        if (key->reloads || strcmp(a, b) == 0) continue;
        buf_printf(ret, "%s%s.%s", ret->n ? ", " : "", key->section, key->name);
    }
}
