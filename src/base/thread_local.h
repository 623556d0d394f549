/* SPDX-License-Identifier: MIT */
/*
 * Thread-local variables for code that coroutines call.  A compiler computes the
 * address of a thread-local variable once in a function.  With inlining that
 * may be a function of a coroutine, which moves to another thread and then uses
 * the variable of the former one.  So the address comes from a function that is
 * not inlined; the assembler statement keeps the compiler from merging calls.
 */
#ifndef BF_BASE_THREAD_LOCAL_H
#define BF_BASE_THREAD_LOCAL_H

/* Defines *name(), a variable of this thread in this file; zero at first. */
#define BF_THREAD_LOCAL(type, name)                       \
	static __attribute__((noinline)) type *name(void) \
	{                                                 \
		static __thread type variable;            \
		type *address = &variable;                \
                                                          \
		__asm__ volatile("" : "+r"(address));     \
		return address;                           \
	}                                                 \
	_Static_assert(1, "a semicolon follows")

#endif
