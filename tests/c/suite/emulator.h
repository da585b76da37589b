/* The emulator that runs beside the tests: faults in, counters out. Anything
 * that goes wrong with it ends the program. */
#ifndef EMULATOR_H
#define EMULATOR_H

#include <stdbool.h>

/* Nothing held, no faults, settings as at its start, counters at 0. */
void emulator_reset(void);

void emulator_settings(const char *json);
void emulator_fault(const char *leg, const char *fault_json);

/* Requests on the leg wait until it is let go. */
void emulator_hold(const char *leg, bool hold);

/* Returns once that many requests wait there. */
void emulator_wait_at_barrier(const char *leg, int waiting);

long emulator_counter(const char *name);

/* What it says about itself, such as `token_file`; constant. */
const char *emulator_info(const char *name);

#endif
