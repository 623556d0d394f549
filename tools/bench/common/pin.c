// SPDX-License-Identifier: MIT
/* CPU affinity of measuring threads. */
#include <pthread.h>
#include <sched.h>

#include "tools/bench/common/bench.h"

static cpu_set_t allowed; /* CPUs that the process may use */

static void read_allowed(void)
{
	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		CPU_ZERO(&allowed);
}

void pin_thread(unsigned int nth)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	cpu_set_t one;
	int cpu;

	pthread_once(&once, read_allowed);
	if (CPU_COUNT(&allowed) < 2)
		return;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &allowed) && nth-- == 0)
			break;
	}
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
}
