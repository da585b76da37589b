/* What the tests share. */
#ifndef SUITE_H
#define SUITE_H

#include "check.h"
#include "emulator.h"
#include "inbox.h"
#include "journal.h"

/* A provider for the emulator, which is reset first. */
svidex_provider *fresh_provider(void);

/* The provider, or the whole program ends. `config` may be NULL; it is freed. */
svidex_provider *provider_from(svidex_config *config);

/* A config for a source that does not exist, to fail quickly and offline. */
svidex_config *dead_config(void);

/* A token that must come. */
svidex_token *must_get(const svidex_provider *provider);
svidex_token *must_get_access(const svidex_provider *provider);

void test_version(void);
void test_names(void);
void test_null_arguments(void);
void test_outputs_are_written_only_on_success(void);
void test_error_is_always_written(void);
void test_bad_text_settings(void);
void test_bad_numbers(void);
void test_first_bad_value_wins(void);
void test_wrong_configurations(void);
void test_all_settings(void);
void test_empty_environment(void);

void test_subject_token(void);
void test_access_token(void);
void test_timeout_zero(void);
void test_timeout_zero_tells_the_cause(void);
void test_timeout_zero_while_exchanges_fail(void);
void test_generations(void);
void test_token_file(void);
void test_invalidate(void);
void test_workload_identity(void);
void test_handles_outlive_the_provider(void);

void test_source_unavailable(void);
void test_permission_denied(void);
void test_invalid_subject_token(void);
void test_exchange_rejected(void);
void test_exchange_unavailable(void);
void test_timeout(void);
void test_closed(void);
void test_not_configured_for_exchange(void);

void test_status(void);
void test_status_after_failures(void);
void test_doctor_of_a_provider(void);
void test_doctor_of_the_environment(void);
void test_doctor_that_is_freed_in_the_middle(void);

void test_event_names(void);
void test_events_of_a_renewal(void);
void test_events_of_failures(void);
void test_observers_are_released(void);
void test_inside_an_observer(void);
void test_blocked_in_an_observer(void);

void test_async(void);
void test_async_never_inline(void);
void test_async_failure(void);
void test_async_refusals(void);
void test_cancel(void);
void test_free_while_pending(void);
void test_free_while_threads_wait(void);
void test_inside_a_callback(void);
void test_crowd_is_one_flight(void);
void test_crowd_of_threads(void);
void test_cancelling_half_a_crowd(void);

void test_references(void);
void test_borrowed_errors_are_retained(void);
void test_ended_while_threads_read(void);
void test_freed_while_a_call_begins(void);
void test_freed_by_its_callback(void);
void test_threads_share_an_operation(void);
void test_threads_share_a_token(void);
void test_thread_reads_as_it_ends(void);

void test_fork_warm(void);
void test_fork_in_first_fetch(void);
void test_fork_with_an_observer(void);

#endif
