/* Vocabularies that no honest file has, and GGUF metadata written here byte by byte. The suites
 * named _hostile are classes 3 and 4 of the bugs that such daemons have had: declared types, ids
 * past the vocabulary, byte tokens, lengths. */
#include "base/buf.h"
#include "gguf/file.h"
#include "llm/small_vocab.h"
#include "llm/vocab.h"

#include <criterion/criterion.h>
#include <math.h>

static Small small;

static void check_refused(Status want, const char *about) {
    Vocab *vocab = NULL;
    Err err = { 0 };
    cr_assert_eq(vocab_new(&small.spec, &vocab, &err), want, "%s: %s", about, err.text);
    cr_assert(strstr(err.text, about), "\"%s\" does not say \"%s\"", err.text, about);
    cr_assert_null(vocab);
}

Test(vocab_hostile, byte_tokens_that_are_no_bytes) {
    static const char *const bad[] = {
        "<0x-1>", "<0xGG>", "<0x1>", "<0x100>", "<0x 1>", "0x41", ""
    };
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        small_spm(&small);
        small.pieces[SMALL_BYTES + 7] = slice_of(bad[i]);
        check_refused(STATUS_DAMAGED, "token 10");
    }
    small_spm(&small);
    small.pieces[SMALL_BYTES + 7] = SLICE("<0x06>");
    check_refused(STATUS_DAMAGED, "same byte");
}

Test(vocab_hostile, types_out_of_range) {
    const int32_t bad[] = { -1, 7, INT32_MAX, INT32_MIN };
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        small_spm(&small);
        small.types[290] = bad[i];
        check_refused(STATUS_DAMAGED, "token 290");
    }
}

Test(vocab_hostile, special_ids_past_the_vocabulary) {
    const int64_t bad[] = { 1 << 20, UINT32_MAX, INT64_MAX, -2, INT64_MIN };
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        small_spm(&small);
        small.spec.bos_id = bad[i];
        check_refused(STATUS_DAMAGED, "BOS");
        small_bpe(&small);
        small.spec.eos_id = bad[i];
        check_refused(STATUS_DAMAGED, "EOS");
        small_bpe(&small);
        small.spec.unk_id = bad[i];
        check_refused(STATUS_DAMAGED, "unknown");
    }
}

Test(vocab_hostile, scores_that_are_no_numbers) {
    small_spm(&small);
    small.scores[270] = NAN;
    check_refused(STATUS_DAMAGED, "token 270");
    small_spm(&small);
    small.scores[270] = -INFINITY; /* a number to compare */
    Vocab *vocab = NULL;
    cr_assert_eq(vocab_new(&small.spec, &vocab, NULL), STATUS_OK);
    vocab_free(vocab);
    small.spec.scores = NULL;
    check_refused(STATUS_DAMAGED, "no scores");
}

Test(vocab_hostile, duplicate_pieces) {
    small_spm(&small);
    small_add(&small, "hello", 0, VOCAB_NORMAL);
    small_add(&small, "hello", 0, VOCAB_NORMAL);
    check_refused(STATUS_DAMAGED, "same text");
    small_bpe(&small);
    small_add(&small, "hello", 0, VOCAB_NORMAL);
    check_refused(STATUS_DAMAGED, "same text");
    small_spm(&small);
    small_add(&small, "qq", 0, VOCAB_USER_DEFINED);
    small_add(&small, "qq", 0, VOCAB_USER_DEFINED);
    check_refused(STATUS_DAMAGED, "same text");
}

Test(vocab_hostile, merges_of_unknown_pieces) {
    static const char *const bad[] = { "he xyz", "xyz he", "he he",        "he",     "he ",  " ",
                                       "",       " he",    "<|eot_id|> h", "h \xFF", "h e l" };
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        small_bpe(&small);
        small.merges[1] = slice_of(bad[i]);
        check_refused(STATUS_DAMAGED, "merge 1");
    }
}

Test(vocab_hostile, no_pieces_too_many_too_long) {
    static char longer[VOCAB_MAX_PIECE_BYTES + 2];
    memset(longer, 'q', sizeof longer - 1);
    small_bpe(&small);
    small_add(&small, longer, 0, VOCAB_NORMAL);
    check_refused(STATUS_TOO_LARGE, "token 271");
    small_spm(&small);
    longer[VOCAB_MAX_MERGEABLE_BYTES + 1] = 0;
    small_add(&small, longer, 0, VOCAB_NORMAL);
    check_refused(STATUS_TOO_LARGE, "bytes");
    small_spm(&small);
    small.spec.n_pieces = 0;
    check_refused(STATUS_DAMAGED, "empty");
    small.spec.n_pieces = VOCAB_MAX_PIECES + 1;
    check_refused(STATUS_TOO_LARGE, "tokens");
}

Test(vocab_hostile, an_unknown_token_that_is_control_does_not_come_from_text) {
    small_bpe(&small);
    small.types['z'] = VOCAB_UNUSED;
    small.spec.unk_id = small.spec.eos_id;
    Vocab *vocab = NULL;
    cr_assert_eq(vocab_new(&small.spec, &vocab, NULL), STATUS_OK);
    TokenList ids = TOKEN_LIST_NULL;
    cr_assert_eq(tokenizer_encode(vocab, SLICE("z"), 0, &ids, NULL), STATUS_UNSUPPORTED);
    token_list_deinit(&ids);
    vocab_free(vocab);
}

Test(vocab, empty_pieces_are_kept_as_unused) {
    small_spm(&small);
    int32_t a = small_add(&small, "", 0, VOCAB_NORMAL);
    small_add(&small, "", 0, VOCAB_USER_DEFINED);
    Vocab *vocab = NULL;
    cr_assert_eq(vocab_new(&small.spec, &vocab, NULL), STATUS_OK);
    cr_assert_eq(vocab_type(vocab, a), VOCAB_UNUSED);
    vocab_free(vocab);
}

Test(vocab, pieces_that_are_not_utf8_are_kept_and_decode_to_u_fffd) {
    small_spm(&small);
    int32_t a = small_add(&small, "\xE2\x82", 0, VOCAB_NORMAL);
    small_add(&small, "\xFF\xFE", 0, VOCAB_USER_DEFINED);
    Vocab *vocab = NULL;
    cr_assert_eq(vocab_new(&small.spec, &vocab, NULL), STATUS_OK);
    AUTO_BUF Buf text = BUF_NULL;
    cr_assert_eq(tokenizer_decode(vocab, &a, 1, 0, &text, NULL), STATUS_OK);
    cr_assert(slice_equal(buf_slice(&text), SLICE("\xEF\xBF\xBD\xEF\xBF\xBD")));
    vocab_free(vocab);
}

Test(vocab, knows_what_ends_a_text) {
    small_bpe(&small);
    Vocab *vocab = NULL;
    cr_assert_eq(vocab_new(&small.spec, &vocab, NULL), STATUS_OK);
    cr_assert(vocab_ends_text(vocab, vocab_find_control(vocab, SLICE("<|eot_id|>"))));
    cr_assert(vocab_ends_text(vocab, vocab_eos(vocab)));
    cr_assert_not(vocab_ends_text(vocab, vocab_find_control(vocab, SLICE("<|im_start|>"))));
    cr_assert_eq(vocab_find_control(vocab, SLICE("hello")), VOCAB_NO_ID);
    vocab_free(vocab);
}

/* ---- GGUF metadata ---- */

typedef struct Writer {
    Buf keys;
    uint64_t n;
} Writer;

static void put_u32(Buf *b, uint32_t v) {
    buf_append(b, &v, 4);
}
static void put_u64(Buf *b, uint64_t v) {
    buf_append(b, &v, 8);
}
static void put_string(Buf *b, Slice s) {
    put_u64(b, s.n);
    buf_append_slice(b, s);
}
static void begin_key(Writer *w, const char *name, uint32_t type) {
    w->n++;
    put_string(&w->keys, slice_of(name));
    put_u32(&w->keys, type);
}
static void put_array(Writer *w, const char *name, uint32_t type, uint64_t n) {
    begin_key(w, name, GGUF_VALUE_ARRAY);
    put_u32(&w->keys, type);
    put_u64(&w->keys, n);
}

typedef struct Change {
    const char *model, *pre;
    uint32_t tokens_type, bos_type; /* GGUF_VALUE_*; 0: right */
    size_t n_scores;                /* 0: right */
    bool no_types, no_tokens, no_merges;
    uint32_t bos;
} Change;

/* The small vocabulary as a GGUF without weights. */
static void write_gguf(const Change *c, Buf *out) {
    Writer w = { BUF_NULL, 0 };
    bool spm = small.spec.kind == VOCAB_SENTENCEPIECE;
    begin_key(&w, "tokenizer.ggml.model", GGUF_VALUE_STRING);
    put_string(&w.keys, slice_of(c->model ? c->model : spm ? "llama" : "gpt2"));
    if (!spm) {
        begin_key(&w, "tokenizer.ggml.pre", GGUF_VALUE_STRING);
        put_string(&w.keys, slice_of(c->pre ? c->pre : "llama-bpe"));
    }
    if (!c->no_tokens) {
        put_array(&w, "tokenizer.ggml.tokens", c->tokens_type ? c->tokens_type : GGUF_VALUE_STRING,
                  small.n);
        for (size_t i = 0; i < small.n && !c->tokens_type; i++)
            put_string(&w.keys, small.pieces[i]);
        if (c->tokens_type) buf_append(&w.keys, small.scores, small.n * 4);
    }
    if (spm) {
        size_t n = c->n_scores ? c->n_scores : small.n;
        put_array(&w, "tokenizer.ggml.scores", GGUF_VALUE_F32, n);
        buf_append(&w.keys, small.scores, n * 4);
    } else if (!c->no_merges) {
        put_array(&w, "tokenizer.ggml.merges", GGUF_VALUE_STRING, small.spec.n_merges);
        for (size_t i = 0; i < small.spec.n_merges; i++) put_string(&w.keys, small.merges[i]);
    }
    if (!c->no_types) {
        put_array(&w, "tokenizer.ggml.token_type", GGUF_VALUE_I32, small.n);
        buf_append(&w.keys, small.types, small.n * 4);
    }
    begin_key(&w, "tokenizer.ggml.bos_token_id", c->bos_type ? c->bos_type : GGUF_VALUE_U32);
    put_u32(&w.keys, c->bos ? c->bos : (uint32_t)small.spec.bos_id);
    buf_append_string(out, "GGUF");
    put_u32(out, 3);
    put_u64(out, 0);
    put_u64(out, w.n);
    buf_append_slice(out, buf_slice(&w.keys));
    while (out->n % 32) buf_append_byte(out, 0);
    buf_deinit(&w.keys);
}

static Status read_gguf(const Change *change, Vocab **ret, Err *err) {
    AUTO_BUF Buf bytes = BUF_NULL;
    write_gguf(change, &bytes);
    GgufFile *file = NULL;
    cr_assert_eq(gguf_file_open_memory(buf_slice(&bytes), "made.gguf", NULL, &file, err), STATUS_OK,
                 "%s", err->text);
    Status status = vocab_from_gguf(file, ret, err);
    gguf_file_close(file); /* the vocabulary has copies */
    return status;
}

Test(vocab, gguf_metadata_gives_the_same_vocabulary) {
    for (int kind = 0; kind < 2; kind++) {
        if (kind)
            small_bpe(&small);
        else
            small_spm(&small);
        for (int no_types = 0; no_types < 2; no_types++) {
            Vocab *vocab = NULL;
            Err err = { 0 };
            cr_assert_eq(read_gguf(&(Change){ .no_types = no_types }, &vocab, &err), STATUS_OK,
                         "%s", err.text);
            cr_assert_eq(vocab_size(vocab), small.n);
            cr_assert_eq(vocab_bos(vocab), small.spec.bos_id);
            cr_assert(vocab_adds_bos(vocab));
            for (size_t i = 0; i < small.n; i++) {
                cr_assert(slice_equal(vocab_piece(vocab, (int32_t)i), small.pieces[i]));
                cr_assert_eq(vocab_type(vocab, (int32_t)i), (VocabType)small.types[i], "token %zu",
                             i);
            }
            TokenList ids = TOKEN_LIST_NULL;
            cr_assert_eq(tokenizer_encode(vocab, SLICE("hello"), 0, &ids, NULL), STATUS_OK);
            cr_assert_eq(ids.n, 1);
            token_list_deinit(&ids);
            vocab_free(vocab);
        }
    }
}

static void check_gguf_refused(const Change *change, Status want, const char *about) {
    Vocab *vocab = NULL;
    Err err = { 0 };
    cr_assert_eq(read_gguf(change, &vocab, &err), want, "%s: %s", about, err.text);
    cr_assert(strstr(err.text, about), "\"%s\" does not say \"%s\"", err.text, about);
    cr_assert(strstr(err.text, "made.gguf"), "%s", err.text);
}

Test(vocab_hostile, gguf_keys_of_the_wrong_type_or_length) {
    small_spm(&small);
    check_gguf_refused(&(Change){ .tokens_type = GGUF_VALUE_F32 }, STATUS_DAMAGED,
                       "tokenizer.ggml.tokens");
    check_gguf_refused(&(Change){ .n_scores = 3 }, STATUS_DAMAGED, "tokenizer.ggml.scores");
    check_gguf_refused(&(Change){ .bos_type = GGUF_VALUE_F32 }, STATUS_DAMAGED, "bos_token_id");
    check_gguf_refused(&(Change){ .bos = 70000 }, STATUS_DAMAGED, "BOS");
    check_gguf_refused(&(Change){ .bos = 0xFFFFFFFE, .bos_type = GGUF_VALUE_I32 }, STATUS_DAMAGED,
                       "bos_token_id");
    check_gguf_refused(&(Change){ .no_tokens = true }, STATUS_DAMAGED, "tokenizer.ggml.tokens");
    small_bpe(&small);
    check_gguf_refused(&(Change){ .no_merges = true }, STATUS_DAMAGED, "tokenizer.ggml.merges");
}

Test(vocab, gguf_with_another_tokenizer_is_refused_by_name) {
    small_spm(&small);
    check_gguf_refused(&(Change){ .model = "rwkv" }, STATUS_UNSUPPORTED, "rwkv");
    small_bpe(&small);
    check_gguf_refused(&(Change){ .pre = "tekken" }, STATUS_UNSUPPORTED, "tekken");
}
