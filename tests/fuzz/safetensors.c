/* Fuzzes the reader of safetensors: the input is a whole file. What opens has tensors that lie in
 * the file, apart from each other, sorted by name. */
#include "gguf/safetensors.h"
#include "fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) abort();                                                                 \
    } while (0)

static volatile unsigned sink;

static void read_all(const Safetensors *file, size_t size) {
    size_t total = 0;
    for (size_t i = 0; i < safetensors_n_tensors(file); i++) {
        const SafetensorsTensor *t = safetensors_tensor_at(file, i);
        CHECK(t->name.p[t->name.n] == '\0' && t->n_dims <= SAFETENSORS_MAX_DIMS);
        for (size_t k = 0; k < t->bytes; k++) sink += t->data[k];
        total += t->bytes;
        if (i > 0) CHECK(strcmp(safetensors_tensor_at(file, i - 1)->name.p, t->name.p) < 0);
    }
    CHECK(total <= size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    Safetensors *file = NULL;
    Err err = { 0 };
    Status status = safetensors_open(path, &file, &err);
    if (status == STATUS_OK)
        read_all(file, size);
    else
        CHECK(status < 0 && err.text[0] && !file);
    safetensors_close(file);
    close(fd);
    return 0;
}
