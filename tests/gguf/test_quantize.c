/* Quantising whole files: the recipes, the report, the same bytes for any number of threads, and
 * what happens to files that are wrong. */
#include "gguf/quantize.h"

#include "base/file.h"
#include "gguf/writer.h"
#include <criterion/criterion.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/fonte-test-quantize-XXXXXX";

static void make_folder(void) {
    cr_assert(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
}

static void drop_folder(void) {
    char command[64];
    snprintf(command, sizeof command, "rm -rf -- %s", folder);
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(system(command), 0);
}

/* A skipped test ends here: the suite's end is not run. */
static void skip(const char *why) {
    drop_folder();
    cr_skip("%s", why);
}

TestSuite(quantize, .init = make_folder, .fini = drop_folder);

enum { N_LAYERS = 8, WIDTH = 256, FFN = 96 };

static const struct {
    const char *name;
    uint64_t columns, rows; /* rows 0: one dimension */
} parts[] = { { "attn_norm", WIDTH, 0 },
              { "attn_v", WIDTH, 64 },
              { "attn_output", WIDTH, 32 },
              { "ffn_down", FFN, 40 },
              { "ffn_up", WIDTH, 24 } };

static void declare_layers(GgufWriter *w) {
    for (int i = 0; i < N_LAYERS; i++) {
        for (size_t k = 0; k < N_ELEMENTS(parts); k++) {
            char name[64];
            snprintf(name, sizeof name, "blk.%d.%s.weight", i, parts[k].name);
            uint64_t dims[] = { parts[k].columns, parts[k].rows };
            gguf_writer_tensor(w, slice_of(name), GGUF_TYPE_F32, parts[k].rows ? 2 : 1, dims);
        }
    }
}

static void write_random(GgufWriter *w, size_t n, float bad) {
    static uint64_t seed = 1;
    static float x[WIDTH * 100];
    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        x[i] = (float)(seed >> 40) / (1 << 24) - 0.5F;
    }
    if (bad != 0) x[n / 2] = bad;
    cr_assert_eq(gguf_writer_data(w, x, n * sizeof *x, NULL), STATUS_OK);
}

/* "in.gguf"; its last tensor holds `bad` once, unless that is 0. */
static void write_model(float bad) {
    GgufWriter *w = NULL;
    cr_assert_eq(gguf_writer_new(&w, NULL), STATUS_OK);
    gguf_writer_string(w, "general.architecture", SLICE("llama"));
    gguf_writer_u32(w, "general.file_type", 0);
    gguf_writer_u32(w, "llama.block_count", N_LAYERS);
    gguf_writer_u32(w, "llama.attention.head_count", 8);
    gguf_writer_u32(w, "llama.attention.head_count_kv", 2);
    gguf_writer_tensor(w, SLICE("token_embd.weight"), GGUF_TYPE_F32, 2, (uint64_t[]){ WIDTH, 100 });
    declare_layers(w);
    gguf_writer_tensor(w, SLICE("output.weight"), GGUF_TYPE_F32, 2, (uint64_t[]){ WIDTH, 100 });
    Err err = { 0 };
    cr_assert_eq(gguf_writer_begin(w, "in.gguf", &err), STATUS_OK, "%s", err.text);
    write_random(w, WIDTH * 100, 0);
    for (int i = 0; i < N_LAYERS; i++) {
        for (size_t k = 0; k < N_ELEMENTS(parts); k++) {
            write_random(w, parts[k].columns * MAX(parts[k].rows, 1), 0);
        }
    }
    write_random(w, WIDTH * 100, bad);
    cr_assert_eq(gguf_writer_finish(w, NULL), STATUS_OK);
    gguf_writer_free(w);
}

static GgufFile *open_file(const char *path) {
    GgufFile *file = NULL;
    Err err = { 0 };
    cr_assert_eq(gguf_file_open(path, NULL, &file, &err), STATUS_OK, "%s", err.text);
    return file;
}

static const char *type_of(const GgufFile *file, const char *name) {
    const GgufTensor *t = gguf_file_tensor(file, name);
    cr_assert(t, "%s", name);
    return gguf_type_name(t->type);
}

Test(quantize, a_mixture_gives_more_bits_where_they_count) {
    write_model(0);
    Err err = { 0 };
    cr_assert_eq(gguf_quantize("in.gguf", "out.gguf", "q4_k_m", NULL, NULL, &err), STATUS_OK, "%s",
                 err.text);
    GgufFile *file = open_file("out.gguf");
    cr_expect_str_eq(type_of(file, "output.weight"), "Q6_K");
    cr_expect_str_eq(type_of(file, "token_embd.weight"), "Q4_K");
    cr_expect_str_eq(type_of(file, "blk.0.attn_norm.weight"), "F32");
    cr_expect_str_eq(type_of(file, "blk.0.attn_v.weight"), "Q6_K");
    cr_expect_str_eq(type_of(file, "blk.1.attn_v.weight"), "Q4_K");
    cr_expect_str_eq(type_of(file, "blk.3.attn_v.weight"), "Q6_K");
    cr_expect_str_eq(type_of(file, "blk.7.attn_v.weight"), "Q6_K");
    cr_expect_str_eq(type_of(file, "blk.0.attn_output.weight"), "Q4_K");
    /* rows of 96 hold no superblocks: Q6_K becomes Q8_0, Q4_K becomes Q5_0 */
    cr_expect_str_eq(type_of(file, "blk.0.ffn_down.weight"), "Q8_0");
    cr_expect_str_eq(type_of(file, "blk.1.ffn_down.weight"), "Q5_0");
    uint32_t n = 0;
    cr_assert_eq(gguf_file_u32(file, "general.file_type", &n, NULL), STATUS_OK);
    cr_expect_eq(n, 15);
    cr_assert_eq(gguf_file_u32(file, "general.quantization_version", &n, NULL), STATUS_OK);
    cr_expect_eq(n, 2);
    cr_assert_eq(gguf_file_u32(file, "llama.block_count", &n, NULL), STATUS_OK);
    cr_expect_eq(n, N_LAYERS);
    gguf_file_close(file);
}

Test(quantize, every_type_can_be_asked_for) {
    write_model(0);
    for (const GgufMix *mix = gguf_mixes; mix->name; mix++) {
        GgufQuantizeSummary summary;
        GgufQuantizeOptions options = { .n_threads = 2, .pure = true };
        Err err = { 0 };
        cr_assert_eq(gguf_quantize("in.gguf", "out.gguf", mix->name, &options, &summary, &err),
                     STATUS_OK, "%s: %s", mix->name, err.text);
        GgufFile *file = open_file("out.gguf");
        cr_expect_str_eq(type_of(file, "blk.1.attn_v.weight"), gguf_type_name(mix->base));
        cr_expect_lt(summary.relative, 0.3, "%s: %g", mix->name, summary.relative);
        cr_expect_eq(summary.n_tensors, gguf_file_n_tensors(file));
        gguf_file_close(file);
        cr_expect_eq(gguf_mix_of_file_type(mix->file_type), mix);
    }
}

Test(quantize, the_bytes_do_not_depend_on_the_threads) {
    write_model(0);
    AUTO_BUF Buf first = BUF_NULL;
    for (unsigned n = 1; n <= 4; n++) {
        GgufQuantizeOptions options = { .n_threads = n };
        cr_assert_eq(gguf_quantize("in.gguf", "out.gguf", "Q3_K_M", &options, NULL, NULL),
                     STATUS_OK);
        AUTO_BUF Buf bytes = BUF_NULL;
        cr_assert_eq(file_read("out.gguf", 1 << 26, n == 1 ? &first : &bytes, NULL), STATUS_OK);
        if (n > 1) cr_assert(slice_equal(buf_slice(&bytes), buf_slice(&first)), "%u threads", n);
    }
}

static void keep_output_report(void *user, const GgufTensorReport *report) {
    if (slice_equal(report->name, SLICE("output.weight"))) *(GgufTensorReport *)user = *report;
}

Test(quantize, the_report_says_the_error_that_the_file_has) {
    write_model(0);
    GgufTensorReport report = { 0 };
    GgufQuantizeOptions options = { .report = keep_output_report, .user = &report };
    cr_assert_eq(gguf_quantize("in.gguf", "out.gguf", "Q4_0", &options, NULL, NULL), STATUS_OK);
    GgufFile *a = open_file("in.gguf"), *b = open_file("out.gguf");
    const GgufTensor *x = gguf_file_tensor(a, "output.weight");
    const GgufTensor *y = gguf_file_tensor(b, "output.weight");
    double error = 0, power = 0, most = 0;
    for (size_t r = 0; r < 100; r++) {
        float p[WIDTH], q[WIDTH];
        gguf_decode_row(x->type, x->data + r * x->row_bytes, WIDTH, p);
        gguf_decode_row(y->type, y->data + r * y->row_bytes, WIDTH, q);
        for (size_t i = 0; i < WIDTH; i++) {
            double e = fabs((double)p[i] - q[i]);
            error += e * e, power += (double)p[i] * p[i], most = MAX(most, e);
        }
    }
    cr_expect_eq(report.to, GGUF_TYPE_Q6_K);
    cr_expect_float_eq(report.rmse, sqrt(error / (100 * WIDTH)), 1e-12);
    cr_expect_float_eq(report.relative, sqrt(error / power), 1e-12);
    cr_expect_eq(report.max_error, most);
    cr_expect_eq(report.bytes, y->bytes);
    gguf_file_close(a);
    gguf_file_close(b);
}

static bool stop_halfway(void *user, uint64_t done, uint64_t total) {
    *(uint64_t *)user = done;
    return done < total / 2;
}

Test(quantize, can_be_stopped_and_leaves_nothing) {
    write_model(0);
    uint64_t done = 0;
    GgufQuantizeOptions options = { .progress = stop_halfway, .user = &done };
    cr_assert_eq(gguf_quantize("in.gguf", "out.gguf", "Q4_0", &options, NULL, NULL),
                 STATUS_CANCELLED);
    cr_assert_gt(done, 0);
    cr_assert_neq(access("out.gguf", F_OK), 0);
    cr_assert_neq(access("out.gguf.partial", F_OK), 0);
}

Test(quantize, weights_that_are_no_numbers_are_named) {
    const float bad[] = { NAN, INFINITY, -INFINITY };
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        write_model(bad[i]);
        Err err = { 0 };
        cr_assert_eq(gguf_quantize("in.gguf", "out.gguf", "Q8_0", NULL, NULL, &err),
                     STATUS_DAMAGED);
        cr_assert(strstr(err.text, "'output.weight'") && strstr(err.text, ": 1 elements"), "%s",
                  err.text);
    }
}

Test(quantize, a_file_may_replace_itself_and_unknown_types_are_refused) {
    write_model(0);
    Err err = { 0 };
    cr_assert_eq(gguf_quantize("in.gguf", "in.gguf", "Q5_K", NULL, NULL, &err), STATUS_OK, "%s",
                 err.text);
    GgufFile *file = open_file("in.gguf");
    cr_expect_str_eq(type_of(file, "blk.1.attn_output.weight"), "Q5_K");
    gguf_file_close(file);
    cr_assert_eq(gguf_quantize("in.gguf", "out.gguf", "Q9_X", NULL, NULL, &err), STATUS_USAGE);
    cr_assert(strstr(err.text, "Q9_X"), "%s", err.text);
    cr_assert_eq(gguf_quantize("none.gguf", "out.gguf", "Q8_0", NULL, NULL, &err),
                 STATUS_NOT_FOUND);
}

/* The golden files were quantised by llama.cpp: its mixtures are the reference. */
Test(quantize, mixtures_are_those_of_the_golden_files) {
    const char *shared = getenv("FONTE_SHARED");
    if (!shared) skip("FONTE_SHARED is not set: no golden models");
    static const char *const names[] = { "Q2_K",   "Q3_K_M", "Q4_K_S", "Q4_K_M",
                                         "Q5_K_M", "Q6_K",   "IQ4_XS" };
    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        char path[512], low[16] = "";
        for (size_t n = 0; names[i][n]; n++) low[n] = (char)tolower((unsigned char)names[i][n]);
        snprintf(path, sizeof path, "%s/golden/llama-gqa256-%s.gguf", shared, low);
        GgufFile *file = open_file(path);
        GgufMixModel model = { .n_layers = 2, .gqa = 4, .has_output = true };
        for (size_t k = 0; k < gguf_file_n_tensors(file); k++) {
            const GgufTensor *t = gguf_file_tensor_at(file, k);
            cr_expect_eq(gguf_mix_type(gguf_mix_find(names[i]), &model, t->name, t->n_dims,
                                       t->dims[0], GGUF_TYPE_F32),
                         t->type, "%s %.*s", path, SLICE_ARGS(t->name));
        }
        gguf_file_close(file);
    }
}
