/* Checks, and a list of tests that counts them. */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "svidex.h"

/* A failed check marks the running test as failed; the test goes on. */
#define CHECK(condition) check_that((condition), #condition, __FILE__, __LINE__)

/* A failed precondition: nothing that follows would mean anything. */
#define REQUIRE(condition)                                                       \
    do {                                                                         \
        if (!check_that((condition), #condition, __FILE__, __LINE__)) give_up(); \
    } while (0)

#define CHECK_TEXT(got, expected) check_text((got), (expected), #got, __FILE__, __LINE__)

/* Checks a failure through and through, and frees its error. `words`: what the
 * message must contain. */
#define CHECK_FAILS(result, error, expected, words) \
    check_fails((result), (error), (expected), (words), __FILE__, __LINE__)

/* `result` may be the call that writes `error`: it is made before `error` is looked at. */
#define CHECK_OK(result, error) \
    (check_ended(result), check_ok((error), #result, __FILE__, __LINE__))

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

typedef struct {
    const char *name;
    void (*run)(void);
} test_case;

bool check_that(bool holds, const char *what, const char *file, int line);
void check_text(const char *got, const char *expected, const char *what, const char *file,
                int line);
void check_fails(svidex_result result, svidex_error *error, svidex_result expected,
                 const char *words, const char *file, int line);
void check_ended(svidex_result result);
bool check_ok(svidex_error *error, const char *what, const char *file, int line);
void give_up(void);

/* Whether `text` holds something that looks like a token: no message may. */
bool looks_secret(const char *text);

/* Runs the tests named on the command line, or all; prints `ok NAME` or
 * `not ok NAME` for each. Gives the exit status. */
int run_tests(const test_case *tests, size_t count, int argc, char **argv);

/* A deadline for what must first happen, in milliseconds: longer where the
 * machine is slow on purpose (SVIDEX_TEST_PATIENCE, a factor, under valgrind). */
int64_t patience(int64_t milliseconds);

#endif
