/* SPDX-License-Identifier: MIT */
#ifndef BF_PRELOAD_JUMP_X86_H
#define BF_PRELOAD_JUMP_X86_H

/* The arguments are in rdi and rsi.  The caller's frame ends 8 bytes above. */
#define JUMP_FUNCTION(name, number)                      \
	__asm__(".pushsection .text\n"                   \
		".weak " name "\n"                       \
		".type " name ", @function\n" name ":\n" \
		".cfi_startproc\n"                       \
		"endbr64\n"                              \
		"push %rdi\n"                            \
		"push %rsi\n"                            \
		"sub $8, %rsp\n"                         \
		".cfi_adjust_cfa_offset 24\n"            \
		"mov %esi, %edx\n"                       \
		"lea 32(%rsp), %rdi\n"                   \
		"mov $" number ", %esi\n"                \
		"call jump_note_saved\n"                 \
		"add $8, %rsp\n"                         \
		"pop %rsi\n"                             \
		"pop %rdi\n"                             \
		".cfi_adjust_cfa_offset -24\n"           \
		"jmp *%rax\n"                            \
		".cfi_endproc\n"                         \
		".size " name ", . - " name "\n"         \
		".popsection\n")

#endif
