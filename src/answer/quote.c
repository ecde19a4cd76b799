/* The invariant of all answers: before a quote is given the stored document is read again at its
 * span; what does not equal is not said. */
#include "answer/quote.h"

static Status is_still_there(Index *index, const FonteCitation *c, bool *ret, Err *err) {
    AUTO_BUF Buf stored = BUF_NULL;
    Status status = index_read(index, c->document, STORE_TEXT, c->start, c->end, &stored, err);
    if (status == STATUS_NOT_FOUND) {
        *ret = false;
        return STATUS_OK;
    }
    TRY(status);
    *ret = slice_equal(buf_slice(&stored), slice_of(c->quote));
    return STATUS_OK;
}

Status quote_cite(Index *index, const FontePassages *passages, size_t passage, size_t start,
                  size_t end, Arena *arena, FonteCitation *ret, bool *ret_there, Err *err) {
    const FontePassage *p = &passages->passages[passage];
    *ret = (FonteCitation){
        .passage = passage,
        .document = p->document,
        .version = p->version,
        .title = p->title,
        .url = p->url,
        .date = p->date,
        .start = p->start + start,
        .end = p->start + end,
        .quote = arena_string(arena, (Slice){ p->text + start, end - start }),
    };
    if (!ret->quote) return err_set(err, STATUS_NO_MEMORY, "out of memory for a quote");
    TRY(is_still_there(index, ret, ret_there, err));
    Status status = index_origin_span(index, ret->document, ret->start, ret->end,
                                      &ret->origin_start, &ret->origin_end, err);
    if (status == STATUS_NOT_FOUND) {
        ret->origin_start = ret->origin_end = FONTE_NO_OFFSET;
        return STATUS_OK;
    }
    return status;
}
