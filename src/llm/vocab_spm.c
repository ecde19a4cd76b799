/* SentencePiece's BPE looks up the concatenation of two neighbours at every step. Here all of that
 * is done once: for every piece and every way to cut it in two, where both parts are pieces or
 * single characters, there is a merge rule with the rank of the piece's score.
 *
 * `joints` holds every two characters that stand next to each other in some piece. A boundary that
 * is not among them is never merged over, so text falls into independent words there, exactly.
 *
 * An UNUSED piece is cut again where it remains (SentencePiece makes such pieces when a vocabulary
 * is restricted; no model file that we know of has one that text reaches). The reference cuts it
 * where the last of all candidates in the text was; here it is always its last possible cut, which
 * is the same for pieces of two characters. */
#include "base/utf8.h"
#include "gguf/sentencepiece.h"
#include "llm/vocab_internal.h"

static bool is_mergeable(const Vocab *vocab, size_t i) {
    return vocab->pieces[i].type == VOCAB_NORMAL || vocab->pieces[i].type == VOCAB_UNUSED;
}

static Status no_memory(const VocabSpec *spec, Err *err) {
    return err_set(err, STATUS_NO_MEMORY, "%s: no memory for the vocabulary", spec->name);
}

/* ---- joints ---- */

static uint64_t *joint_slot(const Vocab *vocab, uint64_t key) {
    uint64_t h = (key ^ vocab->seed) * 0x9E3779B97F4A7C15u;
    size_t i = (size_t)(h ^ h >> 32) & (vocab->n_joint_slots - 1);
    while (vocab->joints[i] && vocab->joints[i] != key) i = (i + 1) & (vocab->n_joint_slots - 1);
    return &vocab->joints[i];
}

static uint64_t joint_key(uint32_t a, uint32_t b) {
    return ((uint64_t)a << 32 | b) + 1;
}

bool vocab_joins(const Vocab *vocab, uint32_t a, uint32_t b) {
    return *joint_slot(vocab, joint_key(a, b)) != 0;
}

static bool grow_joints(Vocab *vocab) {
    uint64_t *old = vocab->joints;
    size_t n_old = vocab->n_joint_slots, n_slots = n_old ? n_old * 4 : 1024;
    uint64_t *slots = mem_alloc(n_slots, sizeof(*slots));
    if (!slots) return false;
    vocab->joints = slots, vocab->n_joint_slots = n_slots;
    for (size_t i = 0; i < n_old; i++) {
        if (old[i]) *joint_slot(vocab, old[i]) = old[i];
    }
    free(old);
    return true;
}

static bool add_joint(Vocab *vocab, uint32_t a, uint32_t b) {
    if (vocab->n_joints * 2 >= vocab->n_joint_slots && !grow_joints(vocab)) return false;
    uint64_t *slot = joint_slot(vocab, joint_key(a, b));
    if (!*slot) vocab->n_joints++;
    *slot = joint_key(a, b);
    return true;
}

/* ---- words, characters ---- */

static Status add_words(Vocab *vocab, const VocabSpec *spec, Err *err) {
    size_t n = 0;
    for (size_t i = 0; i < vocab->n_pieces; i++) n += is_mergeable(vocab, i);
    if (!piece_table_init(&vocab->words, n, vocab->seed)) return no_memory(spec, err);
    for (size_t i = 0; i < vocab->n_pieces; i++) {
        Slice text = vocab->pieces[i].text;
        if (!is_mergeable(vocab, i) || !text.n) continue;
        if (text.n > VOCAB_MAX_MERGEABLE_BYTES)
            return err_set(err, STATUS_TOO_LARGE, "%s: token %zu has %zu bytes (at most %d)",
                           spec->name, i, text.n, VOCAB_MAX_MERGEABLE_BYTES);
        uint32_t same = piece_table_add(&vocab->words, text, (uint32_t)i);
        if (same != MERGE_NONE)
            return err_set(err, STATUS_DAMAGED, "%s: tokens %u and %zu are the same text",
                           spec->name, same, i);
    }
    return STATUS_OK;
}

static Status add_characters(Vocab *vocab, const VocabSpec *spec, Err *err) {
    uint32_t next = (uint32_t)vocab->n_pieces;
    vocab->characters = mem_alloc(VOCAB_N_CHARACTERS, sizeof(*vocab->characters));
    if (!vocab->characters || !grow_joints(vocab)) return no_memory(spec, err);
    for (size_t i = 0; i < vocab->n_pieces; i++) {
        Slice rest = vocab->pieces[i].text;
        if (!is_mergeable(vocab, i) || utf8_valid_length(rest) != rest.n) continue;
        uint32_t before = 0, c = 0;
        for (bool first = true; rest.n; first = false, before = c) {
            size_t n = utf8_decode(rest, &c);
            if (!vocab->characters[c]) {
                uint32_t id = piece_table_find(&vocab->words, (Slice){ rest.p, n });
                vocab->characters[c] = (id != MERGE_NONE ? id : next++) + 1;
            }
            if (!first && !add_joint(vocab, before, c)) return no_memory(spec, err);
            rest = slice_skip(rest, n);
        }
    }
    return STATUS_OK;
}

/* The symbol of a part of a piece: a piece, or a character that is none. */
static uint32_t part_symbol(const Vocab *vocab, Slice part) {
    uint32_t c, id = piece_table_find(&vocab->words, part);
    if (id != MERGE_NONE) return id;
    return utf8_decode(part, &c) == part.n ? vocab->characters[c] - 1 : MERGE_NONE;
}

/* ---- rules ---- */

static int compare_scores(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return x > y ? -1 : x < y; /* best first; none is NaN */
}

static uint32_t rank_of(const float *sorted, size_t n, float score) {
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sorted[middle] > score)
            low = middle + 1;
        else
            high = middle;
    }
    return (uint32_t)low;
}

/* Add the rules that make piece i; only count them where table is NULL. */
static size_t piece_rules(Vocab *vocab, size_t i, uint32_t rank, MergeTable *table) {
    Slice text = vocab->pieces[i].text;
    size_t n_rules = 0;
    uint32_t c;
    if (!is_mergeable(vocab, i) || utf8_valid_length(text) != text.n) return 0;
    for (size_t at = utf8_decode(text, &c); at && at < text.n;
         at += utf8_decode(slice_skip(text, at), &c)) {
        uint32_t left = part_symbol(vocab, (Slice){ text.p, at });
        if (left == MERGE_NONE) continue;
        uint32_t right = part_symbol(vocab, slice_skip(text, at));
        if (right == MERGE_NONE) continue;
        n_rules++;
        if (!table) continue;
        merge_table_add(table, left, right, rank, (uint32_t)i);
        if (vocab->unused_parts) {
            vocab->unused_parts[i][0] = left;
            vocab->unused_parts[i][1] = right;
        }
    }
    return n_rules;
}

static Status add_rules(Vocab *vocab, const VocabSpec *spec, Err *err) {
    size_t n = 0, n_rules = 0;
    bool some_unused = false;
    AUTO_FREE float *sorted = mem_alloc(vocab->n_pieces, sizeof(*sorted));
    if (!sorted) return no_memory(spec, err);
    for (size_t i = 0; i < vocab->n_pieces; i++) {
        size_t rules = piece_rules(vocab, i, 0, NULL);
        if (rules) sorted[n++] = spec->scores[i];
        if (rules && vocab->pieces[i].type == VOCAB_UNUSED) some_unused = true;
        n_rules += rules;
    }
    qsort(sorted, n, sizeof(*sorted), compare_scores);
    if (some_unused) {
        vocab->unused_parts = mem_alloc(vocab->n_pieces, sizeof(*vocab->unused_parts));
        if (!vocab->unused_parts) return no_memory(spec, err);
        memset(vocab->unused_parts, 0xFF, vocab->n_pieces * sizeof(*vocab->unused_parts));
    }
    TRY(merge_table_init(&vocab->merges, n_rules, vocab->seed, err));
    for (size_t i = 0; i < vocab->n_pieces; i++)
        (void)piece_rules(vocab, i, rank_of(sorted, n, spec->scores[i]), &vocab->merges);
    return STATUS_OK;
}

/* What pieces decode to: a space for each U+2581. */
static Status add_surfaces(Vocab *vocab, const VocabSpec *spec, Err *err) {
    const Slice mark = SLICE(VOCAB_SPACE);
    for (size_t i = 0; i < vocab->n_pieces; i++) {
        VocabPiece *piece = &vocab->pieces[i];
        if (piece->type == VOCAB_BYTE || piece->type == VOCAB_CONTROL ||
            !memmem(piece->text.p, piece->text.n, mark.p, mark.n))
            continue;
        char *out = arena_string(&vocab->arena, piece->text);
        if (!out) return no_memory(spec, err);
        size_t n = 0;
        for (Slice rest = piece->text; rest.n;) {
            bool space = slice_starts(rest, mark);
            out[n++] = space ? ' ' : rest.p[0];
            rest = slice_skip(rest, space ? mark.n : 1);
        }
        piece->bytes = (Slice){ out, n };
    }
    return STATUS_OK;
}

Status vocab_build_spm(Vocab *vocab, const VocabSpec *spec, Err *err) {
    TRY(add_words(vocab, spec, err));
    TRY(add_characters(vocab, spec, err));
    TRY(add_rules(vocab, spec, err));
    return add_surfaces(vocab, spec, err);
}

/* ---- from tokenizer.model ---- */

static Status from_model(const Sentencepiece *model, const char *name, Vocab **ret, Err *err) {
    size_t n = model->n_pieces;
    AUTO_FREE Slice *pieces = mem_alloc(n, sizeof(*pieces));
    AUTO_FREE float *scores = mem_alloc(n, sizeof(*scores));
    AUTO_FREE int32_t *types = mem_alloc(n, sizeof(*types));
    if (!pieces || !scores || !types)
        return err_set(err, STATUS_NO_MEMORY, "%s: no memory for %zu tokens", name, n);
    int64_t unk_id = VOCAB_NO_ID;
    for (size_t i = 0; i < n; i++) {
        pieces[i] = model->pieces[i].text;
        scores[i] = model->pieces[i].score;
        types[i] = model->pieces[i].type;
        if (types[i] == VOCAB_UNKNOWN && unk_id == VOCAB_NO_ID) unk_id = (int64_t)i;
        if (!pieces[i].n) return err_set(err, STATUS_DAMAGED, "%s: token %zu is empty", name, i);
    }
    /* The declared ids of BOS, EOS and padding are kept only where such pieces are. */
    int64_t ids[] = { model->bos_id, model->eos_id, model->pad_id };
    for (size_t i = 0; i < N_ELEMENTS(ids); i++) {
        if (ids[i] < 0 || ids[i] >= (int64_t)n || types[ids[i]] != VOCAB_CONTROL)
            ids[i] = VOCAB_NO_ID;
    }
    const VocabSpec spec = { .name = name,
                             .kind = VOCAB_SENTENCEPIECE,
                             .pieces = pieces,
                             .scores = scores,
                             .types = types,
                             .n_pieces = n,
                             .bos_id = ids[0],
                             .eos_id = ids[1],
                             .eot_id = VOCAB_NO_ID,
                             .eom_id = VOCAB_NO_ID,
                             .unk_id = unk_id,
                             .pad_id = ids[2],
                             .add_bos = ids[0] != VOCAB_NO_ID,
                             .add_space_prefix = model->add_dummy_prefix,
                             .remove_extra_spaces = model->remove_extra_whitespaces,
                             .escape_spaces = model->escape_whitespaces,
                             .unk_surface = model->unk_surface };
    return vocab_new(&spec, ret, err);
}

Status vocab_from_sentencepiece(Slice bytes, const char *name, Vocab **ret, Err *err) {
    Sentencepiece model = SENTENCEPIECE_NULL;
    TRY(sentencepiece_parse(bytes, name, &model, err));
    Status status = STATUS_OK;
    if (model.model != SENTENCEPIECE_BPE)
        status =
            err_set(err, STATUS_UNSUPPORTED, "%s: not a BPE model (SentencePiece model type %d)",
                    name, (int)model.model);
    else if (model.charsmap.n)
        status = err_set(err, STATUS_UNSUPPORTED, "%s: normalisation by \"%.*s\" is not supported",
                         name, (int)MIN(model.normalizer.n, 40), model.normalizer.p);
    else if (model.treat_whitespace_as_suffix)
        status = err_set(err, STATUS_UNSUPPORTED, "%s: spaces as suffixes are not supported", name);
    else
        status = from_model(&model, name, ret, err);
    sentencepiece_deinit(&model);
    return status;
}
