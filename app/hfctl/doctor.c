/* doctor.c -- looks at the machine the way an engineer would before the first start: what is there,
 * what is lacking, what that costs and how to mend it. Reads only; changes nothing. */
#include <dirent.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "app/hfctl/hfctl.h"

enum level { OK, WARN, BAD };

/* One line: level, subject, state; and the remedy unless all is well. Returns the level. */
static enum level report(enum level level, const char *subject, const char *remedy, const char *fmt,
	...) HF_PRINTF(4, 5);
static enum level report(
	enum level level, const char *subject, const char *remedy, const char *fmt, ...)
{
	static const char *const words[] = {"ok", "warn", "bad"};
	va_list ap;
	printf("%-5s%-12s", words[level], subject);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("%s%s\n", level == OK ? "" : "; ", level == OK ? "" : remedy);
	return level;
}

/* The first line of a small file, without its newline; false when there is none. */
static bool first_line(const char *path, char *out, int len)
{
	FILE *f = fopen(path, "re");
	bool got = f && fgets(out, len, f);
	if (f)
		(void)fclose(f);
	if (got)
		out[strcspn(out, "\n")] = '\0';
	return got;
}

static unsigned long long meminfo(const char *key)
{
	char line[128];
	unsigned long long v = 0;
	FILE *f = fopen("/proc/meminfo", "re");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0)
			v = strtoull(line + strlen(key), NULL, 10);
	if (f)
		(void)fclose(f);
	return v;
}

static enum level check_cpu(void)
{
	const char *limit = getenv("HF_CPU");
	char brand[49], tiers[64] = "";
	size_t used = 0;
	enum hf_os_tier t;
	hf_os_cpu_brand(brand);
	if (hf_os_cpu_env_check())
		return report(BAD, "processor",
			"unset it, or write libcrypto, avx2, avx512f or ifma",
			"HF_CPU=%s names no tier", limit);
	for (t = 0; t < HF_TIER_CNT; t++)
		if (hf_os_cpu_has(t))
			used += (size_t)snprintf(
				tiers + used, sizeof(tiers) - used, " %s", hf_os_tier_name(t));
	return report(hf_os_cpu_has(HF_TIER_AVX512F) ? OK : WARN, "processor",
		"without AVX-512 public-key work is not batched; choose a processor that has it",
		"%s; tiers:%s%s", brand, tiers, limit && *limit ? " (limited by HF_CPU)" : "");
}

static enum level check_cores(void)
{
	char governor[32];
	uint32_t cnt = hf_os_core_cnt();
	if (first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", governor,
		    sizeof(governor)) &&
		strcmp(governor, "performance") != 0)
		return report(WARN, "cores", "cpupower frequency-set -g performance",
			"%u usable, their clock governed by \"%s\"", cnt, governor);
	return report(cnt > 1 ? OK : WARN, "cores",
		"a worker wants a core of its own beside control's; give it more", "%u usable",
		cnt);
}

static enum level check_huge_pages(void)
{
	unsigned long long total = meminfo("HugePages_Total:"), left = meminfo("HugePages_Free:");
	return report(left ? OK : WARN, "huge pages",
		"plain pages serve at more TLB misses; hugeadm --pool-pages-min 2MB:512",
		"%llu of %llu free, %llu KB each", left, total, meminfo("Hugepagesize:"));
}

static enum level check_memlock(void)
{
	struct rlimit lim;
	if (geteuid() == 0 || getrlimit(RLIMIT_MEMLOCK, &lim) || lim.rlim_cur == RLIM_INFINITY)
		return report(OK, "memlock", "", "unlimited");
	return report(WARN, "memlock",
		"keys could be swapped out; LimitMEMLOCK=infinity, or ulimit -l unlimited",
		"%llu KB", (unsigned long long)lim.rlim_cur >> 10);
}

static enum level check_user(void)
{
	return report(geteuid() == 0 ? OK : WARN, "user",
		"handfast opens its ports as root and gives it up then (process.run_as)", "uid %u",
		(unsigned)geteuid());
}

static enum level check_clock(void)
{
	char source[32] = "unknown";
	(void)first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", source,
		sizeof(source));
	return report(strcmp(source, "tsc") == 0 || strcmp(source, "kvm-clock") == 0 ? OK : WARN,
		"clock", "workers read it every turn; boot with clocksource=tsc", "%s", source);
}

static bool has_entries(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	bool any = false;
	while (dir && (e = readdir(dir)))
		any |= e->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return any;
}

static enum level check_vfio(void)
{
	bool iommu = has_entries("/sys/class/iommu"), vfio = access("/dev/vfio/vfio", F_OK) == 0;
	return report(iommu && vfio ? OK : WARN, "vfio",
		!vfio ? "PCI devices need it: modprobe vfio-pci; af_xdp, af_packet and memif do not"
		      : "boot with intel_iommu=on or amd_iommu=on; af_xdp, af_packet and memif "
			"need none",
		"IOMMU %s, /dev/vfio/vfio %s", iommu ? "on" : "off", vfio ? "there" : "absent");
}

/* The name at the end of a symbolic link, such as a device's driver; else out stays. */
static void link_name(const char *path, char out[64])
{
	char target[PATH_MAX];
	ssize_t got = readlink(path, target, sizeof(target) - 1);
	const char *slash;
	if (got <= 0)
		return;
	target[got] = '\0';
	slash = strrchr(target, '/');
	(void)snprintf(out, 64, "%.63s", slash ? slash + 1 : target);
}

/* PCI devices of class 0x02: network controllers. */
static enum level check_pci(void)
{
	static const char root[] = "/sys/bus/pci/devices";
	DIR *dir = opendir(root);
	struct dirent *e;
	unsigned cnt = 0;
	while (dir && (e = readdir(dir))) {
		char path[PATH_MAX], text[64], driver[64] = "no driver";
		(void)snprintf(path, sizeof(path), "%s/%s/class", root, e->d_name);
		if (!first_line(path, text, sizeof(text)) || strncmp(text, "0x02", 4) != 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s/driver", root, e->d_name);
		link_name(path, driver);
		(void)report(OK, "nic", "", "%s: %s%s", e->d_name, driver,
			strcmp(driver, "vfio-pci") == 0 ? ", ready for DPDK" : "");
		cnt++;
	}
	if (dir)
		closedir(dir);
	if (cnt)
		return OK;
	return report(WARN, "nic", "net_af_xdp and net_af_packet serve the kernel's interfaces",
		"no PCI network device");
}

static enum level check_interfaces(void)
{
	static const char root[] = "/sys/class/net";
	DIR *dir = opendir(root);
	struct dirent *e;
	while (dir && (e = readdir(dir))) {
		char path[PATH_MAX], driver[64] = "virtual", state[32] = "unknown";
		if (e->d_name[0] == '.' || strcmp(e->d_name, "lo") == 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s/device/driver", root, e->d_name);
		link_name(path, driver);
		(void)snprintf(path, sizeof(path), "%s/%s/operstate", root, e->d_name);
		(void)first_line(path, state, sizeof(state));
		(void)report(OK, "interface", "", "%s: %s, %s", e->d_name, driver, state);
	}
	if (dir)
		closedir(dir);
	return OK;
}

static enum level check_folder(void)
{
	struct stat st;
	if (stat("/run/handfast", &st) == 0 && S_ISDIR(st.st_mode))
		return report(OK, "sockets", "", "/run/handfast is there");
	return report(OK, "sockets", "", "/run/handfast is not there; handfast makes it");
}

int hfctl_doctor(void)
{
	static enum level (*const checks[])(void) = {check_cpu, check_cores, check_huge_pages,
		check_memlock, check_user, check_clock, check_vfio, check_pci, check_interfaces,
		check_folder};
	enum level worst = OK;
	size_t i;
	for (i = 0; i < HF_ARRAY_LEN(checks); i++) {
		enum level l = checks[i]();
		worst = HF_MAX(worst, l);
	}
	return worst == BAD;
}
