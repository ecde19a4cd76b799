/* Encoding seven thousand million weights one by one would take minutes to an hour. A tensor is
 * drawn from a deck instead: CARDS pieces of 256 normally distributed weights of the tensor's
 * standard deviation, encoded once for each type and deviation. Which card stands where is random,
 * so no two rows are alike.
 *
 * Deviations: products keep the size of their inputs (1 / sqrt(inputs)); what is added to the
 * residual stream is smaller by sqrt(2 layers), so that it stays near 1 to the last layer; logits
 * have a deviation of about 2.5, as trained models' do. */
#include "gguf/random.h"

#include "base/mem.h"
#include "gguf/writer.h"
#include <math.h>
#include <stdio.h>
#include <strings.h>

const GgufRandomShape gguf_random_shapes[] = {
    { "llama2-7b", 32, 4096, 11008, 32, 32, 32000, 4096 },
    { "llama2-13b", 40, 5120, 13824, 40, 40, 32000, 4096 },
    { "llama2-70b", 80, 8192, 28672, 64, 8, 32000, 4096 },
    { "tinyllama-1.1b", 22, 2048, 5632, 32, 4, 32000, 2048 },
    { NULL, 0, 0, 0, 0, 0, 0, 0 },
};

enum { CARDS = 1024, MAX_DECKS = 32, MAX_LAYERS = 1024, LAYER_TENSORS = 9, OTHER_TENSORS = 3 };
enum { PIECE_BYTES = 8, FIRST_PIECE = 3 + 256 };
/* Written at once: the system then caches the file in large pieces, which are read half as fast
 * again (measured: 58 GB/s by two threads, 38 for a file written row by row). */
enum { BUFFER_BYTES = 4 << 20 };

typedef struct Deck {
    GgufType type;
    float deviation;
    size_t card_bytes;
    uint8_t *cards; /* [CARDS, card_bytes] */
} Deck;

typedef struct Planned {
    char name[48];
    GgufType type;
    uint64_t dims[2];
    float deviation; /* 0: a norm, all ones */
} Planned;

typedef struct Job {
    GgufRandomShape shape;
    const GgufMix *mix;
    const GgufRandomOptions *options;
    GgufWriter *writer;
    Planned *plan;
    size_t n_planned;
    Deck decks[MAX_DECKS];
    size_t n_decks;
    uint8_t *rows; /* as many as fit into BUFFER_BYTES */
    uint64_t random, done_bytes, total_bytes;
} Job;

static void job_deinit(Job *job) {
    gguf_writer_free(job->writer);
    for (size_t i = 0; i < job->n_decks; i++) free(job->decks[i].cards);
    free(job->plan);
    free(job->rows);
}

/* splitmix64 (public domain, Vigna) */
static uint64_t random_bits(Job *job) {
    uint64_t z = job->random += 0x9E3779B97F4A7C15U;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
    z = (z ^ z >> 27) * 0x94D049BB133111EBU;
    return z ^ z >> 31;
}

/* Normally distributed, to the eye: the sum of twelve uniform numbers. No logarithms, whose last
 * bit is another in every C library. */
static float random_normal(Job *job) {
    uint64_t sum = 0;
    for (int i = 0; i < 6; i++) {
        uint64_t bits = random_bits(job);
        sum += (bits & 0xFFFFFFFFU) + (bits >> 32);
    }
    return (float)((double)sum * 0x1p-32 - 6);
}

/* ---- the vocabulary -------------------------------------------------------------------------- */

static const char letters[] = "etaoinshrdlucmfwygpbvkxqjz";

/* The i-th piece after the bytes: characters first, then what letters form, shorter ones first,
 * each of these also with a space (U+2581) before it. All differ. */
static void make_piece(size_t i, char *out) {
    enum { ASCII = '~' - '!' + 1, L = sizeof letters - 1 };
    static const char space[] = "\xe2\x96\x81";
    if (i == 0) {
        strcpy(out, space);
    } else if (i <= ASCII) {
        snprintf(out, PIECE_BYTES, "%c", (int)('!' + i - 1));
    } else if ((i -= ASCII + 1) < L) {
        snprintf(out, PIECE_BYTES, "%s%c", space, letters[i]);
    } else if ((i -= L) < 2 * (size_t)L * L) {
        snprintf(out, PIECE_BYTES, "%s%c%c", i % 2 ? space : "", letters[i / 2 / L],
                 letters[i / 2 % L]);
    } else {
        i -= 2 * (size_t)L * L;
        snprintf(out, PIECE_BYTES, "%s%c%c%c", i % 2 ? space : "", letters[i / 2 / L / L],
                 letters[i / 2 / L % L], letters[i / 2 % L]);
    }
}

static Status declare_vocabulary(Job *job, Err *err) {
    static const char *const special[] = { "<unk>", "<s>", "</s>" };
    size_t n = job->shape.n_vocab;
    AUTO_FREE char *text = mem_alloc(n, PIECE_BYTES);
    AUTO_FREE Slice *pieces = mem_alloc(n, sizeof *pieces);
    AUTO_FREE float *scores = mem_alloc(n, sizeof *scores);
    AUTO_FREE int32_t *types = mem_alloc(n, sizeof *types);
    if (!text || !pieces || !scores || !types) {
        return err_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        char *at = text + PIECE_BYTES * i;
        types[i] = i == 0 ? 2 : i < 3 ? 3 : i < FIRST_PIECE ? 6 : 1;
        scores[i] = i < FIRST_PIECE ? 0 : -(float)(i - FIRST_PIECE);
        if (i < 3) {
            snprintf(at, PIECE_BYTES, "%s", special[i]);
        } else if (i < FIRST_PIECE) {
            snprintf(at, PIECE_BYTES, "<0x%02X>", (unsigned)(i - 3) & 0xFF);
        } else {
            make_piece(i - FIRST_PIECE, at);
        }
        pieces[i] = slice_of(at);
    }
    gguf_writer_string(job->writer, "tokenizer.ggml.model", SLICE("llama"));
    gguf_writer_strings(job->writer, "tokenizer.ggml.tokens", pieces, n);
    gguf_writer_array(job->writer, "tokenizer.ggml.scores", GGUF_VALUE_F32, scores, n);
    gguf_writer_array(job->writer, "tokenizer.ggml.token_type", GGUF_VALUE_I32, types, n);
    gguf_writer_u32(job->writer, "tokenizer.ggml.bos_token_id", 1);
    gguf_writer_u32(job->writer, "tokenizer.ggml.eos_token_id", 2);
    gguf_writer_u32(job->writer, "tokenizer.ggml.unknown_token_id", 0);
    return STATUS_OK;
}

/* ---- the header ------------------------------------------------------------------------------ */

static void declare_keys(Job *job) {
    const GgufRandomShape *s = &job->shape;
    GgufWriter *w = job->writer;
    char name[64];
    snprintf(name, sizeof name, "%s with random weights", s->name);
    gguf_writer_string(w, "general.architecture", SLICE("llama"));
    gguf_writer_string(w, "general.type", SLICE("model"));
    gguf_writer_string(w, "general.name", slice_of(name));
    gguf_writer_u32(w, "general.file_type", job->mix->file_type);
    gguf_writer_u32(w, "general.quantization_version", 2);
    gguf_writer_u32(w, "llama.vocab_size", s->n_vocab);
    gguf_writer_u32(w, "llama.context_length", s->context);
    gguf_writer_u32(w, "llama.embedding_length", s->dim);
    gguf_writer_u32(w, "llama.block_count", s->n_layers);
    gguf_writer_u32(w, "llama.feed_forward_length", s->ffn_dim);
    gguf_writer_u32(w, "llama.attention.head_count", s->n_heads);
    gguf_writer_u32(w, "llama.attention.head_count_kv", s->n_kv_heads);
    gguf_writer_f32(w, "llama.attention.layer_norm_rms_epsilon", 1e-5F);
    gguf_writer_u32(w, "llama.rope.dimension_count", s->dim / s->n_heads);
    gguf_writer_f32(w, "llama.rope.freq_base", 10000);
}

static void plan_tensor(Job *job, const char *name, uint64_t columns, uint64_t rows, double gain) {
    const GgufMixModel model = { job->shape.n_layers, job->shape.n_heads / job->shape.n_kv_heads,
                                 true, false };
    Planned *p = &job->plan[job->n_planned++];
    *p = (Planned){ .dims = { columns, rows } };
    snprintf(p->name, sizeof p->name, "%s", name);
    uint32_t n_dims = gain > 0 ? 2 : 1;
    p->type = gguf_mix_type(job->mix, &model, slice_of(p->name), n_dims, columns, GGUF_TYPE_F32);
    p->deviation = gain > 0 ? (float)(gain / sqrt((double)columns)) : 0;
    gguf_writer_tensor(job->writer, slice_of(p->name), p->type, n_dims, p->dims);
}

static void plan_layer(Job *job, uint32_t layer) {
    const GgufRandomShape *s = &job->shape;
    uint64_t kv = (uint64_t)s->dim / s->n_heads * s->n_kv_heads;
    double added = 1 / sqrt(2.0 * s->n_layers);
    const struct {
        const char *name;
        uint64_t columns, rows;
        double gain;
    } tensors[LAYER_TENSORS] = {
        { "attn_norm", s->dim, 1, 0 },
        { "attn_q", s->dim, s->dim, 1 },
        { "attn_k", s->dim, kv, 1 },
        { "attn_v", s->dim, kv, 1 },
        { "attn_output", s->dim, s->dim, added },
        { "ffn_norm", s->dim, 1, 0 },
        { "ffn_gate", s->dim, s->ffn_dim, 1 },
        { "ffn_up", s->dim, s->ffn_dim, 1 },
        { "ffn_down", s->ffn_dim, s->dim, added },
    };
    for (size_t i = 0; i < LAYER_TENSORS; i++) {
        char name[48];
        snprintf(name, sizeof name, "blk.%u.%s.weight", layer, tensors[i].name);
        plan_tensor(job, name, tensors[i].columns, tensors[i].rows, tensors[i].gain);
    }
}

static Status plan_all(Job *job, Err *err) {
    const GgufRandomShape *s = &job->shape;
    job->plan = mem_alloc((size_t)s->n_layers * LAYER_TENSORS + OTHER_TENSORS, sizeof *job->plan);
    job->rows = mem_alloc(BUFFER_BYTES, 1);
    if (!job->plan || !job->rows) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    plan_tensor(job, "token_embd.weight", s->dim, s->n_vocab, sqrt((double)s->dim));
    for (uint32_t i = 0; i < s->n_layers; i++) plan_layer(job, i);
    plan_tensor(job, "output_norm.weight", s->dim, 1, 0);
    plan_tensor(job, "output.weight", s->dim, s->n_vocab, 2.5);
    for (size_t i = 0; i < job->n_planned; i++) {
        size_t row_bytes = 0;
        const Planned *p = &job->plan[i];
        if (!gguf_type_row_bytes(p->type, p->dims[0], &row_bytes)) continue;
        job->total_bytes += row_bytes * p->dims[1];
    }
    return STATUS_OK;
}

/* ---- the weights ------------------------------------------------------------------------------
 */

static Status find_deck(Job *job, const Planned *p, const Deck **ret, Err *err) {
    for (size_t i = 0; i < job->n_decks; i++) {
        *ret = &job->decks[i];
        if ((*ret)->type == p->type && (*ret)->deviation == p->deviation) return STATUS_OK;
    }
    if (job->n_decks == MAX_DECKS) return err_set(err, STATUS_INTERNAL, "too many kinds of tensor");
    Deck *deck = &job->decks[job->n_decks];
    *deck = (Deck){ .type = p->type, .deviation = p->deviation };
    if (!gguf_type_row_bytes(p->type, GGUF_SUPERBLOCK, &deck->card_bytes)) {
        return err_set(err, STATUS_INTERNAL, "%s has no cards", gguf_type_name(p->type));
    }
    deck->cards = mem_alloc(CARDS, deck->card_bytes);
    if (!deck->cards) return err_set(err, STATUS_NO_MEMORY, "out of memory");
    job->n_decks++;
    for (size_t i = 0; i < CARDS; i++) {
        float x[GGUF_SUPERBLOCK];
        for (size_t k = 0; k < GGUF_SUPERBLOCK; k++) x[k] = p->deviation * random_normal(job);
        gguf_encode_row(p->type, x, GGUF_SUPERBLOCK, deck->cards + i * deck->card_bytes);
    }
    *ret = deck;
    return STATUS_OK;
}

static void draw_row(Job *job, const Deck *deck, size_t n_cards, uint8_t *row) {
    uint64_t bits = 0;
    for (size_t i = 0; i < n_cards; i++, bits >>= 10) {
        if (i % 6 == 0) bits = random_bits(job);
        memcpy(row + i * deck->card_bytes, deck->cards + bits % CARDS * deck->card_bytes,
               deck->card_bytes);
    }
}

static Status write_rows(Job *job, size_t bytes, Err *err) {
    TRY(gguf_writer_data(job->writer, job->rows, bytes, err));
    job->done_bytes += bytes;
    if (!job->options->progress ||
        job->options->progress(job->options->user, job->done_bytes, job->total_bytes)) {
        return STATUS_OK;
    }
    return err_set(err, STATUS_CANCELLED, "cancelled");
}

static Status write_norm(Job *job, const Planned *p, Err *err) {
    float *ones = (float *)(void *)job->rows;
    for (size_t i = 0; i < p->dims[0]; i++) ones[i] = 1;
    return write_rows(job, p->dims[0] * sizeof *ones, err);
}

static Status write_matrix(Job *job, const Planned *p, Err *err) {
    const Deck *deck = NULL;
    TRY(find_deck(job, p, &deck, err));
    size_t n_cards = p->dims[0] / GGUF_SUPERBLOCK, row_bytes = n_cards * deck->card_bytes;
    size_t at_once = BUFFER_BYTES / row_bytes;
    for (size_t row = 0; row < p->dims[1]; row += at_once) {
        size_t n = MIN(p->dims[1] - row, at_once);
        for (size_t r = 0; r < n; r++) draw_row(job, deck, n_cards, job->rows + r * row_bytes);
        TRY(write_rows(job, n * row_bytes, err));
    }
    return STATUS_OK;
}

static Status write_tensor(Job *job, const Planned *p, Err *err) {
    return p->deviation > 0 ? write_matrix(job, p, err) : write_norm(job, p, err);
}

static Status write_all(Job *job, const char *out_path, Err *err) {
    TRY(gguf_writer_new(&job->writer, err));
    declare_keys(job);
    TRY(declare_vocabulary(job, err));
    TRY(plan_all(job, err));
    TRY(gguf_writer_begin(job->writer, out_path, err));
    for (size_t i = 0; i < job->n_planned; i++) TRY(write_tensor(job, &job->plan[i], err));
    return gguf_writer_finish(job->writer, err);
}

Status gguf_random(const char *out_path, const char *shape, const char *mix,
                   const GgufRandomOptions *options, GgufRandomSummary *ret, Err *err) {
    static const GgufRandomOptions defaults = { 0 };
    CLEANUP(job_deinit) Job job = { .mix = gguf_mix_find(mix) };
    job.options = options ? options : &defaults;
    job.random = job.options->seed;
    const GgufRandomShape *s = gguf_random_shapes;
    while (s->name && strcasecmp(s->name, shape) != 0) s++;
    if (!s->name) return err_set_param(err, STATUS_USAGE, "shape", "unknown shape '%s'", shape);
    if (!job.mix) return err_set_param(err, STATUS_USAGE, "type", "unknown type '%s'", mix);
    job.shape = *s;
    if (job.options->n_layers) job.shape.n_layers = job.options->n_layers;
    if (job.shape.n_layers > MAX_LAYERS) {
        return err_set_param(err, STATUS_USAGE, "layers", "%u layers, at most %d",
                             job.shape.n_layers, MAX_LAYERS);
    }
    TRY(write_all(&job, out_path, err));
    if (!ret) return STATUS_OK;
    *ret = (GgufRandomSummary){ .n_tensors = job.n_planned, .out_bytes = job.total_bytes };
    for (size_t i = 0; i < job.n_planned; i++) {
        ret->n_elements += job.plan[i].dims[0] * job.plan[i].dims[1];
    }
    return STATUS_OK;
}
