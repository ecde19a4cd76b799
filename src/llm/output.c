/* What is certain goes out; held back is the longest end of the text that a stop string begins
 * with. Of several stop strings that one counts that is complete first, so that the same text ends
 * at the same place however it is cut into tokens. The room: [text that the last call gave][held
 * back]; the next call drops the first part. */
#include "llm/output.h"

#include "base/utf8.h"
#include "llm/vocab.h"
#include <assert.h>
#include <string.h>

/* A piece of broken bytes becomes a U+FFFD (3 bytes) for each of its bytes, and for those of a
 * character before it. */
enum { MAX_TOKEN_TEXT = 3 * (VOCAB_MAX_PIECE_BYTES + 8) };

typedef struct Stop {
    char text[OUTPUT_MAX_STOP_BYTES];
    size_t n;
} Stop;

struct Output {
    const Vocab *vocab;
    Detokenizer stream;
    size_t max_tokens, n_tokens;
    bool ignore_end, ended;
    Stop *stops; /* [n_stops] */
    size_t n_stops;
    Buf room;
    size_t n_given; /* of room */
};

static Status check_stop(Slice stop, Err *err) {
    const char *why = NULL;
    if (stop.n == 0) why = "is empty";
    if (stop.n > OUTPUT_MAX_STOP_BYTES) why = "is too long";
    if (!why && utf8_valid_length(stop) != stop.n) why = "is not UTF-8";
    if (!why) return STATUS_OK;
    return err_set_param(err, STATUS_USAGE, "stop", "a stop string %s (%zu bytes, at most %d)", why,
                         stop.n, OUTPUT_MAX_STOP_BYTES);
}

static Status fill(Output *o, const OutputOptions *options, Err *err) {
    if (options->n_stops > OUTPUT_MAX_STOPS) {
        return err_set_param(err, STATUS_USAGE, "stop", "%zu stop strings, at most %d",
                             options->n_stops, OUTPUT_MAX_STOPS);
    }
    o->stops = mem_alloc(options->n_stops, sizeof *o->stops);
    buf_reserve(&o->room, MAX_TOKEN_TEXT + OUTPUT_MAX_STOP_BYTES);
    TRY(buf_status(&o->room, err));
    if (!o->stops) return err_set(err, STATUS_NO_MEMORY, "no memory for stop strings");
    for (size_t i = 0; i < options->n_stops; i++) {
        Slice stop = options->stops[i];
        TRY(check_stop(stop, err));
        memcpy(o->stops[i].text, stop.p, stop.n);
        o->stops[i].n = stop.n;
    }
    o->n_stops = options->n_stops;
    o->max_tokens = options->max_tokens;
    o->ignore_end = options->ignore_end;
    detokenizer_init(&o->stream, o->vocab, options->detokenize);
    return STATUS_OK;
}

Status output_new(const Vocab *vocab, const OutputOptions *options, Output **ret, Err *err) {
    Output *o = mem_alloc(1, sizeof *o);
    if (!o) return err_set(err, STATUS_NO_MEMORY, "no memory for a text");
    o->vocab = vocab;
    Status status = fill(o, options, err);
    if (status != STATUS_OK) {
        output_free(o);
        return status;
    }
    *ret = o;
    return STATUS_OK;
}

Output *output_free(Output *o) {
    if (!o) return NULL;
    free(o->stops);
    buf_deinit(&o->room);
    free(o);
    return NULL;
}

/* The text given last goes, what was held back moves to the front. Returns its length. */
static size_t drop_given(Output *o) {
    size_t n_held = o->room.n - o->n_given;
    if (n_held) memmove(o->room.p, o->room.p + o->n_given, n_held);
    o->room.n = n_held;
    o->n_given = 0;
    return n_held;
}

static bool ends_with(const char *text, size_t n, const Stop *stop) {
    return n >= stop->n && memcmp(text + n - stop->n, stop->text, stop->n) == 0;
}

/* Where the first complete stop string begins that ends behind the first n_old bytes. */
static bool find_stop(const Output *o, size_t n_old, size_t *ret_begin) {
    for (size_t end = n_old + 1; end <= o->room.n; end++) {
        size_t longest = 0;
        for (size_t i = 0; i < o->n_stops; i++)
            if (o->stops[i].n > longest && ends_with(o->room.p, end, &o->stops[i]))
                longest = o->stops[i].n;
        if (longest == 0) continue;
        *ret_begin = end - longest;
        return true;
    }
    return false;
}

/* Bytes at the end of the text that may become a stop string. */
static size_t find_held(const Output *o) {
    size_t longest = 0;
    for (size_t i = 0; i < o->n_stops; i++) {
        const Stop *stop = &o->stops[i];
        for (size_t n = MIN(stop->n - 1, o->room.n); n > longest; n--) {
            if (memcmp(o->room.p + o->room.n - n, stop->text, n) == 0) longest = n;
        }
    }
    return longest;
}

static Slice give(Output *o, size_t n) {
    o->n_given = n;
    return (Slice){ o->room.p, n };
}

Status output_push(Output *o, int32_t id, Slice *ret_text, OutputEnd *ret_end, Err *err) {
    assert(!o->ended);
    size_t n_old = drop_given(o), n_stop;
    OutputEnd end = OUTPUT_GOES_ON;
    if (!o->ignore_end && vocab_ends_text(o->vocab, id))
        end = OUTPUT_ENDED;
    else
        TRY(detokenizer_push(&o->stream, id, &o->room, err));
    if (++o->n_tokens == o->max_tokens && end == OUTPUT_GOES_ON) end = OUTPUT_FULL;
    if (end != OUTPUT_GOES_ON) detokenizer_finish(&o->stream, &o->room);
    TRY(buf_status(&o->room, err));
    bool stopped = find_stop(o, n_old, &n_stop);
    if (stopped) end = OUTPUT_STOPPED;
    o->ended = end != OUTPUT_GOES_ON;
    *ret_text = give(o, stopped ? n_stop : o->ended ? o->room.n : o->room.n - find_held(o));
    *ret_end = end;
    return STATUS_OK;
}

Slice output_flush(Output *o) {
    drop_given(o);
    if (!o->ended) detokenizer_finish(&o->stream, &o->room);
    o->ended = true;
    size_t n_stop;
    return give(o, find_stop(o, 0, &n_stop) ? n_stop : o->room.n);
}
