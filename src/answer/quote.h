#pragma once
/* A citation with its quote, byte for byte, checked against what is stored. Threads: any. */
#include "search/index.h"

/* Cite bytes [start, end) of a passage's text. *ret_there: the stored document's clean text at the
 * span is the quote, in the version that was searched; where it is not, the document changed and
 * the citation must not be given. The quote is in the arena, the rest views of passages; n is not
 * set. */
Status quote_cite(Index *index, const FontePassages *passages, size_t passage, size_t start,
                  size_t end, Arena *arena, FonteCitation *ret, bool *ret_there,
                  Err *err) MUST_CHECK;
