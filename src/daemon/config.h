#pragma once
/* fonted's settings: one table of keys with type, default, limits and meaning makes the parser,
 * --help-config and (checked by a test) fonted.conf(5). Read from the file, then conf.d/ beside it
 * in the order of names, then the command line; each over what came before. Threads: a loaded
 * Config is not changed any more. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"

enum { CONFIG_MAX_LINE = 198, CONFIG_MAX_SECTION = 48 }; /* bytes: inih's own limits */

/* A TCP port of this machine. */
typedef struct ConfigLoopback {
    int family;    /* AF_INET: 127.0.0.1, AF_INET6: ::1; 0 = none */
    uint16_t port; /* 0 = any that is free */
} ConfigLoopback;

typedef struct ConfigList {
    const char **items;
    size_t n, capacity; /* items: owned by the Config */
} ConfigList;

typedef struct ConfigCollection {
    const char *name;
    ConfigList read, write;
    unsigned read_from, write_from; /* number of the file that gave them; 0 = none */
    const char *where;              /* of its first line, for messages */
} ConfigCollection;

typedef struct Config {
    /* [server] */
    const char *state, *socket, *socket_group;
    unsigned socket_mode;
    LogLevel log_level;
    int64_t stop_timeout_us, heartbeat_us;
    size_t n_threads, n_prepare_threads; /* 0 = one per CPU */
    /* [tcp] */
    ConfigLoopback tcp_listen;
    const char *tcp_key_file, *tcp_user;
    /* [limits] */
    size_t n_connections, n_connections_per_uid, header_bytes, uri_bytes, body_bytes, json_bytes,
        pending_bytes, queue, prepare_queue, commit_bytes, n_streams, stream_bytes, k,
        question_bytes, list, json_depth;
    int64_t header_us, body_us, idle_us, request_us, stall_us;
    /* [index] */
    const char *embedder;
    size_t passage_words, clean_text_bytes, documents, flat_max_vectors;
    /* [answer] */
    double min_confidence;
    size_t max_sentences, n_records, record_text, record_queue;
    int64_t record_us;
    /* [conversation] */
    size_t n_conversations, n_conversations_per_uid, n_turns, conversation_bytes;
    int64_t conversation_idle_us;
    /* [generator] */
    const char *model, *model_name, *template_name, *kv;
    size_t n_compute_threads, pin, context, n_generating, kv_bytes, n_cached_prompts,
        n_generate_queue, n_drafted, answer_tokens, strict;
    double gap_ratio;
    /* [access] */
    ConfigList read, write, admin, choose, read_records;
    /* [collection NAME] */
    ConfigCollection *collections;
    size_t n_collections, collections_capacity;

    const char **given; /* per key of the table: its text, NULL where the default holds */
    Arena arena;
} Config;

typedef enum ConfigType {
    CONFIG_STRING,
    CONFIG_COUNT,  /* size_t */
    CONFIG_SIZE,   /* size_t, bytes, with K, M, G (1,024) */
    CONFIG_TIME,   /* int64_t, microseconds, with ms, s, min, h */
    CONFIG_NUMBER, /* double */
    CONFIG_LEVEL,
    CONFIG_MODE,     /* unsigned, octal */
    CONFIG_LIST,     /* of users and groups */
    CONFIG_LOOPBACK, /* ConfigLoopback: 127.0.0.1:PORT or [::1]:PORT */
} ConfigType;

typedef struct ConfigKey {
    const char *section, *name;
    ConfigType type;
    size_t offset; /* in Config */
    const char *fallback;
    double min, max; /* of counts, sizes (bytes), times (s), numbers */
    bool reloads;    /* SIGHUP changes it */
    const char *doc;
} ConfigKey;

extern const ConfigKey config_keys[];
extern const size_t config_n_keys;

/* file NULL: none. Overrides are "section.key=value". INVALID with "file:line: " before the text.
 */
Status config_load(const char *file, bool must_exist, const char *const *overrides,
                   size_t n_overrides, Config **ret, Err *err) MUST_CHECK;
Config *config_free(Config *config);
/* The same with one more file behind conf.d, where it is there (NULL = none). */
Status config_load_with(const char *file, bool must_exist, const char *chosen,
                        const char *const *overrides, size_t n_overrides, Config **ret,
                        Err *err) MUST_CHECK;
/* The table as text for people. */
void config_help(Buf *ret);
/* Names ("section.key") of keys that differ and need a restart, as one line; "" = none. */
void config_need_restart(const Config *before, const Config *after, Buf *ret);
const char *config_type_name(ConfigType type);
