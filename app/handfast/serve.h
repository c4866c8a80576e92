/* serve.h -- what the main thread keeps: site generations, endpoints on their way out, the last
 * failures, the key log. Private to serve.c (who runs it), commands.c and hellos.c (who show it).
 * Threads: main. */
#ifndef HF_APP_HANDFAST_SERVE_H
#define HF_APP_HANDFAST_SERVE_H

#include "app/handfast/app.h"
#include "app/handfast/links.h"
#include "app/handfast/tickets.h"

#define HF_SERVE_FAILURES 256u

struct hf_serve_failure {
	uint64_t wall_ns;
	uint32_t worker;
	struct hf_event event; /* HF_EVENT_FAILURE */
};

struct hf_serve_stats {
#define HF_COUNTER(name, help) uint64_t name;
#define HF_GAUGE(name, help) uint64_t name;
#include "app/handfast/serve.def"
#undef HF_COUNTER
#undef HF_GAUGE
};

struct hf_loaded_site;
struct hf_control;

struct hf_serve {
	int epoll_fd, keylog_fd;
	struct hf_loaded_site *sites; /* newest first */
	uint64_t generation, key_id;
	struct hf_tickets *tickets;
	uint64_t tickets_generation; /* that workers are copying; 0: they have */
	uint64_t wall_ns;            /* as the workers were told */
	struct hf_hosts hosts;
	struct hf_links *links;
	struct hf_links_backend backend[HF_LINKS_BACKEND_MAX];
	bool closing[HF_ENDPOINT_MAX];                      /* workers were told to let go of it */
	uint32_t let_go[HF_ENDPOINT_MAX];                   /* workers that have */
	struct hf_serve_failure failure[HF_SERVE_FAILURES]; /* ring, the last failure_cnt of them */
	uint64_t failure_cnt;
	struct hf_serve_stats stats;
	struct hf_config start_cfg; /* once a reload has replaced it */
	bool draining, stopping;
	uint64_t drain_until;
	struct hf_control *commands;
};

/* For `hfctl reload` and SIGHUP: 0, or -1 with the reasons on out and the old site serving on. */
HF_MUST_CHECK int hf_serve_reload(struct hf_app *app, FILE *out);
/* New connections are refused while on; the process stays. */
void hf_serve_drain(struct hf_app *app, bool on);

/* commands.c: the daemon's commands on the socket of control.h. */
HF_MUST_CHECK int hf_commands_open(struct hf_app *app);
int hf_commands_fd(const struct hf_app *app);
void hf_commands_run(struct hf_app *app); /* serves whoever is ready; never blocks */
void hf_commands_close(struct hf_app *app);

/* hellos.c: the commands that tell of ClientHellos; app is the hf_app. */
void hf_offenders_write(void *arg, FILE *out); /* offenders.c */
void hf_hellos_failures(void *app, FILE *out);
void hf_hellos_explain(void *app, FILE *out, const char *hello, const char *listener);

#endif
