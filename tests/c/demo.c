/* What the C library does, in one program: prints who this workload is, how long its two
 * tokens last, and what a model answers when it is asked with the access token.
 *
 * cc demo.c $(pkg-config --cflags --libs svidex libcurl) -o demo */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <svidex.h>

static int failed(const char *what, svidex_result result, svidex_error *error) {
    fprintf(stderr, "%s: %s: %s\n", what, svidex_result_name(result), svidex_error_message(error));
    svidex_error_free(error);
    return 1;
}

/* As much of the answer as the demo needs. */
typedef struct {
    char text[65536];
    size_t length;
} answer;

static size_t receive(char *data, size_t size, size_t count, void *into) {
    answer *received = (answer *)into;
    size_t length = size * count;
    if (length >= sizeof received->text - received->length) {
        return 0;
    }
    memcpy(received->text + received->length, data, length);
    received->length += length;
    return length;
}

/* The model's words: the JSON string behind the last "text":". A program of yours would
 * use a JSON library. */
static void print_words(const char *json) {
    static const char key[] = "\"text\":\"";
    const char *words = strstr(json, key);
    if (words == NULL) {
        printf("answer:       %s\n", json);
        return;
    }
    words += sizeof key - 1;
    const char *end = words;
    while (*end != '\0' && *end != '"') {
        end += *end == '\\' && end[1] != '\0' ? 2 : 1;
    }
    printf("answer:       %.*s\n", (int)(end - words), words);
}

static int ask_model(const char *access_token) {
    const char *base = getenv("OPENAI_BASE_URL");
    const char *model = getenv("OPENAI_MODEL");
    const char *ca_file = getenv("SSL_CERT_FILE");
    char url[512], body[512];
    static answer received;
    long status = 0;
    snprintf(url, sizeof url, "%s/responses", base ? base : "https://api.openai.com/v1");
    snprintf(body, sizeof body, "{\"model\":\"%s\",\"input\":\"Who am I?\"}",
             model ? model : "gpt-5-mini");

    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, access_token);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &received);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
    if (ca_file != NULL) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file);
    }
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK || status != 200) {
        fprintf(stderr, "%s: HTTP status %ld: %s\n", url, status, curl_easy_strerror(code));
        return 1;
    }
    print_words(received.text);
    return 0;
}

int main(void) {
    svidex_provider *provider = NULL;
    svidex_token *token = NULL;
    svidex_status *status = NULL;
    svidex_error *error = NULL;

    svidex_result result = svidex_provider_new_from_env(NULL, &provider, &error);
    if (result != SVIDEX_RESULT_OK) {
        return failed("provider", result, error);
    }
    result = svidex_provider_access_token(provider, -1, &token, &error);
    if (result != SVIDEX_RESULT_OK) {
        svidex_provider_free(provider);
        return failed("access token", result, error);
    }
    if (svidex_provider_status(provider, &status, NULL) == SVIDEX_RESULT_OK) {
        printf("SPIFFE ID:    %s\n", svidex_status_spiffe_id(status));
        printf("JWT-SVID:     %.0f s left\n",
               svidex_status_subject_token_expires_in_seconds(status));
        printf("access token: %.0f s left\n",
               svidex_status_access_token_expires_in_seconds(status));
    }
    int exit_status = ask_model(svidex_token_value(token));
    svidex_status_free(status);
    svidex_token_free(token);
    svidex_provider_free(provider);
    return exit_status;
}
