/* Embedders by name, and how their vectors are stored. Packing rounds half away from zero by
 * integer conversion, not by the current rounding mode, so that stored bytes are the same
 * everywhere. */
#include "search/embedder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

Status embedder_by_name(const char *name, Embedder **ret, Err *err) {
    if (!name || !name[0]) name = EMBEDDER_DEFAULT;
    unsigned dim;
    char round[EMBEDDER_NAME_BYTES];
    if (sscanf(name, "hash-1-%5u", &dim) == 1) {
        snprintf(round, sizeof round, "hash-1-%u", dim);
        if (strcmp(round, name) == 0) return embedder_hash_new(dim, ret, err);
    }
    return err_set_param(err, STATUS_UNSUPPORTED, "embedder",
                         "no embedder is called \"%.64s\" (known: hash-1-DIMENSION)", name);
}

void embedder_pack(const float *vector, size_t dim, int8_t *ret) {
    float largest = 0;
    for (size_t i = 0; i < dim; i++) largest = MAX(largest, fabsf(vector[i]));
    for (size_t i = 0; i < dim; i++) {
        double scaled = largest > 0 ? (double)vector[i] * 127.0 / (double)largest : 0;
        ret[i] = (int8_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    }
}

void embedder_unpack(const int8_t *packed, size_t dim, float *ret) {
    int64_t square = 0;
    for (size_t i = 0; i < dim; i++) square += packed[i] * packed[i];
    double norm = sqrt((double)square);
    for (size_t i = 0; i < dim; i++) ret[i] = square ? (float)(packed[i] / norm) : 0.0f;
}
