/* What a host's log is told. */
#define _POSIX_C_SOURCE 200809L
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "suite.h"

static void observe(const svidex_provider *provider, journal *book) {
    svidex_error *error = NULL;
    CHECK_OK(svidex_provider_observe(provider, journal_write, book, journal_release, &error),
             error);
}

static void stop(const svidex_provider *provider) {
    svidex_error *error = NULL;
    CHECK_OK(svidex_provider_observe(provider, NULL, NULL, NULL, &error), error);
}

void test_event_names(void) {
    CHECK_TEXT(svidex_level_name(SVIDEX_LEVEL_DEBUG), "debug");
    CHECK_TEXT(svidex_level_name(SVIDEX_LEVEL_INFO), "info");
    CHECK_TEXT(svidex_level_name(SVIDEX_LEVEL_WARNING), "warning");
    CHECK_TEXT(svidex_level_name(SVIDEX_LEVEL_ERROR), "error");
    CHECK_TEXT(svidex_level_name((svidex_level)INT_MAX), "unknown");
    CHECK(SVIDEX_LEVEL_DEBUG < SVIDEX_LEVEL_INFO && SVIDEX_LEVEL_INFO < SVIDEX_LEVEL_WARNING &&
          SVIDEX_LEVEL_WARNING < SVIDEX_LEVEL_ERROR);

    CHECK(svidex_event_level(NULL) == SVIDEX_LEVEL_DEBUG);
    CHECK_TEXT(svidex_event_kind(NULL), "");
    CHECK_TEXT(svidex_event_message(NULL), "");
    CHECK(svidex_event_at_unix_ms(NULL) == 0);
    CHECK(svidex_event_dropped_before(NULL) == 0);
    CHECK(svidex_event_error(NULL) == NULL);
}

/* A refresh that fails shows while callers still get the token at hand. The
 * renewal of an SVID of six seconds is due after three: that long it takes. */
void test_events_of_a_renewal(void) {
    journal book;
    journal_open(&book);
    svidex_provider *provider = fresh_provider();
    emulator_settings("{\"svid_ttl_seconds\":6}");
    observe(provider, &book);
    CHECK(journal_count(&book) == 0);
    svidex_token *token = must_get(provider);
    const entry *first = journal_find(&book, 0, SVIDEX_LEVEL_DEBUG, "subject_token_fetched");
    CHECK(strstr(first->message, "fetched a JWT-SVID: ") != NULL);
    CHECK(first->result == SVIDEX_RESULT_OK);
    CHECK(llabs((long long)time(NULL) * 1000 - first->at_unix_ms) < patience(60000));

    emulator_fault("workload_api", "{\"grpc_code\":\"Unavailable\",\"times\":1}");
    const entry *failed = journal_find(&book, 1, SVIDEX_LEVEL_WARNING, "fetch_failed");
    CHECK(failed == &book.entries[1]);
    CHECK(failed->result == SVIDEX_RESULT_SOURCE_UNAVAILABLE);
    CHECK(strstr(failed->message, "failure 1 in a row") != NULL);
    const char *left = strstr(failed->message, "the held token ends in ");
    CHECK(left != NULL && atoi(left + strlen("the held token ends in ")) >= 1);
    CHECK(svidex_token_expires_at_unix_ms(token) - failed->at_unix_ms > 1000);
    CHECK(svidex_provider_token_generation(provider) == svidex_token_generation(token));

    const entry *recovered = journal_find(&book, 2, SVIDEX_LEVEL_INFO, "subject_token_fetched");
    CHECK(recovered == &book.entries[2]);
    CHECK(strstr(recovered->message, "after failures") != NULL);
    CHECK(recovered->at_unix_ms >= failed->at_unix_ms && failed->at_unix_ms > first->at_unix_ms);

    svidex_token_free(token);
    svidex_provider_free(provider);
    journal_wait_released(&book);
    CHECK(journal_released(&book) == 1 && !book.too_early && !book.in_caller);
    emulator_reset();
    journal_close(&book);
}

void test_events_of_failures(void) {
    journal book;
    journal_open(&book);
    svidex_provider *provider = fresh_provider();
    observe(provider, &book);
    emulator_fault("token_endpoint", "{\"oauth_error\":\"access_denied\",\"times\":1}");
    svidex_token *token = NULL;
    svidex_error *error = NULL;
    svidex_result result = svidex_provider_access_token(provider, -1, &token, &error);
    CHECK_FAILS(result, error, SVIDEX_RESULT_EXCHANGE_REJECTED, "access_denied");
    const entry *failed = journal_find(&book, 0, SVIDEX_LEVEL_ERROR, "exchange_failed");
    CHECK(failed->result == SVIDEX_RESULT_EXCHANGE_REJECTED && failed->http_status == 403);
    CHECK_TEXT(failed->oauth_code, "access_denied");
    CHECK(strstr(failed->message, "no usable token is held") != NULL);
    for (int i = 0; i < journal_count(&book); i++) {
        CHECK(!looks_secret(book.entries[i].message));
        CHECK(strchr(book.entries[i].message, '\n') == NULL);
    }
    /* Closing ends nothing but the work. */
    svidex_provider_close(provider);
    CHECK(journal_released(&book) == 0);
    svidex_provider_free(provider);
    journal_wait_released(&book);
    CHECK(!book.too_early);
    journal_close(&book);
}

void test_observers_are_released(void) {
    journal first, second;
    journal_open(&first);
    journal_open(&second);
    svidex_error *error = NULL;

    /* What was not taken is not released. */
    svidex_result result =
        svidex_provider_observe(NULL, journal_write, &first, journal_release, &error);
    CHECK_FAILS(result, error, SVIDEX_RESULT_INVALID_ARGUMENT, "provider");
    CHECK(journal_released(&first) == 0);

    /* Replaced, each is released within the call: no event is under way. */
    svidex_provider *provider = fresh_provider();
    observe(provider, &first);
    observe(provider, &second);
    CHECK(journal_released(&first) == 1 && journal_released(&second) == 0);
    svidex_token_free(must_get(provider));
    journal_find(&second, 0, SVIDEX_LEVEL_DEBUG, "subject_token_fetched");
    stop(provider);
    journal_wait_released(&second);
    CHECK(journal_count(&first) == 0 && journal_count(&second) == 1);

    /* Nobody listens now, and nobody is released again. */
    svidex_token_free(must_get_access(provider));
    stop(provider);
    /* Without a callback there is nothing to keep user_data for. */
    error = NULL;
    CHECK_OK(svidex_provider_observe(provider, NULL, &first, journal_release, &error), error);
    CHECK(journal_released(&first) == 2);
    /* Without a release, it is the caller's to know when. */
    CHECK_OK(svidex_provider_observe(provider, journal_write, &second, NULL, &error), error);
    stop(provider);
    svidex_provider_free(provider);
    CHECK(journal_released(&first) == 2 && journal_released(&second) == 1);
    CHECK(journal_count(&second) == 1 && !second.too_early);
    journal_close(&first);
    journal_close(&second);

    /* A provider that did nothing lets go within svidex_provider_free. */
    journal_open(&first);
    provider = provider_from(dead_config());
    observe(provider, &first);
    svidex_provider_free(provider);
    CHECK(journal_released(&first) == 1 && journal_count(&first) == 0);
    journal_close(&first);
}

typedef struct {
    journal book;
    journal next;
    svidex_provider *provider;
    svidex_result blocking;
    svidex_error *error;
    int released_inside;
} observer_inside;

static void write_and_call(void *user_data, const svidex_event *event) {
    observer_inside *self = (observer_inside *)user_data;
    svidex_token *token = NULL;
    self->blocking = svidex_provider_access_token(self->provider, -1, &token, &self->error);
    observe(self->provider, &self->next);
    svidex_provider_free(self->provider);
    self->released_inside = journal_released(&self->book);
    journal_write(&self->book, event);
}

static void release_outer(void *user_data) {
    journal_release(&((observer_inside *)user_data)->book);
}

void test_inside_an_observer(void) {
    observer_inside self;
    memset(&self, 0, sizeof self);
    journal_open(&self.book);
    journal_open(&self.next);
    self.provider = fresh_provider();
    svidex_error *error = NULL;
    CHECK_OK(svidex_provider_observe(self.provider, write_and_call, &self, release_outer, &error),
             error);
    svidex_token *token = NULL;
    CHECK(svidex_provider_get_token(self.provider, 0, &token, NULL) == SVIDEX_RESULT_NOT_READY);
    /* Replaced and its provider freed from inside, it is let go of when it has returned. */
    journal_wait_released(&self.book);
    journal_wait_released(&self.next);
    CHECK_FAILS(self.blocking, self.error, SVIDEX_RESULT_CALLED_FROM_CALLBACK, "callback");
    CHECK(self.released_inside == 0 && journal_released(&self.book) == 1);
    CHECK(journal_count(&self.book) == 1 && journal_count(&self.next) == 0);
    CHECK(!self.book.too_early && !self.book.in_caller);
    journal_close(&self.book);
    journal_close(&self.next);
}

typedef struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool leave;
    int told;
    uint64_t dropped[80]; /* right before each */
} blocked;

static void block(void *user_data, const svidex_event *event) {
    blocked *self = (blocked *)user_data;
    pthread_mutex_lock(&self->mutex);
    self->dropped[self->told++] = svidex_event_dropped_before(event);
    pthread_cond_broadcast(&self->changed);
    while (!self->leave) {
        pthread_cond_wait(&self->changed, &self->mutex);
    }
    pthread_mutex_unlock(&self->mutex);
}

static void wait_told(blocked *self, int count) {
    pthread_mutex_lock(&self->mutex);
    while (self->told < count) {
        pthread_cond_wait(&self->changed, &self->mutex);
    }
    pthread_mutex_unlock(&self->mutex);
}

/* A new SVID: one event. */
static void renew(const svidex_provider *provider) {
    svidex_token *token = must_get(provider);
    svidex_error *error = NULL;
    CHECK_OK(svidex_provider_invalidate(provider, svidex_token_value(token), &error), error);
    svidex_token_free(token);
    svidex_token_free(must_get(provider));
}

static void wait_fetched(const svidex_provider *provider, uint64_t count) {
    uint64_t fetched = 0;
    while (fetched < count) {
        svidex_status *status = NULL;
        svidex_error *error = NULL;
        CHECK_OK(svidex_provider_status(provider, &status, &error), error);
        fetched = svidex_status_fetches(status);
        svidex_status_free(status);
    }
}

/* It holds up no call and no renewal, and is told what it missed. */
void test_blocked_in_an_observer(void) {
    /* Its callback may still be on its way out when the test is over. */
    static blocked self;
    pthread_mutex_init(&self.mutex, NULL);
    pthread_cond_init(&self.changed, NULL);
    svidex_provider *provider = fresh_provider();
    emulator_settings("{\"svid_repeat\":false}");
    svidex_error *error = NULL;
    CHECK_OK(svidex_provider_observe(provider, block, &self, NULL, &error), error);
    svidex_token_free(must_get(provider));
    wait_told(&self, 1);
    for (int i = 0; i < 64 + 6; i++) {
        renew(provider);
    }
    /* Counted once it is told. */
    wait_fetched(provider, 1 + 64 + 6);
    pthread_mutex_lock(&self.mutex);
    CHECK(self.told == 1);
    self.leave = true;
    pthread_cond_broadcast(&self.changed);
    pthread_mutex_unlock(&self.mutex);
    wait_told(&self, 1 + 64);
    renew(provider);
    wait_told(&self, 1 + 64 + 1);
    for (int i = 0; i < 1 + 64; i++) {
        CHECK(self.dropped[i] == 0);
    }
    CHECK(self.dropped[65] == 6);
    svidex_provider_free(provider);
    emulator_reset();
}
