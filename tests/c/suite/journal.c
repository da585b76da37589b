#define _POSIX_C_SOURCE 200809L
#include "journal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "check.h"

void journal_open(journal *book) {
    memset(book, 0, sizeof *book);
    pthread_mutex_init(&book->mutex, NULL);
    pthread_cond_init(&book->changed, NULL);
    book->owner = pthread_self();
}

void journal_close(journal *book) {
    pthread_cond_destroy(&book->changed);
    pthread_mutex_destroy(&book->mutex);
}

static void copy(char *to, size_t size, const char *text) {
    snprintf(to, size, "%s", text ? text : "");
}

void journal_write(void *user_data, const svidex_event *event) {
    journal *book = (journal *)user_data;
    const svidex_error *error = svidex_event_error(event);
    pthread_mutex_lock(&book->mutex);
    /* Overlapping calls and a release meanwhile would show. */
    book->too_early |= book->busy || book->released != 0;
    book->busy = true;
    pthread_mutex_unlock(&book->mutex);

    entry fresh;
    memset(&fresh, 0, sizeof fresh);
    fresh.level = svidex_event_level(event);
    copy(fresh.kind, sizeof fresh.kind, svidex_event_kind(event));
    copy(fresh.message, sizeof fresh.message, svidex_event_message(event));
    fresh.at_unix_ms = svidex_event_at_unix_ms(event);
    fresh.result = svidex_error_result(error);
    fresh.http_status = svidex_error_http_status(error);
    copy(fresh.oauth_code, sizeof fresh.oauth_code, svidex_error_oauth_code(error));

    pthread_mutex_lock(&book->mutex);
    if (book->count < JOURNAL_SIZE) {
        book->entries[book->count++] = fresh;
    }
    book->in_caller |= pthread_equal(pthread_self(), book->owner) != 0;
    book->busy = false;
    pthread_cond_broadcast(&book->changed);
    pthread_mutex_unlock(&book->mutex);
}

void journal_release(void *user_data) {
    journal *book = (journal *)user_data;
    pthread_mutex_lock(&book->mutex);
    book->too_early |= book->busy;
    book->released++;
    pthread_cond_broadcast(&book->changed);
    pthread_mutex_unlock(&book->mutex);
}

int journal_count(journal *book) {
    pthread_mutex_lock(&book->mutex);
    int count = book->count;
    pthread_mutex_unlock(&book->mutex);
    return count;
}

int journal_released(journal *book) {
    pthread_mutex_lock(&book->mutex);
    int released = book->released;
    pthread_mutex_unlock(&book->mutex);
    return released;
}

/* Waits for the next change, with the mutex held. */
static void wait_for_change(journal *book, const struct timespec *end, const char *what) {
    if (pthread_cond_timedwait(&book->changed, &book->mutex, end) != 0) {
        fprintf(stderr, "    %s never came; there are %d events\n", what, book->count);
        for (int i = 0; i < book->count; i++) {
            fprintf(stderr, "    %s %s\n", svidex_level_name(book->entries[i].level),
                    book->entries[i].message);
        }
        give_up();
    }
}

static struct timespec deadline(void) {
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += (time_t)(patience(60000) / 1000);
    return end;
}

const entry *journal_find(journal *book, int from, svidex_level level, const char *kind) {
    struct timespec end = deadline();
    pthread_mutex_lock(&book->mutex);
    for (int i = from;; i++) {
        while (i >= book->count) {
            wait_for_change(book, &end, kind);
        }
        if (book->entries[i].level == level && strcmp(book->entries[i].kind, kind) == 0) {
            pthread_mutex_unlock(&book->mutex);
            return &book->entries[i];
        }
    }
}

void journal_wait_released(journal *book) {
    struct timespec end = deadline();
    pthread_mutex_lock(&book->mutex);
    while (book->released == 0) {
        wait_for_change(book, &end, "the release");
    }
    pthread_mutex_unlock(&book->mutex);
}
