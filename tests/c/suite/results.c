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

bool check_ok(svidex_result result, svidex_error *error, const char *what, const char *file,
              int line) {
    if (!check_that(result == SVIDEX_RESULT_OK && error == NULL, what, file, line)) {
        fprintf(stderr, "    %s: %s\n", svidex_result_name(result), svidex_error_message(error));
        return false;
    }
    return true;
}
