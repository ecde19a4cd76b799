#pragma once
/* Abbreviations that end in a full stop which is not the sentence's.
 * Threads: any. */
#include "base/slice.h"

typedef enum AbbreviationKind {
    ABBREVIATION_NONE,
    ABBREVIATION_BEFORE, /* something always follows: "Dr.", "dott.", "vs." */
    ABBREVIATION_NUMBER, /* a number follows: "art. 5", "Jan. 5" */
    ABBREVIATION_AFTER,  /* may end a sentence too: "Inc.", "etc." */
} AbbreviationKind;

/* token: the word before the stop, without it; case does not matter but where it tells a word from
 * an abbreviation. */
AbbreviationKind abbreviation_kind(Slice token);
