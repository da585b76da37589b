#define _POSIX_C_SOURCE 200809L
#include "inbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"

void inbox_open(inbox *box) {
    memset(box, 0, sizeof *box);
    pthread_mutex_init(&box->mutex, NULL);
    pthread_cond_init(&box->arrived, NULL);
    box->owner = pthread_self();
}

void inbox_close(inbox *box) {
    svidex_token_free(box->token);
    svidex_error_free(box->error);
    pthread_cond_destroy(&box->arrived);
    pthread_mutex_destroy(&box->mutex);
}

void inbox_receive(void *user_data, svidex_result result, svidex_token *token,
                   svidex_error *error) {
    inbox *box = (inbox *)user_data;
    pthread_mutex_lock(&box->mutex);
    svidex_token_free(box->token);
    svidex_error_free(box->error);
    box->result = result;
    box->token = token;
    box->error = error;
    box->succeeded += result == SVIDEX_RESULT_OK;
    box->cancelled += result == SVIDEX_RESULT_CANCELLED;
    box->closed += result == SVIDEX_RESULT_CLOSED;
    box->in_caller |= pthread_equal(pthread_self(), box->owner) != 0;
    box->count++;
    pthread_cond_broadcast(&box->arrived);
    pthread_mutex_unlock(&box->mutex);
}

int inbox_count(inbox *box) {
    pthread_mutex_lock(&box->mutex);
    int count = box->count;
    pthread_mutex_unlock(&box->mutex);
    return count;
}

void inbox_wait(inbox *box, int count) {
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += (time_t)(patience(60000) / 1000);
    pthread_mutex_lock(&box->mutex);
    while (box->count < count) {
        if (pthread_cond_timedwait(&box->arrived, &box->mutex, &end) != 0) {
            fprintf(stderr, "%d of %d callbacks came\n", box->count, count);
            give_up();
        }
    }
    pthread_mutex_unlock(&box->mutex);
}
