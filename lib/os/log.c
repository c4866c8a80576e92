/* log.c -- lines on standard error, for journald or a file.
 * A line is put together in one buffer and leaves in one write, so that threads do not mix theirs.
 * Names that clients choose end up in messages: control bytes are replaced, so a client cannot
 * write a line of its own. */
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include "lib/os/os.h"

#define LINE_MAX_LEN 1024

static _Atomic int level_max = HF_LOG_INFO;

const char *hf_log_level_name(enum hf_log_level level)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};
	return (size_t)level < HF_ARRAY_LEN(names) ? names[level] : "?";
}

void hf_log_set_level(enum hf_log_level level)
{
	atomic_store_explicit(&level_max, (int)level, memory_order_relaxed);
}

/* Length of what snprintf left in a buffer of size len. */
static size_t kept(int wanted, size_t len)
{
	return wanted < 0 ? 0 : HF_MIN((size_t)wanted, len - 1);
}

static size_t stamp(char *out, size_t len, enum hf_log_level level, const char *component)
{
	uint64_t ns = hf_os_wall_ns();
	time_t s = (time_t)(ns / HF_NS_S);
	struct tm t;
	gmtime_r(&s, &t);
	return kept(
		snprintf(out, len, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ %s %s: ", t.tm_year + 1900,
			t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec,
			(unsigned)(ns % HF_NS_S / HF_NS_MS), hf_log_level_name(level), component),
		len);
}

void hf_log(enum hf_log_level level, const char *component, const char *fmt, ...)
{
	char line[LINE_MAX_LEN];
	size_t len, i;
	va_list ap;
	int keep = errno;
	if ((int)level > atomic_load_explicit(&level_max, memory_order_relaxed))
		return;
	len = stamp(line, sizeof(line), level, component);
	va_start(ap, fmt);
	len += kept(vsnprintf(line + len, sizeof(line) - len, fmt, ap), sizeof(line) - len);
	va_end(ap);
	for (i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[len] = '\n'; /* over the NUL */
	(void)!write(STDERR_FILENO, line, len + 1);
	errno = keep;
}

/* Races between threads cost a line too many or too few, nothing else. */
bool hf_log_limit_pass(struct hf_log_limit *l, uint64_t now_ns, uint32_t *held)
{
	uint64_t second = now_ns / HF_NS_S;
	*held = 0;
	if (atomic_exchange_explicit(&l->second, second, memory_order_relaxed) != second)
		atomic_store_explicit(&l->passed, 0, memory_order_relaxed);
	if (atomic_fetch_add_explicit(&l->passed, 1, memory_order_relaxed) >= HF_LOG_BURST) {
		atomic_fetch_add_explicit(&l->held, 1, memory_order_relaxed);
		return false;
	}
	*held = atomic_exchange_explicit(&l->held, 0, memory_order_relaxed);
	return true;
}
