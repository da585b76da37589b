/*
 * svidex: credentials for workloads that hold a SPIFFE identity and call the OpenAI API.
 *
 * Generated from ffi/src by cbindgen: do not edit.
 *
 * THE CONVENTIONS OF ALL FUNCTIONS
 *
 * Handles. Every type here but the enums is opaque: made by a function of svidex and
 * used through its pointer. Handles are counted: whoever is given one owns a reference
 * to it, the function named `_retain` of its type adds another, by the same pointer,
 * and the function named `_free` lets go of one. The handle ends with its last
 * reference. Three types have no `_retain`: a svidex_config and a svidex_doctor have one
 * owner, and events are lent, for as long as a callback runs. Handing NULL to `_retain` or `_free` does
 * nothing. NULL for any other handle is an error, or for functions with no svidex_result
 * the answer that their comment names (0, false, NULL where it names none).
 *
 * Outputs. A pointer through which a function answers is written to only if the
 * function returns SVIDEX_RESULT_OK. What is written belongs to the caller.
 *
 * Errors. `svidex_error **error`, the last parameter of all functions that can fail,
 * may be NULL. If it is not, every call writes to it: NULL as it begins and, if there is
 * something to tell, an error object that is the caller's to free. There is one with
 * every failure and none with SVIDEX_RESULT_OK; with SVIDEX_RESULT_NOT_READY there is
 * one while attempts fail. So free what it holds after each call that did not return
 * SVIDEX_RESULT_OK, before the same variable goes into the next.
 *
 * Strings. Those that go in end with a NUL, are UTF-8, and are copied: they may be
 * freed when the call returns. Those that come out end with a NUL, are UTF-8, belong to
 * the handle they were asked of, and live as long as it does.
 *
 * Threads. Every handle may be used by any number of threads at once, save svidex_config
 * and svidex_doctor (one at a time). Whoever calls a function with a handle sees to it that a reference is
 * held until the call returns. A thread that shares a handle therefore has a reference of
 * its own (retained before the thread starts, by somebody who has one, and freed by the
 * thread), or it is joined before the reference that it uses is freed. Given that, threads
 * may free their references in any order, at any moment. Without it nothing is promised:
 * a handle whose last reference is gone must not be touched, not even to be retained, and
 * svidex cannot notice that it is. To end the calls of other threads, close the provider
 * (svidex_provider_close), and let each thread free what is its own.
 *
 * Callbacks. An asynchronous call needs no reference once it has been made: what it uses
 * it holds by itself, and a callback may free the reference with which its call was made.
 *
 * Forks. After fork() the child goes on with its providers: tokens in memory are served,
 * new ones are fetched by threads of its own. A call that was pending in the parent
 * ends there. It has a copy of every reference, also of those that belonged to threads
 * which are only in the parent: there too, svidex_provider_close is what ends a provider.
 *
 * Defects. Should svidex fail within itself, functions with a svidex_result return
 * SVIDEX_RESULT_INTERNAL, and others give the answer that they give for NULL; setters
 * of a config make the provider's constructor return SVIDEX_RESULT_INTERNAL. The next
 * call works.
 *
 * The library is never unloaded: dlclose() leaves it in memory, for its threads run on.
 */


#ifndef SVIDEX_H
#define SVIDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * The version of this header. `svidex_version` gives that of the library that is loaded.
 */
#define SVIDEX_VERSION "0.1.0"
#define SVIDEX_VERSION_MAJOR 0
#define SVIDEX_VERSION_MINOR 1
#define SVIDEX_VERSION_PATCH 0

/**
 * How a call ended. New members come at the end of their group and numbers
 * never change, so treat a number that you do not know as a failure.
 *
 * 0 to 3 are about the call itself; from 100 on they are the closed set of
 * errors that svidex has in every language, by the same names.
 */
typedef enum {
    /**
     * It worked; the outputs are written.
     */
    SVIDEX_RESULT_OK = 0,
    /**
     * No token is at hand yet, and the call was told not to wait. One is being
     * fetched in the background. If attempts are failing, the error object says why.
     */
    SVIDEX_RESULT_NOT_READY = 1,
    /**
     * A pointer that may not be NULL is NULL, or a number is out of its range.
     */
    SVIDEX_RESULT_INVALID_ARGUMENT = 2,
    /**
     * A call that may block was made from inside a callback. Use a timeout of 0
     * or the asynchronous form there.
     */
    SVIDEX_RESULT_CALLED_FROM_CALLBACK = 3,
    /**
     * A setting is missing or has a wrong value; the message names it.
     */
    SVIDEX_RESULT_INVALID_CONFIG = 100,
    /**
     * The Workload API or the token file could not be reached or read.
     */
    SVIDEX_RESULT_SOURCE_UNAVAILABLE = 101,
    /**
     * The Workload API issues no identity to this process.
     */
    SVIDEX_RESULT_PERMISSION_DENIED = 102,
    /**
     * The source answered, but not with a usable JWT-SVID.
     */
    SVIDEX_RESULT_INVALID_SUBJECT_TOKEN = 103,
    /**
     * The token endpoint refused the exchange.
     */
    SVIDEX_RESULT_EXCHANGE_REJECTED = 104,
    /**
     * The token endpoint could not be reached, or could not answer.
     */
    SVIDEX_RESULT_EXCHANGE_UNAVAILABLE = 105,
    /**
     * The deadline passed before any attempt had ended.
     */
    SVIDEX_RESULT_TIMEOUT = 106,
    /**
     * The call was cancelled.
     */
    SVIDEX_RESULT_CANCELLED = 107,
    /**
     * The provider was closed.
     */
    SVIDEX_RESULT_CLOSED = 108,
    /**
     * A defect in svidex.
     */
    SVIDEX_RESULT_INTERNAL = 109,
} svidex_result;

/**
 * How much an operator should care: the larger the number, the more. A new
 * member may come anywhere in this order, and numbers never change: compare
 * with `<` and `>=`.
 */
typedef enum {
    /**
     * The ordinary course of things: a token was renewed.
     */
    SVIDEX_LEVEL_DEBUG = 10,
    /**
     * A change for the better, such as a recovery.
     */
    SVIDEX_LEVEL_INFO = 20,
    /**
     * Something failed, and callers do not feel it yet: the token at hand has
     * life left.
     */
    SVIDEX_LEVEL_WARNING = 30,
    /**
     * Something failed, and callers feel it: there is no usable token.
     */
    SVIDEX_LEVEL_ERROR = 40,
} svidex_level;

/**
 * Settings from which providers are made. A setting that is left alone has its
 * default. It has one owner, and is not for use by two threads at once.
 *
 * Setters copy what they are given and return nothing: the first value that is
 * wrong (NULL, empty, not UTF-8, with a control character in it, out of range)
 * is reported by its name when a provider is made. NULL for the config itself
 * is ignored there, and reported when a provider is made.
 */
typedef struct svidex_config svidex_config;

/**
 * Examines what a provider is, or would be, made of: tries every step from the settings
 * to the access token once, and says what to do about what is wrong. It has one owner,
 * and is not for use by two threads at once.
 */
typedef struct svidex_doctor svidex_doctor;

/**
 * Why a call failed: a result code, a message for people, and what the token
 * endpoint said. Immutable; any thread may read it.
 */
typedef struct svidex_error svidex_error;

/**
 * One thing that happened in the background. Lent to a callback, and gone when
 * it returns, with all that is borrowed from it; there is nothing to free.
 * Holds no token text.
 */
typedef struct svidex_event svidex_event;

/**
 * A pending asynchronous call, which can be cancelled.
 */
typedef struct svidex_operation svidex_operation;

/**
 * Gets JWT-SVIDs and OpenAI access tokens, keeps both in memory and renews
 * them in the background. Make one and keep it; any number of threads may use
 * it at once. It survives `fork()`: the child uses it on its own.
 */
typedef struct svidex_provider svidex_provider;

/**
 * What was found. Immutable; any thread may read it. Holds no token text.
 */
typedef struct svidex_report svidex_report;

/**
 * The state of a provider at one moment. Immutable; any thread may read it.
 * Holds no token text.
 */
typedef struct svidex_status svidex_status;

/**
 * A token: a JWT-SVID (the subject token of an exchange) or an OpenAI access
 * token. Immutable; any thread may read it, and it outlives its provider.
 *
 * Its text is a secret: keep it out of logs. It is wiped from memory when the
 * last reference to it is gone and the provider has moved on.
 */
typedef struct svidex_token svidex_token;

/**
 * The settings of a provider that an OpenAI SDK wants for its own token
 * exchange (`workload_identity`), as they came from the config and the
 * environment. Immutable; any thread may read it.
 */
typedef struct svidex_workload_identity svidex_workload_identity;

/**
 * Where an asynchronous call ends: called exactly once, on a thread of svidex,
 * never from inside the call that started it (but perhaps before that call has
 * returned), and perhaps after `svidex_provider_free`. `user_data` must live
 * until then.
 *
 * With `SVIDEX_RESULT_OK`, `token` is the callback's to free and `error` is
 * NULL; with any other result it is the other way round.
 *
 * One that blocks holds up no other call and no renewal, but keeps a thread for as
 * long; there are 32 for all callbacks of a process. No C++ exception may leave it.
 * Calls with a timeout of 0, asynchronous calls, and
 * everything that frees or closes may be made from it.
 */
typedef void (*svidex_token_callback)(void *user_data,
                                      svidex_result result,
                                      svidex_token *token,
                                      svidex_error *error);

/**
 * Where events go: called on threads of svidex, one event at a time and in
 * order.
 *
 * One that blocks holds up nobody but itself: 64 events wait for it, and then some
 * are dropped (`svidex_event_dropped_before` tells how many). No C++ exception may leave it. Calls with a timeout of 0, asynchronous
 * calls, `svidex_provider_status`, and everything that frees or closes may be
 * made from it, and so may `svidex_provider_observe`.
 */
typedef void (*svidex_event_callback)(void *user_data, const svidex_event *event);

/**
 * Where svidex lets go of a `user_data`: it is not used any more, and may be
 * freed. What holds for `svidex_event_callback` holds for this too.
 */
typedef void (*svidex_release_callback)(void *user_data);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library that is loaded, such as `0.1.0`: `SVIDEX_VERSION` of its
 * own header.
 *
 * The string is constant and never freed.
 */
const char *svidex_version(void);

/**
 * The name of a result, such as `exchange_rejected`: the same word in every
 * language of svidex and in its logs.
 *
 * Any number may be passed; one that is no result is `unknown`. The string is
 * constant and never freed.
 */
const char *svidex_result_name(svidex_result result);

/**
 * The result that came with this error, for code that keeps only the object; for
 * the cause behind a `SVIDEX_RESULT_NOT_READY`, what a call that waits would have
 * got. `SVIDEX_RESULT_OK` for NULL.
 */
svidex_result svidex_error_result(const svidex_error *error);

/**
 * What failed, where, and what to do next, in English and on one line. Never
 * token text.
 *
 * Borrowed from the error; never NULL ("" for a NULL error).
 */
const char *svidex_error_message(const svidex_error *error);

/**
 * The HTTP status of the token endpoint's answer; 0 if there was no answer.
 */
uint16_t svidex_error_http_status(const svidex_error *error);

/**
 * The OAuth `error` code of the token endpoint's answer (RFC 6749 section 5.2),
 * such as `invalid_grant`; NULL if there was none.
 *
 * Borrowed from the error.
 */
const char *svidex_error_oauth_code(const svidex_error *error);

/**
 * How long the token endpoint asked to be left alone (`Retry-After`), in
 * milliseconds, at most five minutes; -1 if it did not ask. The provider
 * honours it by itself.
 */
int64_t svidex_error_retry_after_ms(const svidex_error *error);

/**
 * Whether the same call may succeed later with nothing changed. If false,
 * somebody has to change something first: the message says what.
 */
bool svidex_error_is_retryable(const svidex_error *error);

/**
 * One more reference to an error, by the same pointer; NULL for NULL. It also
 * keeps an error that is borrowed from a status or an event.
 */
svidex_error *svidex_error_retain(const svidex_error *error);

/**
 * Lets go of a reference; the last one frees the error and the strings borrowed
 * from it. NULL is ignored.
 */
void svidex_error_free(svidex_error *error);

/**
 * Makes a config with every setting at its default. NULL only by a defect.
 *
 * Free it with `svidex_config_free`, at any time after the last provider was
 * made from it.
 */
svidex_config *svidex_config_new(void);

/**
 * Frees a config. NULL is ignored. Providers made from it live on.
 */
void svidex_config_free(svidex_config *config);

/**
 * Where the SPIFFE Workload API listens: `unix:///path`, `unix:/path` or
 * `tcp://IP:port`. Variable: `SPIFFE_ENDPOINT_SOCKET`.
 *
 * Either this or `identity_token_file` is needed, and not both (or, for access tokens
 * alone, `access_token_file`).
 */
void svidex_config_set_endpoint_socket(svidex_config *config,
                                       const char *endpoint_socket);

/**
 * A file that a sidecar keeps filled with a JWT-SVID; read anew at each renewal.
 * Variable: `OPENAI_IDENTITY_TOKEN_FILE`, which wins over `SPIFFE_ENDPOINT_SOCKET`.
 */
void svidex_config_set_identity_token_file(svidex_config *config,
                                           const char *identity_token_file);

/**
 * A file that `svidex bridge` keeps filled with an access token, read anew when it
 * is due: where access tokens come from then, instead of an exchange. Needs no source
 * of SVIDs and no IDs, and gives no SVIDs. Variable: `SVIDEX_ACCESS_TOKEN_FILE`.
 */
void svidex_config_set_access_token_file(svidex_config *config,
                                         const char *access_token_file);

/**
 * The audience to ask for and to insist on. Default: `https://api.openai.com/v1`.
 * Variable: `SVIDEX_AUDIENCE`.
 */
void svidex_config_set_audience(svidex_config *config, const char *audience);

/**
 * The SPIFFE ID to ask for, or to insist on in a token file:
 * `spiffe://trust.domain/path`. Default: the first identity that the Workload API
 * returns. Variable: `SVIDEX_SPIFFE_ID`.
 */
void svidex_config_set_spiffe_id(svidex_config *config, const char *spiffe_id);

/**
 * Chooses among several identities of the Workload API by their hint.
 */
void svidex_config_set_hint(svidex_config *config, const char *hint);

/**
 * The ID of the Workload Identity Provider at OpenAI. Needed for access tokens
 * only. Variable: `OPENAI_IDENTITY_PROVIDER_ID`.
 */
void svidex_config_set_identity_provider_id(svidex_config *config,
                                            const char *identity_provider_id);

/**
 * The ID of the service account at OpenAI. Needed for access tokens only.
 * Variable: `OPENAI_SERVICE_ACCOUNT_ID`.
 */
void svidex_config_set_service_account_id(svidex_config *config,
                                          const char *service_account_id);

/**
 * An OAuth client ID, sent along with an exchange if set.
 */
void svidex_config_set_client_id(svidex_config *config, const char *client_id);

/**
 * Where tokens are exchanged: an https URL (http on loopback only). Default:
 * OpenAI's. Variable: `SVIDEX_TOKEN_ENDPOINT`.
 */
void svidex_config_set_token_endpoint(svidex_config *config, const char *token_endpoint);

/**
 * A PEM file with the only CAs to trust for the token endpoint. Default:
 * `SSL_CERT_FILE` and `SSL_CERT_DIR`, else the system's roots.
 */
void svidex_config_set_ca_file(svidex_config *config, const char *ca_file);

/**
 * How long before its end a token is renewed, in seconds: more than 0, at most
 * 86400, and never more than half the token's life. Default: 1200.
 */
void svidex_config_set_refresh_buffer_seconds(svidex_config *config,
                                              double refresh_buffer_seconds);

/**
 * Deadline of one attempt to fetch or to exchange, in seconds: more than 0, at
 * most 86400. Default: 10.
 */
void svidex_config_set_request_timeout_seconds(svidex_config *config,
                                               double request_timeout_seconds);

/**
 * Deadline of a call that has to wait and names no timeout of its own, in
 * seconds: more than 0, at most 86400. Default: 30.
 */
void svidex_config_set_call_timeout_seconds(svidex_config *config,
                                            double call_timeout_seconds);

/**
 * Sets a text setting by its name (such as `audience`), from a string that
 * carries its length: for languages whose strings may hold a NUL, which is then
 * refused instead of ending the value early. `value` may have no NUL behind it.
 *
 * A name that is not one of the eleven text settings above is reported like a
 * wrong value.
 */
void svidex_config_set_string(svidex_config *config,
                              const char *name,
                              const char *value,
                              size_t value_length);

/**
 * Makes a provider from explicit settings. Of the environment it reads only
 * `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, `SSL_CERT_FILE` and `SSL_CERT_DIR`, now and
 * on this thread. Does not touch the network: a dead socket is an error of the first
 * token, a malformed one is an error here.
 *
 * `config` is only read. On success `*provider` is the caller's, to be freed
 * with `svidex_provider_free`.
 *
 * Fails with `INVALID_CONFIG` for a setting that is missing or wrong, and
 * `INVALID_ARGUMENT` if `config` or `provider` is NULL.
 */
svidex_result svidex_provider_new(const svidex_config *config,
                                  svidex_provider **provider,
                                  svidex_error **error);

/**
 * Makes a provider from the environment: the variables named at the setters
 * fill whatever `config` leaves out. An explicit source silences both source
 * variables. The environment is read once, now and on this thread.
 *
 * `config` may be NULL: then everything comes from the environment. The rest is
 * as for `svidex_provider_new`.
 */
svidex_result svidex_provider_new_from_env(const svidex_config *config,
                                           svidex_provider **provider,
                                           svidex_error **error);

/**
 * Gives a JWT-SVID with life left: from memory if there is one, else it waits
 * for one. This is what the OpenAI SDKs call the subject token.
 *
 * `timeout_ms`: how long to wait, in milliseconds. 0 never waits: it gives what
 * is in memory, else starts a fetch in the background and returns `NOT_READY`;
 * `*error` is then why the latest attempt failed, or NULL if none has failed
 * since the last that succeeded, and yours to free as ever. Negative: as long as `call_timeout_seconds` says.
 *
 * On success `*token` is the caller's, to be freed with `svidex_token_free`.
 *
 * Fails with the cause that kept the token away; with `TIMEOUT` only if no
 * attempt ended in time; with `CLOSED` after `svidex_provider_close`; with
 * `CALLED_FROM_CALLBACK` inside a callback, unless `timeout_ms` is 0.
 */
svidex_result svidex_provider_get_token(const svidex_provider *provider,
                                        int64_t timeout_ms,
                                        svidex_token **token,
                                        svidex_error **error);

/**
 * Gives an OpenAI access token with life left, exchanged for a JWT-SVID. Needs
 * `identity_provider_id` and `service_account_id`.
 *
 * Parameters, ownership and failures are those of `svidex_provider_get_token`;
 * and it fails with `INVALID_CONFIG` if one of the two IDs is missing, and with
 * `EXCHANGE_REJECTED` or `EXCHANGE_UNAVAILABLE` if the exchange fails.
 */
svidex_result svidex_provider_access_token(const svidex_provider *provider,
                                           int64_t timeout_ms,
                                           svidex_token **token,
                                           svidex_error **error);

/**
 * The generation (see `svidex_token_generation`) of the JWT-SVID that
 * `svidex_provider_get_token` would give from memory now; 0 if it would have to
 * wait, or for NULL.
 *
 * The cheapest way to read: who keeps the text of a token together with its
 * generation may go on using it while this number stays the same. Counts as
 * a use of the token, so that the provider keeps renewing it. Never blocks.
 */
uint64_t svidex_provider_token_generation(const svidex_provider *provider);

/**
 * The same for the access token: see `svidex_provider_token_generation`.
 */
uint64_t svidex_provider_access_token_generation(const svidex_provider *provider);

/**
 * Drops whichever of the provider's two tokens has this text, so that the next
 * call gets another one: for a token that was refused although it had life
 * left, such as after an HTTP 401. Does nothing if it is neither. Never blocks.
 *
 * Fails only with `INVALID_ARGUMENT`, if a pointer is NULL or `token` is not
 * valid UTF-8.
 */
svidex_result svidex_provider_invalidate(const svidex_provider *provider,
                                         const char *token,
                                         svidex_error **error);

/**
 * Ends the provider: pending calls end with `CLOSED`, and so do later ones; it
 * lets go of its tokens. Never waits. May be called by any thread, more than
 * once, and inside callbacks; NULL is ignored.
 *
 * This is how a provider that threads share is ended: each of them hears `CLOSED`
 * from its call, and then frees its reference.
 */
void svidex_provider_close(const svidex_provider *provider);

/**
 * One more reference to a provider, by the same pointer; NULL for NULL. One for
 * each thread that shares it: retained before the thread starts, and freed by it.
 */
svidex_provider *svidex_provider_retain(const svidex_provider *provider);

/**
 * Lets go of a reference. The provider goes on for those who have others; the
 * last one to go closes it, as `svidex_provider_close` does, and frees the
 * handle. Never waits; NULL is ignored.
 *
 * Asynchronous calls that are pending when the last reference goes end with
 * `CLOSED`: callbacks may therefore still come after this. Tokens, errors,
 * statuses and operations live on.
 */
void svidex_provider_free(svidex_provider *provider);

/**
 * The text of the token: visible ASCII, fit for `Authorization: Bearer …`.
 *
 * Borrowed from the token; "" for NULL.
 */
const char *svidex_token_value(const svidex_token *token);

/**
 * The length of the text in bytes, without the NUL behind it; 0 for NULL.
 */
size_t svidex_token_length(const svidex_token *token);

/**
 * Whether this is an OpenAI access token; if not, it is a JWT-SVID. False for
 * NULL.
 */
bool svidex_token_is_access_token(const svidex_token *token);

/**
 * A number that is this token's alone within the process: two handles with the
 * same number hold the same text, so that a copy of the text can be kept under
 * it. Never 0, save for NULL.
 */
uint64_t svidex_token_generation(const svidex_token *token);

/**
 * When the token ends, in milliseconds since 1970 (UTC); 0 for NULL.
 *
 * The provider stops handing it out a little earlier.
 */
int64_t svidex_token_expires_at_unix_ms(const svidex_token *token);

/**
 * The SPIFFE ID of the JWT-SVID; for an access token, of the SVID it was
 * exchanged for.
 *
 * Borrowed from the token; "" for NULL.
 */
const char *svidex_token_spiffe_id(const svidex_token *token);

/**
 * The scope that came with an access token (RFC 6749 section 3.3); NULL if none
 * came, or for a JWT-SVID.
 *
 * Borrowed from the token.
 */
const char *svidex_token_scope(const svidex_token *token);

/**
 * One more reference to a token, by the same pointer; NULL for NULL.
 */
svidex_token *svidex_token_retain(const svidex_token *token);

/**
 * Lets go of a reference. The last one ends the strings borrowed from the token,
 * and wipes its text once the provider has moved on. NULL is ignored.
 */
void svidex_token_free(svidex_token *token);

/**
 * Begins to get a JWT-SVID and returns at once; `callback` gets it.
 *
 * `timeout_ms`: how long the call may take, in milliseconds; negative: as long
 * as `call_timeout_seconds` says. 0 is refused: `svidex_provider_get_token`
 * says at once what is in memory.
 *
 * `operation` may be NULL if the call will not be cancelled; else, on success,
 * `*operation` is the caller's, to be freed with `svidex_operation_free`.
 *
 * If this returns `SVIDEX_RESULT_OK`, the callback comes, whatever happens:
 * failures of the fetch are its to hear. With any other result it never comes:
 * `INVALID_ARGUMENT` (a NULL or a timeout of 0) or `SOURCE_UNAVAILABLE` (the system
 * has no thread for the callback; try again later). After a `fork()` it comes in the process that made the call.
 */
svidex_result svidex_provider_get_token_async(const svidex_provider *provider,
                                              int64_t timeout_ms,
                                              svidex_token_callback callback,
                                              void *user_data,
                                              svidex_operation **operation,
                                              svidex_error **error);

/**
 * Begins to get an access token and returns at once; `callback` gets it. The
 * rest is as for `svidex_provider_get_token_async`.
 */
svidex_result svidex_provider_access_token_async(const svidex_provider *provider,
                                                 int64_t timeout_ms,
                                                 svidex_token_callback callback,
                                                 void *user_data,
                                                 svidex_operation **operation,
                                                 svidex_error **error);

/**
 * Cancels the call: its callback gets `SVIDEX_RESULT_CANCELLED`, unless it has
 * come already or is on its way. Other calls are not touched, nor is the fetch
 * itself, whose outcome the provider keeps. Never waits; NULL is ignored.
 */
void svidex_operation_cancel(const svidex_operation *operation);

/**
 * One more reference to an operation, by the same pointer; NULL for NULL.
 */
svidex_operation *svidex_operation_retain(const svidex_operation *operation);

/**
 * Lets go of a reference, at any time; the last one frees the handle. Cancels
 * nothing: a callback that is due still comes. NULL is ignored.
 */
void svidex_operation_free(svidex_operation *operation);

/**
 * Gives the settings for an SDK's own exchange. Never blocks.
 *
 * On success `*identity` is the caller's, to be freed with
 * `svidex_workload_identity_free`. Fails with `INVALID_CONFIG` if one of the two
 * IDs is not set, and with `INVALID_ARGUMENT` if a pointer is NULL.
 */
svidex_result svidex_provider_workload_identity(const svidex_provider *provider,
                                                svidex_workload_identity **identity,
                                                svidex_error **error);

/**
 * The ID of the Workload Identity Provider. Borrowed from the identity; "" for
 * NULL.
 */
const char *svidex_workload_identity_provider_id(const svidex_workload_identity *identity);

/**
 * The ID of the service account. Borrowed from the identity; "" for NULL.
 */
const char *svidex_workload_identity_service_account_id(const svidex_workload_identity *identity);

/**
 * The OAuth client ID; NULL if none is set. Borrowed from the identity.
 */
const char *svidex_workload_identity_client_id(const svidex_workload_identity *identity);

/**
 * How long before an access token's end the SDK should renew it, in seconds: the
 * provider's own buffer, but at most 15, since a token that the SDK exchanges ends
 * with a JWT-SVID that may live a few minutes; 0 for NULL.
 */
double svidex_workload_identity_refresh_buffer_seconds(const svidex_workload_identity *identity);

/**
 * One more reference to an identity, by the same pointer; NULL for NULL.
 */
svidex_workload_identity *svidex_workload_identity_retain(const svidex_workload_identity *identity);

/**
 * Lets go of a reference; the last one frees the identity and the strings
 * borrowed from it. NULL is ignored.
 */
void svidex_workload_identity_free(svidex_workload_identity *identity);

/**
 * Takes a snapshot of the provider's state. Never blocks, starts nothing, and
 * works after `svidex_provider_close` too.
 *
 * On success `*status` is the caller's, to be freed with `svidex_status_free`.
 * Fails only with `INVALID_ARGUMENT`, if a pointer is NULL.
 */
svidex_result svidex_provider_status(const svidex_provider *provider,
                                     svidex_status **status,
                                     svidex_error **error);

/**
 * Where JWT-SVIDs come from, such as `workload_api unix:///run/agent.sock` or
 * `file /var/run/token`. Borrowed from the status; "" for NULL.
 */
const char *svidex_status_source(const svidex_status *status);

/**
 * The audience that is asked for. Borrowed from the status; "" for NULL.
 */
const char *svidex_status_audience(const svidex_status *status);

/**
 * The SPIFFE ID of the JWT-SVID at hand; NULL before the first one. Borrowed from
 * the status.
 */
const char *svidex_status_spiffe_id(const svidex_status *status);

/**
 * When the JWT-SVID at hand ends, in milliseconds since 1970 (UTC); 0 if there is
 * none.
 */
int64_t svidex_status_subject_token_expires_at_unix_ms(const svidex_status *status);

/**
 * How long the JWT-SVID at hand has left, in seconds; 0 if there is none.
 */
double svidex_status_subject_token_expires_in_seconds(const svidex_status *status);

/**
 * How long ago the JWT-SVID at hand was received, in seconds; 0 if there is none.
 */
double svidex_status_subject_token_age_seconds(const svidex_status *status);

/**
 * When the access token at hand ends, in milliseconds since 1970 (UTC); 0 if there is
 * none.
 */
int64_t svidex_status_access_token_expires_at_unix_ms(const svidex_status *status);

/**
 * How long the access token at hand has left, in seconds; 0 if there is none.
 */
double svidex_status_access_token_expires_in_seconds(const svidex_status *status);

/**
 * How long ago the access token at hand was received, in seconds; 0 if there is none.
 */
double svidex_status_access_token_age_seconds(const svidex_status *status);

/**
 * How many attempts to fetch a JWT-SVID have ended, well or badly.
 */
uint64_t svidex_status_fetches(const svidex_status *status);

/**
 * How many of those attempts failed.
 */
uint64_t svidex_status_fetch_failures(const svidex_status *status);

/**
 * How many attempts to exchange it for an access token have ended, well or badly.
 */
uint64_t svidex_status_exchanges(const svidex_status *status);

/**
 * How many of those attempts failed.
 */
uint64_t svidex_status_exchange_failures(const svidex_status *status);

/**
 * The most recent failure, also after a recovery; NULL if nothing has failed yet.
 *
 * Borrowed from the status: read it with the functions for errors, and do not
 * free it unless you retained it. Whether and when to try again is not kept: `svidex_error_is_retryable`
 * says false of it, `svidex_error_retry_after_ms` -1.
 */
const svidex_error *svidex_status_last_error(const svidex_status *status);

/**
 * When the most recent failure was, in milliseconds since 1970 (UTC); 0 if nothing
 * has failed yet.
 */
int64_t svidex_status_last_error_at_unix_ms(const svidex_status *status);

/**
 * How many warnings there are: things that work and are not as they should be,
 * such as `OPENAI_API_KEY` being set.
 */
size_t svidex_status_warning_count(const svidex_status *status);

/**
 * A warning, in English and on one line; NULL if `index` is not below
 * `svidex_status_warning_count`. Borrowed from the status.
 */
const char *svidex_status_warning(const svidex_status *status, size_t index);

/**
 * Whether the provider is closed.
 */
bool svidex_status_is_closed(const svidex_status *status);

/**
 * All of the above as one JSON object, with the names of the other languages of
 * svidex. Borrowed from the status; "" for NULL.
 */
const char *svidex_status_json(const svidex_status *status);

/**
 * One more reference to a status, by the same pointer; NULL for NULL.
 */
svidex_status *svidex_status_retain(const svidex_status *status);

/**
 * Lets go of a reference; the last one frees the status and everything borrowed
 * from it. NULL is ignored.
 */
void svidex_status_free(svidex_status *status);

/**
 * Calls `callback` with everything that happens in the background from now on:
 * renewals, failures with what is left of the token at hand, recoveries. It
 * replaces the callback before; NULL stops the events. Best called right after
 * the provider was made: nothing happens before its first use. Never waits.
 *
 * If this returns `SVIDEX_RESULT_OK`, svidex holds `user_data` until `release`
 * is called with it, exactly once and after the last call of `callback` has
 * returned. That is
 * - when it is replaced or stopped: within the call that does it or, if an event
 *   is on its way or `callback` at work just then, on a thread of svidex soon after
 *   (so a callback may still be at its last event when that call returns);
 * - after the last `svidex_provider_free`: within it or, once work under way has ended,
 *   on a thread of svidex soon after. `svidex_provider_close` alone does not;
 * - at once, if `callback` is NULL.
 *
 * `release` may be NULL. With any other result neither is ever called, and
 * `user_data` stays the caller's.
 *
 * In the child of a `fork()` the callback hears of the child's own work, with
 * the child's copy of `user_data`; `release` may not come there, if the fork
 * met the provider at work.
 *
 * Fails only with `INVALID_ARGUMENT`, if `provider` is NULL.
 */
svidex_result svidex_provider_observe(const svidex_provider *provider,
                                      svidex_event_callback callback,
                                      void *user_data,
                                      svidex_release_callback release,
                                      svidex_error **error);

/**
 * How much an operator should care. `SVIDEX_LEVEL_DEBUG` for NULL.
 */
svidex_level svidex_event_level(const svidex_event *event);

/**
 * The name of a level, such as `warning`: the same word in every language of
 * svidex.
 *
 * Any number may be passed; one that is no level is `unknown`. The string is
 * constant and never freed.
 */
const char *svidex_level_name(svidex_level level);

/**
 * What happened, as a word that is the same in every language of svidex:
 * `subject_token_fetched`, `fetch_failed`, `access_token_exchanged`,
 * `exchange_failed`, `identity_withdrawn` (both tokens were dropped) or
 * `worker_failed` (a defect in svidex); with `access_token_file` also
 * `access_token_read` and `read_failed`. More may be added.
 *
 * Borrowed from the event; "" for NULL.
 */
const char *svidex_event_kind(const svidex_event *event);

/**
 * The same in words, in English and on one line, with what is left of the token
 * at hand. Never token text.
 *
 * Borrowed from the event; "" for NULL.
 */
const char *svidex_event_message(const svidex_event *event);

/**
 * When it happened, in milliseconds since 1970 (UTC); 0 for NULL.
 */
int64_t svidex_event_at_unix_ms(const svidex_event *event);

/**
 * How many events right before this one were not told, because the callback was
 * too far behind; 0 for NULL.
 */
uint64_t svidex_event_dropped_before(const svidex_event *event);

/**
 * The cause of a failure; NULL if nothing failed.
 *
 * Borrowed from the event: read it with the functions for errors, and do not
 * free it. `svidex_error_retain` keeps it beyond the callback.
 */
const svidex_error *svidex_event_error(const svidex_event *event);

/**
 * Makes a doctor for a provider, with the settings that it was made with. The provider
 * is not disturbed: an examination fetches and exchanges for itself. The doctor needs no
 * reference to it.
 *
 * On success `*doctor` is the caller's, to be freed with `svidex_doctor_free`. Fails
 * only with `INVALID_ARGUMENT`, if a pointer is NULL.
 */
svidex_result svidex_doctor_new(const svidex_provider *provider,
                                svidex_doctor **doctor,
                                svidex_error **error);

/**
 * Makes a doctor for the provider that `svidex_provider_new_from_env` would make of
 * `config`, which may be NULL. Settings that none can be made of are what an examination
 * finds first. The environment is read when one begins, by the thread that begins it.
 *
 * The rest is as for `svidex_doctor_new`; and it fails with `INVALID_CONFIG` if a setter
 * of `config` was given what could not even be stored.
 */
svidex_result svidex_doctor_new_from_env(const svidex_config *config,
                                         svidex_doctor **doctor,
                                         svidex_error **error);

/**
 * Has the next examination look at this file, too: the JWKS that an administrator
 * uploads, or has uploaded, to the Workload Identity Provider.
 *
 * What cannot be a string (NULL, not UTF-8) is reported when an examination begins; NULL
 * for the doctor is ignored.
 */
void svidex_doctor_set_jwks_file(svidex_doctor *doctor, const char *path);

/**
 * Has the next examination look at the OpenAI Platform, too: the Workload Identity
 * Provider and its mappings, with the admin key in the environment variable `name`, which
 * is read when the examination begins. The key is never shown, and goes to OpenAI's API
 * alone (`OPENAI_BASE_URL` where that is one of OpenAI's hosts, or on loopback).
 *
 * What cannot be a string is reported as for `svidex_doctor_set_jwks_file`; NULL for the
 * doctor is ignored.
 */
void svidex_doctor_set_admin_key_env(svidex_doctor *doctor, const char *name);

/**
 * Waits for an examination, which it begins if none is under way.
 *
 * `timeout_ms`: how long to wait, in milliseconds. 0 never waits: call again until the
 * answer is another than `NOT_READY`, every 20 ms, say, from an event loop. Negative: to
 * its end, which comes after the time of a few requests, each with
 * `request_timeout_seconds`.
 *
 * On success `*report` is the caller's, to be freed with `svidex_report_free`; what is
 * wrong outside is in it, and is no failure of this call. The call after that begins
 * another examination.
 *
 * Returns `NOT_READY` if the time has passed first; the examination goes on. Fails with
 * `INVALID_ARGUMENT` for a NULL, with `INVALID_CONFIG` for a setter's text that is no string,
 * with `SOURCE_UNAVAILABLE` if the system has no thread for it, and with
 * `CALLED_FROM_CALLBACK` inside a callback, unless `timeout_ms` is 0.
 */
svidex_result svidex_doctor_examine(svidex_doctor *doctor,
                                    int64_t timeout_ms,
                                    svidex_report **report,
                                    svidex_error **error);

/**
 * Frees a doctor, and ends its examination. Never waits; NULL is ignored. Reports live on.
 */
void svidex_doctor_free(svidex_doctor *doctor);

/**
 * Whether no check failed; false for NULL.
 */
bool svidex_report_is_healthy(const svidex_report *report);

/**
 * The report as one JSON object: `svidex` (the version), `at_unix_ms`, `healthy`, and
 * `checks`, each with `id`, `outcome` ("ok", "warning", "failed", "skipped"), `seen` and
 * `advice` (a list, the likeliest first). Borrowed from the report; "" for NULL.
 */
const char *svidex_report_json(const svidex_report *report);

/**
 * The same for people: a line for each check, its advice below it, and a verdict.
 * Borrowed from the report; "" for NULL.
 */
const char *svidex_report_text(const svidex_report *report);

/**
 * One more reference to a report, by the same pointer; NULL for NULL.
 */
svidex_report *svidex_report_retain(const svidex_report *report);

/**
 * Lets go of a reference; the last one frees the report and everything borrowed from it.
 * NULL is ignored.
 */
void svidex_report_free(svidex_report *report);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SVIDEX_H */
