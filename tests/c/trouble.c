/* Calls while something else in the process or on the machine goes wrong: at limits, in
 * children that nobody was told of and, under tests/hangs/hangs.py, while files and names
 * hang. SVIDEX_LONG=1 for full counts and figures. */
#define _DEFAULT_SOURCE /* for syscall() and RLIMIT_NPROC */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "suite/check.h"
#include "suite/emulator.h"

/* Nobody else's, so that its threads are ours. */
enum { STRANGER = 54321, DEADLINE_MS = 1000 };

static bool is_long(void) {
    const char *value = getenv("SVIDEX_LONG");
    return value != NULL && strcmp(value, "1") == 0;
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static svidex_provider *provider_from(svidex_config *config) {
    svidex_provider *provider = NULL;
    svidex_error *error = NULL;
    svidex_result result = svidex_provider_new_from_env(config, &provider, &error);
    svidex_config_free(config);
    if (!CHECK_OK(result, error)) {
        give_up();
    }
    return provider;
}

static svidex_config *quick_config(void) {
    svidex_config *config = svidex_config_new();
    svidex_config_set_request_timeout_seconds(config, DEADLINE_MS / 2000.0);
    return config;
}

static svidex_provider *dead_provider(void) {
    svidex_config *config = quick_config();
    svidex_config_set_endpoint_socket(config, "unix:///nonexistent/agent.sock");
    return provider_from(config);
}

typedef struct {
    svidex_provider *provider;
    const char *words;
    int64_t took_ms;
    svidex_error *error;
    pthread_t thread;
} hung_call;

static void *call(void *data) {
    hung_call *self = (hung_call *)data;
    svidex_token *token = NULL;
    int64_t begun = now_ms();
    svidex_provider_access_token(self->provider, DEADLINE_MS, &token, &self->error);
    self->took_ms = now_ms() - begun;
    svidex_token_free(token);
    return NULL;
}

static void check_hung(hung_call *self) {
    if (!CHECK(self->took_ms < DEADLINE_MS + (is_long() ? 200 : 2000))) {
        fprintf(stderr, "%s: %d ms\n", self->words, (int)self->took_ms);
    }
    CHECK(svidex_error_is_retryable(self->error));
    if (!CHECK(strstr(svidex_error_message(self->error), self->words) != NULL)) {
        fprintf(stderr, "%s\n", svidex_error_message(self->error));
    }
    svidex_error_free(self->error);
}

static void block_for_ever(void *user_data, const svidex_event *event) {
    (void)user_data;
    (void)event;
    for (;;) {
        pause();
    }
}

static void block_in_a_call(void *user_data, svidex_result result, svidex_token *token,
                            svidex_error *error) {
    (void)result;
    svidex_token_free(token);
    svidex_error_free(error);
    block_for_ever(user_data, NULL);
}

static void test_while_files_and_names_hang(void) {
    const char *files = getenv("SVIDEX_HUNG_FILES");
    const char *name = getenv("SVIDEX_HUNG_NAME");
    enum { FILES = 6, NAMES = 5, ALL = FILES + NAMES + 2 };
    hung_call calls[ALL];
    char *paths = strdup(files);
    memset(calls, 0, sizeof calls);
    emulator_reset();

    svidex_provider *watched = dead_provider();
    CHECK(svidex_provider_observe(watched, block_for_ever, NULL, NULL, NULL) == SVIDEX_RESULT_OK);
    CHECK(svidex_provider_get_token_async(watched, 1, block_in_a_call, NULL, NULL, NULL) ==
          SVIDEX_RESULT_OK);

    char *rest = paths;
    for (int i = 0; i < ALL; i++) {
        svidex_config *config = quick_config();
        if (i < FILES) {
            svidex_config_set_identity_token_file(config, strtok_r(rest, ":", &rest));
            calls[i].words = "file system";
        } else if (i < FILES + NAMES) {
            char endpoint[128];
            snprintf(endpoint, sizeof endpoint, "https://%d.%s/token", i, name);
            svidex_config_set_token_endpoint(config, endpoint);
            calls[i].words = "looking up";
        } else if (i < ALL - 1) {
            svidex_config_set_ca_file(config, paths);
            calls[i].words = "file system";
        } else {
            svidex_config_set_endpoint_socket(config, "unix:///nonexistent/agent.sock");
            calls[i].words = "/nonexistent/agent.sock";
        }
        calls[i].provider = provider_from(config);
    }
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < ALL; i++) {
            REQUIRE(pthread_create(&calls[i].thread, NULL, call, &calls[i]) == 0);
        }
        for (int i = 0; i < ALL; i++) {
            pthread_join(calls[i].thread, NULL);
            check_hung(&calls[i]);
        }
    }
    /* They hang still, and nobody else minds. */
    svidex_provider *healthy = provider_from(NULL);
    svidex_token *token = NULL;
    svidex_error *error = NULL;
    CHECK_OK(svidex_provider_access_token(healthy, 30000, &token, &error), error);
    svidex_token_free(token);
    svidex_provider_free(healthy);
    svidex_provider_free(watched);
    for (int i = 0; i < ALL; i++) {
        svidex_provider_free(calls[i].provider);
    }
    free(paths);
}

static int descriptors(void) {
    int open = 0;
    for (int number = 0; number < 256; number++) {
        open += fcntl(number, F_GETFD) >= 0;
    }
    return open;
}

static void ignore(void *user_data, svidex_result result, svidex_token *token,
                   svidex_error *error) {
    (void)user_data;
    (void)result;
    svidex_token_free(token);
    svidex_error_free(error);
}

static void set_limit(int which, bool lifted, rlim_t soft) {
    struct rlimit limit;
    REQUIRE(getrlimit((__typeof__(RLIMIT_NOFILE))which, &limit) == 0);
    limit.rlim_cur = lifted ? limit.rlim_max : soft;
    REQUIRE(setrlimit((__typeof__(RLIMIT_NOFILE))which, &limit) == 0);
}

static bool is_scarce(svidex_result result, svidex_error *error, const char *words) {
    bool is_so = (result == SVIDEX_RESULT_SOURCE_UNAVAILABLE ||
                  result == SVIDEX_RESULT_EXCHANGE_UNAVAILABLE) &&
                 svidex_error_is_retryable(error) &&
                 strstr(svidex_error_message(error), words) != NULL;
    svidex_error_free(error);
    return is_so;
}

/* What a child at its limit exits with: 0, or the step that failed. */
static int calls_at_the_limit(const svidex_provider *provider, const char *words) {
    int rounds = is_long() ? 333 : 30;
    int before = descriptors();
    for (int i = 0; i < rounds; i++) {
        svidex_token *token = NULL;
        svidex_error *error = NULL;
        /* Once a try has failed, whoever waits is told why, however short the wait. */
        int64_t timeout_ms = i == 0 ? 3000 : 200;
        svidex_result result = svidex_provider_get_token(provider, timeout_ms, &token, &error);
        if (!is_scarce(result, error, words)) {
            return 10;
        }
        result = svidex_provider_access_token(provider, 0, &token, &error);
        if (!is_scarce(result, error, words)) {
            return 11;
        }
        /* Where there is a thread for the callback, the failure is its to hear. */
        result = svidex_provider_get_token_async(provider, 200, ignore, NULL, NULL, &error);
        if (result != SVIDEX_RESULT_OK && !is_scarce(result, error, words)) {
            return 12;
        }
    }
    return descriptors() == before ? 0 : 13;
}

/* Whoever it is, and whatever it does, it says nothing. */
static void check_child(pid_t child, FILE *said) {
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    if (!CHECK(WEXITSTATUS(status) == 0)) {
        fprintf(stderr, "at step %d\n", WEXITSTATUS(status));
    }
    if (said != NULL) {
        CHECK(fseek(said, 0, SEEK_END) == 0 && ftell(said) == 0);
        fclose(said);
    }
}

static void at_a_limit(int which, const char *words) {
    svidex_provider *provider = provider_from(NULL);
    FILE *said = tmpfile();
    REQUIRE(said != NULL);
    fflush(NULL);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(60);
        dup2(fileno(said), STDERR_FILENO);
        int lowest_free = dup(STDERR_FILENO);
        close(lowest_free);
        set_limit(which, false, which == RLIMIT_NOFILE ? (rlim_t)lowest_free : 0);
        if (which == RLIMIT_NPROC && setuid(STRANGER) != 0) {
            _exit(1);
        }
        int step = calls_at_the_limit(provider, words);
        set_limit(which, true, 0);
        svidex_token *token = NULL;
        svidex_result result = svidex_provider_access_token(provider, 30000, &token, NULL);
        _exit(step != 0 ? step : result == SVIDEX_RESULT_OK ? 0 : 14);
    }
    check_child(child, said);
    svidex_provider_free(provider);
}

static void test_at_the_limit_of_descriptors(void) {
    emulator_reset();
    at_a_limit(RLIMIT_NOFILE, "out of file descriptors");
}

/* The emulator's files, for a stranger too. */
static void open_to_all(const char *path) {
    char text[256];
    snprintf(text, sizeof text, "%s", path);
    CHECK(chmod(text, 0777) == 0);
    *strrchr(text, '/') = '\0';
    CHECK(chmod(text, 0755) == 0);
}

static void test_at_the_limit_of_threads(void) {
    emulator_reset();
    open_to_all(emulator_info("ca_file"));
    open_to_all(emulator_info("endpoint_socket") + strlen("unix://"));
    at_a_limit(RLIMIT_NPROC, "limit of threads");
}

/* As a library would that calls the kernel, and not fork(). */
static void test_in_a_child_that_nobody_was_told_of(void) {
    emulator_reset();
    svidex_provider *dead = dead_provider();
    svidex_provider *provider = provider_from(NULL);
    svidex_token *token = NULL;
    svidex_error *error = NULL;
    CHECK_OK(svidex_provider_get_token(provider, 30000, &token, &error), error);
    uint64_t generation = svidex_token_generation(token);
    svidex_token_free(token);
    CHECK(svidex_provider_get_token(dead, 200, &token, NULL) != SVIDEX_RESULT_OK);
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(60);
        int64_t begun = now_ms();
        int step = 0;
        if (svidex_provider_token_generation(provider) != generation) {
            step = 1;
        } else if (svidex_provider_get_token(dead, DEADLINE_MS, &token, NULL) == SVIDEX_RESULT_OK ||
                   now_ms() - begun > DEADLINE_MS + (is_long() ? 200 : 2000)) {
            step = 2;
        } else if (svidex_provider_access_token(provider, 30000, &token, NULL) !=
                   SVIDEX_RESULT_OK) {
            step = 3;
        }
        _exit(step);
    }
    check_child(child, NULL);
    svidex_provider_free(provider);
    svidex_provider_free(dead);
}

int main(int argc, char **argv) {
    test_case tests[4] = {
        {"in_a_child_that_nobody_was_told_of", test_in_a_child_that_nobody_was_told_of},
        {"at_the_limit_of_descriptors", test_at_the_limit_of_descriptors},
    };
    size_t count = 2;
    if (geteuid() == 0) {
        tests[count++] = (test_case){"at_the_limit_of_threads", test_at_the_limit_of_threads};
    } else {
        puts("skipped: root alone can become a user without threads");
    }
    if (getenv("SVIDEX_HUNG_FILES") != NULL) {
        tests[count++] = (test_case){"while_files_and_names_hang", test_while_files_and_names_hang};
    } else {
        puts("skipped: nothing can be made to hang here");
    }
    return run_tests(tests, count, argc, argv);
}
