/* Runs a fuzzer's function over every file of a folder, each from memory of exactly its size, so
 * that a sanitizer sees a read past the end. Fails where the folder is empty. */
#include "base/file.h"
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int replay(const char *folder, const char *name) {
    char path[4096];
    AUTO_BUF Buf bytes = BUF_NULL;
    Err err = { 0 };
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (file_read(path, 1 << 24, &bytes, &err) != STATUS_OK) {
        fprintf(stderr, "%s: %s\n", path, err.text);
        return -1;
    }
    uint8_t *exact = malloc(bytes.n ? bytes.n : 1);
    if (!exact) return -1;
    if (bytes.n) memcpy(exact, bytes.p, bytes.n);
    LLVMFuzzerTestOneInput(exact, bytes.n);
    free(exact);
    return 0;
}

int main(int argc, char **argv) {
    int n = 0, failed = 0;
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (!folder) {
        fprintf(stderr, "usage: replay FOLDER\n");
        return 2;
    }
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.') continue;
        if (replay(argv[1], entry->d_name) != 0) failed = 1;
        n++;
    }
    closedir(folder);
    printf("%d inputs\n", n);
    return failed || n == 0;
}
