/* SPDX-License-Identifier: MIT */
/* Instructions of this processor. */
#ifndef BF_BASE_CPU_H
#define BF_BASE_CPU_H

/* bf_cpu_relax(): the thread spins, and the CPU may do other work. */
#if defined(__x86_64__)
static inline void bf_cpu_relax(void)
{
	__builtin_ia32_pause();
}
#elif defined(__aarch64__)
static inline void bf_cpu_relax(void)
{
	__asm__ volatile("yield" ::: "memory");
}
#endif

#endif
