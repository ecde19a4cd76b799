/* The machine is named by its processor and what it can compute with, since figures of different
 * kinds must not be compared. */
#include "cli/bench.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double bench_now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double bench_peak_mb(int pid) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", pid ? pid : (int)getpid());
    FILE *file = fopen(path, "re");
    double kb = 0;
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "VmHWM: %lf", &kb) == 1) break;
    }
    if (file) fclose(file);
    return kb / 1024;
}

double bench_cpu_s(int pid) {
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0) return 0;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void bench_add(BenchReport *report, const char *name, const char *unit, double value) {
    BenchFigure *f = NULL;
    for (int i = 0; i < report->n && !f; i++) {
        if (strcmp(report->figures[i].name, name) == 0) f = &report->figures[i];
    }
    if (!f) {
        if (report->n == BENCH_MAX_FIGURES) return;
        f = &report->figures[report->n++];
        *f = (BenchFigure){ .unit = unit };
        snprintf(f->name, sizeof f->name, "%s", name);
    }
    if (f->n < BENCH_MAX_REPEATS) f->values[f->n++] = value;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* "AMD EPYC, 2 processors, avx512f avx512_vnni" */
static void name_machine(char *out, size_t n) {
    static const char *const features[] = { "avx2", "avx512f", "avx512_vnni", "avx512_bf16",
                                            "amx_tile" };
    char line[8192], model[128] = "unknown processor";
    FILE *file = fopen("/proc/cpuinfo", "re");
    out[0] = '\0';
    char found[128] = "";
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, "model name", 10) == 0) sscanf(line, "model name : %127[^\n]", model);
        if (strncmp(line, "flags", 5) != 0) continue;
        for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
            char *at = strstr(line, features[i]);
            if (at && strlen(found) + strlen(features[i]) + 2 < sizeof found) {
                strcat(strcat(found, " "), features[i]);
            }
        }
        break;
    }
    if (file) fclose(file);
    snprintf(out, n, "%s, %ld processors,%s", model, sysconf(_SC_NPROCESSORS_ONLN), found);
}

static void print_json(const BenchReport *report, const char *machine) {
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "machine", machine);
    cJSON *figures = cJSON_AddObjectToObject(root, "figures");
    for (int i = 0; i < report->n; i++) {
        const BenchFigure *f = &report->figures[i];
        cJSON *o = cJSON_AddObjectToObject(figures, f->name);
        cJSON_AddNumberToObject(o, "median", f->values[f->n / 2]);
        cJSON_AddNumberToObject(o, "min", f->values[0]);
        cJSON_AddNumberToObject(o, "max", f->values[f->n - 1]);
        cJSON_AddStringToObject(o, "unit", f->unit);
    }
    char *text = cJSON_PrintUnformatted(root);
    puts(text ? text : "{}");
    free(text);
    cJSON_Delete(root);
}

void bench_add_quantiles(BenchReport *report, const char *name, const char *unit, double *values,
                         size_t n) {
    char full[48];
    if (n == 0) return;
    qsort(values, n, sizeof *values, compare);
    snprintf(full, sizeof full, "%s_p50", name);
    bench_add(report, full, unit, values[n / 2]);
    snprintf(full, sizeof full, "%s_p99", name);
    bench_add(report, full, unit, values[n - 1 - n / 100]);
}

void bench_print(BenchReport *report, bool json) {
    char machine[512];
    name_machine(machine, sizeof machine);
    for (int i = 0; i < report->n; i++) {
        BenchFigure *f = &report->figures[i];
        qsort(f->values, (size_t)f->n, sizeof *f->values, compare);
    }
    if (json) {
        print_json(report, machine);
        return;
    }
    printf("%s\n%-28s %12s %12s %12s\n", machine, "", "median", "min", "max");
    for (int i = 0; i < report->n; i++) {
        const BenchFigure *f = &report->figures[i];
        printf("%-28s %12.4g %12.4g %12.4g %s\n", f->name, f->values[f->n / 2], f->values[0],
               f->values[f->n - 1], f->unit);
    }
}
