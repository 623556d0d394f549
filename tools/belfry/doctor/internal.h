/* SPDX-License-Identifier: MIT */
/* The findings of belfry doctor, and the functions that fill them in. */
#ifndef BF_CLI_DOCTOR_INTERNAL_H
#define BF_CLI_DOCTOR_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/belfry/common/kernel_module.h"
#include "tools/belfry/common/program.h"
#include "tools/belfry/doctor/vmm.h"

/* Times on a throw-away VM, in nanoseconds. */
struct costs {
	uint64_t registration; /* KVM_IOEVENTFD */
	uint64_t change;       /* a memory slot alone */
	uint64_t after;	       /* the same, right after a registration */
	uint64_t irqchip;      /* the same, after irqchip_create(); 0: none */
	/* Both calls through belfry. */
	uint64_t belfry_registration;
	uint64_t belfry_after;
};

enum problem {
	PROBLEM_NONE,
	PROBLEM_STALL, /* a change after a registration waits for a timer */
	PROBLEM_WAIT,  /* each registration waits */
};

struct machine {
	char release[65]; /* of the kernel */
	unsigned int major, minor;
	unsigned int hz;
	bool realtime;	 /* PREEMPT_RT */
	bool rcu_normal; /* no grace period is expedited */
	struct costs costs;
	uint64_t measured_ns; /* how long the measurement took */
	uint64_t waited_ns;   /* of that, for a CPU */
	enum problem problem;
	struct kernel_module module;
	bool module_installed;	     /* modprobe finds it */
	const char *module_obstacle; /* reason why it cannot be loaded */
	const char *module_need;     /* a requirement of the load, or NULL */
};

/* machine.c */
void machine_read(struct machine *machine);
/* Return whether registrations wait in the kernel of this version. */
bool machine_waits(const struct machine *machine);
void machine_read_module(struct machine *machine);

/* measure.c.  Returns 0 or a negative errno. */
int machine_measure(struct machine *machine);
/* Return whether other processes disturbed the measurement. */
bool machine_is_busy(const struct machine *machine);

/* irqchip_*.c of a processor: can QEMU split the irqchip? */
extern const bool irqchip_can_split;

/*
 * Creates an irqchip in a new VM, which registers with the I/O bus.  False:
 * this machine has none.
 */
bool irqchip_create(int vm);

struct command {
	char **argv;
	char start[PATH_MAX]; /* the file that execvp() finds */
	bool is_script;
	struct program first;	/* the program that the kernel executes */
	struct program program; /* the VMM; equal to first if none is known */
	struct vmm vmm;
	const char *run_obstacle; /* reason why belfry run cannot help */
	char *preloads;		  /* names of other libraries; empty: none */
	bool has_belfry;	  /* LD_PRELOAD names belfry's library */
	bool filtered;	     /* this process has a seccomp filter to inherit */
	uint64_t fd_limit;   /* soft limit of descriptors */
	uint64_t fds_needed; /* estimate from the queues; 0: unknown */
};

/* command.c.  Returns an enum cli_status. */
int command_read(struct command *command, char **argv);
void command_free(struct command *command);

#define MAX_REMEDIES 5

struct remedy {
	const char *name;
	const char *obstacle; /* NULL: it can be used */
	char *action;	      /* what to do */
	char *effect;	      /* the stalls that end, and those that stay */
	uint64_t saves;	      /* nanoseconds of each such call */
};

struct diagnosis {
	struct machine machine;
	struct command *command; /* NULL: none given */
	struct remedy remedies[MAX_REMEDIES];
	size_t nr_remedies;
	bool gain;
	const char *verdict;
};

/* remedies.c */
void diagnosis_conclude(struct diagnosis *diagnosis);
void diagnosis_free(struct diagnosis *diagnosis);

/* print.c */
void diagnosis_print(const struct diagnosis *diagnosis);
void diagnosis_print_json(const struct diagnosis *diagnosis);

#endif
