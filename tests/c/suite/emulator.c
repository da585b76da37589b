#define _POSIX_C_SOURCE 200809L
#include "emulator.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(const char *what, const char *answer) {
    fprintf(stderr, "emulator: %s: %s\n", what, answer);
    exit(2);
}

static int dial(void) {
    const char *control = getenv("SVIDEX_EMULATOR_CONTROL");
    const char *port = control ? strrchr(control, ':') : NULL;
    if (port == NULL) {
        fail("SVIDEX_EMULATOR_CONTROL is not set", "start the tests with run.sh");
    }
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)atoi(port + 1));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof address) != 0) {
        fail("no connection to its control port", control);
    }
    return connection;
}

/* The answer's body; it must be a 200. Lives until the next request. */
static const char *request(const char *method, const char *path, const char *json) {
    static char answer[65536];
    char head[512];
    int connection = dial();
    int length = snprintf(head, sizeof head,
                          "%s %s HTTP/1.1\r\nHost: control\r\nConnection: close\r\n"
                          "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                          method, path, strlen(json));
    if (write(connection, head, (size_t)length) != length ||
        write(connection, json, strlen(json)) != (ssize_t)strlen(json)) {
        fail(path, "cannot send");
    }
    size_t filled = 0;
    for (;;) {
        ssize_t got = read(connection, answer + filled, sizeof answer - 1 - filled);
        if (got <= 0) {
            break;
        }
        filled += (size_t)got;
    }
    close(connection);
    answer[filled] = '\0';
    char *body = strstr(answer, "\r\n\r\n");
    if (body == NULL || strncmp(answer, "HTTP/1.1 200", 12) != 0) {
        fail(path, answer);
    }
    return body + 4;
}

void emulator_reset(void) {
    static const char *const legs[] = {"workload_api", "token_endpoint", "api", "discovery"};
    request("DELETE", "/faults", "");
    request("DELETE", "/settings", "");
    for (size_t i = 0; i < sizeof legs / sizeof legs[0]; i++) {
        emulator_hold(legs[i], false);
    }
    request("DELETE", "/counters", "");
}

void emulator_settings(const char *json) { request("POST", "/settings", json); }

void emulator_fault(const char *leg, const char *fault_json) {
    char json[1024];
    snprintf(json, sizeof json, "{\"leg\":\"%s\",\"fault\":%s}", leg, fault_json);
    request("POST", "/faults", json);
}

void emulator_hold(const char *leg, bool hold) {
    char json[128];
    snprintf(json, sizeof json, "{\"leg\":\"%s\",\"hold\":%s}", leg, hold ? "true" : "false");
    request("POST", "/barrier", json);
}

void emulator_wait_at_barrier(const char *leg, int waiting) {
    char path[128];
    snprintf(path, sizeof path, "/barrier/%s?waiting=%d", leg, waiting);
    request("GET", path, "");
}

long emulator_counter(const char *name) {
    char key[64];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *found = strstr(request("GET", "/counters", ""), key);
    if (found == NULL) {
        fail("no such counter", name);
    }
    return atol(found + strlen(key));
}

const char *emulator_info(const char *name) {
    static char values[8][256];
    static int next;
    char key[64];
    const char *info = getenv("SVIDEX_EMULATOR_INFO");
    snprintf(key, sizeof key, "\"%s\":\"", name);
    const char *found = info ? strstr(info, key) : NULL;
    if (found == NULL) {
        fail("says nothing about", name);
    }
    found += strlen(key);
    char *value = values[next++ % 8];
    snprintf(value, sizeof values[0], "%.*s", (int)strcspn(found, "\""), found);
    return value;
}
