/* What is written is read by the parser of fonted.conf, where ";" behind white space begins a
 * comment, white space at the ends is dropped and lines have a length: such values are refused
 * rather than changed. */
#include "daemon/chosen.h"

#include "base/file.h"

#include <string.h>

enum { MAX_VALUE = CONFIG_MAX_LINE - 16 }; /* beside "template = " and the line's end */

Status chosen_path(const char *state, Buf *ret, Err *err) {
    buf_printf(ret, "%s/model.conf", state);
    return buf_status(ret, err);
}

static Status check_value(const char *name, const char *value, Err *err) {
    size_t n = strlen(value);
    bool ok = n <= MAX_VALUE && !strstr(value, " ;") && value[0] != ' ';
    for (size_t i = 0; i < n; i++) ok = ok && (unsigned char)value[i] >= ' ' && value[i] != 0x7F;
    if (ok && (n == 0 || value[n - 1] != ' ')) return STATUS_OK;
    return err_set_param(err, STATUS_INVALID, name,
                         "%s: at most %d bytes, without control bytes, white space at the ends and "
                         "' ;'",
                         name, MAX_VALUE);
}

Status chosen_check(const Chosen *chosen, Err *err) {
    if (chosen->model[0] != '/') {
        return err_set_param(err, STATUS_INVALID, "model",
                             "model: the path of a file is expected, from the root");
    }
    TRY(check_value("model", chosen->model, err));
    TRY(check_value("name", chosen->name, err));
    return check_value("template", chosen->template_name, err);
}

Status chosen_write(const char *state, const Chosen *chosen, Err *err) {
    AUTO_BUF Buf path = BUF_NULL, text = BUF_NULL;
    TRY(chosen_path(state, &path, err));
    buf_printf(
        &text,
        "; The model chosen with 'fonte model use'. 'fonte model use --default' removes it.\n"
        "[generator]\nmodel = %s\nname = %s\ntemplate = %s\n",
        chosen->model, chosen->name, chosen->template_name);
    TRY(buf_status(&text, err));
    Slice piece = buf_slice(&text);
    return file_replace(path.p, &piece, 1, err);
}

Status chosen_remove(const char *state, Err *err) {
    AUTO_BUF Buf path = BUF_NULL;
    TRY(chosen_path(state, &path, err));
    Status status = file_remove(path.p, err);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}
