/* cycles.c -- where the workers' time goes, for each handshake: the causes that a worker tells apart
 * (lib/worker/gap.def), since the start or of late. It is time on the clock: what others took of
 * the core is in it. Requests and bulk have their share in the same rows, so on a
 * server of few handshakes the shares say more than the times. */
#include <inttypes.h>
#include "app/hfctl/picture.h"

static const struct {
	const char *name, *help;
} causes[] = {
#define HF_GAP(cause, help) {#cause, help},
#include "lib/worker/gap.def"
#undef HF_GAP
};

static double since(struct hfctl_picture *was, struct hfctl_picture *is, const char *name)
{
	return (double)(hfctl_picture_at(is, name) - hfctl_picture_at(was, name));
}

static double ns_of(struct hfctl_picture *was, struct hfctl_picture *is, const char *cause)
{
	char name[HFCTL_NAME_LEN];
	(void)snprintf(name, sizeof(name), "cycles_%s_ns_total", cause);
	return since(was, is, name);
}

static void show(const char *name, const char *help, double ns, double all, double handshakes)
{
	char each[32] = "-";
	if (handshakes > 0)
		(void)snprintf(each, sizeof(each), "%.2f", ns / handshakes / 1000);
	printf("%-9s %14s %7.1f %%  %s\n", name, each, all > 0 ? 100 * ns / all : 0, help);
}

static void table(struct hfctl_picture *was, struct hfctl_picture *is)
{
	double handshakes = since(was, is, "tls_handshake_ns_count"), all = 0, waited;
	size_t i;
	for (i = 0; i < HF_ARRAY_LEN(causes); i++)
		all += ns_of(was, is, causes[i].name);
	printf("%.0f handshakes, %.6f s of work, %.6f s of looking for it in vain\n\n", handshakes,
		all / 1e9, ns_of(was, is, "idle") / 1e9);
	printf("%-9s %14s %9s\n", "cause", "us/handshake", "share");
	for (i = 0; i < HF_ARRAY_LEN(causes); i++)
		show(causes[i].name, causes[i].help, ns_of(was, is, causes[i].name), all,
			handshakes);
	show("all", "", all, all, handshakes);
	waited = since(was, is, "pk_wait_ns_count");
	printf("\nqueue wait: %.0f private-key operations waited %.1f us on average, which costs "
	       "time and no cycles\n",
		waited, waited > 0 ? since(was, is, "pk_wait_ns_sum") / waited / 1000 : 0);
}

int hfctl_cycles(const char *socket, unsigned seconds)
{
	static struct hfctl_picture was, is; /* was: all zero, at the start */
	if (seconds && hfctl_picture_take(socket, &was) < 0)
		return 1;
	hf_os_sleep_ns(seconds * HF_NS_S);
	if (hfctl_picture_take(socket, &is) < 0)
		return 1;
	table(&was, &is);
	return 0;
}
