// SPDX-License-Identifier: MIT
/* The kernel of this machine, and whether it could take belfry's module. */
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "tools/belfry/doctor/internal.h"

/* The first version whose registrations free the bus later. */
#define STALLS_SINCE_MAJOR 6
#define STALLS_SINCE_MINOR 18

/* Before it SRCU's lock sleeps under PREEMPT_RT. */
#define RAW_LOCK_MAJOR 7

/* The clock that advances with each tick has its resolution. */
static unsigned int read_hz(void)
{
	struct timespec tick;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) || tick.tv_nsec <= 0)
		return 250;
	return (unsigned int)((1000000000 + tick.tv_nsec / 2) / tick.tv_nsec);
}

/* Return whether the first line of a file contains a text. */
static bool file_has(const char *path, const char *text)
{
	FILE *file = fopen(path, "re");
	char line[64];
	bool found = file && fgets(line, sizeof(line), file) &&
		     strstr(line, text);

	if (file)
		fclose(file);
	return found;
}

void machine_read(struct machine *machine)
{
	struct utsname name;

	uname(&name);
	snprintf(machine->release, sizeof(machine->release), "%s",
		 name.release);
	sscanf(name.release, "%u.%u", &machine->major, &machine->minor);
	machine->hz = read_hz();
	machine->realtime = strstr(name.version, "PREEMPT_RT") != NULL;
	machine->rcu_normal = file_has("/sys/kernel/rcu_normal", "1");
}

bool machine_waits(const struct machine *machine)
{
	if (machine->major != STALLS_SINCE_MAJOR)
		return machine->major < STALLS_SINCE_MAJOR;
	return machine->minor < STALLS_SINCE_MINOR;
}

/* Options of the kernel's configuration. */
struct config {
	bool known, modules, kprobes;
};

/* Distributions put the configuration in /boot, other kernels in /proc. */
static void read_config(struct config *config)
{
	FILE *file = popen("cat /boot/config-$(uname -r) 2>/dev/null ||"
			   " gzip -dc /proc/config.gz 2>/dev/null",
			   "re");
	char line[512];

	*config = (struct config){0};
	while (file && fgets(line, sizeof(line), file)) {
		config->known = true;
		if (!strcmp(line, "CONFIG_MODULES=y\n"))
			config->modules = true;
		if (!strcmp(line, "CONFIG_KPROBES=y\n"))
			config->kprobes = true;
	}
	if (file)
		pclose(file);
}

static const char *find_obstacle(const struct machine *machine)
{
	struct config config;

	if (machine_waits(machine))
		return "registrations wait themselves before Linux 6.18";
	if (machine->rcu_normal)
		return "it does nothing while /sys/kernel/rcu_normal is 1";
	read_config(&config);
	if (access("/proc/modules", F_OK) || (config.known && !config.modules))
		return "this kernel loads no modules";
	if (config.known && !config.kprobes)
		return "this kernel has no kprobes (CONFIG_KPROBES)";
	if (file_has("/proc/sys/kernel/modules_disabled", "1"))
		return "kernel.modules_disabled forbids it until a reboot";
	if (machine->realtime && machine->major < RAW_LOCK_MAJOR)
		return "PREEMPT_RT before Linux 7.0";
	return NULL;
}

static bool needs_signature(void)
{
	return file_has("/sys/module/module/parameters/sig_enforce", "Y") ||
	       file_has("/sys/kernel/security/lockdown", "[integrity]") ||
	       file_has("/sys/kernel/security/lockdown", "[confidentiality]");
}

static bool may_load(void)
{
	return !geteuid() &&
	       prctl(PR_CAPBSET_READ, CAP_SYS_MODULE, 0, 0, 0) == 1;
}

static bool has_file(const struct machine *machine, const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "/lib/modules/%s/%s", machine->release,
		 name);
	return !access(path, F_OK);
}

static const char *find_need(const struct machine *machine)
{
	if (machine->module_obstacle)
		return NULL;
	if (needs_signature())
		return "signed: see Secure Boot in doc/kernel.md";
	if (!may_load())
		return "as root, on the host and not in a container";
	if (!machine->module_installed && !has_file(machine, "build/Makefile"))
		return "with the headers of this kernel installed";
	return NULL;
}

void machine_read_module(struct machine *machine)
{
	kernel_module_read(&machine->module);
	/* Where DKMS, and where make modules_install put it. */
	machine->module_installed =
		has_file(machine, "updates/dkms/belfry.ko") ||
		has_file(machine, "updates/dkms/belfry.ko.xz") ||
		has_file(machine, "updates/dkms/belfry.ko.zst") ||
		has_file(machine, "updates/belfry.ko");
	machine->module_obstacle = find_obstacle(machine);
	machine->module_need = find_need(machine);
}
