/* Models with random weights: complete, of the right magnitudes, the same for the same seed. */
#include "gguf/random.h"

#include "base/mem.h"
#include "gguf/file.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/fonte-test-random-XXXXXX";

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

TestSuite(random, .init = make_folder, .fini = drop_folder);

static void make(const char *path, const char *mix, uint64_t seed) {
    GgufRandomOptions options = { .n_layers = 1, .seed = seed };
    GgufRandomSummary sum;
    Err err = { 0 };
    cr_assert_eq(gguf_random(path, "tinyllama-1.1b", mix, &options, &sum, &err), STATUS_OK, "%s",
                 err.text);
    cr_assert_eq(sum.n_tensors, 12);
    cr_assert_eq(sum.n_elements, 2 * 32000 * 2048 + 2048 * (2 * 2048 + 2 * 256 + 3 * 5632 + 3));
}

static GgufFile *open_file(const char *path) {
    GgufFile *file = NULL;
    Err err = { 0 };
    cr_assert_eq(gguf_file_open(path, NULL, &file, &err), STATUS_OK, "%s", err.text);
    return file;
}

/* Root mean square of a tensor's first rows. */
static double rms(const GgufFile *file, const char *name, size_t n_rows) {
    static float row[5632];
    const GgufTensor *t = gguf_file_tensor(file, name);
    cr_assert(t, "%s", name);
    double sum = 0;
    for (size_t r = 0; r < n_rows; r++) {
        gguf_decode_row(t->type, t->data + r * t->row_bytes, t->dims[0], row);
        for (size_t i = 0; i < t->dims[0]; i++) sum += (double)row[i] * row[i];
    }
    return sqrt(sum / (double)(n_rows * t->dims[0]));
}

Test(random, weights_have_the_magnitude_of_trained_ones) {
    make("a.gguf", "Q4_K_M", 0);
    GgufFile *file = open_file("a.gguf");
    double one = 1 / sqrt(2048);
    cr_assert_float_eq(rms(file, "blk.0.attn_norm.weight", 1), 1, 1e-9);
    cr_assert_float_eq(rms(file, "blk.0.attn_q.weight", 100), one, 0.05 * one);
    cr_assert_float_eq(rms(file, "blk.0.ffn_down.weight", 100), sqrt(0.5 / 5632), 0.001);
    cr_assert_float_eq(rms(file, "output.weight", 100), 2.5 * one, 0.1 * one);
    cr_assert_eq(gguf_file_tensor(file, "blk.0.attn_q.weight")->type, GGUF_TYPE_Q4_K);
    cr_assert_eq(gguf_file_tensor(file, "output.weight")->type, GGUF_TYPE_Q6_K);
    gguf_file_close(file);
}

static bool same_files(const char *a, const char *b) {
    GgufFile *x = open_file(a), *y = open_file(b);
    Slice p = gguf_file_bytes(x), q = gguf_file_bytes(y);
    bool same = slice_equal(p, q);
    gguf_file_close(x);
    gguf_file_close(y);
    return same;
}

Test(random, a_seed_is_a_file) {
    make("a.gguf", "Q4_0", 7);
    make("b.gguf", "q4_0", 7);
    make("c.gguf", "Q4_0", 8);
    cr_assert(same_files("a.gguf", "b.gguf"));
    cr_assert_not(same_files("a.gguf", "c.gguf"));
}

static void refused(const char *shape, const char *mix, uint32_t layers, const char *text) {
    GgufRandomOptions options = { .n_layers = layers };
    Err err = { 0 };
    cr_assert_eq(gguf_random("x.gguf", shape, mix, &options, NULL, &err), STATUS_USAGE);
    cr_assert(strstr(err.text, text), "%s", err.text);
    cr_assert_neq(access("x.gguf", F_OK), 0);
}

Test(random, what_is_not_known_is_refused) {
    refused("llama3-8b", "Q4_0", 1, "unknown shape 'llama3-8b'");
    refused("llama2-7b", "Q9_0", 1, "unknown type 'Q9_0'");
    refused("llama2-7b", "Q4_0", 1025, "1025 layers, at most 1024");
}

static bool stop(void *user, uint64_t done, uint64_t total) {
    cr_assert_leq(done, total);
    return ++*(int *)user < 3;
}

Test(random, cancelled_leaves_nothing) {
    int calls = 0;
    GgufRandomOptions options = { .n_layers = 1, .progress = stop, .user = &calls };
    cr_assert_eq(gguf_random("x.gguf", "llama2-7b", "Q2_K", &options, NULL, NULL),
                 STATUS_CANCELLED);
    cr_assert_eq(calls, 3);
    cr_assert_neq(access("x.gguf", F_OK), 0);
    cr_assert_neq(access("x.gguf.partial", F_OK), 0);
}
