/* A host that loads the library, uses it, and unloads it, again and again: its
 * threads are still there when dlclose() returns. Not linked to the library.
 *
 * usage: dlopen /path/to/libsvidex.so */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite/check.h"
#include "suite/emulator.h"

/* Cycles: with SVIDEX_LONG the full count. */
enum { REDUCED = 20, FULL = 50, SETTLED = 3 };

static const char *library;

typedef svidex_result (*new_from_env)(const svidex_config *, svidex_provider **, svidex_error **);
typedef svidex_result (*get)(const svidex_provider *, int64_t, svidex_token **, svidex_error **);
typedef svidex_result (*get_async)(const svidex_provider *, int64_t, svidex_token_callback, void *,
                                   svidex_operation **, svidex_error **);
typedef void (*free_token)(svidex_token *);
typedef void (*free_error)(svidex_error *);
typedef void (*free_provider)(svidex_provider *);

/* ISO C has no cast from dlsym's answer to a function pointer. */
static void find(void *handle, const char *name, void *function) {
    void *address = dlsym(handle, name);
    if (!CHECK(address != NULL)) {
        give_up();
    }
    memcpy(function, &address, sizeof address);
}

static int entries(const char *directory) {
    int count = 0;
    DIR *opened = opendir(directory);
    if (!CHECK(opened != NULL)) {
        give_up();
    }
    while (readdir(opened) != NULL) {
        count++;
    }
    closedir(opened);
    return count;
}

static free_token release_token;
static free_error release_error;

static void ignore(void *user_data, svidex_result result, svidex_token *token,
                   svidex_error *error) {
    (void)user_data;
    (void)result;
    release_token(token);
    release_error(error);
}

static void cycle(void) {
    new_from_env make;
    get access_token;
    get_async get_token_async;
    free_provider release_provider;
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!CHECK(handle != NULL)) {
        fprintf(stderr, "    %s\n", dlerror());
        give_up();
    }
    find(handle, "svidex_provider_new_from_env", &make);
    find(handle, "svidex_provider_access_token", &access_token);
    find(handle, "svidex_provider_get_token_async", &get_token_async);
    find(handle, "svidex_provider_free", &release_provider);
    find(handle, "svidex_token_free", &release_token);
    find(handle, "svidex_error_free", &release_error);

    svidex_provider *provider = NULL;
    svidex_token *token = NULL;
    CHECK(make(NULL, &provider, NULL) == SVIDEX_RESULT_OK);
    CHECK(access_token(provider, patience(30000), &token, NULL) == SVIDEX_RESULT_OK);
    release_token(token);
    /* One that is pending when the library goes. */
    svidex_provider *pending = NULL;
    CHECK(make(NULL, &pending, NULL) == SVIDEX_RESULT_OK);
    CHECK(get_token_async(pending, -1, ignore, NULL, NULL, NULL) == SVIDEX_RESULT_OK);
    release_provider(pending);
    release_provider(provider);
    CHECK(dlclose(handle) == 0);
}

static void test_open_use_close(void) {
    const int cycles = getenv("SVIDEX_LONG") != NULL ? FULL : REDUCED;
    int threads = 0;
    int descriptors = 0;
    emulator_reset();
    for (int i = 0; i < cycles; i++) {
        cycle();
        if (i == SETTLED) {
            threads = entries("/proc/self/task");
            descriptors = entries("/proc/self/fd");
        }
    }
    /* Those of the cycle that has just ended may still be on their way out. */
    CHECK(entries("/proc/self/task") <= threads + 2);
    CHECK(entries("/proc/self/fd") <= descriptors + 4);
    CHECK(emulator_counter("exchanges_ok") == cycles);
}

int main(int argc, char **argv) {
    static const test_case tests[] = {{"dlopen_use_dlclose", test_open_use_close}};
    if (argc != 2) {
        fprintf(stderr, "usage: dlopen /path/to/libsvidex.so\n");
        return 2;
    }
    library = argv[1];
    return run_tests(tests, COUNT_OF(tests), 1, argv);
}
