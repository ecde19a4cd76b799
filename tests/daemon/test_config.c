#include "daemon/config.h"

#include "base/file.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>

static Status load_one(const char *setting, Config **ret, Err *err) {
    return config_load(NULL, false, &setting, 1, ret, err);
}

Test(daemon_config, reads_units) {
    const char *settings[] = { "limits.body_size=2M", "limits.idle_time=1500ms",
                               "limits.request_time=2min", "answer.min_confidence=0.25",
                               "server.socket_mode=0600" };
    Config *config = NULL;
    cr_assert_eq(config_load(NULL, false, settings, N_ELEMENTS(settings), &config, NULL),
                 STATUS_OK);
    cr_assert_eq(config->body_bytes, (size_t)2 << 20);
    cr_assert_eq(config->idle_us, 1500000);
    cr_assert_eq(config->request_us, 120000000);
    cr_assert_float_eq(config->min_confidence, 0.25, 1e-12);
    cr_assert_eq(config->socket_mode, 0600);
    config_free(config);
}

Test(daemon_config, takes_loopback_addresses_only) {
    static const struct {
        const char *setting;
        int family;
        unsigned port;
    } good[] = { { "tcp.listen=", 0, 0 },
                 { "tcp.listen=127.0.0.1:80", AF_INET, 80 },
                 { "tcp.listen=[::1]:65535", AF_INET6, 65535 } };
    for (size_t i = 0; i < N_ELEMENTS(good); i++) {
        Config *config = NULL;
        cr_assert_eq(load_one(good[i].setting, &config, NULL), STATUS_OK, "%s", good[i].setting);
        cr_assert_eq(config->tcp_listen.family, good[i].family);
        cr_assert_eq(config->tcp_listen.port, good[i].port);
        config_free(config);
    }
    static const char *const bad[] = {
        "0.0.0.0:80",    "127.0.0.2:80",    "[::]:80",       "localhost:80",   "127.0.0.1",
        "127.0.0.1:",    "127.0.0.1:65536", "127.0.0.1:1e3", "127.0.0.1:80.0", "127.0.0.1:80:80",
        "127.0.0.1: 80", "[::1]:-1",        "[::1%lo]:80"
    };
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        char setting[64];
        snprintf(setting, sizeof setting, "tcp.listen=%s", bad[i]);
        Config *config = NULL;
        Err err = { 0 };
        cr_assert_eq(load_one(setting, &config, &err), STATUS_INVALID, "%s", setting);
        cr_assert_str_eq(err.param, "listen");
    }
}

Test(daemon_config, every_default_is_within_its_limits) {
    Config *config = NULL;
    Err err = { 0 };
    cr_assert_eq(config_load(NULL, false, NULL, 0, &config, &err), STATUS_OK, "%s", err.text);
    config_free(config);
}

Test(daemon_config, refuses_bad_values_and_names_the_key) {
    static const char *const bad[] = {
        "limits.body_size=",    "limits.body_size=-1", "limits.body_size=1e400",
        "limits.idle_time=nan", "limits.list=1.5",     "limits.list=0x10",
        "limits.list=99999999", "server.log_level=",   "server.socket_mode=8",
        "nosection.key=1",      "limits.nokey=1",      "nodot=1",
        "limits.list",          "collection.A.read=*", "collection.a.colour=*",
    };
    for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
        Config *config = NULL;
        Err err = { 0 };
        cr_assert_eq(load_one(bad[i], &config, &err), STATUS_INVALID, "%s", bad[i]);
        cr_assert_neq(err.param[0], '\0', "%s", bad[i]);
    }
}

Test(daemon_config, says_which_changes_need_a_restart) {
    const char *settings[] = { "server.threads=7", "limits.list=5" };
    Config *before = NULL, *after = NULL;
    cr_assert_eq(config_load(NULL, false, NULL, 0, &before, NULL), STATUS_OK);
    cr_assert_eq(config_load(NULL, false, settings, 2, &after, NULL), STATUS_OK);
    AUTO_BUF Buf names = BUF_NULL;
    config_need_restart(before, after, &names);
    cr_assert_str_eq(names.p, "server.threads");
    config_free(before);
    config_free(after);
}

Test(daemon_config, the_manual_has_every_key_with_its_default) {
    AUTO_BUF Buf path = BUF_NULL, page = BUF_NULL;
    const char *docs = getenv("FONTE_DOCS");
    cr_assert_not_null(docs);
    buf_printf(&path, "%s/man/fonted.conf.5", docs);
    cr_assert_eq(file_read(path.p, 1 << 20, &page, NULL), STATUS_OK);
    for (size_t i = 0; i < config_n_keys; i++) {
        const ConfigKey *key = &config_keys[i];
        char line[256];
        snprintf(line, sizeof line, ".B %s.%s\n(%s%s%s%s)\n", key->section, key->name,
                 config_type_name(key->type), *key->fallback ? ", default " : "", key->fallback,
                 key->reloads ? ", reload" : "");
        cr_assert_not_null(strstr(page.p, line), "fonted.conf.5 does not have: %s", line);
    }
}
