/* The one table of settings. A new one is a row here, a field in config.h and an entry in
 * docs/man/fonted.conf.5 (tests/daemon/test_config.c compares). */
#include "daemon/config.h"

#include <stddef.h>

#define K(n) ((n)*1024.0)
#define M(n) ((n)*1048576.0)
#define G(n) ((n)*1073741824.0)
#define AT(field) offsetof(Config, field)

const ConfigKey config_keys[] = {
    { "server", "state", CONFIG_STRING, AT(state), "", 0, 4000, false,
      "Folder of the index. Default: $STATE_DIRECTORY, else /var/lib/fonte for root, else "
      "$XDG_DATA_HOME/fonte or ~/.local/share/fonte." },
    { "server", "socket", CONFIG_STRING, AT(socket), "", 0, 107, false,
      "Path of the Unix socket, unless systemd hands one over. Default: fonte.sock in "
      "$RUNTIME_DIRECTORY, else /run/fonte for root, else $XDG_RUNTIME_DIR." },
    { "server", "socket_mode", CONFIG_MODE, AT(socket_mode), "0660", 0, 0777, false,
      "Mode of the socket that fonted makes itself." },
    { "server", "socket_group", CONFIG_STRING, AT(socket_group), "", 0, 64, false,
      "Group of the socket that fonted makes itself. Default: fonted's own." },
    { "server", "log_level", CONFIG_LEVEL, AT(log_level), "info", 0, 0, true,
      "error, warning, notice, info or debug. At info each request is one line." },
    { "server", "stop_timeout", CONFIG_TIME, AT(stop_timeout_us), "20s", 0, 3600, true,
      "On SIGTERM, time for requests that have begun; then they are cancelled." },
    { "server", "heartbeat", CONFIG_TIME, AT(heartbeat_us), "15s", 1, 3600, true,
      "A comment is sent in event streams that are silent for so long." },
    { "server", "threads", CONFIG_COUNT, AT(n_threads), "0", 0, 256, false,
      "Threads that search, answer and read documents. 0: one per CPU, at least 2." },
    { "server", "prepare_threads", CONFIG_COUNT, AT(n_prepare_threads), "0", 0, 256, false,
      "Threads that read and embed new documents. 0: one per CPU." },

    { "tcp", "listen", CONFIG_LOOPBACK, AT(tcp_listen), "", 0, 0, false,
      "Loopback address and port to serve too, 127.0.0.1:8631 or [::1]:8631, for who has the key "
      "(port 0: one that is free). Default: none." },
    { "tcp", "key_file", CONFIG_STRING, AT(tcp_key_file), "", 0, 4000, true,
      "File with the key, one line of 16 to 512 characters, owned by root or fonted's user and "
      "closed to others. SIGHUP reads it again. Default: the systemd credential api-key." },
    { "tcp", "user", CONFIG_STRING, AT(tcp_user), "nobody", 0, 64, false,
      "User whose rights (see [access]) the key gives." },

    { "limits", "connections", CONFIG_COUNT, AT(n_connections), "4096", 1, 1000000, true,
      "Connections open at once. Above: 503." },
    { "limits", "connections_per_uid", CONFIG_COUNT, AT(n_connections_per_uid), "3072", 1, 1000000,
      true, "Connections of one user open at once. Above: 503." },
    { "limits", "header_size", CONFIG_SIZE, AT(header_bytes), "16K", K(1), M(1), false,
      "Request line and header fields. Above: 431." },
    { "limits", "uri_size", CONFIG_SIZE, AT(uri_bytes), "8K", 64, K(512), true,
      "Target of the request line. Above: 414." },
    { "limits", "body_size", CONFIG_SIZE, AT(body_bytes), "64M", K(1), G(2), true,
      "Body of a request that adds documents. Above: 413." },
    { "limits", "json_size", CONFIG_SIZE, AT(json_bytes), "64K", K(1), M(64), true,
      "Body of a question or search. Above: 413." },
    { "limits", "pending_size", CONFIG_SIZE, AT(pending_bytes), "256M", K(64), G(64), true,
      "Bodies that are being received or wait to be read, all requests together. Above: 503." },
    { "limits", "queue", CONFIG_COUNT, AT(queue), "1024", 1, 1000000, true,
      "Requests that wait for a thread. Above: 503." },
    { "limits", "prepare_queue", CONFIG_COUNT, AT(prepare_queue), "256", 1, 1000000, true,
      "Added documents that wait for a thread. Above: 503." },
    { "limits", "commit_size", CONFIG_SIZE, AT(commit_bytes), "64M", K(64), G(16), true,
      "Prepared documents that wait for the writer; above, threads that prepare wait." },
    { "limits", "streams", CONFIG_COUNT, AT(n_streams), "512", 1, 1000000, true,
      "Event streams open at once. Above: 503." },
    { "limits", "stream_size", CONFIG_SIZE, AT(stream_bytes), "1M", K(4), G(1), true,
      "Events of one stream that its client has not read; above, the answer waits." },
    { "limits", "passages", CONFIG_COUNT, AT(k), "100", 1, 10000, true,
      "Largest k of a question or search. Above: 400." },
    { "limits", "question_size", CONFIG_SIZE, AT(question_bytes), "8K", 16, M(1), true,
      "Text of a question. Above: 413." },
    { "limits", "list", CONFIG_COUNT, AT(list), "1000", 1, 100000, true,
      "Documents in one page of a list. Above: 400." },
    { "limits", "json_depth", CONFIG_COUNT, AT(json_depth), "16", 2, 512, true,
      "Levels of nesting in a JSON body. Above: 413." },
    { "limits", "header_time", CONFIG_TIME, AT(header_us), "10s", 0.1, 3600, true,
      "From connecting, or from the request line, to the end of the head. Above: 408." },
    { "limits", "body_time", CONFIG_TIME, AT(body_us), "60s", 0.1, 86400, true,
      "For the whole body. Above: 408." },
    { "limits", "idle_time", CONFIG_TIME, AT(idle_us), "60s", 0.1, 86400, true,
      "A connection without a request is closed." },
    { "limits", "request_time", CONFIG_TIME, AT(request_us), "10min", 0.1, 86400, true,
      "From the end of the body to the reply, or to the end of the stream. Above: 504. Two cores "
      "read a prompt of 3,000 tokens with a 7B model in 70 s, and who asks waits for those "
      "before." },
    { "limits", "stall_time", CONFIG_TIME, AT(stall_us), "10s", 0.1, 3600, true,
      "A client that reads nothing of its reply is cut off." },

    { "index", "embedder", CONFIG_STRING, AT(embedder), "", 0, 63, false,
      "Embedder by name. Default: the one that is built in. Changing it embeds all documents again "
      "in the background." },
    { "index", "passage_words", CONFIG_COUNT, AT(passage_words), "200", 20, 2000, false,
      "Words in a passage, at most." },
    { "index", "clean_text_size", CONFIG_SIZE, AT(clean_text_bytes), "64M", K(1), G(2), false,
      "Clean text of one document. Above: 413." },
    { "index", "documents", CONFIG_COUNT, AT(documents), "100000", 1, 10000000, false,
      "Documents in one body (JSON Lines, feeds). Above: 413." },
    { "index", "flat_max_vectors", CONFIG_COUNT, AT(flat_max_vectors), "20000", 0, 100000000, false,
      "Up to so many vectors are searched exactly, more through an inverted file." },

    { "answer", "min_confidence", CONFIG_NUMBER, AT(min_confidence), "0.238", 0, 1, true,
      "Below this confidence the answer abstains." },
    { "answer", "max_sentences", CONFIG_COUNT, AT(max_sentences), "3", 1, 20, true,
      "Sentences that an extractive answer quotes, at most." },
    { "answer", "records", CONFIG_COUNT, AT(n_records), "10000", 0, 10000000, true,
      "Records of answers kept, some 5 KB each: what an answer was made of, for GET /v1/answers "
      "and "
      "fonte replay. Above, the oldest is forgotten. 0: none." },
    { "answer", "record_time", CONFIG_TIME, AT(record_us), "720h", 1, 86400.0 * 3660, true,
      "For so long; older ones are forgotten." },
    { "answer", "record_text", CONFIG_COUNT, AT(record_text), "0", 0, 1, true,
      "1: records hold the question's and the answer's text too; 0: only hashes of them, and "
      "nothing that anybody wrote." },
    { "answer", "record_queue", CONFIG_COUNT, AT(record_queue), "1024", 1, 100000, true,
      "Records that wait to be written. Above, an answer has none." },

    { "conversation", "count", CONFIG_COUNT, AT(n_conversations), "1024", 1, 100000, true,
      "Conversations kept, in memory. Above, the one that was idle longest is forgotten." },
    { "conversation", "per_user", CONFIG_COUNT, AT(n_conversations_per_uid), "64", 1, 100000, true,
      "Conversations of one user kept, likewise." },
    { "conversation", "turns", CONFIG_COUNT, AT(n_turns), "16", 1, 10000, true,
      "Questions of one conversation kept; above, the oldest is forgotten." },
    { "conversation", "size", CONFIG_SIZE, AT(conversation_bytes), "64K", K(1), M(16), true,
      "Text of one conversation kept, likewise. A single question above: 413." },
    { "conversation", "idle", CONFIG_TIME, AT(conversation_idle_us), "1h", 1, 86400 * 30, true,
      "A conversation in which nothing was asked for so long is forgotten." },

    { "generator", "model", CONFIG_STRING, AT(model), "", 0, 4000, true,
      "GGUF file of the model that writes answers. Without one, answers are quoted sentences." },
    { "generator", "name", CONFIG_STRING, AT(model_name), "", 0, 100, true,
      "What the model is called. Default: its file's name." },
    { "generator", "template", CONFIG_STRING, AT(template_name), "", 0, 20, true,
      "Chat template: llama2, llama3, mistral, zephyr or chatml. Default: the one that the file "
      "names; needed where that is not one of these." },
    { "generator", "threads", CONFIG_COUNT, AT(n_compute_threads), "0", 0, 256, true,
      "Threads that compute. 0: one per CPU." },
    { "generator", "pin", CONFIG_COUNT, AT(pin), "0", 0, 1, true,
      "1: each of these threads stays on one CPU." },
    { "generator", "context", CONFIG_COUNT, AT(context), "4096", 64, 1048576, true,
      "Tokens of one prompt and its answer, at most the model's own. Above: 413." },
    { "generator", "streams", CONFIG_COUNT, AT(n_generating), "8", 1, 256, true,
      "Prompts that are read or answered at once." },
    { "generator", "queue", CONFIG_COUNT, AT(n_generate_queue), "24", 1, 4096, true,
      "Requests that wait for one of these. Above: 503." },
    { "generator", "kv", CONFIG_STRING, AT(kv), "f16", 0, 8, true,
      "Numbers that keys and values are kept in: f16, f32 or q8_0." },
    { "generator", "cache_size", CONFIG_SIZE, AT(kv_bytes), "2G", M(1), G(1024), true,
      "Memory for keys and values, of running requests and of prompts kept for others that begin "
      "alike; at least one context." },
    { "generator", "cached_prompts", CONFIG_COUNT, AT(n_cached_prompts), "32", 0, 1024, true,
      "Prompts that are kept. Requests share them only within one collection." },
    { "generator", "gap_ratio", CONFIG_NUMBER, AT(gap_ratio), "2", 1, 1000, true,
      "While somebody is being answered, reading another's prompt may make tokens take so many "
      "times as long, on average. 1: prompts wait until nobody is being answered." },
    { "generator", "drafted", CONFIG_COUNT, AT(n_drafted), "8", 0, 31, true,
      "Tokens guessed ahead where text repeats the prompt. 0: none." },
    { "generator", "answer_tokens", CONFIG_COUNT, AT(answer_tokens), "1024", 1, 1048576, true,
      "Tokens written for one request, and the default where it names no number. Above: 400." },
    { "generator", "strict", CONFIG_COUNT, AT(strict), "0", 0, 1, true,
      "1: sentences that no cited passage supports are left out; 0: they are marked." },

    { "access", "read", CONFIG_LIST, AT(read), "*", 0, 0, true,
      "Who may search, ask and read, where a collection does not say otherwise: names of users, "
      "@group, numbers, * for all who can connect." },
    { "access", "write", CONFIG_LIST, AT(write), "*", 0, 0, true,
      "Who may add, replace and delete documents, where a collection does not say otherwise." },
    { "access", "admin", CONFIG_LIST, AT(admin), "*", 0, 0, true,
      "Who may see /v1/status, /v1/jobs and /metrics." },
    { "access", "model", CONFIG_LIST, AT(choose), "", 0, 0, true,
      "Who may choose the model (fonte model use), by any path that fonted can read. Default: only "
      "root and fonted's own user." },
    { "access", "records", CONFIG_LIST, AT(read_records), "", 0, 0, true,
      "Who may see the records of others' answers, in collections that they may read. Default: "
      "only "
      "root and fonted's own user." },
};
const size_t config_n_keys = sizeof config_keys / sizeof *config_keys;
