/* The warm read of the C library, beside calls that do nothing and beside a look
 * at the clock. Every round measures each once; prints one JSON line for each.
 *
 * usage: bench ROUNDS       (the environment names the Workload API) */
#define _POSIX_C_SOURCE 200809L
#define _GNU_SOURCE

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <svidex.h>
#include <time.h>

/* So few that most rounds end before the kernel turns to somebody else. */
enum { CALLS = 2000, MAX_ROUNDS = 10000 };
/* So many that the start and the end of them weigh little. */
enum { THREADS = 8, CALLS_OF_EACH = 10000 };

static svidex_provider *provider;

static void fail(const char *what) {
    fprintf(stderr, "bench.c: %s failed\n", what);
    exit(1);
}

/* As a program reads: take a token, look at its text, let go. */
static void read_token(void) {
    svidex_token *token = NULL;
    if (svidex_provider_get_token(provider, -1, &token, NULL) != SVIDEX_RESULT_OK) {
        fail("svidex_provider_get_token");
    }
    if (svidex_token_value(token)[0] == '\0') {
        fail("svidex_token_value");
    }
    svidex_token_free(token);
}

/* The cheaper form, for who keeps the text of the token (the Go binding does). */
static void read_generation(void) {
    if (svidex_provider_token_generation(provider) == 0) {
        fail("svidex_provider_token_generation");
    }
}

/* Eight threads that read at the same time. They are there before a round begins. */
static pthread_barrier_t begin, end;

static void *read_in_step(void *unused) {
    (void)unused;
    for (;;) {
        pthread_barrier_wait(&begin);
        for (int i = 0; i < CALLS_OF_EACH; i++) {
            read_token();
        }
        pthread_barrier_wait(&end);
    }
    return NULL;
}

static void start_threads(void) {
    pthread_barrier_init(&begin, NULL, THREADS + 1);
    pthread_barrier_init(&end, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, read_in_step, NULL) != 0) {
            fail("pthread_create");
        }
        pthread_detach(thread);
    }
}

static void call_nothing(void) { svidex_token_free(NULL); }

static void look_at_clock(void) {
    struct timespec now;
    if (clock_gettime(CLOCK_BOOTTIME, &now) != 0) {
        fail("clock_gettime");
    }
}

static const struct {
    const char *id;
    void (*call)(void);
} measures[] = {
    {"c.read", read_token},
    {"c.generation", read_generation},
    {"c.nothing", call_nothing},
    {"c.clock", look_at_clock},
};

enum { MEASURES = sizeof measures / sizeof measures[0] };

static double nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double nanoseconds_per_call(void (*call)(void)) {
    double began = nanoseconds();
    for (int i = 0; i < CALLS; i++) {
        call();
    }
    return (nanoseconds() - began) / CALLS;
}

/* Until the last thread's last read, shared out among all reads: half of what one
 * thread takes is what two cores can do at best. */
static double nanoseconds_per_read_of_many(void) {
    double began = nanoseconds();
    pthread_barrier_wait(&begin);
    pthread_barrier_wait(&end);
    return (nanoseconds() - began) / (THREADS * CALLS_OF_EACH);
}

int main(int argc, char **argv) {
    static double samples[MEASURES + 1][MAX_ROUNDS];
    int rounds = argc > 1 ? atoi(argv[1]) : 0;
    if (rounds < 1 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "usage: bench ROUNDS (1 to %d)\n", (int)MAX_ROUNDS);
        return 2;
    }
    if (svidex_provider_new_from_env(NULL, &provider, NULL) != SVIDEX_RESULT_OK) {
        fail("svidex_provider_new_from_env");
    }
    read_token();
    start_threads();
    for (int round = 0; round < rounds; round++) {
        for (int m = 0; m < MEASURES; m++) {
            samples[m][round] = nanoseconds_per_call(measures[m].call);
        }
        samples[MEASURES][round] = nanoseconds_per_read_of_many();
    }
    for (int m = 0; m <= MEASURES; m++) {
        const char *id = m < MEASURES ? measures[m].id : "c.read_by_8";
        printf("{\"id\":\"%s\",\"unit\":\"ns\",\"samples\":[", id);
        for (int round = 0; round < rounds; round++) {
            printf("%s%.3f", round > 0 ? "," : "", samples[m][round]);
        }
        printf("]}\n");
    }
    svidex_provider_free(provider);
    return 0;
}
