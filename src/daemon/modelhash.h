#pragma once
/* The SHA-256 of a model's file, computed on a thread of its own while the model already serves:
 * some seconds for a file of gigabytes.
 * Threads: start and free from one owner, the rest from any. */
#include "base/hash.h"

typedef struct ModelHash ModelHash;

/* bytes: borrowed until it is freed. */
Status modelhash_start(Slice bytes, ModelHash **ret, Err *err) MUST_CHECK;
/* Those who wait for it get "" where it is not done. */
void modelhash_stop(ModelHash *hash);
/* Stops too. NULL is fine; returns NULL. */
ModelHash *modelhash_free(ModelHash *hash);
/* 64 hexadecimal digits once modelhash_wait came back, and not to be looked at before; a view. */
const char *modelhash_text(const ModelHash *hash);
/* Waits until it is known. The same view; "" where it could not be computed, or was stopped. */
const char *modelhash_wait(ModelHash *hash);
