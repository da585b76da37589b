/* The main job: who we are, and the access token. */
#include <stdio.h>
#include <svidex.h>

int main(void) {
    svidex_provider *provider = NULL;
    svidex_token *token = NULL;
    svidex_error *error = NULL;
    int failed = 1;
    if (svidex_provider_new_from_env(NULL, &provider, &error) == SVIDEX_RESULT_OK &&
        svidex_provider_access_token(provider, -1, &token, &error) == SVIDEX_RESULT_OK) {
        svidex_status *status = NULL;
        if (svidex_provider_status(provider, &status, &error) == SVIDEX_RESULT_OK) {
            printf("%s %s\n", svidex_status_spiffe_id(status), svidex_token_value(token));
            failed = 0;
        }
        svidex_status_free(status);
    }
    if (failed) {
        fprintf(stderr, "%s\n", svidex_error_message(error));
    }
    svidex_token_free(token);
    svidex_error_free(error);
    svidex_provider_free(provider);
    return failed;
}
