#pragma once
/* 32 weights in the vectors of a set, which the including file has chosen. Folder-private. */
#include <stddef.h>
#include <stdint.h>

enum { GROUP_VECS = 32 / VEC_LANES };

typedef struct Group {
    Vec v[GROUP_VECS]; /* 32 consecutive weights */
} Group;
/* Weights 32 g .. 32 g + 31 of a row of blocks. */
typedef Group DecodeGroup(const uint8_t *row, size_t g);
