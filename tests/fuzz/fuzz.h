#pragma once
/* What a fuzzer defines. It may abort (that is a finding); it returns 0. */
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
