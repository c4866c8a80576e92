/* hfctl.h -- the parts of the operator's tool. main.c: command line and socket; top.c: rates;
 * doctor.c: what this machine offers;
 * explain.c: a ClientHello to ask about. */
#ifndef HF_APP_HFCTL_HFCTL_H
#define HF_APP_HFCTL_HFCTL_H

#include <stdio.h>
#include "lib/os/os.h"

/* Sends one request line and returns the whole answer, NUL-terminated, to be freed; NULL after
 * saying on standard error why there is none. */
HF_MUST_CHECK char *hfctl_ask(const char *socket, const char *request);

/* Refreshes every `seconds`; ends after `cnt` pictures, never for 0. Returns an exit status. */
int hfctl_top(const char *socket, unsigned seconds, unsigned cnt);
/* Where the workers' time went: in the next `seconds`, or since the start for 0. An exit status. */
int hfctl_cycles(const char *socket, unsigned seconds);
int hfctl_doctor(void);
/* Prints the answer; one with a line that begins with "error: " goes to standard error and makes
 * a 1 of the exit status. */
int hfctl_ask_and_print(const char *socket, const char *request);
int hfctl_explain(const char *socket, int argc, char **argv);

#endif
