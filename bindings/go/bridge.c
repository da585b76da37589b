#include "_cgo_export.h"

static void on_done(void *waiter, svidex_result result, svidex_token *token,
                    svidex_error *error) {
    svidexGoDone((uintptr_t)waiter, result, token, error);
}

svidex_result svidex_go_start(const svidex_provider *provider, int is_access,
                              int64_t timeout_ms, uintptr_t waiter,
                              svidex_operation **operation, svidex_error **error) {
    void *user_data = (void *)waiter;
    if (is_access) {
        return svidex_provider_access_token_async(provider, timeout_ms, on_done, user_data,
                                                  operation, error);
    }
    return svidex_provider_get_token_async(provider, timeout_ms, on_done, user_data, operation,
                                           error);
}

static void on_event(void *log, const svidex_event *event) {
    svidexGoEvent((uintptr_t)log, (svidex_event *)event);
}

static void on_release(void *log) { svidexGoRelease((uintptr_t)log); }

svidex_result svidex_go_observe(const svidex_provider *provider, uintptr_t log,
                                svidex_error **error) {
    return svidex_provider_observe(provider, on_event, (void *)log, on_release, error);
}
