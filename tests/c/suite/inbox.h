/* Where callbacks of asynchronous calls arrive. */
#ifndef INBOX_H
#define INBOX_H

#include <pthread.h>
#include <stdbool.h>

#include "svidex.h"

typedef struct {
    pthread_mutex_t mutex;
    pthread_cond_t arrived;
    int count;
    int succeeded;
    int cancelled;
    int closed;
    bool in_caller; /* one came on the thread that made the inbox */
    pthread_t owner;
    /* Of the latest callback: the inbox's to free. */
    svidex_result result;
    svidex_token *token;
    svidex_error *error;
} inbox;

void inbox_open(inbox *box);
void inbox_close(inbox *box);

/* A svidex_token_callback; user_data is the inbox. */
void inbox_receive(void *user_data, svidex_result result, svidex_token *token, svidex_error *error);

int inbox_count(inbox *box);

/* Returns once that many callbacks have come; gives up the program after a minute. */
void inbox_wait(inbox *box, int count);

#endif
