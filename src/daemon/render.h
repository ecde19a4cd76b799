#pragma once
/* The objects of the API as JSON: docs/openapi.yaml has the same shapes. Threads: any. */
#include "base/json.h"
#include "daemon/writer.h"

/* Seconds since 1970 as ISO 8601. */
void render_time(JsonWriter *w, const char *key, int64_t unix_s);
void render_document(JsonWriter *w, const char *key, const FonteDocument *document);
void render_passages(JsonWriter *w, const char *key, const FontePassages *passages);
void render_citation(JsonWriter *w, const char *key, const FonteCitation *citation);
void render_times(JsonWriter *w, const char *key, const FonteStageTimes *times, double queue_ms);
/* The members of an answer, inside an object that is open. */
void render_answer(JsonWriter *w, const FonteAnswer *answer, double queue_ms);
/* The members of what adding did, inside an object that is open. */
void render_added(JsonWriter *w, const FonteAddedList *added);
/* Jobs of the background: one object each. */
enum { RENDER_N_JOBS = 2 };
const char *render_job_id(size_t i);
void render_job(JsonWriter *w, const char *key, size_t i, const WriterStatus *status);
