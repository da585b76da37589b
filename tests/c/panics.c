/* A panic in any export comes back as SVIDEX_RESULT_INTERNAL, or as what the
 * function says for NULL, and the next call works.
 *
 * Linked to a library built with the feature inject-panics. `panics --list`
 * prints the exports that are tried: run.sh compares them with the header. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite/check.h"
#include "suite/emulator.h"
#include "suite/inbox.h"
#include "suite/journal.h"

#ifdef __cplusplus
extern "C"
#endif
    void svidex_inject_panic(const char *export_name);

static svidex_provider *provider;
static svidex_token *token;
static svidex_status *status; /* of a provider that has seen everything fail once */
static svidex_status *closed_status;
static svidex_workload_identity *identity;
static svidex_doctor *doctor;
static svidex_report *report;
static svidex_error *failure; /* of a rejected exchange */
static inbox box;

/* Checks that the error names the export, and frees it. */
static bool is_internal(svidex_result result, svidex_error *error, const char *export_name) {
    bool good = result == SVIDEX_RESULT_INTERNAL &&
                svidex_error_result(error) == SVIDEX_RESULT_INTERNAL &&
                strncmp(svidex_error_message(error), export_name, strlen(export_name)) == 0;
    if (!good) {
        fprintf(stderr, "    %s: %s\n", svidex_result_name(result), svidex_error_message(error));
    }
    svidex_error_free(error);
    return good;
}

/* One function for each export below, which tries it broken and whole. */
#define TRY(name) static void try_##name(void)

/* An export that returns a value: `fallback` when broken, `whole` after. */
#define TRY_VALUE(name, call, fallback, whole) \
    TRY(name) {                                \
        svidex_inject_panic(#name);            \
        CHECK((call)fallback);                 \
        CHECK((call)whole);                    \
    }

/* An export that returns a string of a handle. */
#define TRY_TEXT(name, handle, fallback_is_null)                                \
    TRY(name) {                                                                 \
        svidex_inject_panic(#name);                                             \
        const char *broken = name(handle);                                      \
        CHECK((fallback_is_null) ? broken == NULL : broken && *broken == '\0'); \
        CHECK(name(handle) != NULL && *name(handle) != '\0');                   \
    }

TRY(svidex_version) {
    svidex_inject_panic("svidex_version");
    CHECK(strchr(svidex_version(), '.') != NULL);
    CHECK(strchr(svidex_version(), '.') != NULL);
}

TRY(svidex_result_name) {
    svidex_inject_panic("svidex_result_name");
    CHECK_TEXT(svidex_result_name(SVIDEX_RESULT_OK), "unknown");
    CHECK_TEXT(svidex_result_name(SVIDEX_RESULT_OK), "ok");
}

TRY_VALUE(svidex_error_result, svidex_error_result(failure), == SVIDEX_RESULT_INTERNAL,
          == SVIDEX_RESULT_EXCHANGE_REJECTED)
TRY_TEXT(svidex_error_message, failure, false)
TRY_VALUE(svidex_error_http_status, svidex_error_http_status(failure), == 0, == 400)
TRY_TEXT(svidex_error_oauth_code, failure, true)

TRY(svidex_error_retry_after_ms) {
    svidex_token *none = NULL;
    svidex_error *error = NULL;
    emulator_fault("token_endpoint", "{\"status\":429,\"headers\":{\"Retry-After\":\"7\"}}");
    svidex_provider *other = NULL;
    CHECK(svidex_provider_new_from_env(NULL, &other, NULL) == SVIDEX_RESULT_OK);
    CHECK(svidex_provider_access_token(other, 2000, &none, &error) ==
          SVIDEX_RESULT_EXCHANGE_UNAVAILABLE);
    svidex_inject_panic("svidex_error_retry_after_ms");
    CHECK(svidex_error_retry_after_ms(error) == -1);
    CHECK(svidex_error_retry_after_ms(error) == 7000);
    svidex_inject_panic("svidex_error_is_retryable");
    CHECK(!svidex_error_is_retryable(error));
    CHECK(svidex_error_is_retryable(error));
    svidex_error_free(error);
    svidex_provider_free(other);
    emulator_reset();
}

/* Tried with the one before, which has the error for it. */
TRY(svidex_error_is_retryable) { CHECK(!svidex_error_is_retryable(failure)); }

/* What a `_free` broken by a defect leaves is not freed: the second call does it. */
#define TRY_FREE(name, make)        \
    TRY(name) {                     \
        make;                       \
        svidex_inject_panic(#name); \
        name(made);                 \
        name(made);                 \
    }

TRY_FREE(svidex_error_free, svidex_error *made = NULL;
         CHECK(svidex_provider_new(NULL, NULL, &made) == SVIDEX_RESULT_INVALID_ARGUMENT))
TRY_FREE(svidex_config_free, svidex_config *made = svidex_config_new())
TRY_FREE(svidex_provider_free, svidex_provider *made = NULL;
         CHECK(svidex_provider_new_from_env(NULL, &made, NULL) == SVIDEX_RESULT_OK))
TRY_FREE(svidex_token_free, svidex_token *made = NULL;
         CHECK(svidex_provider_get_token(provider, -1, &made, NULL) == SVIDEX_RESULT_OK))
TRY_FREE(svidex_status_free, svidex_status *made = NULL;
         CHECK(svidex_provider_status(provider, &made, NULL) == SVIDEX_RESULT_OK))
TRY_FREE(svidex_report_free, svidex_report *made = svidex_report_retain(report))
TRY_FREE(svidex_doctor_free, svidex_doctor *made = NULL;
         CHECK(svidex_doctor_new(provider, &made, NULL) == SVIDEX_RESULT_OK))
TRY_FREE(svidex_workload_identity_free, svidex_workload_identity *made = NULL;
         CHECK(svidex_provider_workload_identity(provider, &made, NULL) == SVIDEX_RESULT_OK))
TRY_FREE(svidex_operation_free, svidex_operation *made = NULL; int before = inbox_count(&box);
         CHECK(svidex_provider_get_token_async(provider, -1, inbox_receive, &box, &made, NULL) ==
               SVIDEX_RESULT_OK);
         inbox_wait(&box, before + 1))

/* A reference that a defect keeps from being added is not there to be freed. */
#define TRY_RETAIN(name, release, handle) \
    TRY(name) {                           \
        svidex_inject_panic(#name);       \
        CHECK(name(handle) == NULL);      \
        CHECK(name(handle) == (handle));  \
        release(handle);                  \
    }

TRY_RETAIN(svidex_error_retain, svidex_error_free, failure)
TRY_RETAIN(svidex_provider_retain, svidex_provider_free, provider)
TRY_RETAIN(svidex_token_retain, svidex_token_free, token)
TRY_RETAIN(svidex_status_retain, svidex_status_free, status)
TRY_RETAIN(svidex_report_retain, svidex_report_free, report)
TRY_RETAIN(svidex_workload_identity_retain, svidex_workload_identity_free, identity)

TRY(svidex_operation_retain) {
    int before = inbox_count(&box);
    svidex_operation *operation = NULL;
    CHECK(svidex_provider_get_token_async(provider, -1, inbox_receive, &box, &operation, NULL) ==
          SVIDEX_RESULT_OK);
    inbox_wait(&box, before + 1);
    svidex_inject_panic("svidex_operation_retain");
    CHECK(svidex_operation_retain(operation) == NULL);
    CHECK(svidex_operation_retain(operation) == operation);
    svidex_operation_free(operation);
    svidex_operation_free(operation);
}

TRY(svidex_config_new) {
    svidex_inject_panic("svidex_config_new");
    CHECK(svidex_config_new() == NULL);
    svidex_config *config = svidex_config_new();
    CHECK(config != NULL);
    svidex_config_free(config);
}

/* A setter returns nothing: the constructor tells, and a whole config works. */
#define TRY_SETTER(name, call)                                                      \
    TRY(name) {                                                                     \
        svidex_provider *made = NULL;                                               \
        svidex_error *error = NULL;                                                 \
        svidex_config *config = svidex_config_new();                                \
        svidex_inject_panic(#name);                                                 \
        call;                                                                       \
        svidex_result result = svidex_provider_new_from_env(config, &made, &error); \
        CHECK(is_internal(result, error, #name));                                   \
        svidex_config_free(config);                                                 \
        config = svidex_config_new();                                               \
        call;                                                                       \
        error = NULL;                                                               \
        CHECK_OK(svidex_provider_new_from_env(config, &made, &error), error);       \
        svidex_provider_free(made);                                                 \
        svidex_config_free(config);                                                 \
    }

#define TRY_TEXT_SETTER(field, value) \
    TRY_SETTER(svidex_config_set_##field, svidex_config_set_##field(config, (value)))
#define TRY_NUMBER_SETTER(field) \
    TRY_SETTER(svidex_config_set_##field, svidex_config_set_##field(config, 1))

TRY_TEXT_SETTER(endpoint_socket, "unix:///run/agent.sock")
TRY_TEXT_SETTER(identity_token_file, "/run/token")
TRY_TEXT_SETTER(access_token_file, "/run/access")
TRY_TEXT_SETTER(audience, "https://api.openai.com/v1")
TRY_TEXT_SETTER(spiffe_id, "spiffe://example.org/x")
TRY_TEXT_SETTER(hint, "x")
TRY_TEXT_SETTER(identity_provider_id, "idp_1")
TRY_TEXT_SETTER(service_account_id, "sa_1")
TRY_TEXT_SETTER(client_id, "client_1")
TRY_TEXT_SETTER(token_endpoint, "https://localhost/token")
TRY_TEXT_SETTER(ca_file, emulator_info("ca_file"))
TRY_NUMBER_SETTER(refresh_buffer_seconds)
TRY_NUMBER_SETTER(request_timeout_seconds)
TRY_NUMBER_SETTER(call_timeout_seconds)
TRY_SETTER(svidex_config_set_string, svidex_config_set_string(config, "hint", "x", 1))

TRY(svidex_provider_new) {
    svidex_provider *made = NULL;
    svidex_error *error = NULL;
    svidex_config *config = svidex_config_new();
    svidex_config_set_endpoint_socket(config, emulator_info("endpoint_socket"));
    svidex_inject_panic("svidex_provider_new");
    svidex_result result = svidex_provider_new(config, &made, &error);
    CHECK(made == NULL && is_internal(result, error, "svidex_provider_new"));
    error = NULL;
    CHECK_OK(svidex_provider_new(config, &made, &error), error);
    svidex_provider_free(made);
    svidex_config_free(config);
}

static svidex_provider *made_provider;
static svidex_token *made_token;
static svidex_status *made_status;
static svidex_workload_identity *made_identity;

/* An export with an svidex_result and an `error`. */
#define TRY_RESULT(name, call, cleanup)           \
    TRY(name) {                                   \
        svidex_error *error = NULL;               \
        svidex_inject_panic(#name);               \
        svidex_result result = (call);            \
        CHECK(is_internal(result, error, #name)); \
        error = NULL;                             \
        CHECK_OK((call), error);                  \
        cleanup;                                  \
    }

TRY_RESULT(svidex_provider_new_from_env, svidex_provider_new_from_env(NULL, &made_provider, &error),
           svidex_provider_free(made_provider))
TRY_RESULT(svidex_provider_get_token, svidex_provider_get_token(provider, -1, &made_token, &error),
           svidex_token_free(made_token))
TRY_RESULT(svidex_provider_access_token,
           svidex_provider_access_token(provider, -1, &made_token, &error),
           svidex_token_free(made_token))
TRY_RESULT(svidex_provider_invalidate, svidex_provider_invalidate(provider, "x", &error), )
TRY_RESULT(svidex_provider_status, svidex_provider_status(provider, &made_status, &error),
           svidex_status_free(made_status))
TRY_RESULT(svidex_provider_workload_identity,
           svidex_provider_workload_identity(provider, &made_identity, &error),
           svidex_workload_identity_free(made_identity))

static svidex_doctor *made_doctor;
static svidex_report *made_report;
TRY_RESULT(svidex_doctor_new, svidex_doctor_new(provider, &made_doctor, &error),
           svidex_doctor_free(made_doctor))
TRY_RESULT(svidex_doctor_new_from_env, svidex_doctor_new_from_env(NULL, &made_doctor, &error),
           svidex_doctor_free(made_doctor))
TRY_RESULT(svidex_doctor_examine, svidex_doctor_examine(doctor, -1, &made_report, &error),
           svidex_report_free(made_report))

TRY(svidex_doctor_set_admin_key_env) {
    svidex_doctor *other = NULL;
    CHECK(svidex_doctor_new(provider, &other, NULL) == SVIDEX_RESULT_OK);
    svidex_report *found = NULL;
    svidex_inject_panic("svidex_doctor_set_admin_key_env");
    svidex_doctor_set_admin_key_env(other, "SVIDEX_NO_SUCH_KEY");
    CHECK(svidex_doctor_examine(other, -1, &found, NULL) == SVIDEX_RESULT_OK);
    CHECK(strstr(svidex_report_json(found), "identity_provider") == NULL);
    svidex_report_free(found);
    svidex_doctor_set_admin_key_env(other, "SVIDEX_NO_SUCH_KEY");
    CHECK(svidex_doctor_examine(other, -1, &found, NULL) == SVIDEX_RESULT_OK);
    CHECK(strstr(svidex_report_json(found), "SVIDEX_NO_SUCH_KEY is not set") != NULL);
    svidex_report_free(found);
    svidex_doctor_free(other);
}

TRY(svidex_doctor_set_jwks_file) {
    svidex_doctor *other = NULL;
    CHECK(svidex_doctor_new(provider, &other, NULL) == SVIDEX_RESULT_OK);
    svidex_report *found = NULL;
    svidex_inject_panic("svidex_doctor_set_jwks_file");
    svidex_doctor_set_jwks_file(other, "/nonexistent");
    CHECK(svidex_doctor_examine(other, -1, &found, NULL) == SVIDEX_RESULT_OK);
    CHECK(svidex_report_is_healthy(found));
    svidex_report_free(found);
    svidex_doctor_set_jwks_file(other, "/nonexistent");
    CHECK(svidex_doctor_examine(other, -1, &found, NULL) == SVIDEX_RESULT_OK);
    CHECK(!svidex_report_is_healthy(found));
    svidex_report_free(found);
    svidex_doctor_free(other);
}

TRY_VALUE(svidex_report_is_healthy, svidex_report_is_healthy(report), == false, == true)
TRY_TEXT(svidex_report_json, report, false)
TRY_TEXT(svidex_report_text, report, false)

/* Broken, there is no callback; whole, there is one. */
#define TRY_ASYNC(name)                                                                     \
    TRY(name) {                                                                             \
        svidex_error *error = NULL;                                                         \
        svidex_operation *operation = NULL;                                                 \
        int before = inbox_count(&box);                                                     \
        svidex_inject_panic(#name);                                                         \
        svidex_result result = name(provider, -1, inbox_receive, &box, &operation, &error); \
        CHECK(operation == NULL && is_internal(result, error, #name));                      \
        error = NULL;                                                                       \
        CHECK_OK(name(provider, -1, inbox_receive, &box, &operation, &error), error);       \
        inbox_wait(&box, before + 1);                                                       \
        CHECK(box.result == SVIDEX_RESULT_OK && inbox_count(&box) == before + 1);           \
        svidex_operation_free(operation);                                                   \
    }

TRY_ASYNC(svidex_provider_get_token_async)
TRY_ASYNC(svidex_provider_access_token_async)

TRY_VALUE(svidex_provider_token_generation, svidex_provider_token_generation(provider), == 0, != 0)
TRY_VALUE(svidex_provider_access_token_generation,
          svidex_provider_access_token_generation(provider), == 0, != 0)

TRY(svidex_provider_close) {
    svidex_provider *made = NULL;
    CHECK(svidex_provider_new_from_env(NULL, &made, NULL) == SVIDEX_RESULT_OK);
    svidex_inject_panic("svidex_provider_close");
    svidex_provider_close(made);
    CHECK(svidex_provider_get_token(made, 0, NULL, NULL) == SVIDEX_RESULT_INVALID_ARGUMENT);
    svidex_provider_close(made);
    svidex_token *none = NULL;
    CHECK(svidex_provider_get_token(made, 0, &none, NULL) == SVIDEX_RESULT_CLOSED);
    svidex_provider_free(made);
}

TRY(svidex_operation_cancel) {
    inbox pending;
    inbox_open(&pending);
    svidex_provider *made = NULL;
    svidex_operation *operation = NULL;
    CHECK(svidex_provider_new_from_env(NULL, &made, NULL) == SVIDEX_RESULT_OK);
    emulator_hold("workload_api", true);
    CHECK(svidex_provider_get_token_async(made, -1, inbox_receive, &pending, &operation, NULL) ==
          SVIDEX_RESULT_OK);
    svidex_inject_panic("svidex_operation_cancel");
    svidex_operation_cancel(operation);
    CHECK(inbox_count(&pending) == 0);
    svidex_operation_cancel(operation);
    inbox_wait(&pending, 1);
    CHECK(pending.result == SVIDEX_RESULT_CANCELLED);
    emulator_hold("workload_api", false);
    svidex_operation_free(operation);
    svidex_provider_free(made);
    inbox_close(&pending);
}

TRY_TEXT(svidex_token_value, token, false)
TRY_VALUE(svidex_token_length, svidex_token_length(token), == 0, != 0)
TRY_VALUE(svidex_token_is_access_token, svidex_token_is_access_token(token), == false, == true)
TRY_VALUE(svidex_token_generation, svidex_token_generation(token), == 0, != 0)
TRY_VALUE(svidex_token_expires_at_unix_ms, svidex_token_expires_at_unix_ms(token), == 0, != 0)
TRY_TEXT(svidex_token_spiffe_id, token, false)
TRY_TEXT(svidex_token_scope, token, true)

TRY_TEXT(svidex_workload_identity_provider_id, identity, false)
TRY_TEXT(svidex_workload_identity_service_account_id, identity, false)
TRY_TEXT(svidex_workload_identity_client_id, identity, true)
TRY_VALUE(svidex_workload_identity_refresh_buffer_seconds,
          svidex_workload_identity_refresh_buffer_seconds(identity), == 0, == 15)

TRY_TEXT(svidex_status_source, status, false)
TRY_TEXT(svidex_status_audience, status, false)
TRY_TEXT(svidex_status_spiffe_id, status, true)
#define TRY_STATUS_NUMBER(field) \
    TRY_VALUE(svidex_status_##field, svidex_status_##field(status), == 0, != 0)
TRY_STATUS_NUMBER(subject_token_expires_at_unix_ms)
TRY_STATUS_NUMBER(subject_token_expires_in_seconds)
TRY_STATUS_NUMBER(subject_token_age_seconds)
TRY_STATUS_NUMBER(access_token_expires_at_unix_ms)
TRY_STATUS_NUMBER(access_token_expires_in_seconds)
TRY_STATUS_NUMBER(access_token_age_seconds)
TRY_STATUS_NUMBER(fetches)
TRY_STATUS_NUMBER(exchanges)
TRY_STATUS_NUMBER(exchange_failures)
TRY_STATUS_NUMBER(fetch_failures)
TRY_STATUS_NUMBER(last_error_at_unix_ms)
TRY_STATUS_NUMBER(warning_count)
TRY_VALUE(svidex_status_last_error, svidex_status_last_error(status), == NULL, != NULL)
TRY_VALUE(svidex_status_warning, svidex_status_warning(status, 0), == NULL, != NULL)
TRY_VALUE(svidex_status_is_closed, svidex_status_is_closed(closed_status), == false, == true)
TRY_TEXT(svidex_status_json, status, false)

/* Released exactly once, and so not by the call that was broken. */
TRY(svidex_provider_observe) {
    journal book;
    journal_open(&book);
    svidex_error *error = NULL;
    svidex_inject_panic("svidex_provider_observe");
    svidex_result result =
        svidex_provider_observe(provider, journal_write, &book, journal_release, &error);
    CHECK(is_internal(result, error, "svidex_provider_observe"));
    CHECK(journal_released(&book) == 0);
    error = NULL;
    CHECK_OK(svidex_provider_observe(provider, journal_write, &book, journal_release, &error),
             error);
    CHECK_OK(svidex_provider_observe(provider, NULL, NULL, NULL, &error), error);
    CHECK(journal_released(&book) == 1);
    journal_close(&book);
}

TRY(svidex_level_name) {
    svidex_inject_panic("svidex_level_name");
    CHECK_TEXT(svidex_level_name(SVIDEX_LEVEL_DEBUG), "unknown");
    CHECK_TEXT(svidex_level_name(SVIDEX_LEVEL_DEBUG), "debug");
}

typedef struct {
    journal book;
    void (*look)(const svidex_event *);
} examined;

static void examine(void *user_data, const svidex_event *event) {
    examined *self = (examined *)user_data;
    if (journal_count(&self->book) == 0) {
        self->look(event);
    }
    journal_write(&self->book, event);
}

static void release_examined(void *user_data) { journal_release(&((examined *)user_data)->book); }

/* Events live only inside a callback: this one is of a source that does not exist. */
static void with_event(void (*look)(const svidex_event *)) {
    examined self;
    journal_open(&self.book);
    self.look = look;
    svidex_provider *made = NULL;
    svidex_token *none = NULL;
    svidex_error *error = NULL;
    svidex_config *config = svidex_config_new();
    svidex_config_set_endpoint_socket(config, "unix:///nonexistent/agent.sock");
    CHECK_OK(svidex_provider_new(config, &made, &error), error);
    svidex_config_free(config);
    CHECK_OK(svidex_provider_observe(made, examine, &self, release_examined, &error), error);
    CHECK(svidex_provider_get_token(made, 0, &none, NULL) == SVIDEX_RESULT_NOT_READY);
    journal_find(&self.book, 0, SVIDEX_LEVEL_ERROR, "fetch_failed");
    svidex_provider_free(made);
    journal_wait_released(&self.book);
    journal_close(&self.book);
}

/* An export that reads an event. */
#define TRY_EVENT(name, fallback, whole)                 \
    static void look_##name(const svidex_event *event) { \
        svidex_inject_panic(#name);                      \
        CHECK(name(event) fallback);                     \
        CHECK(name(event) whole);                        \
    }                                                    \
    TRY(name) { with_event(look_##name); }

TRY_EVENT(svidex_event_level, == SVIDEX_LEVEL_DEBUG, == SVIDEX_LEVEL_ERROR)
TRY_EVENT(svidex_event_kind, [0] == '\0', [0] == 'f')
TRY_EVENT(svidex_event_message, [0] == '\0', [0] != '\0')
TRY_EVENT(svidex_event_at_unix_ms, == 0, > 0)
TRY_EVENT(svidex_event_dropped_before, == 0, == 0)
TRY_EVENT(svidex_event_error, == NULL, != NULL)

static void must(svidex_result result, svidex_error *error) {
    if (!CHECK_OK(result, error)) {
        give_up();
    }
}

/* Makes what the exports are tried on. */
static void set_up(void) {
    svidex_error *error = NULL;
    svidex_provider *other = NULL;
    inbox_open(&box);
    emulator_reset();
    emulator_settings("{\"scope\":\"model.request\"}");
    emulator_fault("workload_api", "{\"grpc_code\":\"Unavailable\",\"times\":1}");
    emulator_fault("token_endpoint", "{\"status\":503,\"times\":1}");
    setenv("OPENAI_API_KEY", "sk-canary", 1);
    svidex_config *config = svidex_config_new();
    svidex_config_set_client_id(config, "client-1");
    must(svidex_provider_new_from_env(config, &provider, &error), error);
    svidex_config_free(config);
    unsetenv("OPENAI_API_KEY");
    must(svidex_provider_access_token(provider, -1, &token, &error), error);
    must(svidex_provider_workload_identity(provider, &identity, &error), error);
    do {
        svidex_status_free(status);
        must(svidex_provider_status(provider, &status, &error), error);
    } while (svidex_status_access_token_age_seconds(status) == 0);

    emulator_fault("token_endpoint", "{\"oauth_error\":\"invalid_request\"}");
    must(svidex_provider_new_from_env(NULL, &other, &error), error);
    svidex_token *none = NULL;
    svidex_provider_access_token(other, -1, &none, &failure);
    svidex_provider_close(other);
    must(svidex_provider_status(other, &closed_status, &error), error);
    svidex_provider_free(other);
    emulator_reset();
    must(svidex_doctor_new(provider, &doctor, &error), error);
    must(svidex_doctor_examine(doctor, -1, &report, &error), error);
}

static void tear_down(void) {
    svidex_report_free(report);
    svidex_doctor_free(doctor);
    svidex_error_free(failure);
    svidex_status_free(closed_status);
    svidex_status_free(status);
    svidex_workload_identity_free(identity);
    svidex_token_free(token);
    svidex_provider_free(provider);
    inbox_close(&box);
}

#define EXPORT(name) {#name, try_##name}

static const test_case exports[] = {
    EXPORT(svidex_version),
    EXPORT(svidex_result_name),
    EXPORT(svidex_error_result),
    EXPORT(svidex_error_message),
    EXPORT(svidex_error_http_status),
    EXPORT(svidex_error_oauth_code),
    EXPORT(svidex_error_retry_after_ms),
    EXPORT(svidex_error_is_retryable),
    EXPORT(svidex_error_retain),
    EXPORT(svidex_error_free),
    EXPORT(svidex_config_new),
    EXPORT(svidex_config_free),
    EXPORT(svidex_config_set_endpoint_socket),
    EXPORT(svidex_config_set_identity_token_file),
    EXPORT(svidex_config_set_access_token_file),
    EXPORT(svidex_config_set_audience),
    EXPORT(svidex_config_set_spiffe_id),
    EXPORT(svidex_config_set_hint),
    EXPORT(svidex_config_set_identity_provider_id),
    EXPORT(svidex_config_set_service_account_id),
    EXPORT(svidex_config_set_client_id),
    EXPORT(svidex_config_set_token_endpoint),
    EXPORT(svidex_config_set_ca_file),
    EXPORT(svidex_config_set_refresh_buffer_seconds),
    EXPORT(svidex_config_set_request_timeout_seconds),
    EXPORT(svidex_config_set_call_timeout_seconds),
    EXPORT(svidex_config_set_string),
    EXPORT(svidex_provider_new),
    EXPORT(svidex_provider_new_from_env),
    EXPORT(svidex_provider_get_token),
    EXPORT(svidex_provider_access_token),
    EXPORT(svidex_provider_token_generation),
    EXPORT(svidex_provider_access_token_generation),
    EXPORT(svidex_provider_invalidate),
    EXPORT(svidex_provider_close),
    EXPORT(svidex_provider_retain),
    EXPORT(svidex_provider_free),
    EXPORT(svidex_token_value),
    EXPORT(svidex_token_length),
    EXPORT(svidex_token_is_access_token),
    EXPORT(svidex_token_generation),
    EXPORT(svidex_token_expires_at_unix_ms),
    EXPORT(svidex_token_spiffe_id),
    EXPORT(svidex_token_scope),
    EXPORT(svidex_token_retain),
    EXPORT(svidex_token_free),
    EXPORT(svidex_provider_get_token_async),
    EXPORT(svidex_provider_access_token_async),
    EXPORT(svidex_operation_cancel),
    EXPORT(svidex_operation_retain),
    EXPORT(svidex_operation_free),
    EXPORT(svidex_provider_workload_identity),
    EXPORT(svidex_workload_identity_provider_id),
    EXPORT(svidex_workload_identity_service_account_id),
    EXPORT(svidex_workload_identity_client_id),
    EXPORT(svidex_workload_identity_refresh_buffer_seconds),
    EXPORT(svidex_workload_identity_retain),
    EXPORT(svidex_workload_identity_free),
    EXPORT(svidex_provider_status),
    EXPORT(svidex_status_source),
    EXPORT(svidex_status_audience),
    EXPORT(svidex_status_spiffe_id),
    EXPORT(svidex_status_subject_token_expires_at_unix_ms),
    EXPORT(svidex_status_subject_token_expires_in_seconds),
    EXPORT(svidex_status_subject_token_age_seconds),
    EXPORT(svidex_status_access_token_expires_at_unix_ms),
    EXPORT(svidex_status_access_token_expires_in_seconds),
    EXPORT(svidex_status_access_token_age_seconds),
    EXPORT(svidex_status_fetches),
    EXPORT(svidex_status_fetch_failures),
    EXPORT(svidex_status_exchanges),
    EXPORT(svidex_status_exchange_failures),
    EXPORT(svidex_status_last_error),
    EXPORT(svidex_status_last_error_at_unix_ms),
    EXPORT(svidex_status_warning_count),
    EXPORT(svidex_status_warning),
    EXPORT(svidex_status_is_closed),
    EXPORT(svidex_status_json),
    EXPORT(svidex_status_retain),
    EXPORT(svidex_status_free),
    EXPORT(svidex_doctor_new),
    EXPORT(svidex_doctor_new_from_env),
    EXPORT(svidex_doctor_set_admin_key_env),
    EXPORT(svidex_doctor_set_jwks_file),
    EXPORT(svidex_doctor_examine),
    EXPORT(svidex_doctor_free),
    EXPORT(svidex_report_is_healthy),
    EXPORT(svidex_report_json),
    EXPORT(svidex_report_text),
    EXPORT(svidex_report_retain),
    EXPORT(svidex_report_free),
    EXPORT(svidex_provider_observe),
    EXPORT(svidex_event_level),
    EXPORT(svidex_level_name),
    EXPORT(svidex_event_kind),
    EXPORT(svidex_event_message),
    EXPORT(svidex_event_at_unix_ms),
    EXPORT(svidex_event_dropped_before),
    EXPORT(svidex_event_error),
};

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < COUNT_OF(exports); i++) {
            puts(exports[i].name);
        }
        return 0;
    }
    set_up();
    int status_of_tests = run_tests(exports, COUNT_OF(exports), argc, argv);
    tear_down();
    return status_of_tests;
}
