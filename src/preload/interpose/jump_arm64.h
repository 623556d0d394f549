/* SPDX-License-Identifier: MIT */
#ifndef BF_PRELOAD_JUMP_ARM64_H
#define BF_PRELOAD_JUMP_ARM64_H

/* The arguments are in x0 and x1.  hint 34 is BTI: a place to be called at. */
#define JUMP_FUNCTION(name, number)                      \
	__asm__(".pushsection .text\n"                   \
		".weak " name "\n"                       \
		".type " name ", %function\n" name ":\n" \
		".cfi_startproc\n"                       \
		"hint #34\n"                             \
		"stp x0, x1, [sp, #-32]!\n"              \
		".cfi_adjust_cfa_offset 32\n"            \
		"str x30, [sp, #16]\n"                   \
		".cfi_rel_offset x30, 16\n"              \
		"mov w2, w1\n"                           \
		"add x0, sp, #32\n"                      \
		"mov w1, #" number "\n"                  \
		"bl jump_note_saved\n"                   \
		"mov x16, x0\n"                          \
		"ldr x30, [sp, #16]\n"                   \
		"ldp x0, x1, [sp], #32\n"                \
		".cfi_restore x30\n"                     \
		".cfi_adjust_cfa_offset -32\n"           \
		"br x16\n"                               \
		".cfi_endproc\n"                         \
		".size " name ", . - " name "\n"         \
		".popsection\n")

#endif
