/* What an operator sees. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>

#include "suite.h"

static svidex_status *status_of(const svidex_provider *provider) {
    svidex_status *status = NULL;
    svidex_error *error = NULL;
    REQUIRE(CHECK_OK(svidex_provider_status(provider, &status, &error), error));
    return status;
}

void test_status(void) {
    emulator_reset();
    setenv("OPENAI_API_KEY", "sk-canary", 1);
    svidex_provider *provider = provider_from(NULL);
    unsetenv("OPENAI_API_KEY");

    svidex_status *status = status_of(provider);
    CHECK(strncmp(svidex_status_source(status), "workload_api unix://", 20) == 0);
    CHECK_TEXT(svidex_status_audience(status), "https://api.openai.com/v1");
    CHECK(svidex_status_spiffe_id(status) == NULL);
    CHECK(svidex_status_subject_token_expires_at_unix_ms(status) == 0);
    CHECK(svidex_status_access_token_expires_at_unix_ms(status) == 0);
    CHECK(svidex_status_fetches(status) == 0);
    CHECK(svidex_status_last_error(status) == NULL);
    CHECK(svidex_status_last_error_at_unix_ms(status) == 0);
    CHECK(!svidex_status_is_closed(status));
    CHECK(svidex_status_warning_count(status) == 1);
    CHECK(strstr(svidex_status_warning(status, 0), "OPENAI_API_KEY") != NULL);
    CHECK(svidex_status_warning(status, 1) == NULL);
    CHECK(strstr(svidex_status_json(status), "\"spiffe_id\":null") != NULL);
    CHECK(!looks_secret(svidex_status_json(status)));
    svidex_status_free(status);

    svidex_token *token = must_get_access(provider);
    status = status_of(provider);
    CHECK_TEXT(svidex_status_spiffe_id(status), svidex_token_spiffe_id(token));
    CHECK(svidex_status_access_token_expires_at_unix_ms(status) ==
          svidex_token_expires_at_unix_ms(token));
    CHECK(svidex_status_subject_token_expires_at_unix_ms(status) != 0);
    CHECK(svidex_status_subject_token_expires_in_seconds(status) > 60);
    CHECK(svidex_status_subject_token_expires_in_seconds(status) <= 300);
    CHECK(svidex_status_subject_token_age_seconds(status) >= 0);
    CHECK(svidex_status_access_token_expires_in_seconds(status) > 60);
    CHECK(svidex_status_access_token_expires_in_seconds(status) <= 300);
    CHECK(svidex_status_access_token_age_seconds(status) >= 0);
    CHECK(svidex_status_fetches(status) == 1 && svidex_status_fetch_failures(status) == 0);
    CHECK(svidex_status_exchanges(status) == 1 && svidex_status_exchange_failures(status) == 0);
    CHECK(!looks_secret(svidex_status_json(status)));
    svidex_status_free(status);
    svidex_token_free(token);

    svidex_provider_close(provider);
    status = status_of(provider);
    CHECK(svidex_status_is_closed(status));
    CHECK(svidex_status_access_token_expires_at_unix_ms(status) == 0);
    svidex_status_free(status);
    svidex_provider_free(provider);
}

void test_status_after_failures(void) {
    svidex_provider *provider = fresh_provider();
    emulator_fault("token_endpoint", "{\"oauth_error\":\"access_denied\",\"times\":1}");
    svidex_token *token = NULL;
    svidex_error *error = NULL;
    svidex_result result = svidex_provider_access_token(provider, -1, &token, &error);
    CHECK_FAILS(result, error, SVIDEX_RESULT_EXCHANGE_REJECTED, "access_denied");

    svidex_status *status = status_of(provider);
    const svidex_error *last = svidex_status_last_error(status);
    CHECK(svidex_error_result(last) == SVIDEX_RESULT_EXCHANGE_REJECTED);
    CHECK(svidex_error_http_status(last) == 403);
    CHECK_TEXT(svidex_error_oauth_code(last), "access_denied");
    CHECK(strstr(svidex_error_message(last), "access_denied") != NULL);
    CHECK(svidex_error_retry_after_ms(last) == -1 && !svidex_error_is_retryable(last));
    CHECK(svidex_status_last_error_at_unix_ms(status) > 0);
    CHECK(svidex_status_exchanges(status) == 1 && svidex_status_exchange_failures(status) == 1);
    CHECK(strstr(svidex_status_json(status), "\"oauth_code\":\"access_denied\"") != NULL);
    CHECK(!looks_secret(svidex_status_json(status)));
    svidex_status_free(status);
    svidex_provider_free(provider);
}
