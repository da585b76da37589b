/* Settings and arguments: what is wrong is refused by its name, and never a crash. */
#define _POSIX_C_SOURCE 200809L
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"

typedef struct {
    const char *name;
    void (*set)(svidex_config *, const char *);
} text_setting;

#define TEXT(name) {#name, svidex_config_set_##name}

static const text_setting text_settings[] = {
    TEXT(endpoint_socket),
    TEXT(identity_token_file),
    TEXT(access_token_file),
    TEXT(audience),
    TEXT(spiffe_id),
    TEXT(hint),
    TEXT(identity_provider_id),
    TEXT(service_account_id),
    TEXT(client_id),
    TEXT(token_endpoint),
    TEXT(ca_file),
};

typedef struct {
    const char *name;
    void (*set)(svidex_config *, double);
} number_setting;

#define NUMBER(name) {#name, svidex_config_set_##name}

static const number_setting number_settings[] = {
    NUMBER(refresh_buffer_seconds),
    NUMBER(request_timeout_seconds),
    NUMBER(call_timeout_seconds),
};

/* Both constructors refuse the config for that reason. */
static void refused_for(const svidex_config *config, const char *words) {
    svidex_provider *provider = NULL;
    svidex_error *error = NULL;
    svidex_result result = svidex_provider_new(config, &provider, &error);
    CHECK_FAILS(result, error, SVIDEX_RESULT_INVALID_CONFIG, words);
    error = NULL;
    result = svidex_provider_new_from_env(config, &provider, &error);
    CHECK_FAILS(result, error, SVIDEX_RESULT_INVALID_CONFIG, words);
    CHECK(provider == NULL);
}

/* The same, and the config is freed. */
static void refused(svidex_config *config, const char *words) {
    refused_for(config, words);
    svidex_config_free(config);
}

/* Header and library are one version, in each form that the header has it. */
void test_version(void) {
    char numbers[64];
    snprintf(numbers, sizeof numbers, "%d.%d.%d", SVIDEX_VERSION_MAJOR, SVIDEX_VERSION_MINOR,
             SVIDEX_VERSION_PATCH);
    CHECK_TEXT(svidex_version(), SVIDEX_VERSION);
    /* A pre-release has more behind them. */
    CHECK(strncmp(SVIDEX_VERSION, numbers, strlen(numbers)) == 0);
#if SVIDEX_VERSION_MAJOR == 0 && SVIDEX_VERSION_MINOR < 1
#error "the preprocessor can compare them"
#endif
}

void test_names(void) {
    int names = 0;
    /* What the library takes an enum for. */
    CHECK(sizeof(svidex_result) == sizeof(int32_t) && sizeof(svidex_level) == sizeof(int32_t));
    CHECK_TEXT(svidex_result_name((svidex_result)INT_MAX), "unknown");
    CHECK_TEXT(svidex_result_name((svidex_result)INT_MIN), "unknown");
    CHECK_TEXT(svidex_result_name(SVIDEX_RESULT_OK), "ok");
    CHECK_TEXT(svidex_result_name(SVIDEX_RESULT_NOT_READY), "not_ready");
    CHECK_TEXT(svidex_result_name(SVIDEX_RESULT_CALLED_FROM_CALLBACK), "called_from_callback");
    CHECK_TEXT(svidex_result_name(SVIDEX_RESULT_EXCHANGE_REJECTED), "exchange_rejected");
    CHECK_TEXT(svidex_result_name(SVIDEX_RESULT_INTERNAL), "internal");
    for (int number = -2; number < 300; number++) {
        names += strcmp(svidex_result_name((svidex_result)number), "unknown") != 0;
    }
    CHECK(names == 14);
}

void test_null_arguments(void) {
    svidex_provider *provider = provider_from(dead_config());
    svidex_token *token = NULL;
    svidex_status *status = NULL;
    svidex_workload_identity *identity = NULL;
    svidex_operation *operation = NULL;
    svidex_error *error = NULL;

#define REFUSED(call, argument)                                                                \
    do {                                                                                       \
        error = NULL;                                                                          \
        svidex_result refused_with = (call);                                                   \
        CHECK_FAILS(refused_with, error, SVIDEX_RESULT_INVALID_ARGUMENT, argument " is NULL"); \
    } while (0)

    svidex_provider *made = NULL;
    svidex_config *config = svidex_config_new();
    REFUSED(svidex_provider_new(NULL, &made, &error), "config");
    REFUSED(svidex_provider_new(config, NULL, &error), "provider");
    REFUSED(svidex_provider_new_from_env(config, NULL, &error), "provider");
    CHECK(made == NULL);
    svidex_config_free(config);

    REFUSED(svidex_provider_get_token(NULL, 0, &token, &error), "provider");
    REFUSED(svidex_provider_get_token(provider, 0, NULL, &error), "token");
    REFUSED(svidex_provider_access_token(NULL, -1, &token, &error), "provider");
    REFUSED(svidex_provider_access_token(provider, -1, NULL, &error), "token");
    REFUSED(svidex_provider_get_token_async(NULL, -1, inbox_receive, NULL, &operation, &error),
            "provider");
    REFUSED(svidex_provider_get_token_async(provider, -1, NULL, NULL, &operation, &error),
            "callback");
    REFUSED(svidex_provider_access_token_async(NULL, -1, inbox_receive, NULL, &operation, &error),
            "provider");
    REFUSED(svidex_provider_access_token_async(provider, -1, NULL, NULL, &operation, &error),
            "callback");
    REFUSED(svidex_provider_invalidate(NULL, "x", &error), "provider");
    REFUSED(svidex_provider_invalidate(provider, NULL, &error), "token");
    REFUSED(svidex_provider_status(NULL, &status, &error), "provider");
    REFUSED(svidex_provider_status(provider, NULL, &error), "status");
    REFUSED(svidex_provider_workload_identity(NULL, &identity, &error), "provider");
    REFUSED(svidex_provider_workload_identity(provider, NULL, &error), "identity");
    svidex_doctor *doctor = NULL;
    svidex_report *report = NULL;
    REFUSED(svidex_doctor_new(NULL, &doctor, &error), "provider");
    REFUSED(svidex_doctor_new(provider, NULL, &error), "doctor");
    REFUSED(svidex_doctor_new_from_env(NULL, NULL, &error), "doctor");
    REFUSED(svidex_doctor_examine(NULL, 0, &report, &error), "doctor");
    CHECK(doctor == NULL && report == NULL);
    CHECK(svidex_doctor_new(provider, &doctor, NULL) == SVIDEX_RESULT_OK);
    REFUSED(svidex_doctor_examine(doctor, 0, NULL, &error), "report");
    svidex_doctor_free(doctor);
    CHECK(token == NULL && status == NULL && identity == NULL && operation == NULL);

    /* The same without anywhere to put the error. */
    CHECK(svidex_provider_new(NULL, NULL, NULL) == SVIDEX_RESULT_INVALID_ARGUMENT);
    CHECK(svidex_provider_get_token(NULL, 0, NULL, NULL) == SVIDEX_RESULT_INVALID_ARGUMENT);
    CHECK(svidex_provider_invalidate(provider, "\xff", NULL) == SVIDEX_RESULT_INVALID_ARGUMENT);

    CHECK(svidex_provider_token_generation(NULL) == 0);
    CHECK(svidex_provider_access_token_generation(NULL) == 0);
    CHECK_TEXT(svidex_token_value(NULL), "");
    CHECK(svidex_token_length(NULL) == 0);
    CHECK(svidex_token_generation(NULL) == 0);
    CHECK(!svidex_token_is_access_token(NULL));
    CHECK(svidex_token_expires_at_unix_ms(NULL) == 0);
    CHECK_TEXT(svidex_token_spiffe_id(NULL), "");
    CHECK(svidex_token_scope(NULL) == NULL);
    CHECK(svidex_error_result(NULL) == SVIDEX_RESULT_OK);
    CHECK_TEXT(svidex_error_message(NULL), "");
    CHECK(svidex_error_http_status(NULL) == 0);
    CHECK(svidex_error_oauth_code(NULL) == NULL);
    CHECK(svidex_error_retry_after_ms(NULL) == -1);
    CHECK(!svidex_error_is_retryable(NULL));
    CHECK_TEXT(svidex_workload_identity_provider_id(NULL), "");
    CHECK_TEXT(svidex_workload_identity_service_account_id(NULL), "");
    CHECK(svidex_workload_identity_client_id(NULL) == NULL);
    CHECK(svidex_workload_identity_refresh_buffer_seconds(NULL) == 0);
    CHECK_TEXT(svidex_status_source(NULL), "");
    CHECK_TEXT(svidex_status_audience(NULL), "");
    CHECK(svidex_status_spiffe_id(NULL) == NULL);
    CHECK(svidex_status_subject_token_expires_at_unix_ms(NULL) == 0);
    CHECK(svidex_status_subject_token_expires_in_seconds(NULL) == 0);
    CHECK(svidex_status_subject_token_age_seconds(NULL) == 0);
    CHECK(svidex_status_access_token_expires_at_unix_ms(NULL) == 0);
    CHECK(svidex_status_access_token_expires_in_seconds(NULL) == 0);
    CHECK(svidex_status_access_token_age_seconds(NULL) == 0);
    CHECK(svidex_status_fetches(NULL) == 0 && svidex_status_fetch_failures(NULL) == 0);
    CHECK(svidex_status_exchanges(NULL) == 0 && svidex_status_exchange_failures(NULL) == 0);
    CHECK(svidex_status_last_error(NULL) == NULL);
    CHECK(svidex_status_last_error_at_unix_ms(NULL) == 0);
    CHECK(svidex_status_warning_count(NULL) == 0);
    CHECK(svidex_status_warning(NULL, 0) == NULL);
    CHECK(!svidex_status_is_closed(NULL));
    CHECK_TEXT(svidex_status_json(NULL), "");

    svidex_operation_cancel(NULL);
    svidex_operation_free(NULL);
    svidex_provider_close(NULL);
    svidex_provider_free(NULL);
    svidex_token_free(NULL);
    svidex_error_free(NULL);
    svidex_status_free(NULL);
    svidex_doctor_set_admin_key_env(NULL, "x");
    svidex_doctor_set_jwks_file(NULL, "x");
    svidex_doctor_free(NULL);
    CHECK(svidex_report_retain(NULL) == NULL);
    CHECK(!svidex_report_is_healthy(NULL));
    CHECK_TEXT(svidex_report_json(NULL), "");
    CHECK_TEXT(svidex_report_text(NULL), "");
    svidex_report_free(NULL);
    svidex_workload_identity_free(NULL);
    svidex_config_free(NULL);
    for (size_t i = 0; i < COUNT_OF(text_settings); i++) {
        text_settings[i].set(NULL, "x");
    }
    for (size_t i = 0; i < COUNT_OF(number_settings); i++) {
        number_settings[i].set(NULL, 1);
    }
    svidex_config_set_string(NULL, "audience", "x", 1);
    svidex_provider_free(provider);
}

void test_outputs_are_written_only_on_success(void) {
    /* Addresses that nothing may write over on failure. */
    char marks[3];
    svidex_provider *const no_provider = (svidex_provider *)(void *)&marks[0];
    svidex_token *const no_token = (svidex_token *)(void *)&marks[1];
    svidex_workload_identity *const no_identity = (svidex_workload_identity *)(void *)&marks[2];

    svidex_config *config = svidex_config_new();
    svidex_provider *provider = no_provider;
    svidex_config_set_audience(config, "");
    CHECK(svidex_provider_new(config, &provider, NULL) == SVIDEX_RESULT_INVALID_CONFIG);
    CHECK(provider == no_provider);
    svidex_config_free(config);

    config = dead_config();
    svidex_error *error = NULL;
    CHECK_OK(svidex_provider_new(config, &provider, &error), error);
    svidex_config_free(config);
    svidex_token *token = no_token;
    CHECK(svidex_provider_get_token(provider, 0, &token, NULL) == SVIDEX_RESULT_NOT_READY);
    CHECK(token == no_token);
    svidex_result result = svidex_provider_get_token(provider, patience(50), &token, &error);
    CHECK_FAILS(result, error, SVIDEX_RESULT_SOURCE_UNAVAILABLE, "/nonexistent/agent.sock");
    CHECK(token == no_token);

    svidex_workload_identity *identity = no_identity;
    CHECK(svidex_provider_workload_identity(provider, &identity, NULL) ==
          SVIDEX_RESULT_INVALID_CONFIG);
    CHECK(identity == no_identity);
    svidex_provider_free(provider);
}

/* Whatever was there before: a variable needs no value, and may be used again. */
void test_error_is_always_written(void) {
    char mark;
    svidex_error *const something = (svidex_error *)(void *)&mark;
    emulator_reset();
    emulator_hold("workload_api", true);
    svidex_error *error = something;
    svidex_provider *provider = NULL;
    CHECK_OK(svidex_provider_new_from_env(NULL, &provider, &error), error);
    svidex_token *token = NULL;
    error = something;
    CHECK(svidex_provider_get_token(provider, 0, &token, &error) == SVIDEX_RESULT_NOT_READY);
    CHECK(error == NULL);
    error = something;
    svidex_result result = svidex_provider_get_token(provider, -1, NULL, &error);
    CHECK_FAILS(result, error, SVIDEX_RESULT_INVALID_ARGUMENT, "token is NULL");
    emulator_hold("workload_api", false);
    token = must_get(provider);
    svidex_token_free(token);
    error = something;
    CHECK_OK(svidex_provider_get_token(provider, 0, &token, &error), error);
    svidex_token_free(token);
    inbox box;
    inbox_open(&box);
    error = something;
    CHECK_OK(svidex_provider_get_token_async(provider, -1, inbox_receive, &box, NULL, &error),
             error);
    inbox_wait(&box, 1);
    CHECK(error == NULL);
    inbox_close(&box);
    svidex_provider_free(provider);
}

void test_bad_text_settings(void) {
    const size_t mebibyte = (size_t)1 << 20;
    char *huge = (char *)malloc(mebibyte + 1);
    REQUIRE(huge != NULL);
    memset(huge, 'a', mebibyte);
    huge[mebibyte] = '\0';
    const struct {
        const char *value;
        const char *words;
    } bad[] = {
        {NULL, "is NULL"},
        {"", "is empty"},
        {"\xc3\x28", "is not valid UTF-8"},
        {"\xff\xfe", "is not valid UTF-8"},
        {"a\r\nb", "control character"},
        {"a\nb", "control character"},
        {"a\x01", "control character"},
        {huge, "1048576 bytes"},
    };
    for (size_t i = 0; i < COUNT_OF(text_settings); i++) {
        const char *name = text_settings[i].name;
        svidex_config *config;
        for (size_t j = 0; j < COUNT_OF(bad); j++) {
            const char *value = bad[j].value;
            config = svidex_config_new();
            text_settings[i].set(config, value);
            refused_for(config, name);
            refused(config, bad[j].words);
            /* The same by name and with a length. */
            config = svidex_config_new();
            svidex_config_set_string(config, name, value, value ? strlen(value) : 0);
            refused_for(config, name);
            refused(config, bad[j].words);
        }
        config = svidex_config_new();
        svidex_config_set_string(config, name, "a\0b", 3);
        refused_for(config, name);
        refused(config, "NUL byte");
        config = svidex_config_new();
        svidex_config_set_string(config, name, "ab", SIZE_MAX);
        refused(config, "length");
    }
    svidex_config *config = svidex_config_new();
    svidex_config_set_string(config, "nonsense", "x", 1);
    refused(config, "\"nonsense\" is not the name of a text setting");
    config = svidex_config_new();
    svidex_config_set_string(config, "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.AAAA", "x", 1);
    refused(config, "[redacted] is not the name of a text setting");
    config = svidex_config_new();
    svidex_config_set_string(config, NULL, "x", 1);
    refused(config, "the name of a setting is NULL");
    config = svidex_config_new();
    svidex_config_set_string(config, "\xff", "x", 1);
    refused(config, "the name of a setting is not valid UTF-8");
    free(huge);
}

void test_bad_numbers(void) {
    const double bad[] = {0.0, -1.0, NAN, INFINITY, -INFINITY, 86401.0, DBL_MAX};
    for (size_t i = 0; i < COUNT_OF(number_settings); i++) {
        for (size_t j = 0; j < COUNT_OF(bad); j++) {
            svidex_config *config = dead_config();
            number_settings[i].set(config, bad[j]);
            refused(config, number_settings[i].name);
        }
    }
}

void test_first_bad_value_wins(void) {
    svidex_config *config = dead_config();
    svidex_config_set_hint(config, "\xff");
    svidex_config_set_audience(config, NULL);
    refused(config, "hint is not valid UTF-8");
    /* A good value later does not make it right. */
    config = dead_config();
    svidex_config_set_audience(config, NULL);
    svidex_config_set_audience(config, "https://api.openai.com/v1");
    refused(config, "audience is NULL");
}

void test_wrong_configurations(void) {
    const struct {
        void (*set)(svidex_config *, const char *);
        const char *value;
        const char *words;
    } wrong[] = {
        {svidex_config_set_endpoint_socket, "unix:relative/agent.sock", "endpoint_socket"},
        {svidex_config_set_endpoint_socket, "/run/agent.sock", "write unix:///run/agent.sock"},
        {svidex_config_set_endpoint_socket, "http://127.0.0.1:1", "endpoint_socket"},
        {svidex_config_set_endpoint_socket, "tcp://localhost:1", "endpoint_socket"},
        {svidex_config_set_identity_token_file, "/tmp", "is a directory"},
        {svidex_config_set_spiffe_id, "worker", "spiffe_id"},
        {svidex_config_set_spiffe_id, "https://example.org/x", "spiffe_id"},
        {svidex_config_set_identity_provider_id, "<your ID>", "identity_provider_id"},
        {svidex_config_set_service_account_id, "sa one", "service_account_id"},
        {svidex_config_set_client_id, "\"quoted\"", "client_id"},
        {svidex_config_set_token_endpoint, "http://example.org/token", "https"},
        {svidex_config_set_token_endpoint, "https://user:pw@example.org/", "user name"},
        {svidex_config_set_token_endpoint, "ftp://example.org/", "token_endpoint"},
        {svidex_config_set_token_endpoint, "nonsense", "token_endpoint"},
        {svidex_config_set_ca_file, "/nonexistent/ca.pem", "/nonexistent/ca.pem"},
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        svidex_config *config = svidex_config_new();
        wrong[i].set(config, wrong[i].value);
        refused(config, wrong[i].words);
    }
    svidex_config *config = dead_config();
    svidex_config_set_identity_token_file(config, "/run/token");
    refused(config, "choose one source");
    config = svidex_config_new();
    svidex_config_set_identity_token_file(config, "/run/token");
    svidex_config_set_hint(config, "inference");
    refused(config, "hint");
}

void test_all_settings(void) {
    emulator_reset();
    svidex_config *config = svidex_config_new();
    svidex_config_set_endpoint_socket(config, emulator_info("endpoint_socket_tcp"));
    svidex_config_set_audience(config, "https://api.openai.com/v1");
    svidex_config_set_spiffe_id(config, "spiffe://example.org/ns/batch/sa/worker");
    svidex_config_set_identity_provider_id(config, emulator_info("identity_provider_id"));
    svidex_config_set_service_account_id(config, emulator_info("service_account_id"));
    svidex_config_set_client_id(config, "client-1");
    svidex_config_set_token_endpoint(config, emulator_info("token_endpoint"));
    svidex_config_set_ca_file(config, emulator_info("ca_file"));
    svidex_config_set_refresh_buffer_seconds(config, 12.5);
    svidex_config_set_request_timeout_seconds(config, (double)patience(10000) / 1000);
    svidex_config_set_call_timeout_seconds(config, (double)patience(30000) / 1000);
    svidex_provider *provider = NULL;
    svidex_error *error = NULL;
    REQUIRE(CHECK_OK(svidex_provider_new(config, &provider, &error), error));
    svidex_config_free(config);

    svidex_token *token = must_get_access(provider);
    CHECK_TEXT(svidex_token_spiffe_id(token), "spiffe://example.org/ns/batch/sa/worker");
    svidex_token_free(token);
    svidex_workload_identity *identity = NULL;
    CHECK_OK(svidex_provider_workload_identity(provider, &identity, &error), error);
    CHECK_TEXT(svidex_workload_identity_client_id(identity), "client-1");
    CHECK(svidex_workload_identity_refresh_buffer_seconds(identity) == 12.5);
    svidex_workload_identity_free(identity);
    svidex_provider_free(provider);

    /* A counted string need not end with a NUL. */
    config = svidex_config_new();
    svidex_config_set_string(config, "hint", "batch-and-more", 5);
    provider = provider_from(config);
    token = must_get(provider);
    CHECK_TEXT(svidex_token_spiffe_id(token), "spiffe://example.org/ns/batch/sa/worker");
    svidex_token_free(token);
    svidex_provider_free(provider);
}

void test_empty_environment(void) {
    char socket[512];
    const char *from_environment = getenv("SPIFFE_ENDPOINT_SOCKET");
    REQUIRE(from_environment != NULL);
    snprintf(socket, sizeof socket, "%s", from_environment);
    unsetenv("SPIFFE_ENDPOINT_SOCKET");
    svidex_provider *provider = NULL;
    svidex_error *error = NULL;
    svidex_result result = svidex_provider_new_from_env(NULL, &provider, &error);
    CHECK_FAILS(result, error, SVIDEX_RESULT_INVALID_CONFIG, "SPIFFE_ENDPOINT_SOCKET");
    setenv("SPIFFE_ENDPOINT_SOCKET", socket, 1);

    /* svidex_provider_new does not look there. */
    svidex_config *config = svidex_config_new();
    error = NULL;
    result = svidex_provider_new(config, &provider, &error);
    CHECK_FAILS(result, error, SVIDEX_RESULT_INVALID_CONFIG, "no source of JWT-SVIDs");
    svidex_config_free(config);
}
