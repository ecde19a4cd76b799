#pragma once
/* JSON (RFC 8259) in and out. Reading is strict: one value, valid UTF-8, no duplicate names,
 * limited depth; strings keep their length, so that "\u0000" is seen and not an end. Writing
 * appends to a Buf and always gives valid JSON: bytes that are not UTF-8 become U+FFFD, numbers
 * that are not finite become null. Threads: any. */
#include "base/arena.h"
#include "base/buf.h"

typedef enum JsonType {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
} JsonType;

typedef struct Json Json;
struct Json {
    JsonType type;
    bool boolean;
    double number; /* finite */
    Slice string;  /* unescaped; NUL-terminated behind its n bytes */
    Slice key;     /* name in its object */
    size_t offset; /* of its first byte in the input */
    size_t n;      /* children */
    Json *child;   /* first */
    Json *next;    /* sibling */
};

enum { JSON_MAX_MEMBERS = 256 }; /* names in one object: they are compared with each other */

/* The value that `text` is; a view into the arena. INVALID with the byte offset of what is wrong;
 * TOO_LARGE beyond max_depth levels or JSON_MAX_MEMBERS names. */
Status json_read(Slice text, unsigned max_depth, Arena *arena, const Json **ret,
                 Err *err) MUST_CHECK;
/* The member of an object, NULL where there is none. */
const Json *json_get(const Json *object, const char *key);
/* "null", "true or false", "a number", ...: for messages. */
const char *json_type_name(JsonType type);

typedef struct JsonWriter {
    Buf *out; /* borrowed; failures stay in it (buf_status) */
    bool comma;
} JsonWriter;
#define JSON_WRITER(out) ((JsonWriter){ (out), false })

/* key is NULL inside arrays and at the top. */
void json_begin_object(JsonWriter *w, const char *key);
void json_end_object(JsonWriter *w);
void json_begin_array(JsonWriter *w, const char *key);
void json_end_array(JsonWriter *w);
void json_slice(JsonWriter *w, const char *key, Slice value);
void json_string(JsonWriter *w, const char *key, const char *value); /* NULL writes "" */
void json_uint(JsonWriter *w, const char *key, uint64_t value);
void json_int(JsonWriter *w, const char *key, int64_t value);
/* The shortest text that reads back as the same double. */
void json_number(JsonWriter *w, const char *key, double value);
/* With a fixed number of decimals, for times. */
void json_fixed(JsonWriter *w, const char *key, double value, int decimals);
void json_bool(JsonWriter *w, const char *key, bool value);
void json_null(JsonWriter *w, const char *key);
