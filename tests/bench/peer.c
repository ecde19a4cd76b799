/* llama.cpp measured as `fonte bench engine` measures this engine: the same options, the same work,
 * the same JSON. Not part of the build: script/bench --peer compiles it against the libraries of
 * pip's llama-cpp-python. Flash attention is off and weights are repacked,
 * which is its fastest on these processors; its key/value cache is f16, as fonte bench's. Usage:
 * peer MODEL [--prompt N] [--decode N] [--context N] [--streams N] [--threads N] [--repeat N]
 * peer MODEL --greedy 1,2,3 [--decode N]: the N tokens that it writes after those, and no more */
#include "llama.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHUNK = 512, MAX_REPEATS = 100 };

typedef struct Options {
    const char *model, *greedy;
    int prompt, decode, context, streams, threads, repeat;
} Options;

typedef struct Figure {
    const char *name, *unit;
    double values[MAX_REPEATS];
    int n;
} Figure;
static Figure figures[] = { { .name = "load", .unit = "s" },
                            { .name = "prefill", .unit = "tokens/s" },
                            { .name = "decode", .unit = "tokens/s" },
                            { .name = "resident", .unit = "MB" } };
enum { LOAD, PREFILL, DECODE, RESIDENT, N_FIGURES };

typedef struct Run {
    Options o;
    struct llama_model *model;
    struct llama_context *context;
    struct llama_batch batch;
    int n_vocab;
    unsigned random;
} Run;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fail(const char *what) {
    fprintf(stderr, "peer: %s\n", what);
    exit(1);
}

static void take(int figure, double value) {
    Figure *f = &figures[figure];
    if (f->n < MAX_REPEATS) f->values[f->n++] = value;
}

static void quiet(enum ggml_log_level level, const char *text, void *user) {
    (void)user;
    if (level >= GGML_LOG_LEVEL_ERROR) fputs(text, stderr);
}

static double memory_mb(const char *key) {
    char line[256];
    double kb = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, strlen(key)) == 0) kb = atof(line + strlen(key) + 1);
    }
    if (file) fclose(file);
    return kb * 1024 / 1e6;
}

static void load(Run *run) {
    struct llama_model_params params = llama_model_default_params();
    params.n_gpu_layers = 0;
    params.use_extra_bufts = true;
    if (run->context) llama_free(run->context);
    if (run->model) llama_model_free(run->model);
    double begin = now_s();
    run->model = llama_model_load_from_file(run->o.model, params);
    if (!run->model) fail("the model cannot be loaded");
    struct llama_context_params c = llama_context_default_params();
    int longest = run->o.prompt > run->o.decode + 1 ? run->o.prompt : run->o.decode + 1;
    int positions = (run->o.context + longest + 255) / 256 * 256;
    c.n_ctx = (uint32_t)(positions * run->o.streams);
    c.n_batch = c.n_ubatch = CHUNK;
    c.n_seq_max = (uint32_t)run->o.streams;
    c.n_threads = c.n_threads_batch = run->o.threads;
    c.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    c.no_perf = true;
    if (run->o.greedy) c.type_k = c.type_v = GGML_TYPE_F32; /* as exact as it can */
    run->context = llama_init_from_model(run->model, c);
    if (!run->context) fail("no context");
    take(LOAD, now_s() - begin);
}

static int random_token(Run *run) {
    run->random = run->random * 1664525U + 1013904223U;
    return (int)(3 + (run->random >> 8) % (unsigned)(run->n_vocab - 3));
}

static void add(Run *run, int token, int position, int seq, bool logits) {
    struct llama_batch *b = &run->batch;
    int i = b->n_tokens++;
    b->token[i] = token;
    b->pos[i] = position;
    b->n_seq_id[i] = 1;
    b->seq_id[i][0] = seq;
    b->logits[i] = logits;
}

static void compute(Run *run) {
    if (llama_decode(run->context, run->batch) != 0) fail("llama_decode");
    llama_synchronize(run->context);
    run->batch.n_tokens = 0;
}

static void read_tokens(Run *run, int seq, int from, int n) {
    while (n > 0) {
        int here = n < CHUNK ? n : CHUNK;
        for (int i = 0; i < here; i++) {
            add(run, random_token(run), from + i, seq, n == here && i + 1 == here);
        }
        compute(run);
        from += here;
        n -= here;
    }
}

static int largest(const float *logits, int n) {
    int best = 0;
    for (int i = 1; i < n; i++) best = logits[i] > logits[best] ? i : best;
    return best;
}

static void step(Run *run, int position, bool first) {
    int ids[256];
    for (int s = 0; s < run->o.streams; s++) {
        ids[s] = first ? random_token(run)
                       : largest(llama_get_logits_ith(run->context, s), run->n_vocab);
    }
    for (int s = 0; s < run->o.streams; s++) add(run, ids[s], position, s, true);
    compute(run);
}

static void forget(Run *run) {
    llama_memory_t memory = llama_get_memory(run->context);
    for (int s = 0; s < run->o.streams; s++) llama_memory_seq_rm(memory, s, run->o.context, -1);
}

static void measure(Run *run) {
    for (int s = 0; s < run->o.streams; s++) read_tokens(run, s, 0, run->o.context);
    if (run->o.context == 0) {
        read_tokens(run, 0, 0, 8);
        forget(run);
    }
    for (int i = 0; i < run->o.repeat; i++) {
        if (run->o.decode > 0) {
            step(run, run->o.context, true);
            double begin = now_s();
            for (int k = 1; k <= run->o.decode; k++) step(run, run->o.context + k, false);
            take(DECODE, run->o.streams * run->o.decode / (now_s() - begin));
            forget(run);
        }
        if (run->o.prompt > 0) {
            double begin = now_s();
            read_tokens(run, 0, run->o.context, run->o.prompt);
            take(PREFILL, run->o.prompt / (now_s() - begin));
            forget(run);
        }
    }
    take(RESIDENT, memory_mb("VmHWM:"));
}

/* What follows the tokens of --greedy, as "fonte model generate --ids" prints it. */
static void write_greedily(Run *run) {
    int position = 0;
    for (const char *p = run->o.greedy; *p;) {
        char *end;
        long id = strtol(p, &end, 10);
        if (end == p || position >= run->o.prompt) fail("--greedy: ids set apart by commas");
        p = *end == ',' ? end + 1 : end;
        add(run, (int)id, position++, 0, *p == '\0');
    }
    compute(run);
    int eos = llama_vocab_eos(llama_model_get_vocab(run->model));
    for (int i = 0; i < run->o.decode; i++) {
        int id = largest(llama_get_logits_ith(run->context, -1), run->n_vocab);
        if (id == eos) break;
        printf("%s%d", i ? " " : "", id);
        add(run, id, position++, 0, true);
        compute(run);
    }
    puts("");
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void print(void) {
    printf("{\"peer\":\"llama.cpp %s\",\"figures\":{", llama_version());
    const char *separator = "";
    for (int i = 0; i < N_FIGURES; i++) {
        Figure *f = &figures[i];
        if (f->n == 0) continue;
        qsort(f->values, (size_t)f->n, sizeof *f->values, compare);
        printf("%s\"%s\":{\"median\":%.6g,\"min\":%.6g,\"max\":%.6g,\"unit\":\"%s\"}", separator,
               f->name, f->values[f->n / 2], f->values[0], f->values[f->n - 1], f->unit);
        separator = ",";
    }
    puts("}}");
}

int main(int argc, char **argv) {
    Run run = { .o = { .prompt = 512, .decode = 64, .streams = 1, .threads = 2, .repeat = 3 },
                .random = 12345 };
    const struct {
        const char *name;
        int *value;
    } options[] = { { "--prompt", &run.o.prompt },   { "--decode", &run.o.decode },
                    { "--context", &run.o.context }, { "--streams", &run.o.streams },
                    { "--threads", &run.o.threads }, { "--repeat", &run.o.repeat } };
    for (int i = 1; i < argc; i++) {
        bool known = argv[i][0] != '-';
        if (known) run.o.model = argv[i];
        if (strcmp(argv[i], "--greedy") == 0 && i + 1 < argc) {
            run.o.greedy = argv[++i];
            known = true;
        }
        for (size_t k = 0; k < sizeof options / sizeof *options && !known; k++) {
            known = strcmp(argv[i], options[k].name) == 0 && i + 1 < argc;
            if (known) *options[k].value = atoi(argv[++i]);
        }
        if (!known) fail("unknown option");
    }
    if (!run.o.model) fail("no model");
    if (run.o.streams > 256) fail("too many streams");
    llama_log_set(quiet, NULL);
    ggml_backend_load_all();
    llama_backend_init();
    load(&run);
    run.n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(run.model));
    run.batch = llama_batch_init(CHUNK, 0, 1);
    if (run.o.greedy) {
        write_greedily(&run);
        return 0;
    }
    measure(&run);
    print();
    return 0;
}
