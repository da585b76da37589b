/* The checks that call svidex; apart, for programs that are not linked to it. */
#include <stdio.h>
#include <string.h>

#include "check.h"

void check_fails(svidex_result result, svidex_error *error, svidex_result expected,
                 const char *words, const char *file, int line) {
    const char *message = svidex_error_message(error);
    bool good = result == expected && error != NULL && svidex_error_result(error) == expected &&
                strstr(message, words) != NULL && strchr(message, '\n') == NULL &&
                !looks_secret(message);
    if (!check_that(good, svidex_result_name(expected), file, line)) {
        fprintf(stderr, "    expected words \"%s\", got %s: \"%s\"\n", words,
                svidex_result_name(result), message);
    }
    svidex_error_free(error);
}

static svidex_result ended;

void check_ended(svidex_result result) { ended = result; }

bool check_ok(svidex_error *error, const char *what, const char *file, int line) {
    if (!check_that(ended == SVIDEX_RESULT_OK && error == NULL, what, file, line)) {
        fprintf(stderr, "    %s: %s\n", svidex_result_name(ended), svidex_error_message(error));
        svidex_error_free(error);
        return false;
    }
    return true;
}
