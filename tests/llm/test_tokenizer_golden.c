/* The reference implementations' own answers: SentencePiece 0.1.97 on the Llama 2 vocabulary, both
 * ways; llama.cpp on the Llama 3 and GPT-2 vocabularies; the prompts of stories260K. Needs
 * FONTE_SHARED; what a machine without it still checks is in test_tokenizer.c. */
#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "gguf/file.h"
#include "llm/tokenizer.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <zlib.h>

static const char *shared(const char *name) {
    static char path[512];
    const char *folder = getenv("FONTE_SHARED");
    if (!folder || !*folder) cr_skip("FONTE_SHARED is not set: no reference data");
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void read_gz(const char *path, Buf *out) {
    gzFile file = gzopen(path, "rb");
    cr_assert(file, "%s", path);
    char chunk[65536];
    for (int n; (n = gzread(file, chunk, sizeof chunk)) > 0;) buf_append(out, chunk, (size_t)n);
    gzclose(file);
    cr_assert(!out->failed && out->n);
}

static Vocab *open_vocab(const char *path) {
    Vocab *vocab = NULL;
    Err err = { 0 };
    cr_assert_eq(vocab_open(path, &vocab, &err), STATUS_OK, "%s", err.text);
    return vocab;
}

static Vocab *open_gz_vocab(const char *path) {
    AUTO_BUF Buf bytes = BUF_NULL;
    read_gz(path, &bytes);
    GgufFile *file = NULL;
    Vocab *vocab = NULL;
    Err err = { 0 };
    cr_assert_eq(gguf_file_open_memory(buf_slice(&bytes), path, NULL, &file, &err), STATUS_OK, "%s",
                 err.text);
    cr_assert_eq(vocab_from_gguf(file, &vocab, &err), STATUS_OK, "%s", err.text);
    gguf_file_close(file);
    return vocab;
}

static bool take_line(Slice *rest, Slice *ret) {
    if (!rest->n) return false;
    const char *end = memchr(rest->p, '\n', rest->n);
    size_t n = end ? (size_t)(end - rest->p) : rest->n;
    *ret = (Slice){ rest->p, n };
    *rest = slice_skip(*rest, n + 1);
    return true;
}

static void check_ids(const char *what, size_t line, const Json *want, const TokenList *got) {
    cr_assert(want && want->type == JSON_ARRAY);
    const Json *id = want->child;
    for (size_t i = 0; i < got->n; i++, id = id->next)
        cr_assert(id && id->number == got->ids[i], "%s line %zu: token %zu is %d, not %g", what,
                  line, i, got->ids[i], id ? id->number : -1);
    cr_assert_null(id, "%s line %zu: tokens are missing", what, line);
}

/* Decode token by token: what is out after each is valid, and in the end it is all the same. */
static void check_stream(const Vocab *vocab, const TokenList *ids, Slice want) {
    AUTO_BUF Buf text = BUF_NULL;
    Detokenizer stream;
    detokenizer_init(&stream, vocab, 0);
    size_t checked = 0;
    for (size_t i = 0; i < ids->n; i++) {
        cr_assert_eq(detokenizer_push(&stream, ids->ids[i], &text, NULL), STATUS_OK);
        Slice fresh = slice_skip(buf_slice(&text), checked);
        cr_assert_eq(utf8_valid_length(fresh), fresh.n);
        checked = text.n;
    }
    detokenizer_finish(&stream, &text);
    cr_assert(slice_equal(buf_slice(&text), want));
}

/* Every line: text -> ids, and ids -> `decoded` (or the text itself). Returns the lines. */
static size_t check_cases(const Vocab *vocab, const char *path) {
    AUTO_BUF Buf file = BUF_NULL;
    AUTO_ARENA Arena arena = ARENA_NULL;
    read_gz(path, &file);
    Slice rest = buf_slice(&file), line;
    size_t n = 0;
    for (; take_line(&rest, &line); n++) {
        const Json *json = NULL;
        Err err = { 0 };
        cr_assert_eq(json_read(line, 4, &arena, &json, &err), STATUS_OK, "%s", err.text);
        Slice text = json_get(json, "text")->string;
        TokenList ids = TOKEN_LIST_NULL;
        cr_assert_eq(tokenizer_encode(vocab, text, 0, &ids, &err), STATUS_OK, "%s", err.text);
        check_ids(path, n + 1, json_get(json, "ids"), &ids);
        const Json *decoded = json_get(json, "decoded");
        AUTO_BUF Buf back = BUF_NULL;
        cr_assert_eq(tokenizer_decode(vocab, ids.ids, ids.n, 0, &back, &err), STATUS_OK);
        Slice want = decoded ? decoded->string : text;
        cr_assert(slice_equal(buf_slice(&back), want), "%s line %zu: decoded \"%.*s\"", path, n + 1,
                  SLICE_ARGS(buf_slice(&back)));
        check_stream(vocab, &ids, want);
        token_list_deinit(&ids);
    }
    return n;
}

Test(tokenizer_golden, llama2_from_its_sentencepiece_model) {
    Vocab *vocab = open_vocab(shared("llama2/tokenizer.model"));
    cr_assert_eq(vocab_size(vocab), 32000);
    cr_assert_eq(vocab_bos(vocab), 1);
    cr_assert_eq(vocab_eos(vocab), 2);
    cr_assert_geq(check_cases(vocab, shared("llama2/tokenizer-cases.jsonl.gz")), 600);
    vocab_free(vocab);
}

Test(tokenizer_golden, llama3_byte_pairs) {
    Vocab *vocab = open_gz_vocab(shared("golden/ggml-vocab-llama-bpe.gguf.gz"));
    cr_assert_geq(check_cases(vocab, shared("golden/llama-bpe.tokens.jsonl.gz")), 300);
    vocab_free(vocab);
}

Test(tokenizer_golden, gpt2_byte_pairs) {
    Vocab *vocab = open_gz_vocab(shared("golden/ggml-vocab-gpt-2.gguf.gz"));
    cr_assert_geq(check_cases(vocab, shared("golden/gpt-2.tokens.jsonl.gz")), 300);
    vocab_free(vocab);
}

/* U+2581 as a space. */
static void append_spaced(Buf *out, Slice text) {
    const Slice mark = SLICE("\xE2\x96\x81");
    while (text.n) {
        bool space = slice_starts(text, mark);
        buf_append_byte(out, space ? ' ' : text.p[0]);
        text = slice_skip(text, space ? mark.n : 1);
    }
}

/* From GGUF metadata: the first 1,536 pieces of Llama 2. These lack the mark of a space alone,
 * which then goes through bytes and comes back as U+2581 (SentencePiece 0.1.99 does the same, id
 * for id). */
Test(tokenizer_golden, texts_come_back_through_the_cut_vocabulary_of_a_golden_model) {
    Vocab *vocab = open_vocab(shared("golden/llama-mha-f32.gguf"));
    AUTO_BUF Buf file = BUF_NULL;
    AUTO_ARENA Arena arena = ARENA_NULL;
    read_gz(shared("llama2/tokenizer-cases.jsonl.gz"), &file);
    Slice rest = buf_slice(&file), line;
    for (size_t n = 1; take_line(&rest, &line); n++) {
        const Json *json = NULL;
        cr_assert_eq(json_read(line, 4, &arena, &json, NULL), STATUS_OK);
        TokenList ids = TOKEN_LIST_NULL;
        AUTO_BUF Buf back = BUF_NULL;
        AUTO_BUF Buf got = BUF_NULL;
        cr_assert_eq(tokenizer_encode(vocab, json_get(json, "text")->string, 0, &ids, NULL),
                     STATUS_OK);
        cr_assert_eq(tokenizer_decode(vocab, ids.ids, ids.n, 0, &back, NULL), STATUS_OK);
        append_spaced(&got, buf_slice(&back));
        Slice want = json_get(json, "decoded")->string, have = buf_slice(&got);
        if (slice_starts(buf_slice(&back), SLICE("\xE2\x96\x81")) && have.n == want.n + 1)
            have = slice_skip(have, 1); /* the space before the text, as bytes */
        cr_assert(slice_equal(have, want), "line %zu: \"%.*s\"", n, SLICE_ARGS(have));
        token_list_deinit(&ids);
    }
    vocab_free(vocab);
}

static void check_stories(const char *vocab_path) {
    Vocab *vocab = open_vocab(vocab_path);
    AUTO_BUF Buf file = BUF_NULL;
    AUTO_ARENA Arena arena = ARENA_NULL;
    cr_assert_eq(file_read(shared("llama2/stories260K/cases.jsonl"), 1 << 20, &file, NULL),
                 STATUS_OK);
    Slice rest = buf_slice(&file), line;
    for (size_t n = 1; take_line(&rest, &line); n++) {
        const Json *json = NULL;
        cr_assert_eq(json_read(line, 4, &arena, &json, NULL), STATUS_OK);
        TokenList ids = TOKEN_LIST_NULL;
        cr_assert_eq(tokenizer_encode(vocab, json_get(json, "prompt")->string, TOKENIZE_AS_MODEL,
                                      &ids, NULL),
                     STATUS_OK);
        check_ids(vocab_path, n, json_get(json, "ids"), &ids);
        AUTO_BUF Buf text = BUF_NULL;
        Detokenizer stream;
        detokenizer_init(&stream, vocab, DETOKENIZE_CONTINUED);
        for (const Json *id = json_get(json, "greedy")->child; id; id = id->next)
            cr_assert_eq(detokenizer_push(&stream, (int32_t)id->number, &text, NULL), STATUS_OK);
        detokenizer_finish(&stream, &text);
        cr_assert(slice_equal(buf_slice(&text), json_get(json, "text")->string), "line %zu", n);
        token_list_deinit(&ids);
    }
    vocab_free(vocab);
}

Test(tokenizer_golden, stories260k_from_gguf_metadata) {
    char path[512];
    snprintf(path, sizeof path, "%s", shared("llama2/stories260K/stories260K.f32.gguf"));
    check_stories(path);
}

Test(tokenizer_golden, stories260k_from_its_sentencepiece_model) {
    char path[512];
    snprintf(path, sizeof path, "%s", shared("llama2/stories260K/hf/tokenizer.model"));
    check_stories(path);
}
