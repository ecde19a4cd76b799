/* Files written by this room must be read by the public gguf package for Python: converts the
 * model of tests/fixtures, quantises it to every type, decodes all, and lets
 * tests/tools/check_gguf.py compare. Usage: python_reader SCRIPT MODEL-FOLDER; FONTE_PYTHON names
 * an interpreter other than python3. Exit status 77 (SKIP) where it lacks the package. */
#include "gguf/convert.h"
#include "gguf/quantize.h"

#include "base/buf.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int run(const char *command) {
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static Status decode_all(const char *gguf, const char *values, Err *err) {
    GgufFile *file = NULL;
    TRY(gguf_file_open(gguf, NULL, &file, err));
    FILE *out = fopen(values, "wbe");
    float *row = mem_alloc(1 << 16, sizeof *row);
    bool good = out && row;
    for (size_t i = 0; good && i < gguf_file_n_tensors(file); i++) {
        const GgufTensor *t = gguf_file_tensor_at(file, i);
        size_t columns = (size_t)t->dims[0];
        for (size_t r = 0; good && r < t->n_rows; r++) {
            gguf_decode_row(t->type, t->data + r * t->row_bytes, columns, row);
            good = fwrite(row, sizeof *row, columns, out) == columns;
        }
    }
    if (out) good &= fclose(out) == 0;
    free(row);
    gguf_file_close(file);
    return good ? STATUS_OK : err_set(err, STATUS_IO, "%s: cannot be written", values);
}

static Status write_files(const char *model, Buf *arguments, Err *err) {
    TRY(gguf_convert(model, "model.gguf", NULL, NULL, err));
    TRY(decode_all("model.gguf", "model.f32", err));
    buf_append_string(arguments, " model.gguf model.f32");
    for (const GgufMix *mix = gguf_mixes; mix->name; mix++) {
        AUTO_BUF Buf gguf = BUF_NULL, values = BUF_NULL;
        buf_printf(&gguf, "%s.gguf", mix->name);
        buf_printf(&values, "%s.f32", mix->name);
        TRY(buf_status(&values, err));
        TRY(gguf_quantize("model.gguf", gguf.p, mix->name, NULL, NULL, err));
        TRY(decode_all(gguf.p, values.p, err));
        buf_printf(arguments, " %s %s", gguf.p, values.p);
    }
    return buf_status(arguments, err);
}

static int compare(const char *python, const char *script, const char *model) {
    Err err = { 0 };
    AUTO_BUF Buf arguments = BUF_NULL, command = BUF_NULL;
    if (write_files(model, &arguments, &err) != STATUS_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    buf_printf(&command, "%s %s%s", python, script, arguments.p);
    return command.failed ? 1 : run(command.p);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    const char *python = getenv("FONTE_PYTHON") ? getenv("FONTE_PYTHON") : "python3";
    AUTO_BUF Buf probe = BUF_NULL, clean = BUF_NULL;
    buf_printf(&probe, "%s %s", python, argv[1]);
    if (probe.failed) return 1;
    int status = run(probe.p); /* says why it skips */
    if (status != 0) return status;
    char folder[] = "/tmp/fonte-test-python-XXXXXX";
    if (!mkdtemp(folder) || chdir(folder) != 0) return 1;
    status = compare(python, argv[1], argv[2]);
    buf_printf(&clean, "rm -rf -- %s", folder);
    if (chdir("/") != 0 || clean.failed || run(clean.p) != 0) return 1;
    return status;
}
