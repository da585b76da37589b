#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool failed;
static const char *running;

bool check_that(bool holds, const char *what, const char *file, int line) {
    if (!holds) {
        failed = true;
        fprintf(stderr, "%s:%d: %s: not so: %s\n", file, line, running, what);
    }
    return holds;
}

void give_up(void) {
    printf("not ok %s\n", running);
    exit(1);
}

void check_text(const char *got, const char *expected, const char *what, const char *file,
                int line) {
    if (got == NULL || strcmp(got, expected) != 0) {
        check_that(false, what, file, line);
        fprintf(stderr, "    expected \"%s\", got \"%s\"\n", expected, got ? got : "(NULL)");
    }
}

bool looks_secret(const char *text) {
    /* How the base64url of a JOSE header begins, and the emulator's access tokens. */
    return strstr(text, "eyJ") != NULL || strstr(text, "canary") != NULL;
}

static bool wanted(const char *name, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            return true;
        }
    }
    return argc < 2;
}

int run_tests(const test_case *tests, size_t count, int argc, char **argv) {
    int status = 0;
    for (size_t i = 0; i < count; i++) {
        if (!wanted(tests[i].name, argc, argv)) {
            continue;
        }
        failed = false;
        running = tests[i].name;
        tests[i].run();
        printf("%s %s\n", failed ? "not ok" : "ok", running);
        fflush(stdout);
        status |= failed ? 1 : 0;
    }
    return status;
}

int64_t patience(int64_t milliseconds) {
    const char *factor = getenv("SVIDEX_TEST_PATIENCE");
    return factor ? milliseconds * atoi(factor) : milliseconds;
}
