#pragma once
/* Questions that lean on the one before: "And when did it enter into force?" after a question on
 * the AI Act. Such a question is read with what it refers to beside it, so that whoever searches,
 * ranks and writes sees both: "And when did it enter into force? (AI Act)". A question that stands
 * alone is read as it is.
 *   what it says            example (after "When was OpenAI founded?")    is read with
 *   a pronoun, or too little  Who leads it?                               the names before
 * (OpenAI), else the content words a name in another's place And Anthropic? all but the names a
 * further condition       And in Italy?                               all of it Italian and
 * English; in other languages only a question of a single content word is read so. Threads: any. */
#include "base/arena.h"
#include "base/status.h"

enum {
    FOLLOWUP_MAX_WORDS = 24,  /* taken from the question before */
    FOLLOWUP_MAX_BYTES = 512, /* of them */
};

/* before: the question before as it was read, empty where there is none. *ret: the question itself
 * where it stands alone, else in the arena. NO_MEMORY. */
Status followup_read(Slice question, const char *language, Slice before, Arena *arena, Slice *ret,
                     Err *err) MUST_CHECK;
