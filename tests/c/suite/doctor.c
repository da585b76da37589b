/* What stands between this process and an access token. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "suite.h"

static svidex_report *examined(svidex_doctor *doctor) {
    svidex_report *report = NULL;
    svidex_error *error = NULL;
    REQUIRE(CHECK_OK(svidex_doctor_examine(doctor, -1, &report, &error), error));
    CHECK(!looks_secret(svidex_report_json(report)));
    CHECK(!looks_secret(svidex_report_text(report)));
    return report;
}

void test_doctor_of_a_provider(void) {
    emulator_reset();
    svidex_provider *provider = provider_from(NULL);
    svidex_doctor *doctor = NULL;
    svidex_error *error = NULL;
    REQUIRE(CHECK_OK(svidex_doctor_new(provider, &doctor, &error), error));
    svidex_provider_free(provider);

    svidex_report *report = examined(doctor);
    CHECK(svidex_report_is_healthy(report));
    const char *json = svidex_report_json(report);
    CHECK(strstr(json, "\"healthy\":true") != NULL);
    CHECK(strstr(json, "{\"id\":\"exchange\",\"outcome\":\"ok\",\"seen\":") != NULL);
    CHECK(strstr(json, "uploaded_jwks") == NULL);
    CHECK(strncmp(svidex_report_text(report), "ok       configuration", 22) == 0);
    CHECK(svidex_report_retain(report) == report);
    svidex_report_free(report);
    CHECK(svidex_report_is_healthy(report));
    svidex_report_free(report);

    /* Another one, without waiting. */
    svidex_doctor_set_jwks_file(doctor, "/nonexistent/jwks.json");
    svidex_result result;
    while ((result = svidex_doctor_examine(doctor, 0, &report, &error)) ==
           SVIDEX_RESULT_NOT_READY) {
        struct timespec slice = {0, 20 * 1000 * 1000};
        nanosleep(&slice, NULL);
    }
    REQUIRE(CHECK_OK(result, error));
    CHECK(!svidex_report_is_healthy(report));
    CHECK(strstr(svidex_report_json(report), "{\"id\":\"uploaded_jwks\",\"outcome\":\"failed\"") !=
          NULL);
    svidex_report_free(report);

    svidex_doctor_set_jwks_file(doctor, NULL);
    result = svidex_doctor_examine(doctor, -1, &report, &error);
    CHECK_FAILS(result, error, SVIDEX_RESULT_INVALID_CONFIG, "jwks_file is NULL");
    svidex_doctor_free(doctor);
}

void test_doctor_of_the_environment(void) {
    emulator_reset();
    svidex_config *config = svidex_config_new();
    svidex_config_set_endpoint_socket(config, "nowhere");
    svidex_doctor *doctor = NULL;
    svidex_error *error = NULL;
    REQUIRE(CHECK_OK(svidex_doctor_new_from_env(config, &doctor, &error), error));
    svidex_config_free(config);
    svidex_report *report = examined(doctor);
    CHECK(!svidex_report_is_healthy(report));
    CHECK(strstr(svidex_report_json(report), "{\"id\":\"configuration\",\"outcome\":\"failed\"") !=
          NULL);
    svidex_report_free(report);
    svidex_doctor_free(doctor);

    config = svidex_config_new();
    svidex_config_set_endpoint_socket(config, "\xff");
    doctor = NULL;
    svidex_result result = svidex_doctor_new_from_env(config, &doctor, &error);
    CHECK_FAILS(result, error, SVIDEX_RESULT_INVALID_CONFIG, "endpoint_socket is not valid UTF-8");
    CHECK(doctor == NULL);
    svidex_config_free(config);
}

void test_doctor_that_is_freed_in_the_middle(void) {
    emulator_reset();
    emulator_fault("workload_api", "{\"hang\":true}");
    svidex_doctor *doctor = NULL;
    svidex_error *error = NULL;
    REQUIRE(CHECK_OK(svidex_doctor_new_from_env(NULL, &doctor, &error), error));
    svidex_report *report = NULL;
    CHECK(svidex_doctor_examine(doctor, 20, &report, &error) == SVIDEX_RESULT_NOT_READY);
    CHECK(report == NULL && error == NULL);
    svidex_doctor_free(doctor);
    emulator_reset();
}
