/* What a model with random weights writes under a schema is read by the JSON reader and checked
 * against the schema by a checker that shares nothing with the automaton. */
#include "llm/grammar.h"
#include "small_vocab.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>

/* ---- an independent checker ---- */

static const Json *root;

static bool is_of(const Json *type, const Json *value) {
    static const char *const names[] = { "null", "boolean", "number", "string", "array", "object" };
    if (slice_equal(type->string, SLICE("integer"))) {
        return value->type == JSON_NUMBER && value->number == trunc(value->number);
    }
    return slice_equal(type->string, slice_of(names[value->type]));
}

static bool is_same(const Json *a, const Json *b) {
    if (a->type != b->type || a->n != b->n || a->boolean != b->boolean) return false;
    if (a->type == JSON_NUMBER && a->number != b->number) return false;
    if (!slice_equal(a->string, b->string) || !slice_equal(a->key, b->key)) return false;
    for (const Json *x = a->child, *y = b->child; x && y; x = x->next, y = y->next) {
        if (!is_same(x, y)) return false;
    }
    return true;
}

static bool is_equal(const Json *listed, const Json *value) {
    Json a = *listed, b = *value;
    a.key = b.key = SLICE_NULL;
    return is_same(&a, &b);
}

static double count(const Json *schema, const char *name, double otherwise) {
    const Json *value = json_get(schema, name);
    return value ? value->number : otherwise;
}

static double characters(Slice s) {
    double n = 0;
    for (size_t i = 0; i < s.n; i++) n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    return n;
}

static bool conforms(const Json *schema, const Json *value);

static bool object_conforms(const Json *schema, const Json *value) {
    const Json *properties = json_get(schema, "properties"),
               *required = json_get(schema, "required");
    const Json *others = json_get(schema, "additionalProperties");
    for (const Json *r = required ? required->child : NULL; r; r = r->next) {
        if (!json_get(value, r->string.p)) return false;
    }
    for (const Json *v = value->child; v; v = v->next) {
        const Json *p = properties ? json_get(properties, v->key.p) : NULL;
        if (!p) p = others;
        if (p && !conforms(p, v)) return false;
    }
    return true;
}

static bool conforms(const Json *schema, const Json *value) {
    if (schema->type == JSON_BOOL) return schema->boolean;
    const Json *k;
    if ((k = json_get(schema, "nullable")) && k->boolean && value->type == JSON_NULL) return true;
    if ((k = json_get(schema, "$ref"))) {
        const Json *to = root;
        if (k->string.n > 1)
            to = json_get(json_get(root, "$defs"), k->string.p + strlen("#/$defs/"));
        return conforms(to, value);
    }
    if ((k = json_get(schema, "const")) && !is_equal(k, value)) return false;
    for (const char *const *list = (const char *const[]){ "enum", "anyOf", "type", NULL }; *list;
         list++) {
        k = json_get(schema, *list);
        if (!k) continue;
        bool any = false;
        for (const Json *e = k->type == JSON_ARRAY ? k->child : k; e;
             e = k->type == JSON_ARRAY ? e->next : NULL) {
            any |= **list == 'e'   ? is_equal(e, value)
                   : **list == 'a' ? conforms(e, value)
                                   : is_of(e, value);
        }
        if (!any) return false;
    }
    if (value->type == JSON_OBJECT) return object_conforms(schema, value);
    if (value->type == JSON_STRING) {
        double n = characters(value->string);
        return n >= count(schema, "minLength", 0) && n <= count(schema, "maxLength", INFINITY);
    }
    if (value->type != JSON_ARRAY) return true;
    k = json_get(schema, "items");
    for (const Json *v = value->child; v && k; v = v->next) {
        if (!conforms(k, v)) return false;
    }
    double n = (double)value->n;
    return n >= count(schema, "minItems", 0) && n <= count(schema, "maxItems", INFINITY);
}

/* ---- writing ---- */

enum { MAX_TOKENS = 6000 };

static uint64_t random_state;

static double uniform(void) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (double)(random_state >> 11) * 0x1p-53;
}

/* Pieces that reach over the borders of JSON's tokens. */
static Vocab *make_vocab(bool bpe) {
    static const char *const pieces[] = {
        "\":", "\",\"",    "{\"",   "\"}", "\"},",       "\xE2\x96\x81\"",
        "1,",  "12",       "]}",    "}]",  "true",       "\":\xE2\x96\x81{",
        "[{",  "\"name\"", "null,", "\\u", "\xC3\xA9\"", "-1"
    };
    static Small small;
    if (bpe)
        small_bpe(&small);
    else
        small_spm(&small);
    for (size_t i = 0; i < N_ELEMENTS(pieces) && !bpe; i++) {
        small_add(&small, pieces[i], -200, VOCAB_NORMAL);
    }
    Vocab *vocab = NULL;
    Err err = { 0 };
    cr_assert_eq(vocab_new(&small.spec, &vocab, &err), STATUS_OK, "%s", err.text);
    return vocab;
}

/* The text of one run; false where it had to be cut. sharpness: 0 = all tokens alike. */
static bool write_text(const Grammar *g, const GrammarTable *table, const Vocab *vocab,
                       uint64_t seed, Buf *text) {
    GrammarState *state = NULL;
    Sampler *sampler = NULL;
    Err err = { 0 };
    SamplerOptions options = SAMPLER_OPTIONS_DEFAULT;
    size_t n_vocab = vocab_size(vocab);
    options.temperature = 1;
    options.seed = random_state = seed;
    options.constrained = true;
    cr_assert_eq(grammar_state_new(g, table, VOCAB_NO_ID, &state, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(sampler_new(n_vocab, &options, &sampler, &err), STATUS_OK);
    float *logits = malloc(n_vocab * sizeof *logits);
    Detokenizer stream;
    detokenizer_init(&stream, vocab, 0);
    bool ended = false;
    for (size_t n = 0; n < MAX_TOKENS && !ended; n++) {
        for (size_t i = 0; i < n_vocab; i++) logits[i] = (float)(6 * uniform());
        SamplerMask *mask = sampler_mask(sampler);
        grammar_allow(state, mask);
        SamplerToken token;
        Status status = sampler_next(sampler, logits, mask, &token, &err);
        cr_assert_eq(status, STATUS_OK, "%s behind %.*s", err.text, SLICE_ARGS(buf_slice(text)));
        ended = vocab_ends_text(vocab, token.id);
        if (ended) {
            cr_assert(grammar_is_complete(state));
        } else {
            grammar_accept(state, token.id);
            cr_assert_eq(detokenizer_push(&stream, token.id, text, &err), STATUS_OK);
        }
    }
    detokenizer_finish(&stream, text);
    free(logits);
    sampler_free(sampler);
    grammar_state_free(state);
    return ended;
}

static const Json *parse(const char *text, Arena *arena) {
    const Json *json = NULL;
    Err err = { 0 };
    cr_assert_eq(json_read(slice_of(text), 64, arena, &json, &err), STATUS_OK, "%s", err.text);
    return json;
}

static Grammar *compile(const char *schema, Arena *arena) {
    Grammar *g = NULL;
    Err err = { 0 };
    root = schema ? parse(schema, arena) : NULL;
    cr_assert_eq(grammar_new(root, "schema", &g, &err), STATUS_OK, "%s", err.text);
    return g;
}

static void check_text(Slice text, const char *schema, bool has_any_names) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    const Json *value = NULL;
    Err err = { 0 };
    Status status = json_read(text, 64, &arena, &value, &err);
    /* where names are free, one may come twice: that is JSON, but not what the reader takes */
    if (has_any_names && status == STATUS_INVALID && strstr(err.text, "given before")) return;
    cr_assert_eq(status, STATUS_OK, "%s: %.*s", err.text, SLICE_ARGS(text));
    if (root) cr_assert(conforms(root, value), "%s: %.*s", schema, SLICE_ARGS(text));
    if (!root) cr_assert_eq(value->type, JSON_OBJECT);
}

/* Every text that ends is right; at least so many of a hundred end. */
static void check_schema(const char *schema, int at_least) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    Grammar *g = compile(schema, &arena);
    int n_ended = 0;
    for (int bpe = 0; bpe < 2; bpe++) {
        Vocab *vocab = make_vocab(bpe);
        GrammarTable *table = NULL;
        Err err = { 0 };
        cr_assert_eq(grammar_table_new(vocab, &table, &err), STATUS_OK);
        for (uint64_t seed = 1; seed <= 50; seed++) {
            AUTO_BUF Buf text = BUF_NULL;
            if (!write_text(g, table, vocab, seed * 7919 + (uint64_t)bpe, &text)) continue;
            n_ended++;
            check_text(buf_slice(&text), schema, true);
            cr_assert(grammar_matches(g, buf_slice(&text)));
        }
        grammar_table_free(table);
        vocab_free(vocab);
    }
    cr_assert_geq(n_ended, at_least, "%d ended under %s", n_ended, schema ? schema : "json_object");
    grammar_free(g);
}

static const char *const schemas[] = {
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"age\":{\"type\":"
    "\"integer\"}},\"required\":[\"name\",\"age\"],\"additionalProperties\":false}",
    "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"number\"},\"b\":{\"type\":\"boolean\"},"
    "\"ab\":{\"type\":\"null\"},\"abc\":{\"enum\":[1,12,\"x\",[1,{\"k\":2}],null]}},\"required\":["
    "\"ab\"]}",
    "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"minLength\":2,\"maxLength\":3},"
    "\"minItems\":2,\"maxItems\":4}",
    "{\"type\":\"string\",\"maxLength\":5}",
    "{\"enum\":[1,10,100,-1,1.5,\"1\"]}",
    "{\"type\":\"integer\"}",
    "{\"type\":\"number\"}",
    "{\"type\":[\"string\",\"null\",\"integer\"],\"maxLength\":1}",
    "{\"const\":{\"a\":[1,2,{\"\\u0000\":\"\\u00e8\"}]}}",
    "{\"anyOf\":[{\"type\":\"object\",\"properties\":{\"kind\":{\"const\":\"a\"},\"n\":{\"type\":"
    "\"integer\"}},\"required\":[\"kind\",\"n\"]},{\"type\":\"object\",\"properties\":{\"kind\":{"
    "\"const\":\"b\"},\"s\":{\"type\":\"array\",\"items\":{\"type\":\"boolean\"},\"maxItems\":2}},"
    "\"required\":[\"kind\"]}]}",
    "{\"$defs\":{\"t\":{\"type\":\"object\",\"properties\":{\"v\":{\"type\":\"integer\"},\"l\":{"
    "\"$ref\":\"#/$defs/t\"},\"r\":{\"$ref\":\"#/$defs/t\"}},\"required\":[\"v\"],"
    "\"additionalProperties\":false}},\"$ref\":\"#/$defs/t\"}",
    "{\"type\":\"object\",\"properties\":{\"next\":{\"anyOf\":[{\"$ref\":\"#\"},{\"type\":\"null\"}"
    "]}},\"required\":[\"next\"],\"additionalProperties\":false}",
    "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}}",
    "{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}",
    "{\"type\":\"object\",\"required\":[\"x\",\"y\",\"x\"],\"additionalProperties\":{\"type\":"
    "\"boolean\"},\"properties\":{\"y\":{\"type\":\"string\",\"nullable\":true,\"maxLength\":0}}}",
    "{\"type\":\"array\",\"items\":false}",
    "{\"type\":\"array\",\"maxItems\":0}",
    "{\"title\":\"T\",\"type\":\"object\",\"properties\":{\"citt\\u00e0 \\\"x\\\"\":{\"type\":"
    "\"string\",\"enum\":[\"s\\u00ec\",\"no\\n\",3]}},\"required\":[\"citt\\u00e0 \\\"x\\\"\"]}",
    "{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"number\"},{\"enum\":[1,2]}]}",
};

Test(grammar, texts_of_random_weights_conform) {
    for (size_t i = 0; i < N_ELEMENTS(schemas); i++) check_schema(schemas[i], 90);
}

Test(grammar, any_object_is_json) {
    check_schema(NULL, 10);
    check_schema("true", 10);
    check_schema("{\"type\":\"array\"}", 10);
}

/* ---- the automaton ---- */

static void check_matches(const char *schema, const char *text, bool expected) {
    AUTO_ARENA Arena arena = ARENA_NULL;
    Grammar *g = compile(schema, &arena);
    cr_assert_eq(grammar_matches(g, slice_of(text)), expected, "%s: %s", schema ? schema : "any",
                 text);
    grammar_free(g);
}

Test(grammar, takes_json_and_nothing_else) {
    static const struct {
        const char *text;
        bool ok;
    } rows[] = {
        { "{}", true },
        { " {\"a\": [1, 2.5e-3, -0, true, null, {\"b\": {}}]}", true },
        { "{\n  \"a\": \"\\u00e8\\ud83d\\ude00\\n\",\n  \"b\": []\n}", true },
        { "{\"a\":\"\xC3\xA8\xF0\x9F\x98\x80\"}", true },
        { "", false },
        { "[]", false },
        { "{} ", false },
        { "{\"a\"}", false },
        { "{\"a\":01}", false },
        { "{\"a\":1.}", false },
        { "{\"a\":-}", false },
        { "{\"a\":1e}", false },
        { "{\"a\":1,}", false },
        { "{\"a\":[1,]}", false },
        { "{\"a\":tru}", false },
        { "{\"a\":\"\\ud83d\"}", false },
        { "{\"a\":\"\\udc00\"}", false },
        { "{\"a\":\"\\x\"}", false },
        { "{\"a\":\"\n\"}", false },
        { "{\"a\":\"\xC0\x80\"}", false },
        { "{\"a\":\"\xED\xA0\x80\"}", false },
        { "{\"a\":\"\xF4\x90\x80\x80\"}", false },
        { "{\"a\":1  }", false },
    };
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) check_matches(NULL, rows[i].text, rows[i].ok);
}

Test(grammar, properties_come_in_the_order_of_the_schema) {
    const char *schema = "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},"
                         "\"b\":{\"type\":\"integer\"},\"c\":{\"type\":\"integer\"}},"
                         "\"required\":[\"b\"]}";
    check_matches(schema, "{\"a\":1,\"b\":2,\"c\":3}", true);
    check_matches(schema, "{\"b\":2}", true);
    check_matches(schema, "{\"b\":2,\"c\":3}", true);
    check_matches(schema, "{\"a\":1}", false);
    check_matches(schema, "{\"a\":1,\"c\":3}", false);
    check_matches(schema, "{\"b\":2,\"a\":1}", false);
    check_matches(schema, "{\"b\":2,\"b\":2}", false);
    check_matches(schema, "{\"b\":2,\"d\":2}", false);
}

Test(grammar, nesting_is_bounded) {
    char text[256] = "{\"a\":";
    size_t at = strlen(text);
    memset(text + at, '[', GRAMMAR_MAX_DEPTH - 1);
    memset(text + at + GRAMMAR_MAX_DEPTH - 1, ']', GRAMMAR_MAX_DEPTH - 1);
    strcat(text, "}");
    check_matches(NULL, text, true);
    memset(text + at, '[', GRAMMAR_MAX_DEPTH);
    memset(text + at + GRAMMAR_MAX_DEPTH, ']', GRAMMAR_MAX_DEPTH);
    text[at + 2 * GRAMMAR_MAX_DEPTH] = '}';
    check_matches(NULL, text, false);
}

/* ---- schemas that are refused ---- */

typedef struct Refused {
    const char *schema;
    Status status;
    const char *says; /* in the message */
} Refused;

static const Refused refused[] = {
    { "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"pattern\":\"x\"}}}",
      STATUS_INVALID, "schema.properties.a.pattern" },
    { "{\"type\":\"array\",\"items\":{\"anyOf\":[{\"type\":\"null\"},{\"multipleOf\":2}]}}",
      STATUS_INVALID, "schema.items.anyOf.1.multipleOf" },
    { "{\"oneOf\":[]}", STATUS_INVALID, "schema.oneOf" },
    { "{\"anyOf\":[{\"type\":\"null\"}],\"type\":\"null\"}", STATUS_INVALID, "schema.anyOf" },
    { "{\"enum\":[1],\"minLength\":1}", STATUS_INVALID, "schema.enum" },
    { "{\"type\":\"text\"}", STATUS_INVALID, "schema.type" },
    { "{\"type\":[]}", STATUS_INVALID, "schema.type" },
    { "{\"enum\":[]}", STATUS_INVALID, "schema.enum" },
    { "{\"enum\":[1],\"type\":\"string\"}", STATUS_INVALID, "schema.enum" },
    { "{\"type\":\"string\",\"minLength\":3,\"maxLength\":2}", STATUS_INVALID, "maxLength" },
    { "{\"type\":\"string\",\"minLength\":70000}", STATUS_TOO_LARGE, "minLength" },
    { "{\"type\":\"string\",\"minLength\":-1}", STATUS_INVALID, "minLength" },
    { "{\"$ref\":\"#/$defs/none\"}", STATUS_INVALID, "schema.$ref" },
    { "{\"$ref\":\"http://example.org/\"}", STATUS_INVALID, "schema.$ref" },
    { "{\"$ref\":\"#\"}", STATUS_INVALID, "itself" },
    { "{\"$defs\":{\"a\":{\"pattern\":\"\"}},\"$ref\":\"#/$defs/a\"}", STATUS_INVALID,
      "schema.$defs.a.pattern" },
    { "{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"}},\"required\":[\"a\"]}",
      STATUS_INVALID, "nested" },
    { "{\"type\":\"object\",\"required\":[\"a\"],\"additionalProperties\":false}", STATUS_INVALID,
      "schema.required" },
    { "false", STATUS_INVALID, "schema" },
    { "3", STATUS_INVALID, "schema" },
};

Test(grammar, refuses_by_path_what_it_cannot_keep) {
    for (size_t i = 0; i < N_ELEMENTS(refused); i++) {
        AUTO_ARENA Arena arena = ARENA_NULL;
        Grammar *g = NULL;
        Err err = { 0 };
        cr_assert_eq(grammar_new(parse(refused[i].schema, &arena), "schema", &g, &err),
                     refused[i].status, "%s: %s", refused[i].schema, err.text);
        cr_assert(strstr(err.text, refused[i].says), "%s: %s", refused[i].schema, err.text);
        cr_assert_str_eq(err.param, "response_format");
    }
}

Test(grammar, refuses_what_is_too_large) {
    AUTO_BUF Buf text = BUF_NULL;
    buf_append_string(&text, "{\"enum\":[0");
    for (int i = 1; i <= GRAMMAR_MAX_ITEMS; i++) buf_printf(&text, ",%d", i);
    buf_append_string(&text, "]}");
    AUTO_ARENA Arena arena = ARENA_NULL;
    Grammar *g = NULL;
    Err err = { 0 };
    cr_assert_eq(grammar_new(parse(text.p, &arena), "schema", &g, &err), STATUS_TOO_LARGE);
}
