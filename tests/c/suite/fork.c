/* Children of fork() use what they inherit, and fetch for themselves. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

/* Exit statuses of a child: which step failed. */
enum {
    CHILD_OK,
    INHERITED_TOKEN_LOST,
    NO_ACCESS_TOKEN,
    NO_NEW_PROVIDER,
    FOREIGN_CALLBACK,
    NO_EVENT
};

/* Ends the child by becoming another program. What belongs to threads that only
 * the parent has is left alone in a child, and valgrind, which looks for leaks
 * at an exit, would call it lost. */
static void leave_child(int step) {
    char command[32];
    snprintf(command, sizeof command, "exit %d", step);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

static int access_token_fails(const svidex_provider *provider) {
    svidex_token *token = NULL;
    svidex_result result = svidex_provider_access_token(provider, patience(30000), &token, NULL);
    svidex_token_free(token);
    return result != SVIDEX_RESULT_OK;
}

static int new_provider_fails(void) {
    svidex_provider *provider = NULL;
    if (svidex_provider_new_from_env(NULL, &provider, NULL) != SVIDEX_RESULT_OK) {
        return 1;
    }
    int failed = access_token_fails(provider);
    svidex_provider_free(provider);
    return failed;
}

static int status_of_child(pid_t child) {
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

void test_fork_warm(void) {
    svidex_provider *provider = fresh_provider();
    svidex_token *parents = must_get(provider);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        svidex_token *token = NULL;
        if (svidex_provider_get_token(provider, 0, &token, NULL) != SVIDEX_RESULT_OK ||
            strcmp(svidex_token_value(token), svidex_token_value(parents)) != 0) {
            leave_child(INHERITED_TOKEN_LOST);
        }
        if (access_token_fails(provider)) {
            leave_child(NO_ACCESS_TOKEN);
        }
        svidex_provider_free(provider);
        leave_child(new_provider_fails() ? NO_NEW_PROVIDER : CHILD_OK);
    }
    CHECK(status_of_child(child) == CHILD_OK);
    CHECK(!access_token_fails(provider));
    svidex_token_free(parents);
    svidex_provider_free(provider);
}

void test_fork_in_first_fetch(void) {
    svidex_provider *provider = fresh_provider();
    inbox box;
    inbox_open(&box);
    svidex_operation *operation = NULL;
    svidex_error *error = NULL;
    emulator_hold("workload_api", true);
    CHECK_OK(svidex_provider_get_token_async(provider, patience(60000), inbox_receive, &box,
                                             &operation, &error),
             error);
    emulator_wait_at_barrier("workload_api", 1);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        if (access_token_fails(provider)) {
            leave_child(NO_ACCESS_TOKEN);
        }
        svidex_operation_cancel(operation);
        svidex_operation_free(operation);
        svidex_provider_free(provider);
        leave_child(box.count != 0 ? FOREIGN_CALLBACK : CHILD_OK);
    }
    /* The child's own fetch is at the barrier too. */
    emulator_wait_at_barrier("workload_api", 2);
    emulator_hold("workload_api", false);
    CHECK(status_of_child(child) == CHILD_OK);
    inbox_wait(&box, 1);
    CHECK(box.result == SVIDEX_RESULT_OK);
    svidex_operation_free(operation);
    svidex_provider_free(provider);
    inbox_close(&box);
}

void test_fork_with_an_observer(void) {
    journal book;
    journal_open(&book);
    svidex_provider *provider = fresh_provider();
    svidex_error *error = NULL;
    CHECK_OK(svidex_provider_observe(provider, journal_write, &book, journal_release, &error),
             error);
    svidex_token_free(must_get(provider));
    journal_find(&book, 0, SVIDEX_LEVEL_DEBUG, "subject_token_fetched");
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        /* Its own exchange goes to its own copy of the journal. */
        int failed = access_token_fails(provider);
        journal_find(&book, 1, SVIDEX_LEVEL_DEBUG, "access_token_exchanged");
        svidex_provider_free(provider);
        leave_child(failed ? NO_ACCESS_TOKEN : journal_count(&book) != 2 ? NO_EVENT : CHILD_OK);
    }
    CHECK(status_of_child(child) == CHILD_OK);
    CHECK(journal_count(&book) == 1 && journal_released(&book) == 0);
    svidex_provider_free(provider);
    journal_wait_released(&book);
    CHECK(journal_released(&book) == 1 && !book.too_early);
    journal_close(&book);
}
