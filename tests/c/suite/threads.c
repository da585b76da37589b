/* Threads that share handles, and threads that end. What must not happen here is a
 * crash: the sanitizer's and valgrind's runs of the suite see what a lucky one hides. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"

enum { THREADS = 8 };

/* Fewer where each takes longer. */
static int rounds(int count) {
    int64_t slowness = patience(1);
    return slowness > 1 ? (int)(count / slowness) + 1 : count;
}

static void must_start(pthread_t *thread, void *(*run)(void *), void *data) {
    REQUIRE(pthread_create(thread, NULL, run, data) == 0);
}

/* Each type, its references let go of in the order in which they came. */
void test_references(void) {
    CHECK(svidex_provider_retain(NULL) == NULL && svidex_token_retain(NULL) == NULL);
    CHECK(svidex_operation_retain(NULL) == NULL && svidex_error_retain(NULL) == NULL);
    CHECK(svidex_status_retain(NULL) == NULL && svidex_workload_identity_retain(NULL) == NULL);

    svidex_provider *provider = fresh_provider();
    CHECK(svidex_provider_retain(provider) == provider);
    svidex_token *token = must_get(provider);
    CHECK(svidex_token_retain(token) == token);
    svidex_token_free(token);
    svidex_provider_free(provider);
    /* Nothing is closed while somebody has a reference. */
    CHECK(svidex_provider_token_generation(provider) == svidex_token_generation(token));

    svidex_workload_identity *identity = NULL;
    svidex_error *error = NULL;
    CHECK_OK(svidex_provider_workload_identity(provider, &identity, &error), error);
    CHECK(svidex_workload_identity_retain(identity) == identity);
    svidex_workload_identity_free(identity);

    inbox box;
    inbox_open(&box);
    svidex_operation *operation = NULL;
    emulator_hold("token_endpoint", true);
    CHECK_OK(svidex_provider_access_token_async(provider, patience(60000), inbox_receive, &box,
                                                &operation, &error),
             error);
    emulator_wait_at_barrier("token_endpoint", 1);
    CHECK(svidex_operation_retain(operation) == operation);
    svidex_operation_free(operation);

    svidex_provider_free(provider);
    inbox_wait(&box, 1);
    CHECK(box.result == SVIDEX_RESULT_CLOSED);
    emulator_hold("token_endpoint", false);
    svidex_operation_cancel(operation);
    svidex_operation_free(operation);
    CHECK(svidex_error_retain(box.error) == box.error);
    svidex_error_free(box.error);
    CHECK(svidex_error_result(box.error) == SVIDEX_RESULT_CLOSED);
    CHECK(strncmp(svidex_token_value(token), "eyJ", 3) == 0);
    CHECK(svidex_workload_identity_refresh_buffer_seconds(identity) == 15);
    svidex_token_free(token);
    svidex_workload_identity_free(identity);
    inbox_close(&box);
}

typedef struct {
    journal book;
    svidex_error *kept; /* of the first event */
} keeper;

static void keep_error(void *user_data, const svidex_event *event) {
    keeper *self = (keeper *)user_data;
    if (self->kept == NULL) {
        self->kept = svidex_error_retain(svidex_event_error(event));
    }
    journal_write(&self->book, event);
}

static void release_keeper(void *user_data) { journal_release(&((keeper *)user_data)->book); }

/* Errors that are borrowed are kept by a reference of one's own. */
void test_borrowed_errors_are_retained(void) {
    svidex_provider *provider = provider_from(dead_config());
    keeper self;
    memset(&self, 0, sizeof self);
    journal_open(&self.book);
    svidex_error *error = NULL;
    CHECK_OK(svidex_provider_observe(provider, keep_error, &self, release_keeper, &error), error);
    svidex_token *token = NULL;
    svidex_result result = svidex_provider_get_token(provider, patience(300), &token, &error);
    CHECK_FAILS(result, error, SVIDEX_RESULT_SOURCE_UNAVAILABLE, "/nonexistent/agent.sock");

    svidex_status *status = NULL;
    CHECK_OK(svidex_provider_status(provider, &status, &error), error);
    CHECK(svidex_status_retain(status) == status);
    svidex_status_free(status);
    svidex_error *of_status = svidex_error_retain(svidex_status_last_error(status));
    CHECK(of_status == svidex_status_last_error(status));
    svidex_status_free(status);
    CHECK_FAILS(svidex_error_result(of_status), of_status, SVIDEX_RESULT_SOURCE_UNAVAILABLE, "");

    journal_find(&self.book, 0, SVIDEX_LEVEL_ERROR, "fetch_failed");
    svidex_provider_free(provider);
    journal_wait_released(&self.book);
    journal_close(&self.book);
    CHECK_FAILS(svidex_error_result(self.kept), self.kept, SVIDEX_RESULT_SOURCE_UNAVAILABLE, "");
}

/* How a provider that threads read is ended. */
typedef enum {
    CLOSED_THEN_FREED,
    FREED_THEN_CLOSED_BY_A_READER,
    CLOSED_AND_FREED_IN_A_CALLBACK,
    FREED_BY_ALL,
    ENDINGS
} ending;

typedef struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int readers; /* that have read a token */
    bool stop;   /* for those whom nobody else stops */
    bool close;  /* for one of them */
    int closed;  /* those who were told CLOSED */
    int failed;  /* those who were told anything else */
    svidex_provider *main_reference;
    int let_go; /* of the main reference, by a callback */
} crowd;

typedef struct {
    crowd *in;
    svidex_provider *provider; /* a reference of its own */
    int turn;
} reader;

static void note(crowd *all, int *count) {
    pthread_mutex_lock(&all->mutex);
    ++*count;
    pthread_cond_broadcast(&all->changed);
    pthread_mutex_unlock(&all->mutex);
}

/* Takes the order to stop, or alone the order to close, and obeys. */
static bool is_told_to_stop(reader *self) {
    pthread_mutex_lock(&self->in->mutex);
    bool stop = self->in->stop;
    bool close = self->in->close;
    self->in->close = false;
    pthread_mutex_unlock(&self->in->mutex);
    if (close) {
        svidex_provider_close(self->provider);
    }
    return stop;
}

static svidex_result read_once(const reader *self) {
    svidex_token *token = NULL;
    svidex_error *error = NULL;
    svidex_result result;
    switch (self->turn % 4) {
        case 0:
            result = svidex_provider_get_token(self->provider, patience(60000), &token, &error);
            break;
        case 1:
            result = svidex_provider_access_token(self->provider, patience(60000), &token, &error);
            break;
        case 2:
            result = svidex_provider_access_token(self->provider, 0, &token, &error);
            break;
        default:
            result = svidex_provider_get_token(self->provider, 0, &token, &error);
            svidex_provider_token_generation(self->provider);
    }
    svidex_error_free(error);
    svidex_token_free(token);
    return result;
}

static void *read_until_closed(void *data) {
    reader *self = (reader *)data;
    svidex_result result = SVIDEX_RESULT_OK;
    bool has_read = false;
    while (!is_told_to_stop(self)) {
        result = read_once(self);
        if (result == SVIDEX_RESULT_OK && !has_read) {
            has_read = true;
            note(self->in, &self->in->readers);
        } else if (result != SVIDEX_RESULT_OK && result != SVIDEX_RESULT_NOT_READY) {
            break;
        }
        self->turn++;
    }
    svidex_provider_free(self->provider);
    if (result == SVIDEX_RESULT_CLOSED) {
        note(self->in, &self->in->closed);
    } else if (result != SVIDEX_RESULT_OK && result != SVIDEX_RESULT_NOT_READY) {
        note(self->in, &self->in->failed);
    }
    return NULL;
}

static void close_and_free(void *user_data, svidex_result result, svidex_token *token,
                           svidex_error *error) {
    crowd *all = (crowd *)user_data;
    (void)result;
    svidex_provider_close(all->main_reference);
    svidex_provider_free(all->main_reference);
    svidex_token_free(token);
    svidex_error_free(error);
    note(all, &all->let_go);
}

static void end_while_read(ending how) {
    crowd all;
    reader readers[THREADS];
    pthread_t threads[THREADS];
    memset(&all, 0, sizeof all);
    pthread_mutex_init(&all.mutex, NULL);
    pthread_cond_init(&all.changed, NULL);
    svidex_provider *provider = provider_from(NULL);
    all.main_reference = provider;
    for (int i = 0; i < THREADS; i++) {
        readers[i].in = &all;
        readers[i].provider = svidex_provider_retain(provider);
        readers[i].turn = i;
        must_start(&threads[i], read_until_closed, &readers[i]);
    }
    /* The odd ones of them in the midst of their first read, and others in later ones. */
    pthread_mutex_lock(&all.mutex);
    while (all.readers < THREADS / 2) {
        pthread_cond_wait(&all.changed, &all.mutex);
    }
    all.close = how == FREED_THEN_CLOSED_BY_A_READER;
    all.stop = how == FREED_BY_ALL;
    pthread_mutex_unlock(&all.mutex);
    switch (how) {
        case CLOSED_THEN_FREED:
            svidex_provider_close(provider);
            svidex_provider_free(provider);
            break;
        case CLOSED_AND_FREED_IN_A_CALLBACK:
            CHECK(svidex_provider_get_token_async(provider, -1, close_and_free, &all, NULL, NULL) ==
                  SVIDEX_RESULT_OK);
            break;
        default:
            svidex_provider_free(provider);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    /* The callback may be the last to be done. */
    pthread_mutex_lock(&all.mutex);
    while (how == CLOSED_AND_FREED_IN_A_CALLBACK && all.let_go == 0) {
        pthread_cond_wait(&all.changed, &all.mutex);
    }
    pthread_mutex_unlock(&all.mutex);
    CHECK(all.failed == 0 && all.closed == (how == FREED_BY_ALL ? 0 : THREADS));
    pthread_cond_destroy(&all.changed);
    pthread_mutex_destroy(&all.mutex);
}

void test_ended_while_threads_read(void) {
    emulator_reset();
    for (int i = 0; i < rounds(20); i++) {
        for (int how = 0; how < ENDINGS; how++) {
            end_while_read((ending)how);
        }
    }
}

typedef struct {
    svidex_provider *provider;
    pthread_barrier_t *together;
    int64_t timeout_ms;
    svidex_result result;
} entering;

static void *enter_a_call(void *data) {
    entering *self = (entering *)data;
    svidex_token *token = NULL;
    svidex_error *error = NULL;
    pthread_barrier_wait(self->together);
    self->result = svidex_provider_get_token(self->provider, self->timeout_ms, &token, &error);
    svidex_error_free(error);
    svidex_provider_free(self->provider);
    return NULL;
}

/* A call that begins at the very moment when another thread lets go. */
void test_freed_while_a_call_begins(void) {
    pthread_barrier_t together;
    REQUIRE(pthread_barrier_init(&together, NULL, 2) == 0);
    for (int i = 0; i < rounds(400); i++) {
        bool closes = i % 2 == 0;
        svidex_provider *provider = provider_from(dead_config());
        entering self = {svidex_provider_retain(provider), &together, closes ? patience(60000) : 1,
                         SVIDEX_RESULT_OK};
        pthread_t thread;
        must_start(&thread, enter_a_call, &self);
        pthread_barrier_wait(&together);
        if (closes) {
            svidex_provider_close(provider);
        }
        svidex_provider_free(provider);
        pthread_join(thread, NULL);
        CHECK(closes ? self.result == SVIDEX_RESULT_CLOSED
                     : self.result == SVIDEX_RESULT_SOURCE_UNAVAILABLE ||
                           self.result == SVIDEX_RESULT_TIMEOUT);
    }
    pthread_barrier_destroy(&together);
}

typedef struct {
    inbox box;
    svidex_provider *provider;
} sole_owner;

static void free_the_provider(void *user_data, svidex_result result, svidex_token *token,
                              svidex_error *error) {
    sole_owner *self = (sole_owner *)user_data;
    svidex_provider_free(self->provider);
    inbox_receive(&self->box, result, token, error);
}

/* The callback may come, and free the last reference, before the call that has
 * started it returns. */
void test_freed_by_its_callback(void) {
    sole_owner self;
    inbox_open(&self.box);
    int calls = rounds(200);
    for (int i = 0; i < calls; i++) {
        svidex_error *error = NULL;
        svidex_operation *operation = NULL;
        self.provider = provider_from(dead_config());
        CHECK_OK(svidex_provider_get_token_async(self.provider, 1, free_the_provider, &self,
                                                 &operation, &error),
                 error);
        inbox_wait(&self.box, i + 1);
        svidex_operation_free(operation);
    }
    CHECK(self.box.succeeded == 0 && !self.box.in_caller);
    inbox_close(&self.box);
}

static void *cancel_and_free(void *data) {
    svidex_operation *operation = (svidex_operation *)data;
    svidex_operation_cancel(operation);
    svidex_operation_free(operation);
    return NULL;
}

void test_threads_share_an_operation(void) {
    svidex_provider *provider = fresh_provider();
    inbox box;
    inbox_open(&box);
    emulator_hold("workload_api", true);
    int calls = rounds(50);
    for (int i = 0; i < calls; i++) {
        svidex_operation *operation = NULL;
        svidex_error *error = NULL;
        CHECK_OK(svidex_provider_get_token_async(provider, patience(60000), inbox_receive, &box,
                                                 &operation, &error),
                 error);
        pthread_t threads[2];
        for (int t = 0; t < 2; t++) {
            must_start(&threads[t], cancel_and_free, svidex_operation_retain(operation));
        }
        svidex_operation_free(operation);
        for (int t = 0; t < 2; t++) {
            pthread_join(threads[t], NULL);
        }
    }
    inbox_wait(&box, calls);
    CHECK(box.cancelled == calls);
    emulator_hold("workload_api", false);
    svidex_provider_free(provider);
    inbox_close(&box);
}

static void *read_and_free_token(void *data) {
    svidex_token *token = (svidex_token *)data;
    bool whole = strlen(svidex_token_value(token)) == svidex_token_length(token);
    svidex_token_free(token);
    return whole ? NULL : data;
}

void test_threads_share_a_token(void) {
    svidex_provider *provider = fresh_provider();
    svidex_token *token = must_get(provider);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        must_start(&threads[i], read_and_free_token, svidex_token_retain(token));
    }
    svidex_provider_free(provider);
    svidex_token_free(token);
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        CHECK(failed == NULL);
    }
}

/* A thread's last words: of all that runs as it ends, destructors of keys are the
 * last, when what a library keeps for the thread may be gone. They go round several
 * times; a library's own may be among them, and in any of the rounds. */
typedef struct {
    svidex_provider *provider;
    bool reads_before;
    uint64_t generation; /* of the token that is there to be read */
    int round;
    int failures;
    pthread_key_t key;
} late_reader;

enum { EXIT_ROUNDS = 4 }; /* as many as POSIX promises: _POSIX_THREAD_DESTRUCTOR_ITERATIONS */

static void read_late(void *data) {
    late_reader *self = (late_reader *)data;
    const int64_t timeouts[] = {0, -1, 30000};
    for (size_t i = 0; i < COUNT_OF(timeouts); i++) {
        svidex_token *token = NULL;
        if (svidex_provider_get_token(self->provider, timeouts[i], &token, NULL) !=
                SVIDEX_RESULT_OK ||
            svidex_token_generation(token) != self->generation) {
            self->failures++;
        }
        svidex_token_free(token);
    }
    if (svidex_provider_token_generation(self->provider) != self->generation) {
        self->failures++;
    }
    if (++self->round < EXIT_ROUNDS) {
        pthread_setspecific(self->key, self);
    }
}

static void *end_with_a_read(void *data) {
    late_reader *self = (late_reader *)data;
    if (self->reads_before) {
        svidex_token_free(must_get(self->provider));
        svidex_provider_token_generation(self->provider);
    }
    pthread_setspecific(self->key, self);
    return NULL;
}

void test_thread_reads_as_it_ends(void) {
    svidex_provider *provider = fresh_provider();
    svidex_token *token = must_get(provider);
    FILE *printed = tmpfile();
    REQUIRE(printed != NULL);
    fflush(stderr);
    int kept = dup(STDERR_FILENO);
    REQUIRE(kept >= 0 && dup2(fileno(printed), STDERR_FILENO) >= 0);
    late_reader readers[2];
    memset(readers, 0, sizeof readers);
    for (int i = 0; i < 2; i++) {
        readers[i].provider = provider;
        readers[i].reads_before = i == 1;
        readers[i].generation = svidex_token_generation(token);
        pthread_t thread;
        REQUIRE(pthread_key_create(&readers[i].key, read_late) == 0);
        must_start(&thread, end_with_a_read, &readers[i]);
        pthread_join(thread, NULL);
        pthread_key_delete(readers[i].key);
    }
    dup2(kept, STDERR_FILENO);
    close(kept);
    CHECK(lseek(fileno(printed), 0, SEEK_END) == 0);
    fclose(printed);
    for (int i = 0; i < 2; i++) {
        CHECK(readers[i].round == EXIT_ROUNDS && readers[i].failures == 0);
    }
    svidex_token_free(token);
    svidex_provider_free(provider);
}
