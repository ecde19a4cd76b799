/* A JSON Schema to nodes. Each schema becomes one node, reserved before it is filled, so that $ref
 * may lead back to it; what a $ref names elsewhere waits in a list, so that the depth of calls is
 * the depth of the schema's JSON. Keywords belong to groups: those that would have to hold at the
 * same time as others of another group (anyOf beside properties) are refused. */
#include "llm/grammar_internal.h"

#include "base/mem.h"

#include <stdio.h>

typedef enum Group {
    ABOUT = 1, /* says nothing about what is right */
    REF = 2,
    ANY_OF = 4,
    VALUES = 8,
    TYPE = 16,
    OBJECTS = 32,
    ARRAYS = 64,
    STRINGS = 128,
} Group;

static const struct {
    const char *name;
    Group group;
} keywords[] = {
    { "title", ABOUT },        { "description", ABOUT },
    { "default", ABOUT },      { "examples", ABOUT },
    { "$schema", ABOUT },      { "$id", ABOUT },
    { "$comment", ABOUT },     { "$defs", ABOUT },
    { "definitions", ABOUT },  { "deprecated", ABOUT },
    { "readOnly", ABOUT },     { "writeOnly", ABOUT },
    { "nullable", ABOUT },     { "$ref", REF },
    { "anyOf", ANY_OF },       { "enum", VALUES },
    { "const", VALUES },       { "type", TYPE },
    { "properties", OBJECTS }, { "required", OBJECTS },
    { "items", ARRAYS },       { "additionalProperties", OBJECTS },
    { "minItems", ARRAYS },    { "maxItems", ARRAYS },
    { "minLength", STRINGS },  { "maxLength", STRINGS },
};

enum {
    TYPE_NULL = 1,
    TYPE_BOOLEAN = 2,
    TYPE_NUMBER = 4,
    TYPE_INTEGER = 8,
    TYPE_STRING = 16,
    TYPE_ARRAY = 32,
    TYPE_OBJECT = 64,
};
static const struct {
    const char *name;
    unsigned type;
} types[] = {
    { "null", TYPE_NULL },     { "boolean", TYPE_BOOLEAN }, { "number", TYPE_NUMBER },
    { "string", TYPE_STRING }, { "integer", TYPE_INTEGER }, { "array", TYPE_ARRAY },
    { "object", TYPE_OBJECT },
};

/* Where a schema stands, from the outside in. */
typedef struct Path {
    const struct Path *up;
    const char *name;
    Slice member; /* behind name; none where it is empty */
} Path;

typedef struct Known {
    const Json *schema;
    uint16_t node;
    bool is_pending; /* named by a $ref only, so far */
} Known;

typedef struct Compiler {
    Grammar *g;
    const Json *root;
    const char *name;
    Known *known; /* [n_known] */
    size_t n_known, known_capacity;
} Compiler;

static Status compile(Compiler *c, const Json *schema, const Path *path, uint16_t *ret, Err *err);
static Status fill(Compiler *c, const Json *schema, const Path *path, uint16_t node, Err *err);

/* ---- errors ---- */

static void spell(const Path *path, Buf *out) {
    if (path->up) spell(path->up, out);
    if (path->up) buf_append_byte(out, '.');
    buf_append_string(out, path->name);
    if (!path->member.n) return;
    if (*path->name) buf_append_byte(out, '.');
    buf_append_slice(out, path->member);
}

static Status refuse(Status status, const Path *path, const char *keyword, const char *why,
                     Err *err) {
    AUTO_BUF Buf text = BUF_NULL;
    spell(path, &text);
    if (keyword) buf_printf(&text, ".%s", keyword);
    return err_set_param(err, status, "response_format", "%.300s: %s", text.n ? text.p : "", why);
}

static Status no_memory(Err *err) {
    return err_set(err, STATUS_NO_MEMORY, "no memory for a grammar");
}

/* ---- nodes and items ---- */

static Status add_node(Compiler *c, GrammarNode node, uint16_t *ret, Err *err) {
    Grammar *g = c->g;
    if (g->n_nodes == GRAMMAR_MAX_NODES) {
        return err_set_param(err, STATUS_TOO_LARGE, "response_format", "%s: more than %d schemas",
                             c->name, GRAMMAR_MAX_NODES);
    }
    if (!mem_grow((void **)&g->nodes, &g->nodes_capacity, g->n_nodes + 1, sizeof *g->nodes)) {
        return no_memory(err);
    }
    *ret = (uint16_t)g->n_nodes;
    g->nodes[g->n_nodes++] = node;
    return STATUS_OK;
}

Status grammar_add_items(Grammar *g, size_t n, uint32_t *ret_first, Err *err) {
    if (n > GRAMMAR_MAX_ITEMS - g->n_items) {
        return err_set_param(err, STATUS_TOO_LARGE, "response_format",
                             "more than %d properties, values and alternatives in a schema",
                             GRAMMAR_MAX_ITEMS);
    }
    if (!mem_grow((void **)&g->items, &g->items_capacity, g->n_items + n + 1, sizeof *g->items)) {
        return no_memory(err);
    }
    memset(g->items + g->n_items, 0, n * sizeof *g->items);
    *ret_first = (uint32_t)g->n_items;
    g->n_items += n;
    return STATUS_OK;
}

static Status be_choice(Compiler *c, uint16_t node, const uint16_t *of, size_t n, Err *err) {
    GrammarNode made = { .kind = NODE_CHOICE, .n = (uint32_t)n };
    TRY(grammar_add_items(c->g, n, &made.first, err));
    for (size_t i = 0; i < n; i++) c->g->items[made.first + i].node = of[i];
    c->g->nodes[node] = made;
    return STATUS_OK;
}

/* ---- texts ---- */

/* The name before a value in an object, which may hold any character. */
static void write_name(JsonWriter *w, Slice name) {
    json_slice(w, NULL, name);
    buf_append_byte(w->out, ':');
    w->comma = false;
}

static void write_json(JsonWriter *w, const Json *value) {
    switch (value->type) {
    case JSON_NULL: json_null(w, NULL); return;
    case JSON_BOOL: json_bool(w, NULL, value->boolean); return;
    case JSON_NUMBER: json_number(w, NULL, value->number); return;
    case JSON_STRING: json_slice(w, NULL, value->string); return;
    case JSON_ARRAY:
        json_begin_array(w, NULL);
        for (const Json *v = value->child; v; v = v->next) write_json(w, v);
        json_end_array(w);
        return;
    case JSON_OBJECT:
        json_begin_object(w, NULL);
        for (const Json *v = value->child; v; v = v->next) {
            write_name(w, v->key);
            write_json(w, v);
        }
        json_end_object(w);
        return;
    }
}

static Status keep_text(Compiler *c, const Buf *text, const Path *path, Slice *ret, Err *err) {
    TRY(buf_status(text, err));
    if (text->n > GRAMMAR_MAX_LITERAL) {
        return refuse(STATUS_TOO_LARGE, path, NULL, "a longer text than is kept", err);
    }
    const char *copy = arena_string(&c->g->arena, buf_slice(text));
    if (!copy) return no_memory(err);
    *ret = (Slice){ copy, text->n };
    return STATUS_OK;
}

static Status keep_value(Compiler *c, const Json *value, const Path *path, Slice *ret, Err *err) {
    AUTO_BUF Buf text = BUF_NULL;
    JsonWriter w = JSON_WRITER(&text);
    write_json(&w, value);
    return keep_text(c, &text, path, ret, err);
}

static Status keep_name(Compiler *c, Slice name, const Path *path, Slice *ret, Err *err) {
    AUTO_BUF Buf text = BUF_NULL;
    JsonWriter w = JSON_WRITER(&text);
    write_name(&w, name);
    return keep_text(c, &text, path, ret, err);
}

/* ---- enum and const ---- */

static unsigned type_of(const Json *value) {
    switch (value->type) {
    case JSON_NULL: return TYPE_NULL;
    case JSON_BOOL: return TYPE_BOOLEAN;
    case JSON_NUMBER:
        return value->number == __builtin_trunc(value->number) ? TYPE_INTEGER | TYPE_NUMBER
                                                               : TYPE_NUMBER;
    case JSON_STRING: return TYPE_STRING;
    case JSON_ARRAY: return TYPE_ARRAY;
    default: return TYPE_OBJECT;
    }
}

/* The values that are of one of the types. */
static Status fill_values(Compiler *c, const Json *schema, const Path *path, unsigned allowed,
                          uint16_t node, Err *err) {
    const Json *list = json_get(schema, "enum"), *one = json_get(schema, "const");
    if (list && one) return refuse(STATUS_INVALID, path, "const", "not beside enum", err);
    if (list && list->type != JSON_ARRAY) {
        return refuse(STATUS_INVALID, path, "enum", "an array is expected", err);
    }
    GrammarNode made = { .kind = NODE_ONE_OF };
    TRY(grammar_add_items(c->g, list ? list->n : 1, &made.first, err));
    for (const Json *v = list ? list->child : one; v; v = list ? v->next : NULL) {
        if (!(type_of(v) & allowed)) continue;
        TRY(keep_value(c, v, path, &c->g->items[made.first + made.n].text, err));
        made.n++;
    }
    if (!made.n) return refuse(STATUS_INVALID, path, list ? "enum" : "const", "no value fits", err);
    c->g->nodes[node] = made;
    return STATUS_OK;
}

/* ---- objects ---- */

static bool has_name(const Json *names, Slice name) {
    for (const Json *r = names ? names->child : NULL; r; r = r->next) {
        if (slice_equal(r->string, name)) return true;
    }
    return false;
}

static Status check_required(const Json *required, const Path *path, Err *err) {
    if (!required) return STATUS_OK;
    const Json *r = required->child;
    while (r && r->type == JSON_STRING && !memchr(r->string.p, '\0', r->string.n)) r = r->next;
    if (required->type == JSON_ARRAY && !r) return STATUS_OK;
    return refuse(STATUS_INVALID, path, "required", "an array of names is expected", err);
}

static Status fill_property(Compiler *c, const Json *schema, Slice name, const Path *path,
                            bool required, uint32_t item, Err *err) {
    Path at = { path, "properties", name };
    GrammarItem made = { .required = required };
    TRY(keep_name(c, name, &at, &made.text, err));
    TRY(compile(c, schema, &at, &made.node, err));
    c->g->items[item] = made;
    return STATUS_OK;
}

/* Names that are only required come after those that are described. */
static Status fill_required(Compiler *c, const Json *schema, const Path *path, const Json *others,
                            uint32_t first, uint32_t *n, Err *err) {
    static const Json anything = { .type = JSON_BOOL, .boolean = true };
    const Json *properties = json_get(schema, "properties");
    const Json *required = json_get(schema, "required");
    for (const Json *r = required ? required->child : NULL; r; r = r->next) {
        if (properties && json_get(properties, r->string.p)) continue;
        if (others && others->type == JSON_BOOL && !others->boolean) {
            return refuse(STATUS_INVALID, path, "required", "a name that is not among properties",
                          err);
        }
        bool is_double = false;
        for (const Json *before = required->child; before != r; before = before->next) {
            is_double |= slice_equal(before->string, r->string);
        }
        if (is_double) continue;
        TRY(fill_property(c, others ? others : &anything, r->string, path, true, first + *n, err));
        ++*n;
    }
    return STATUS_OK;
}

static Status fill_map(Compiler *c, const Json *others, const Path *path, uint16_t node, Err *err) {
    GrammarNode made = { .kind = NODE_MAP, .child = NODE_ANY };
    Path at = { path, "additionalProperties", SLICE_NULL };
    if (others) TRY(compile(c, others, &at, &made.child, err));
    c->g->nodes[node] = made;
    return STATUS_OK;
}

static Status fill_object(Compiler *c, const Json *schema, const Path *path, uint16_t node,
                          Err *err) {
    const Json *properties = json_get(schema, "properties");
    const Json *required = json_get(schema, "required");
    const Json *others = json_get(schema, "additionalProperties");
    if (properties && properties->type != JSON_OBJECT) {
        return refuse(STATUS_INVALID, path, "properties", "an object is expected", err);
    }
    TRY(check_required(required, path, err));
    size_t n = (properties ? properties->n : 0) + (required ? required->n : 0);
    bool closed = others && others->type == JSON_BOOL && !others->boolean;
    if (n == 0 && !closed) return fill_map(c, others, path, node, err);
    GrammarNode made = { .kind = NODE_OBJECT };
    TRY(grammar_add_items(c->g, n, &made.first, err));
    for (const Json *p = properties ? properties->child : NULL; p; p = p->next) {
        TRY(fill_property(c, p, p->key, path, has_name(required, p->key), made.first + made.n,
                          err));
        made.n++;
    }
    TRY(fill_required(c, schema, path, others, made.first, &made.n, err));
    for (uint32_t i = 0; i < made.n; i++) {
        if (c->g->items[made.first + i].required) made.n_required = (uint16_t)(i + 1);
    }
    c->g->nodes[node] = made;
    return STATUS_OK;
}

/* ---- arrays, strings and the rest ---- */

static Status read_count(const Json *schema, const char *name, const Path *path, bool is_max,
                         uint16_t *ret, Err *err) {
    const Json *value = json_get(schema, name);
    if (!value) return STATUS_OK;
    if (value->type != JSON_NUMBER || value->number < 0 ||
        value->number != __builtin_trunc(value->number)) {
        return refuse(STATUS_INVALID, path, name, "a number from 0 on is expected", err);
    }
    if (value->number >= GRAMMAR_MAX_COUNT && !is_max) {
        return refuse(STATUS_TOO_LARGE, path, name, "less than 65535 is expected", err);
    }
    *ret = (uint16_t)MIN(value->number, (double)GRAMMAR_MAX_COUNT);
    return STATUS_OK;
}

static Status fill_counted(const Json *schema, const char *least, const char *most,
                           const Path *path, GrammarNode *ret, Err *err) {
    ret->max = GRAMMAR_MAX_COUNT;
    TRY(read_count(schema, least, path, false, &ret->min, err));
    TRY(read_count(schema, most, path, true, &ret->max, err));
    if (ret->min <= ret->max) return STATUS_OK;
    return refuse(STATUS_INVALID, path, most, "less than the minimum", err);
}

static Status fill_array(Compiler *c, const Json *schema, const Path *path, uint16_t node,
                         Err *err) {
    GrammarNode made = { .kind = NODE_ARRAY, .child = NODE_ANY };
    TRY(fill_counted(schema, "minItems", "maxItems", path, &made, err));
    const Json *items = json_get(schema, "items");
    Path at = { path, "items", SLICE_NULL };
    if (items && items->type == JSON_BOOL && !items->boolean) {
        made.max = 0;
        if (made.min) return refuse(STATUS_INVALID, path, "items", "nothing fits", err);
    } else if (items) {
        TRY(compile(c, items, &at, &made.child, err));
    }
    c->g->nodes[node] = made;
    return STATUS_OK;
}

static Status fill_type(Compiler *c, const Json *schema, const Path *path, unsigned type,
                        uint16_t node, Err *err) {
    GrammarNode made = { .kind = NODE_STRING };
    switch (type) {
    case TYPE_OBJECT: return fill_object(c, schema, path, node, err);
    case TYPE_ARRAY: return fill_array(c, schema, path, node, err);
    case TYPE_STRING:
        TRY(fill_counted(schema, "minLength", "maxLength", path, &made, err));
        c->g->nodes[node] = made;
        return STATUS_OK;
    case TYPE_NUMBER: c->g->nodes[node] = (GrammarNode){ .kind = NODE_NUMBER }; return STATUS_OK;
    case TYPE_INTEGER: c->g->nodes[node] = (GrammarNode){ .kind = NODE_INTEGER }; return STATUS_OK;
    case TYPE_BOOLEAN: c->g->nodes[node] = c->g->nodes[NODE_ANY_BOOLEAN]; return STATUS_OK;
    default: c->g->nodes[node] = c->g->nodes[NODE_NULL]; return STATUS_OK;
    }
}

/* ---- schemas ---- */

static unsigned type_named(const Json *name) {
    for (size_t i = 0; name->type == JSON_STRING && i < N_ELEMENTS(types); i++) {
        if (slice_equal(name->string, slice_of(types[i].name))) return types[i].type;
    }
    return 0;
}

/* What "type" says; without it, what the other keywords are about; 0 = anything. */
static Status read_types(const Json *schema, unsigned groups, const Path *path, unsigned *ret,
                         Err *err) {
    const Json *type = json_get(schema, "type");
    *ret = groups & OBJECTS ? TYPE_OBJECT : groups & ARRAYS ? TYPE_ARRAY : 0;
    if (!*ret && groups & STRINGS) *ret = TYPE_STRING;
    if (!type) return STATUS_OK;
    *ret = 0;
    bool known = type->type == JSON_STRING || (type->type == JSON_ARRAY && type->child);
    for (const Json *t = type->type == JSON_ARRAY ? type->child : type; t && known;
         t = type->type == JSON_ARRAY ? t->next : NULL) {
        unsigned one = type_named(t);
        known = one != 0;
        *ret |= one;
    }
    if (*ret & TYPE_NUMBER) *ret &= ~(unsigned)TYPE_INTEGER;
    if (known) return STATUS_OK;
    return refuse(STATUS_INVALID, path, "type",
                  "null, boolean, number, integer, string, array, object or an array of these is "
                  "expected",
                  err);
}

static Status read_groups(const Json *schema, const Path *path, unsigned *ret, Err *err) {
    *ret = 0;
    for (const Json *k = schema->child; k; k = k->next) {
        size_t i = 0;
        while (i < N_ELEMENTS(keywords) && !slice_equal(k->key, slice_of(keywords[i].name))) i++;
        if (i == N_ELEMENTS(keywords)) {
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)MIN(k->key.n, sizeof name - 1), k->key.p);
            return refuse(STATUS_INVALID, path, name, "this keyword is not supported", err);
        }
        *ret |= keywords[i].group;
    }
    *ret &= ~(unsigned)ABOUT;
    unsigned alone = *ret & REF      ? REF
                     : *ret & ANY_OF ? ANY_OF
                     : *ret & VALUES ? VALUES | TYPE
                                     : ~0u;
    if (!(*ret & ~alone)) return STATUS_OK;
    return refuse(STATUS_INVALID, path,
                  *ret & REF                 ? "$ref"
                  : *ret & ANY_OF            ? "anyOf"
                  : json_get(schema, "enum") ? "enum"
                                             : "const",
                  "not supported together with other keywords that restrict the value", err);
}

/* A member's name in a pointer: "~1" is "/", "~0" is "~". */
static bool is_member(Slice written, Slice key) {
    size_t at = 0;
    for (size_t i = 0; i < written.n; i++, at++) {
        char c = written.p[i];
        if (c == '~' && i + 1 < written.n) c = written.p[++i] == '1' ? '/' : '~';
        if (at >= key.n || key.p[at] != c) return false;
    }
    return at == key.n;
}

/* What "#/$defs/name" points at; NULL where there is nothing. */
static const Json *find_target(const Json *root, Slice pointer) {
    const Json *at = root;
    if (!pointer.n || pointer.p[0] != '#') return NULL;
    pointer = slice_skip(pointer, 1);
    while (pointer.n && at) {
        if (pointer.p[0] != '/' || at->type != JSON_OBJECT) return NULL;
        pointer = slice_skip(pointer, 1);
        const char *slash = memchr(pointer.p, '/', pointer.n);
        size_t n = slash ? (size_t)(slash - pointer.p) : pointer.n;
        at = at->child;
        while (at && !is_member((Slice){ pointer.p, n }, at->key)) at = at->next;
        pointer = slice_skip(pointer, n);
    }
    return at;
}

static Status know(Compiler *c, const Json *schema, bool is_pending, uint16_t *ret, Err *err) {
    for (size_t i = 0; i < c->n_known; i++) {
        if (c->known[i].schema != schema) continue;
        if (!is_pending) c->known[i].is_pending = false;
        *ret = c->known[i].node;
        return STATUS_OK;
    }
    TRY(add_node(c, (GrammarNode){ .kind = NODE_CHOICE }, ret, err));
    if (!mem_grow((void **)&c->known, &c->known_capacity, c->n_known + 1, sizeof *c->known)) {
        return no_memory(err);
    }
    c->known[c->n_known++] = (Known){ schema, *ret, is_pending };
    return STATUS_OK;
}

static Status fill_ref(Compiler *c, const Json *schema, const Path *path, uint16_t node, Err *err) {
    const Json *ref = json_get(schema, "$ref");
    const Json *target = ref->type == JSON_STRING ? find_target(c->root, ref->string) : NULL;
    if (!target) {
        return refuse(STATUS_INVALID, path, "$ref", "it points at nothing within the schema", err);
    }
    uint16_t there;
    TRY(know(c, target, true, &there, err));
    return be_choice(c, node, &there, 1, err);
}

static Status fill_any_of(Compiler *c, const Json *schema, const Path *path, uint16_t node,
                          Err *err) {
    const Json *list = json_get(schema, "anyOf");
    if (list->type != JSON_ARRAY || !list->child) {
        return refuse(STATUS_INVALID, path, "anyOf", "an array of schemas is expected", err);
    }
    GrammarNode made = { .kind = NODE_CHOICE, .n = (uint32_t)list->n };
    TRY(grammar_add_items(c->g, made.n, &made.first, err));
    uint32_t i = made.first;
    for (const Json *s = list->child; s; s = s->next, i++) {
        char number[16];
        snprintf(number, sizeof number, "%u", i - made.first);
        Path at = { path, "anyOf", slice_of(number) };
        uint16_t one;
        TRY(compile(c, s, &at, &one, err));
        c->g->items[i].node = one;
    }
    c->g->nodes[node] = made;
    return STATUS_OK;
}

static Status fill_types(Compiler *c, const Json *schema, const Path *path, unsigned allowed,
                         uint16_t node, Err *err) {
    if (!allowed) return be_choice(c, node, &(uint16_t){ NODE_ANY }, 1, err);
    uint16_t of[N_ELEMENTS(types)];
    size_t n = 0;
    for (size_t i = 0; i < N_ELEMENTS(types); i++) {
        if (!(allowed & types[i].type)) continue;
        if (allowed == types[i].type) return fill_type(c, schema, path, allowed, node, err);
        TRY(add_node(c, (GrammarNode){ .kind = NODE_CHOICE }, &of[n], err));
        TRY(fill_type(c, schema, path, types[i].type, of[n], err));
        n++;
    }
    return be_choice(c, node, of, n, err);
}

static Status fill_groups(Compiler *c, const Json *schema, const Path *path, unsigned groups,
                          uint16_t node, Err *err) {
    unsigned allowed;
    if (groups & REF) return fill_ref(c, schema, path, node, err);
    if (groups & ANY_OF) return fill_any_of(c, schema, path, node, err);
    TRY(read_types(schema, groups, path, &allowed, err));
    if (groups & VALUES) return fill_values(c, schema, path, allowed ? allowed : ~0u, node, err);
    return fill_types(c, schema, path, allowed, node, err);
}

static Status fill(Compiler *c, const Json *schema, const Path *path, uint16_t node, Err *err) {
    unsigned groups;
    if (schema->type == JSON_BOOL && schema->boolean)
        return fill_types(c, schema, path, 0, node, err);
    if (schema->type == JSON_BOOL) return refuse(STATUS_INVALID, path, NULL, "nothing fits", err);
    if (schema->type != JSON_OBJECT) {
        return refuse(STATUS_INVALID, path, NULL, "a schema is expected", err);
    }
    TRY(read_groups(schema, path, &groups, err));
    const Json *nullable = json_get(schema, "nullable");
    if (nullable && nullable->type != JSON_BOOL) {
        return refuse(STATUS_INVALID, path, "nullable", "true or false is expected", err);
    }
    if (!nullable || !nullable->boolean) return fill_groups(c, schema, path, groups, node, err);
    uint16_t of[2] = { 0, NODE_NULL };
    TRY(add_node(c, (GrammarNode){ .kind = NODE_CHOICE }, &of[0], err));
    TRY(fill_groups(c, schema, path, groups, of[0], err));
    return be_choice(c, node, of, 2, err);
}

static Status compile(Compiler *c, const Json *schema, const Path *path, uint16_t *ret, Err *err) {
    TRY(know(c, schema, false, ret, err));
    return fill(c, schema, path, *ret, err);
}

/* What is named by a $ref and stands nowhere else. */
static Status compile_pending(Compiler *c, Err *err) {
    for (size_t i = 0; i < c->n_known; i++) {
        if (!c->known[i].is_pending) continue;
        c->known[i].is_pending = false;
        const Json *schema = c->known[i].schema;
        Path path = { NULL, c->name, SLICE_NULL }, within = { &path, "$defs", schema->key };
        TRY(fill(c, schema, schema == c->root ? &path : &within, c->known[i].node, err));
    }
    return STATUS_OK;
}

/* ---- what stands in every grammar ---- */

static Status add_texts(Compiler *c, uint16_t node, const char *const *texts, size_t n, Err *err) {
    GrammarNode made = { .kind = NODE_ONE_OF, .n = (uint32_t)n };
    TRY(grammar_add_items(c->g, n, &made.first, err));
    for (size_t i = 0; i < n; i++) c->g->items[made.first + i].text = slice_of(texts[i]);
    c->g->nodes[node] = made;
    return STATUS_OK;
}

static Status add_fixed(Compiler *c, Err *err) {
    static const GrammarNode fixed[NODE_N_FIXED] = {
        [NODE_AT_ROOT] = { .kind = NODE_ROOT },
        [NODE_ANY_OBJECT] = { .kind = NODE_MAP, .child = NODE_ANY },
        [NODE_ANY_ARRAY] = { .kind = NODE_ARRAY, .max = GRAMMAR_MAX_COUNT, .child = NODE_ANY },
        [NODE_ANY_STRING] = { .kind = NODE_STRING, .max = GRAMMAR_MAX_COUNT },
        [NODE_ANY_NUMBER] = { .kind = NODE_NUMBER },
    };
    static const uint16_t any[] = { NODE_ANY_OBJECT, NODE_ANY_ARRAY,   NODE_ANY_STRING,
                                    NODE_ANY_NUMBER, NODE_ANY_BOOLEAN, NODE_NULL };
    static const char *const booleans[] = { "true", "false" }, *const null[] = { "null" };
    for (size_t i = 0; i < N_ELEMENTS(fixed); i++) {
        uint16_t node;
        TRY(add_node(c, fixed[i], &node, err));
    }
    TRY(add_texts(c, NODE_ANY_BOOLEAN, booleans, 2, err));
    TRY(add_texts(c, NODE_NULL, null, 1, err));
    return be_choice(c, NODE_ANY, any, N_ELEMENTS(any), err);
}

static Status build(Compiler *c, Err *err) {
    TRY(add_fixed(c, err));
    uint16_t top = NODE_ANY_OBJECT;
    Path path = { NULL, c->name, SLICE_NULL };
    if (c->root) TRY(compile(c, c->root, &path, &top, err));
    TRY(compile_pending(c, err));
    c->g->nodes[NODE_AT_ROOT].child = top;
    return grammar_close(c->g, c->name, err);
}

Status grammar_new(const Json *schema, const char *name, Grammar **ret, Err *err) {
    Compiler c = { mem_alloc(1, sizeof(Grammar)), schema, name, NULL, 0, 0 };
    if (!c.g) return no_memory(err);
    Status status = build(&c, err);
    free(c.known);
    if (status == STATUS_OK)
        *ret = c.g;
    else
        grammar_free(c.g);
    return status;
}

Grammar *grammar_free(Grammar *g) {
    if (!g) return NULL;
    arena_deinit(&g->arena);
    free(g->nodes);
    free(g->items);
    free(g);
    return NULL;
}
