/* Every kind of error, from its real cause. (`cancelled` is in async.c,
 * `internal` in panics.c, `invalid_config` in config.c.) */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"

void test_source_unavailable(void) {
    svidex_provider *provider = provider_from(dead_config());
    svidex_token *token = NULL;
    svidex_error *error = NULL;
    svidex_result result = svidex_provider_get_token(provider, patience(300), &token, &error);
    CHECK(svidex_error_is_retryable(error));
    CHECK(svidex_error_http_status(error) == 0);
    CHECK(svidex_error_oauth_code(error) == NULL);
    CHECK(svidex_error_retry_after_ms(error) == -1);
    CHECK_FAILS(result, error, SVIDEX_RESULT_SOURCE_UNAVAILABLE, "/nonexistent/agent.sock");
    svidex_provider_free(provider);
}

void test_permission_denied(void) {
    svidex_provider *provider = fresh_provider();
    emulator_fault("workload_api",
                   "{\"grpc_code\":\"PermissionDenied\","
                   "\"grpc_message\":\"no identity issued\"}");
    svidex_token *token = NULL;
    svidex_error *error = NULL;
    svidex_result result = svidex_provider_get_token(provider, patience(500), &token, &error);
    CHECK_FAILS(result, error, SVIDEX_RESULT_PERMISSION_DENIED, "");
    svidex_provider_free(provider);
}

void test_invalid_subject_token(void) {
    char path[64];
    snprintf(path, sizeof path, "/tmp/svidex-c-%ld", (long)getpid());
    FILE *file = fopen(path, "w");
    REQUIRE(file != NULL);
    fputs("canary-that-is-no-jwt", file);
    fclose(file);
    svidex_config *config = svidex_config_new();
    svidex_config_set_identity_token_file(config, path);
    svidex_provider *provider = provider_from(config);
    svidex_token *token = NULL;
    svidex_error *error = NULL;
    svidex_result result = svidex_provider_get_token(provider, patience(500), &token, &error);
    CHECK_FAILS(result, error, SVIDEX_RESULT_INVALID_SUBJECT_TOKEN, path);
    svidex_provider_free(provider);
    unlink(path);
}

void test_exchange_rejected(void) {
    svidex_provider *provider = fresh_provider();
    emulator_fault("token_endpoint",
                   "{\"oauth_error\":\"unauthorized_client\","
                   "\"oauth_description\":\"no mapping\",\"status\":401}");
    svidex_token *token = NULL;
    svidex_error *error = NULL;
    svidex_result result = svidex_provider_access_token(provider, patience(30000), &token, &error);
    CHECK(svidex_error_http_status(error) == 401);
    CHECK_TEXT(svidex_error_oauth_code(error), "unauthorized_client");
    CHECK(!svidex_error_is_retryable(error));
    CHECK_FAILS(result, error, SVIDEX_RESULT_EXCHANGE_REJECTED, "no mapping");
    svidex_provider_free(provider);
}

void test_exchange_unavailable(void) {
    svidex_provider *provider = fresh_provider();
    emulator_fault("token_endpoint", "{\"status\":503,\"headers\":{\"Retry-After\":\"120\"}}");
    svidex_token *token = NULL;
    svidex_error *error = NULL;
    svidex_result result = svidex_provider_access_token(provider, patience(1000), &token, &error);
    CHECK(svidex_error_http_status(error) == 503);
    CHECK(svidex_error_oauth_code(error) == NULL);
    CHECK(svidex_error_retry_after_ms(error) == 120000);
    CHECK(svidex_error_is_retryable(error));
    CHECK_FAILS(result, error, SVIDEX_RESULT_EXCHANGE_UNAVAILABLE, "503");
    CHECK(emulator_counter("exchanges") == 1);
    svidex_provider_free(provider);
}

void test_timeout(void) {
    svidex_provider *provider = fresh_provider();
    emulator_fault("workload_api", "{\"hang\":true}");
    svidex_token *token = NULL;
    svidex_error *error = NULL;
    svidex_result result = svidex_provider_get_token(provider, 100, &token, &error);
    CHECK(svidex_error_is_retryable(error));
    CHECK_FAILS(result, error, SVIDEX_RESULT_TIMEOUT, "0.1 s");
    svidex_provider_free(provider);

    /* A negative timeout is the provider's own. */
    svidex_config *config = svidex_config_new();
    svidex_config_set_call_timeout_seconds(config, 0.125);
    provider = provider_from(config);
    error = NULL;
    result = svidex_provider_get_token(provider, -1, &token, &error);
    CHECK_FAILS(result, error, SVIDEX_RESULT_TIMEOUT, "0.125 s");
    svidex_provider_free(provider);
}

void test_closed(void) {
    svidex_provider *provider = fresh_provider();
    svidex_token_free(must_get(provider));
    svidex_provider_close(provider);
    svidex_provider_close(provider);
    const int64_t timeouts[] = {0, 1, -1};
    for (size_t i = 0; i < COUNT_OF(timeouts); i++) {
        svidex_token *token = NULL;
        svidex_error *error = NULL;
        svidex_result result = svidex_provider_get_token(provider, timeouts[i], &token, &error);
        CHECK_FAILS(result, error, SVIDEX_RESULT_CLOSED, "closed");
        error = NULL;
        result = svidex_provider_access_token(provider, timeouts[i], &token, &error);
        CHECK_FAILS(result, error, SVIDEX_RESULT_CLOSED, "closed");
    }
    svidex_provider_free(provider);
}

void test_not_configured_for_exchange(void) {
    emulator_reset();
    svidex_config *config = svidex_config_new();
    svidex_config_set_endpoint_socket(config, emulator_info("endpoint_socket"));
    svidex_provider *provider = NULL;
    svidex_error *error = NULL;
    REQUIRE(CHECK_OK(svidex_provider_new(config, &provider, &error), error));
    svidex_config_free(config);
    svidex_token_free(must_get(provider));
    const int64_t timeouts[] = {0, -1};
    for (size_t i = 0; i < COUNT_OF(timeouts); i++) {
        svidex_token *token = NULL;
        error = NULL;
        svidex_result result = svidex_provider_access_token(provider, timeouts[i], &token, &error);
        CHECK_FAILS(result, error, SVIDEX_RESULT_INVALID_CONFIG, "identity_provider_id");
    }
    svidex_workload_identity *identity = NULL;
    error = NULL;
    svidex_result result = svidex_provider_workload_identity(provider, &identity, &error);
    CHECK_FAILS(result, error, SVIDEX_RESULT_INVALID_CONFIG, "identity_provider_id");
    svidex_provider_free(provider);
}
