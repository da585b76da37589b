/* Calls that end in a callback. That something is pending is made sure of with
 * the emulator's barrier, never by a sleep. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

static svidex_operation *start(const svidex_provider *provider, inbox *box) {
    svidex_operation *operation = NULL;
    svidex_error *error = NULL;
    svidex_result result = svidex_provider_get_token_async(provider, patience(60000), inbox_receive,
                                                           box, &operation, &error);
    REQUIRE(CHECK_OK(result, error));
    REQUIRE(operation != NULL);
    return operation;
}

void test_async(void) {
    svidex_provider *provider = fresh_provider();
    inbox box;
    inbox_open(&box);
    svidex_operation *operation = start(provider, &box);
    inbox_wait(&box, 1);
    CHECK(box.result == SVIDEX_RESULT_OK && box.error == NULL);
    CHECK(!svidex_token_is_access_token(box.token));
    svidex_operation_cancel(operation); /* too late, and no harm */
    svidex_operation_free(operation);

    /* Without an operation, with the provider's own timeout; warm now. */
    svidex_error *error = NULL;
    CHECK_OK(svidex_provider_access_token_async(provider, -1, inbox_receive, &box, NULL, &error),
             error);
    inbox_wait(&box, 2);
    CHECK(svidex_token_is_access_token(box.token));
    CHECK_OK(svidex_provider_access_token_async(provider, -1, inbox_receive, &box, NULL, &error),
             error);
    inbox_wait(&box, 3);
    CHECK(box.succeeded == 3 && !box.in_caller);
    CHECK(emulator_counter("fetch_jwt_svid") == 1 && emulator_counter("exchanges") == 1);
    svidex_provider_free(provider);
    CHECK(inbox_count(&box) == 3);
    inbox_close(&box);
}

void test_async_never_inline(void) {
    svidex_provider *provider = fresh_provider();
    inbox box;
    inbox_open(&box);
    emulator_hold("workload_api", true);
    svidex_operation *operation = start(provider, &box);
    emulator_wait_at_barrier("workload_api", 1);
    CHECK(inbox_count(&box) == 0);
    /* Freeing the operation cancels nothing. */
    svidex_operation_free(operation);
    emulator_hold("workload_api", false);
    inbox_wait(&box, 1);
    CHECK(box.result == SVIDEX_RESULT_OK && !box.in_caller);
    /* What is there already still comes on another thread. */
    for (int i = 0; i < 100; i++) {
        svidex_operation_free(start(provider, &box));
    }
    inbox_wait(&box, 101);
    CHECK(box.succeeded == 101 && !box.in_caller);
    svidex_provider_free(provider);
    inbox_close(&box);
}

void test_async_failure(void) {
    svidex_provider *provider = fresh_provider();
    emulator_fault("token_endpoint", "{\"oauth_error\":\"invalid_request\"}");
    inbox box;
    inbox_open(&box);
    svidex_error *error = NULL;
    CHECK_OK(svidex_provider_access_token_async(provider, -1, inbox_receive, &box, NULL, &error),
             error);
    inbox_wait(&box, 1);
    CHECK(box.token == NULL && svidex_error_http_status(box.error) == 400);
    CHECK_FAILS(box.result, box.error, SVIDEX_RESULT_EXCHANGE_REJECTED, "invalid_request");
    box.error = NULL;
    svidex_provider_free(provider);

    /* A deadline of its own. */
    provider = fresh_provider();
    emulator_hold("workload_api", true);
    CHECK_OK(svidex_provider_get_token_async(provider, 50, inbox_receive, &box, NULL, &error),
             error);
    inbox_wait(&box, 2);
    CHECK_FAILS(box.result, box.error, SVIDEX_RESULT_TIMEOUT, "0.05 s");
    box.error = NULL;
    emulator_hold("workload_api", false);

    svidex_provider_close(provider);
    CHECK_OK(svidex_provider_get_token_async(provider, -1, inbox_receive, &box, NULL, &error),
             error);
    inbox_wait(&box, 3);
    CHECK_FAILS(box.result, box.error, SVIDEX_RESULT_CLOSED, "closed");
    box.error = NULL;
    CHECK(!box.in_caller);
    svidex_provider_free(provider);
    inbox_close(&box);
}

void test_async_refusals(void) {
    svidex_provider *provider = provider_from(dead_config());
    inbox box;
    inbox_open(&box);
    svidex_operation *operation = NULL;
    svidex_error *error = NULL;
    svidex_result result =
        svidex_provider_get_token_async(provider, 0, inbox_receive, &box, &operation, &error);
    CHECK_FAILS(result, error, SVIDEX_RESULT_INVALID_ARGUMENT, "timeout_ms");
    error = NULL;
    result =
        svidex_provider_access_token_async(provider, 0, inbox_receive, &box, &operation, &error);
    CHECK_FAILS(result, error, SVIDEX_RESULT_INVALID_ARGUMENT, "timeout_ms");
    CHECK(operation == NULL);
    svidex_provider_free(provider);
    /* A refused call has no callback. */
    CHECK(inbox_count(&box) == 0);
    inbox_close(&box);
}

void test_cancel(void) {
    svidex_provider *provider = fresh_provider();
    inbox cancelled, kept;
    inbox_open(&cancelled);
    inbox_open(&kept);
    emulator_hold("workload_api", true);
    svidex_operation *first = start(provider, &cancelled);
    svidex_operation *second = start(provider, &kept);
    emulator_wait_at_barrier("workload_api", 1);
    svidex_operation_cancel(first);
    inbox_wait(&cancelled, 1);
    CHECK_FAILS(cancelled.result, cancelled.error, SVIDEX_RESULT_CANCELLED, "cancelled");
    cancelled.error = NULL;
    svidex_operation_cancel(first);
    svidex_operation_free(first);
    CHECK(inbox_count(&kept) == 0);
    emulator_hold("workload_api", false);
    inbox_wait(&kept, 1);
    CHECK(kept.result == SVIDEX_RESULT_OK);
    svidex_operation_free(second);
    CHECK(emulator_counter("fetch_jwt_svid") == 1);
    svidex_provider_free(provider);
    CHECK(inbox_count(&cancelled) == 1 && inbox_count(&kept) == 1);
    inbox_close(&cancelled);
    inbox_close(&kept);
}

void test_free_while_pending(void) {
    enum { PENDING = 100 };
    svidex_provider *provider = fresh_provider();
    inbox box;
    inbox_open(&box);
    svidex_operation *operations[PENDING];
    emulator_hold("workload_api", true);
    for (int i = 0; i < PENDING; i++) {
        operations[i] = start(provider, &box);
    }
    emulator_wait_at_barrier("workload_api", 1);
    CHECK(inbox_count(&box) == 0);
    svidex_provider_free(provider);
    /* The fetch still hangs at the barrier: nobody waited for it. */
    inbox_wait(&box, PENDING);
    CHECK(box.closed == PENDING && !box.in_caller);
    emulator_hold("workload_api", false);
    for (int i = 0; i < PENDING; i++) {
        svidex_operation_cancel(operations[i]);
        svidex_operation_free(operations[i]);
    }
    CHECK(inbox_count(&box) == PENDING);
    inbox_close(&box);
}

typedef struct {
    svidex_provider *provider;
    svidex_result result;
    svidex_error *error;
} waiting_thread;

static void *wait_for_token(void *data) {
    waiting_thread *self = (waiting_thread *)data;
    svidex_token *token = NULL;
    self->result = svidex_provider_get_token(self->provider, patience(60000), &token, &self->error);
    svidex_token_free(token);
    return NULL;
}

void test_free_while_threads_wait(void) {
    svidex_provider *provider = fresh_provider();
    waiting_thread self = {provider, SVIDEX_RESULT_OK, NULL};
    pthread_t thread;
    emulator_hold("workload_api", true);
    REQUIRE(pthread_create(&thread, NULL, wait_for_token, &self) == 0);
    /* Its fetch is at the barrier, so the thread is inside the call. */
    emulator_wait_at_barrier("workload_api", 1);
    svidex_provider_free(provider);
    pthread_join(thread, NULL);
    CHECK_FAILS(self.result, self.error, SVIDEX_RESULT_CLOSED, "closed");
    emulator_hold("workload_api", false);
}

typedef struct {
    inbox box;
    inbox nested;
    svidex_provider *provider;
    svidex_result blocking;
    svidex_result without_waiting;
    svidex_error *error;
} from_inside;

static void receive_and_call(void *user_data, svidex_result result, svidex_token *token,
                             svidex_error *error) {
    from_inside *self = (from_inside *)user_data;
    svidex_token *another = NULL;
    self->blocking = svidex_provider_get_token(self->provider, -1, &another, &self->error);
    self->without_waiting = svidex_provider_get_token(self->provider, 0, &another, NULL);
    svidex_token_free(another);
    svidex_provider_access_token_async(self->provider, -1, inbox_receive, &self->nested, NULL,
                                       NULL);
    svidex_provider_free(self->provider);
    inbox_receive(&self->box, result, token, error);
}

void test_inside_a_callback(void) {
    from_inside self;
    memset(&self, 0, sizeof self);
    inbox_open(&self.box);
    inbox_open(&self.nested);
    self.provider = fresh_provider();
    svidex_error *error = NULL;
    CHECK_OK(
        svidex_provider_get_token_async(self.provider, -1, receive_and_call, &self, NULL, &error),
        error);
    inbox_wait(&self.box, 1);
    CHECK(self.box.result == SVIDEX_RESULT_OK);
    CHECK_FAILS(self.blocking, self.error, SVIDEX_RESULT_CALLED_FROM_CALLBACK, "callback");
    CHECK(self.without_waiting == SVIDEX_RESULT_OK);
    /* Started inside, and its provider freed inside. */
    inbox_wait(&self.nested, 1);
    CHECK(self.nested.result == SVIDEX_RESULT_CLOSED);
    inbox_close(&self.box);
    inbox_close(&self.nested);
}

enum { CROWD = 1000, CANCELLED = 501 };

/* A thousand cold calls for the access token, all of them in flight. */
static void gather(const svidex_provider *provider, inbox *box, svidex_operation **operations) {
    inbox_open(box);
    emulator_hold("workload_api", true);
    for (int i = 0; i < CROWD; i++) {
        svidex_error *error = NULL;
        CHECK_OK(svidex_provider_access_token_async(provider, patience(60000), inbox_receive, box,
                                                    &operations[i], &error),
                 error);
    }
    emulator_wait_at_barrier("workload_api", 1);
    CHECK(inbox_count(box) == 0);
}

static void part(inbox *box, svidex_operation **operations) {
    for (int i = 0; i < CROWD; i++) {
        svidex_operation_free(operations[i]);
    }
    CHECK(inbox_count(box) == CROWD && !box->in_caller);
    CHECK(emulator_counter("fetch_jwt_svid") == 1);
    CHECK(emulator_counter("exchanges") == 1);
    inbox_close(box);
}

void test_crowd_is_one_flight(void) {
    static svidex_operation *operations[CROWD];
    svidex_provider *provider = fresh_provider();
    inbox box;
    gather(provider, &box, operations);
    emulator_hold("workload_api", false);
    inbox_wait(&box, CROWD);
    CHECK(box.succeeded == CROWD);
    svidex_provider_free(provider);
    part(&box, operations);
}

void test_cancelling_half_a_crowd(void) {
    static svidex_operation *operations[CROWD];
    svidex_provider *provider = fresh_provider();
    inbox box;
    gather(provider, &box, operations);
    for (int i = 0; i < CANCELLED; i++) {
        svidex_operation_cancel(operations[i]);
    }
    inbox_wait(&box, CANCELLED);
    emulator_hold("workload_api", false);
    inbox_wait(&box, CROWD);
    CHECK(box.cancelled == CANCELLED && box.succeeded == CROWD - CANCELLED);
    svidex_provider_free(provider);
    part(&box, operations);
}

static void *get_access_token(void *data) {
    svidex_token *token = NULL;
    svidex_result result =
        svidex_provider_access_token((const svidex_provider *)data, patience(60000), &token, NULL);
    svidex_token_free(token);
    return result == SVIDEX_RESULT_OK ? NULL : data;
}

void test_crowd_of_threads(void) {
    enum { THREADS = 64 };
    svidex_provider *provider = fresh_provider();
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, get_access_token, provider) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        CHECK(failed == NULL);
    }
    CHECK(emulator_counter("fetch_jwt_svid") == 1);
    CHECK(emulator_counter("exchanges") == 1);
    svidex_provider_free(provider);
}
