/* libsvidex.a and another Rust static library in one program. */
#include "suite/check.h"
#include "suite/emulator.h"

int second_catches_its_panic(void);

static void test_two_rust_archives(void) {
    svidex_provider *provider = NULL;
    svidex_token *token = NULL;
    svidex_error *error = NULL;
    emulator_reset();
    CHECK(second_catches_its_panic() == 1);
    CHECK_OK(svidex_provider_new_from_env(NULL, &provider, &error), error);
    CHECK_OK(svidex_provider_access_token(provider, patience(30000), &token, &error), error);
    svidex_token_free(token);
    svidex_provider_free(provider);
    CHECK(second_catches_its_panic() == 1);
}

int main(int argc, char **argv) {
    static const test_case tests[] = {{"two_rust_archives", test_two_rust_archives}};
    return run_tests(tests, COUNT_OF(tests), argc, argv);
}
