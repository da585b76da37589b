#include <stdio.h>
#include <stdlib.h>

#include "suite.h"

svidex_provider *provider_from(svidex_config *config) {
    svidex_provider *provider = NULL;
    svidex_error *error = NULL;
    svidex_result result = svidex_provider_new_from_env(config, &provider, &error);
    svidex_config_free(config);
    if (!CHECK_OK(result, error)) {
        give_up();
    }
    return provider;
}

svidex_provider *fresh_provider(void) {
    emulator_reset();
    return provider_from(NULL);
}

svidex_config *dead_config(void) {
    svidex_config *config = svidex_config_new();
    svidex_config_set_endpoint_socket(config, "unix:///nonexistent/agent.sock");
    return config;
}

svidex_token *must_get(const svidex_provider *provider) {
    svidex_token *token = NULL;
    svidex_error *error = NULL;
    if (!CHECK_OK(svidex_provider_get_token(provider, patience(30000), &token, &error), error)) {
        give_up();
    }
    return token;
}

svidex_token *must_get_access(const svidex_provider *provider) {
    svidex_token *token = NULL;
    svidex_error *error = NULL;
    if (!CHECK_OK(svidex_provider_access_token(provider, patience(30000), &token, &error), error)) {
        give_up();
    }
    return token;
}

#define CASE(name) {#name, test_##name}

int main(int argc, char **argv) {
    static const test_case tests[] = {
        CASE(version),
        CASE(names),
        CASE(null_arguments),
        CASE(outputs_are_written_only_on_success),
        CASE(error_is_always_written),
        CASE(bad_text_settings),
        CASE(bad_numbers),
        CASE(first_bad_value_wins),
        CASE(wrong_configurations),
        CASE(all_settings),
        CASE(empty_environment),
        CASE(subject_token),
        CASE(access_token),
        CASE(timeout_zero),
        CASE(timeout_zero_tells_the_cause),
        CASE(timeout_zero_while_exchanges_fail),
        CASE(generations),
        CASE(token_file),
        CASE(invalidate),
        CASE(workload_identity),
        CASE(handles_outlive_the_provider),
        CASE(source_unavailable),
        CASE(permission_denied),
        CASE(invalid_subject_token),
        CASE(exchange_rejected),
        CASE(exchange_unavailable),
        CASE(timeout),
        CASE(closed),
        CASE(not_configured_for_exchange),
        CASE(status),
        CASE(status_after_failures),
        CASE(doctor_of_a_provider),
        CASE(doctor_of_the_environment),
        CASE(doctor_that_is_freed_in_the_middle),
        CASE(event_names),
        CASE(events_of_a_renewal),
        CASE(events_of_failures),
        CASE(observers_are_released),
        CASE(inside_an_observer),
        CASE(blocked_in_an_observer),
        CASE(async),
        CASE(async_never_inline),
        CASE(async_failure),
        CASE(async_refusals),
        CASE(cancel),
        CASE(free_while_pending),
        CASE(free_while_threads_wait),
        CASE(inside_a_callback),
        CASE(crowd_is_one_flight),
        CASE(crowd_of_threads),
        CASE(cancelling_half_a_crowd),
        CASE(references),
        CASE(borrowed_errors_are_retained),
        CASE(ended_while_threads_read),
        CASE(freed_while_a_call_begins),
        CASE(freed_by_its_callback),
        CASE(threads_share_an_operation),
        CASE(threads_share_a_token),
        CASE(thread_reads_as_it_ends),
        CASE(fork_warm),
        CASE(fork_in_first_fetch),
        CASE(fork_with_an_observer),
    };
    return run_tests(tests, COUNT_OF(tests), argc, argv);
}
