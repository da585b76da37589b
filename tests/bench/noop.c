/* A Node-API function that does nothing. */
#include <node_api.h>
#include <stddef.h>

static napi_value noop(napi_env env, napi_callback_info info) {
    (void)env;
    (void)info;
    return NULL;
}

NAPI_MODULE_INIT(/* napi_env env, napi_value exports */) {
    (void)exports;
    napi_value function = NULL;
    if (napi_create_function(env, "noop", NAPI_AUTO_LENGTH, noop, NULL, &function) != napi_ok) {
        napi_throw_error(env, NULL, "cannot make a function");
    }
    return function;
}
