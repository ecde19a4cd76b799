#pragma once
/* Records of answers on their way to the index. Whoever answers only puts one into a queue in
 * memory; the writer takes all that wait into one transaction, some tenths of a second later. Where
 * they are looked for, those that wait are there too.
 * Threads: any; commit on the writer's. */
#include "search/index.h"

typedef struct Records Records;

enum { RECORD_ID_BYTES = 33 }; /* 32 hexadecimal digits, random, and NUL */

typedef struct RecordsLimits {
    size_t count;    /* kept; 0 = none */
    int64_t age_s;   /* forgotten when older */
    size_t queue;    /* that wait */
    bool keeps_text; /* of questions and answers */
} RecordsLimits;

Status records_new(const RecordsLimits *limits, Records **ret, Err *err) MUST_CHECK;
Records *records_free(Records *records);
void records_set_limits(Records *records, const RecordsLimits *limits);
void records_limits(Records *records, RecordsLimits *ret);

/* json: copied. BUSY where too many wait; IO where the system has no random numbers; NO_MEMORY. */
Status records_add(Records *records, int64_t uid, const char *collection, Slice json,
                   char ret_id[RECORD_ID_BYTES], Err *err) MUST_CHECK;
/* Views into the arena. NOT_FOUND also where it is too old. */
Status records_find(Records *records, Index *index, const char *id, Arena *arena, StoreAnswer *ret,
                    Err *err) MUST_CHECK;

/* That NOT_FOUND, also for a record that the asker may not see: nobody tells the two apart. */
Status records_not_found(Err *err);

/* When records_commit has something to do (clock_us). */
int64_t records_due_us(Records *records);
/* Put what waits into the index and forget there what is too much or too old. What cannot be
 * written is lost, and the log says so. */
void records_commit(Records *records, Index *index);
