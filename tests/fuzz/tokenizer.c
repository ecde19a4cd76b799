/* Fuzzes words. The first byte chooses: text through vocabularies made here, there and back; a
 * vocabulary made from the input, with text through it; a tokenizer.model; pieces of prompts. What
 * must hold is checked, not only that nothing crashes:
 *   - text -> ids -> text gives the text, with bytes that are not UTF-8 as U+FFFD each;
 *   - ids are in the vocabulary, and none is a control token;
 *   - a stream is valid UTF-8 after each token and in the end what decoding at once gives. */
#include "base/utf8.h"
#include "fuzz/fuzz.h"
#include "llm/small_vocab.h"
#include "llm/template.h"

#include <stdlib.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) abort();                                                                 \
    } while (0)

static Vocab *make_small(int which) {
    static Small small;
    Vocab *vocab = NULL;
    if (which == 0)
        small_spm(&small);
    else
        small_bpe(&small);
    small.spec.split = which < 2    ? VOCAB_SPLIT_LLAMA3
                       : which == 2 ? VOCAB_SPLIT_GPT2
                       : which == 3 ? VOCAB_SPLIT_SMOLLM
                                    : VOCAB_SPLIT_DEFAULT;
    small_add(&small, "<|user|>", 0, VOCAB_USER_DEFINED);
    small_add(&small, "lo w", 0, VOCAB_USER_DEFINED);
    CHECK(vocab_new(&small.spec, &vocab, NULL) == STATUS_OK);
    return vocab;
}

static void append_expected(Buf *out, Slice text, bool spm) {
    while (text.n) {
        uint32_t c;
        size_t n = utf8_decode(text, &c);
        if (!n)
            buf_append_string(out, UTF8_REPLACEMENT);
        else if (spm && c == 0x2581)
            buf_append_byte(out, ' ');
        else
            buf_append(out, text.p, n);
        text = slice_skip(text, n ? n : 1);
    }
}

static void check_stream(const Vocab *vocab, const TokenList *ids, unsigned flags, Slice want) {
    AUTO_BUF Buf text = BUF_NULL;
    Detokenizer stream;
    detokenizer_init(&stream, vocab, flags);
    size_t checked = 0;
    for (size_t i = 0; i < ids->n; i++) {
        CHECK(detokenizer_push(&stream, ids->ids[i], &text, NULL) == STATUS_OK);
        Slice fresh = slice_skip(buf_slice(&text), checked);
        CHECK(utf8_valid_length(fresh) == fresh.n);
        checked = text.n;
    }
    detokenizer_finish(&stream, &text);
    CHECK(slice_equal(buf_slice(&text), want));
}

/* exact: the vocabulary is ours, so that the text must come back. */
static void there_and_back(const Vocab *vocab, Slice text, bool exact) {
    TokenList ids = TOKEN_LIST_NULL;
    AUTO_BUF Buf back = BUF_NULL;
    AUTO_BUF Buf want = BUF_NULL;
    Status status = tokenizer_encode(vocab, text, 0, &ids, NULL);
    CHECK(status == STATUS_OK || (!exact && ids.n == 0));
    for (size_t i = 0; i < ids.n; i++) {
        CHECK(vocab_has(vocab, ids.ids[i]));
        CHECK(vocab_type(vocab, ids.ids[i]) != VOCAB_CONTROL);
    }
    CHECK(tokenizer_decode(vocab, ids.ids, ids.n, 0, &back, NULL) == STATUS_OK);
    append_expected(&want, text, vocab_kind(vocab) == VOCAB_SENTENCEPIECE);
    if (exact) CHECK(slice_equal(buf_slice(&back), buf_slice(&want)));
    check_stream(vocab, &ids, 0, buf_slice(&back));
    token_list_deinit(&ids);
}

/* Ids from the input, two bytes each: any order of any tokens. */
static void any_ids(const Vocab *vocab, Slice input) {
    TokenList ids = TOKEN_LIST_NULL;
    AUTO_BUF Buf text = BUF_NULL;
    for (; input.n >= 2; input = slice_skip(input, 2)) {
        size_t id = (unsigned char)input.p[0] | (size_t)(unsigned char)input.p[1] << 8;
        CHECK(token_list_add(&ids, (int32_t)(id % vocab_size(vocab)), NULL) == STATUS_OK);
    }
    unsigned flags = input.n ? (unsigned char)input.p[0] & 3 : 0;
    CHECK(tokenizer_decode(vocab, ids.ids, ids.n, flags, &text, NULL) == STATUS_OK);
    CHECK(utf8_valid_length(buf_slice(&text)) == text.n);
    check_stream(vocab, &ids, flags, buf_slice(&text));
    token_list_deinit(&ids);
}

static unsigned take(Slice *input) {
    if (!input->n) return 0;
    unsigned byte = (unsigned char)input->p[0];
    *input = slice_skip(*input, 1);
    return byte;
}

static Slice take_text(Slice *input) {
    size_t n = take(input);
    n = MIN(n, input->n);
    Slice text = { input->p, n };
    *input = slice_skip(*input, n);
    return text;
}

/* A vocabulary of whatever the input says; what is left is text. */
static void hostile_vocab(Slice input) {
    enum { MAX_PIECES = 300, MAX_MERGES = 64 };
    static Slice pieces[MAX_PIECES], merges[MAX_MERGES];
    static float scores[MAX_PIECES];
    static int32_t types[MAX_PIECES];
    unsigned flags = take(&input);
    VocabSpec spec = { .name = "fuzz",
                       .pieces = pieces,
                       .scores = scores,
                       .merges = merges,
                       .types = flags & 1 ? types : NULL,
                       .kind = flags & 2 ? VOCAB_BYTE_BPE : VOCAB_SENTENCEPIECE,
                       .split = (VocabSplit)(flags >> 2 & 3),
                       .whole_words = flags & 16,
                       .add_space_prefix = flags & 32,
                       .remove_extra_spaces = flags & 64,
                       .escape_spaces = !(flags & 128),
                       .unk_surface = SLICE("?") };
    spec.bos_id = (int)take(&input) - 1;
    spec.eos_id = (int)take(&input) - 1;
    spec.unk_id = (int)take(&input) - 1;
    spec.eot_id = spec.eom_id = spec.pad_id = VOCAB_NO_ID;
    size_t n = take(&input), n_merges = take(&input) % MAX_MERGES;
    for (size_t i = 0; i < n; i++) {
        unsigned kind = take(&input);
        types[spec.n_pieces] = (int32_t)(kind & 7);
        scores[spec.n_pieces] = (float)(int)(kind >> 3);
        pieces[spec.n_pieces++] = take_text(&input);
    }
    for (; spec.n_merges < n_merges; spec.n_merges++) merges[spec.n_merges] = take_text(&input);
    Vocab *vocab = NULL;
    if (vocab_new(&spec, &vocab, NULL) != STATUS_OK) return;
    there_and_back(vocab, input, false);
    any_ids(vocab, input);
    vocab_free(vocab);
}

/* A conversation that the input cuts into messages. */
static void conversation(Slice input) {
    ChatMessage messages[8];
    size_t n = 0;
    unsigned choice = take(&input);
    Vocab *vocab = make_small(choice & 1);
    while (n < N_ELEMENTS(messages) && input.n) {
        messages[n].role = (ChatRole)(take(&input) % 4);
        messages[n++].text = take_text(&input);
    }
    PromptParts prompt = PROMPT_PARTS_NULL;
    TokenList ids = TOKEN_LIST_NULL;
    TemplateKind kind = (TemplateKind)((choice >> 1) % (N_TEMPLATES + 1));
    if (template_render(kind, messages, n, choice & 128, vocab, &prompt, NULL) == STATUS_OK) {
        size_t n_tokens = 0, n_control = 0;
        CHECK(tokenizer_encode_parts(vocab, prompt.parts, prompt.n, 0, &ids, NULL) == STATUS_OK);
        for (size_t i = 0; i < prompt.n; i++) n_tokens += prompt.parts[i].kind == PART_TOKEN;
        for (size_t i = 0; i < ids.n; i++)
            n_control += vocab_type(vocab, ids.ids[i]) == VOCAB_CONTROL;
        CHECK(n_control == n_tokens);
    }
    prompt_parts_deinit(&prompt);
    token_list_deinit(&ids);
    vocab_free(vocab);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Slice input = { (const char *)data, size };
    unsigned choice = take(&input);
    if (choice % 8 < 5) {
        Vocab *vocab = make_small((int)(choice % 8));
        there_and_back(vocab, input, true);
        any_ids(vocab, input);
        vocab_free(vocab);
    } else if (choice % 8 == 5) {
        hostile_vocab(input);
    } else if (choice % 8 == 6) {
        Vocab *vocab = NULL;
        if (vocab_from_sentencepiece(input, "fuzz", &vocab, NULL) == STATUS_OK) {
            there_and_back(vocab, SLICE("hello w\xC3\xA9 <s>\0\xFF aaaaaaaa"), false);
            any_ids(vocab, input);
            vocab_free(vocab);
        }
    } else {
        conversation(input);
    }
    return 0;
}
