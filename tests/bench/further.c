/* What each further provider of a process takes once it holds both tokens: resident
 * memory and descriptors. Providers are made in tens and kept; prints one JSON line
 * for each figure, a sample for each ten.
 *
 * usage: further TENS       (the environment configures the providers) */
#define _POSIX_C_SOURCE 200809L

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <svidex.h>
#include <unistd.h>

enum { EACH = 10, MAX_TENS = 1000 };

static void fail(const char *what) {
    fprintf(stderr, "further.c: %s failed\n", what);
    exit(1);
}

static void make_provider(void) {
    svidex_provider *provider = NULL;
    svidex_token *token = NULL;
    if (svidex_provider_new_from_env(NULL, &provider, NULL) != SVIDEX_RESULT_OK) {
        fail("svidex_provider_new_from_env");
    }
    if (svidex_provider_access_token(provider, -1, &token, NULL) != SVIDEX_RESULT_OK) {
        fail("svidex_provider_access_token");
    }
    svidex_token_free(token);
}

static double resident_bytes(void) {
    unsigned long size, resident;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm == NULL || fscanf(statm, "%lu %lu", &size, &resident) != 2) {
        fail("/proc/self/statm");
    }
    fclose(statm);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static double descriptors(void) {
    int count = 0;
    DIR *open_files = opendir("/proc/self/fd");
    if (open_files == NULL) {
        fail("/proc/self/fd");
    }
    while (readdir(open_files) != NULL) {
        count++;
    }
    closedir(open_files);
    return count;
}

static void print(const char *id, const char *unit, const double *samples, int count) {
    printf("{\"id\":\"%s\",\"unit\":\"%s\",\"samples\":[", id, unit);
    for (int i = 0; i < count; i++) {
        printf("%s%.1f", i > 0 ? "," : "", samples[i]);
    }
    printf("]}\n");
}

int main(int argc, char **argv) {
    static double memory[MAX_TENS], files[MAX_TENS];
    int tens = argc > 1 ? atoi(argv[1]) : 0;
    if (tens < 1 || tens > MAX_TENS) {
        fprintf(stderr, "usage: further TENS (1 to %d)\n", (int)MAX_TENS);
        return 2;
    }
    make_provider();
    for (int ten = 0; ten < tens; ten++) {
        double memory_before = resident_bytes(), files_before = descriptors();
        for (int i = 0; i < EACH; i++) {
            make_provider();
        }
        memory[ten] = (resident_bytes() - memory_before) / EACH;
        files[ten] = (descriptors() - files_before) / EACH;
    }
    print("c.further.memory", "bytes", memory, tens);
    print("c.further.descriptors", "count", files, tens);
    return 0;
}
