#include "daemon/chosen.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

Test(daemon_chosen, what_is_written_is_read_back_over_the_configuration) {
    char folder[] = "/tmp/fonte-chosen-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    static const char *const models[] = { "/m.gguf",
                                          "/a folder/with = and ; in/\xC3\xA9t\xC3\xA9.gguf",
                                          "/x#y\"z'.gguf", "/[generator]" };
    for (size_t i = 0; i < N_ELEMENTS(models); i++) {
        Chosen chosen = { models[i], "a name", i ? "llama2" : "" };
        bool ok = !strstr(models[i], " ;");
        cr_assert_eq(chosen_check(&chosen, NULL), ok ? STATUS_OK : STATUS_INVALID, "%s", models[i]);
        if (!ok) continue;
        AUTO_BUF Buf path = BUF_NULL;
        Config *config = NULL;
        Err err = { 0 };
        const char *override = "limits.list=7";
        cr_assert_eq(chosen_write(folder, &chosen, &err), STATUS_OK, "%s", err.text);
        cr_assert_eq(chosen_path(folder, &path, NULL), STATUS_OK);
        cr_assert_eq(config_load_with(NULL, false, path.p, &override, 1, &config, &err), STATUS_OK,
                     "%s", err.text);
        cr_assert_str_eq(config->model, models[i]);
        cr_assert_str_eq(config->model_name, "a name");
        cr_assert_str_eq(config->template_name, chosen.template_name);
        config_free(config);
    }
    cr_assert_eq(chosen_remove(folder, NULL), STATUS_OK);
    cr_assert_eq(chosen_remove(folder, NULL), STATUS_OK, "once more");
    rmdir(folder);
}

Test(daemon_chosen, refuses_what_a_configuration_file_would_change) {
    char longest[400];
    memset(longest, 'x', sizeof longest);
    longest[0] = '/';
    longest[sizeof longest - 1] = '\0';
    const char *const models[] = { "",    "relative.gguf", "/a\nstate = /tmp", "/a\r",
                                   "/a ", "/a ; b",        "/a\x7F",           longest };
    for (size_t i = 0; i < N_ELEMENTS(models); i++) {
        Err err = { 0 };
        Chosen chosen = { models[i], "", "" };
        cr_assert_eq(chosen_check(&chosen, &err), STATUS_INVALID, "%s", models[i]);
        cr_assert_str_eq(err.param, "model");
    }
    Chosen name = { "/a", "b\nmodel = /c", "" }, template = { "/a", "", " llama2" };
    cr_assert_eq(chosen_check(&name, NULL), STATUS_INVALID);
    cr_assert_eq(chosen_check(&template, NULL), STATUS_INVALID);
}

Test(daemon_chosen, the_longest_value_fits_its_line) {
    char folder[] = "/tmp/fonte-chosen-XXXXXX", text[300];
    cr_assert_not_null(mkdtemp(folder));
    memset(text, 'x', sizeof text);
    text[0] = '/';
    size_t n = sizeof text - 1;
    for (text[n] = '\0'; chosen_check(&(Chosen){ text, "", "" }, NULL) != STATUS_OK; text[n] = '\0')
        n--;
    AUTO_BUF Buf path = BUF_NULL;
    Config *config = NULL;
    Chosen chosen = { text, text, text };
    cr_assert_eq(chosen_write(folder, &chosen, NULL), STATUS_OK);
    cr_assert_eq(chosen_path(folder, &path, NULL), STATUS_OK);
    Err err = { 0 };
    Status status = config_load_with(NULL, false, path.p, NULL, 0, &config, &err);
    cr_assert(status == STATUS_INVALID && strstr(err.text, "is too long"), "%s", err.text);
    chosen.name = chosen.template_name = "";
    cr_assert_eq(chosen_write(folder, &chosen, NULL), STATUS_OK);
    cr_assert_eq(config_load_with(NULL, false, path.p, NULL, 0, &config, &err), STATUS_OK, "%s",
                 err.text);
    cr_assert_str_eq(config->model, text);
    config_free(config);
    cr_assert_eq(chosen_remove(folder, NULL), STATUS_OK);
    rmdir(folder);
}
