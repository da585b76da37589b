/* Where events arrive. */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <pthread.h>
#include <stdbool.h>

#include "svidex.h"

typedef struct {
    svidex_level level;
    char kind[64];
    char message[512];
    int64_t at_unix_ms;
    /* Of its error; SVIDEX_RESULT_OK if it has none. */
    svidex_result result;
    int http_status;
    char oauth_code[64];
} entry;

enum { JOURNAL_SIZE = 64 };

typedef struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t owner;
    entry entries[JOURNAL_SIZE];
    int count;
    int released;
    bool in_caller; /* an event came on the thread that made the journal */
    bool busy;      /* one is being written now */
    bool too_early; /* it was released while one was, or before one came */
} journal;

void journal_open(journal *book);
void journal_close(journal *book);

/* A svidex_event_callback and its svidex_release_callback; user_data is the journal. */
void journal_write(void *user_data, const svidex_event *event);
void journal_release(void *user_data);

int journal_count(journal *book);
int journal_released(journal *book);

/* The first entry from `from` on that is of this level and kind, once it is there;
 * gives up the program after a minute. */
const entry *journal_find(journal *book, int from, svidex_level level, const char *kind);

/* Returns once it has been released; gives up the program after a minute. */
void journal_wait_released(journal *book);

#endif
