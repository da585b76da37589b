/* Getting tokens on the caller's own thread. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "suite.h"

static const char *const worker = "spiffe://example.org/ns/inference/sa/worker";

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void test_subject_token(void) {
    svidex_provider *provider = fresh_provider();
    svidex_token *token = must_get(provider);
    const char *value = svidex_token_value(token);
    const char *dot = strchr(value, '.');
    CHECK(strncmp(value, "eyJ", 3) == 0 && dot != NULL && strchr(dot + 1, '.') != NULL);
    CHECK(svidex_token_length(token) == strlen(value));
    CHECK_TEXT(svidex_token_spiffe_id(token), worker);
    CHECK(svidex_token_scope(token) == NULL);
    CHECK(!svidex_token_is_access_token(token));
    CHECK(svidex_token_generation(token) != 0);
    int64_t left = svidex_token_expires_at_unix_ms(token) - now_ms();
    CHECK(left > 60000 && left <= 301000);

    svidex_token *again = must_get(provider);
    CHECK_TEXT(svidex_token_value(again), value);
    CHECK(emulator_counter("fetch_jwt_svid") == 1);
    CHECK(emulator_counter("exchanges") == 0);
    svidex_token_free(again);
    svidex_token_free(token);
    svidex_provider_free(provider);
}

void test_access_token(void) {
    svidex_provider *provider = fresh_provider();
    emulator_settings("{\"scope\":\"model.request model.read\"}");
    svidex_token *token = must_get_access(provider);
    CHECK(svidex_token_is_access_token(token));
    CHECK(svidex_token_length(token) == strlen(svidex_token_value(token)));
    CHECK_TEXT(svidex_token_spiffe_id(token), worker);
    CHECK_TEXT(svidex_token_scope(token), "model.request model.read");
    int64_t left = svidex_token_expires_at_unix_ms(token) - now_ms();
    CHECK(left > 60000 && left <= 301000);

    svidex_token *subject = must_get(provider);
    CHECK(strcmp(svidex_token_value(subject), svidex_token_value(token)) != 0);
    svidex_token *again = must_get_access(provider);
    CHECK_TEXT(svidex_token_value(again), svidex_token_value(token));
    CHECK(emulator_counter("fetch_jwt_svid") == 1);
    CHECK(emulator_counter("exchanges") == 1);
    svidex_token_free(again);
    svidex_token_free(subject);
    svidex_token_free(token);
    svidex_provider_free(provider);
}

void test_timeout_zero(void) {
    svidex_provider *provider = fresh_provider();
    svidex_token *token = NULL;
    svidex_error *error = NULL;
    CHECK(svidex_provider_access_token(provider, 0, &token, &error) == SVIDEX_RESULT_NOT_READY);
    CHECK(token == NULL && error == NULL);
    /* It has started what the next call joins. */
    svidex_token_free(must_get_access(provider));
    CHECK_OK(svidex_provider_access_token(provider, 0, &token, &error), error);
    svidex_token_free(token);
    CHECK(emulator_counter("fetch_jwt_svid") == 1);
    CHECK(emulator_counter("exchanges") == 1);
    /* Far away is not past the end of any number. */
    CHECK_OK(svidex_provider_get_token(provider, INT64_MAX, &token, &error), error);
    svidex_token_free(token);
    svidex_provider_free(provider);

    provider = provider_from(NULL);
    CHECK_OK(svidex_provider_get_token(provider, INT64_MAX, &token, &error), error);
    svidex_token_free(token);
    svidex_provider_free(provider);
}

/* Asks without waiting, again and again, until something other than "not ready, and
 * nothing has failed" comes. As callers poll: with one variable, freed each time. */
static svidex_result poll(const svidex_provider *provider, bool access_token, svidex_token **token,
                          svidex_error **error) {
    /* Under valgrind one thread runs at a time: who asks all the time lets no other. */
    const struct timespec pause = {0, (long)patience(1) * 1000000};
    for (int64_t left = 60000; left > 0; left--) {
        svidex_result result = access_token
                                   ? svidex_provider_access_token(provider, 0, token, error)
                                   : svidex_provider_get_token(provider, 0, token, error);
        if (result != SVIDEX_RESULT_NOT_READY || *error != NULL) {
            return result;
        }
        nanosleep(&pause, NULL);
    }
    return SVIDEX_RESULT_NOT_READY;
}

void test_timeout_zero_tells_the_cause(void) {
    svidex_provider *provider = provider_from(dead_config());
    svidex_token *token = NULL;
    svidex_error *error = NULL;
    for (int i = 0; i < 50; i++) {
        CHECK(poll(provider, false, &token, &error) == SVIDEX_RESULT_NOT_READY);
        CHECK(svidex_error_is_retryable(error));
        svidex_result cause = svidex_error_result(error);
        CHECK_FAILS(cause, error, SVIDEX_RESULT_SOURCE_UNAVAILABLE, "/nonexistent/agent.sock");
    }
    CHECK(token == NULL);
    svidex_provider_close(provider);
    svidex_result result = svidex_provider_get_token(provider, 0, &token, &error);
    CHECK_FAILS(result, error, SVIDEX_RESULT_CLOSED, "closed");
    svidex_provider_free(provider);
}

void test_timeout_zero_while_exchanges_fail(void) {
    svidex_provider *provider = fresh_provider();
    emulator_fault("token_endpoint", "{\"status\":503,\"times\":1}");
    svidex_token *token = NULL;
    svidex_error *error = NULL;
    CHECK(poll(provider, true, &token, &error) == SVIDEX_RESULT_NOT_READY);
    CHECK(svidex_error_http_status(error) == 503);
    svidex_result cause = svidex_error_result(error);
    CHECK_FAILS(cause, error, SVIDEX_RESULT_EXCHANGE_UNAVAILABLE, "503");
    /* The other token is not in trouble. */
    CHECK_OK(svidex_provider_get_token(provider, 0, &token, &error), error);
    svidex_token_free(token);
    /* The next attempt succeeds, and there is nothing to tell any more. */
    svidex_result result;
    do {
        token = NULL;
        result = poll(provider, true, &token, &error);
        svidex_error_free(error);
    } while (result == SVIDEX_RESULT_NOT_READY);
    CHECK(result == SVIDEX_RESULT_OK && error == NULL);
    svidex_token_free(token);
    svidex_provider_free(provider);
}

void test_generations(void) {
    svidex_provider *provider = fresh_provider();
    CHECK(svidex_provider_token_generation(provider) == 0);
    svidex_token *subject = must_get(provider);
    CHECK(svidex_provider_token_generation(provider) == svidex_token_generation(subject));
    CHECK(svidex_provider_access_token_generation(provider) == 0);
    svidex_token *access = must_get_access(provider);
    CHECK(svidex_provider_access_token_generation(provider) == svidex_token_generation(access));
    CHECK(svidex_token_generation(subject) != svidex_token_generation(access));
    svidex_provider_close(provider);
    CHECK(svidex_provider_token_generation(provider) == 0);
    CHECK(svidex_provider_access_token_generation(provider) == 0);
    svidex_token_free(access);
    svidex_token_free(subject);
    svidex_provider_free(provider);
}

void test_token_file(void) {
    emulator_reset();
    svidex_config *config = svidex_config_new();
    svidex_config_set_identity_token_file(config, emulator_info("token_file"));
    svidex_provider *provider = provider_from(config);
    svidex_token *token = must_get_access(provider);
    CHECK_TEXT(svidex_token_spiffe_id(token), worker);
    CHECK(emulator_counter("fetch_jwt_svid") == 0);
    CHECK(emulator_counter("exchanges_ok") == 1);
    svidex_token_free(token);
    svidex_provider_free(provider);
}

void test_invalidate(void) {
    svidex_provider *provider = fresh_provider();
    svidex_error *error = NULL;
    svidex_token *first = must_get_access(provider);
    svidex_token *subject = must_get(provider);
    CHECK_OK(svidex_provider_invalidate(provider, "neither of the two", &error), error);
    CHECK(svidex_provider_access_token_generation(provider) == svidex_token_generation(first));
    CHECK_OK(svidex_provider_invalidate(provider, svidex_token_value(first), &error), error);
    CHECK(svidex_provider_token_generation(provider) == svidex_token_generation(subject));
    svidex_token *second = must_get_access(provider);
    CHECK(strcmp(svidex_token_value(first), svidex_token_value(second)) != 0);
    CHECK(emulator_counter("exchanges") == 2);
    svidex_token_free(second);
    svidex_token_free(subject);
    svidex_token_free(first);
    svidex_provider_free(provider);
}

void test_workload_identity(void) {
    svidex_provider *provider = fresh_provider();
    svidex_workload_identity *identity = NULL;
    svidex_error *error = NULL;
    REQUIRE(CHECK_OK(svidex_provider_workload_identity(provider, &identity, &error), error));
    CHECK_TEXT(svidex_workload_identity_provider_id(identity),
               emulator_info("identity_provider_id"));
    CHECK_TEXT(svidex_workload_identity_service_account_id(identity),
               emulator_info("service_account_id"));
    CHECK(svidex_workload_identity_client_id(identity) == NULL);
    CHECK(svidex_workload_identity_refresh_buffer_seconds(identity) == 15);
    svidex_workload_identity_free(identity);
    svidex_provider_free(provider);
}

void test_handles_outlive_the_provider(void) {
    svidex_provider *provider = fresh_provider();
    svidex_token *token = must_get(provider);
    svidex_status *status = NULL;
    svidex_error *error = NULL;
    CHECK_OK(svidex_provider_status(provider, &status, &error), error);
    svidex_provider_free(provider);
    CHECK(strlen(svidex_token_value(token)) == svidex_token_length(token));
    CHECK_TEXT(svidex_token_spiffe_id(token), worker);
    CHECK_TEXT(svidex_status_spiffe_id(status), worker);
    svidex_status_free(status);
    svidex_token_free(token);
}
