/* SPDX-License-Identifier: MIT */
#ifndef BF_PRELOAD_SYS_ARM64_H
#define BF_PRELOAD_SYS_ARM64_H

static inline long sys_call(long nr, long arg0, long arg1, long arg2, long arg3,
			    long arg4, long arg5)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = arg0;
	register long x1 __asm__("x1") = arg1;
	register long x2 __asm__("x2") = arg2;
	register long x3 __asm__("x3") = arg3;
	register long x4 __asm__("x4") = arg4;
	register long x5 __asm__("x5") = arg5;

	__asm__ volatile("svc	#0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

#endif
