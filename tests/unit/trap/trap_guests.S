/* SPDX-License-Identifier: MIT */
/*
 * Guest programs of test_trap*.c.  rsi and rdi point to operands, r8 to the
 * results, and rsp to a stack.
 */

	.section .rodata, "a"

/* Define name_start and name_end. */
.macro guest name
	.globl	\name\()_start
	.hidden	\name\()_start
\name\()_start:
.endm

.macro end_guest name
	.globl	\name\()_end
	.hidden	\name\()_end
\name\()_end:
.endm

/* rax = rdx, rbx = r9, flags = rcx; xmm0 and xmm1 differ from both. */
.macro begin_form
	mov	%rdi, %r12
	mov	%rsi, %r13
	mov	%rdx, %rax
	mov	%r9, %rbx
	movq	%rdx, %xmm0
	punpcklqdq %xmm0, %xmm0
	movq	%rbx, %xmm1
	push	%rcx
	mov	$3, %ecx
	popfq
.endm

/* Stores pointers as offsets, so that the results do not depend on the base. */
.macro end_form
	pushfq
	cld
	mov	%rax, 0(%r8)
	mov	%rbx, 8(%r8)
	mov	%rcx, 16(%r8)
	mov	%rdx, 24(%r8)
	sub	%r13, %rsi
	mov	%rsi, 32(%r8)
	sub	%r12, %rdi
	mov	%rdi, 40(%r8)
	popq	48(%r8)
	movdqu	%xmm0, 64(%r8)
	movdqu	%xmm1, 80(%r8)
	hlt
.endm

/*
 * One instruction form: the accesses that it makes if rdi points 0x100 bytes
 * into the window ("r" or "w", length, "@" and hexadecimal offset), and the
 * instruction.  test_trap_insn.c runs it on plain memory as well.
 */
.macro form accesses, insn:vararg
	form_after "", "\accesses", \insn
.endm

/* The same for an instruction with its operand at rsi. */
.macro form_from accesses, insn:vararg
	form_after swap_operands, "\accesses", \insn
.endm

.macro swap_operands
	xchg	%rsi, %rdi
	xchg	%r12, %r13
.endm

.macro form_after prepare, accesses, insn:vararg
.Lcode\@:
	begin_form
	\prepare
	\insn
	end_form
.Lend\@:
.Lname\@:
	.asciz	"\insn"
.Laccesses\@:
	.asciz	"\accesses"
	.pushsection .data.rel.ro, "aw"
	.quad	.Lcode\@, .Lend\@ - .Lcode\@, .Lname\@, .Laccesses\@
	.popsection
.endm

	.pushsection .data.rel.ro, "aw"
	.balign	8
	.globl	trap_forms
	.hidden	trap_forms
trap_forms:
	.popsection

	/* Stores and loads of each size and kind of register. */
	form "w1@100",		movb %al, (%rdi)
	form "w1@103",		movb %ah, 3(%rdi)
	form "w1@100",		movb %bh, (%rdi)
	form "w1@100",		movb %sil, (%rdi)
	form "w1@100",		movb %r12b, (%rdi)
	form "w2@100",		movw %ax, (%rdi)
	form "w4@100",		movl %eax, (%rdi)
	form "w8@100",		movq %rax, (%rdi)
	form "w8@108",		movq %r13, 8(%rdi)
	form "w4@fc",		movl %ebx, -4(%rdi)
	form "w4@110",		movl %eax, 4(%rdi, %rcx, 4)
	form "w1@100",		movb $0x80, (%rdi)
	form "w2@100",		movw $0x8001, (%rdi)
	form "w4@100",		movl $0x80000001, (%rdi)
	form "w8@100",		movq $-2, (%rdi)
	form "w4@100",		movnti %eax, (%rdi)
	form "w8@100",		movnti %rax, (%rdi)
	form "r1@100",		movb (%rdi), %al
	form "r1@100",		movb (%rdi), %ah
	form "r1@100",		movb (%rdi), %bh
	form "r1@100",		movb (%rdi), %ch
	form "r1@100",		movb (%rdi), %dh
	form "r1@100",		movb (%rdi), %r11b
	form "r2@100",		movw (%rdi), %bx
	form "r4@100",		movl (%rdi), %ebx
	form "r8@100",		movq (%rdi), %rbx
	form "r4@104",		movl 4(%rdi), %edx
	form "r1@100",		movzbl (%rdi), %eax
	form "r1@100",		movzbw (%rdi), %ax
	form "r1@100",		movzbq (%rdi), %rbx
	form "r2@100",		movzwl (%rdi), %eax
	form "r2@100",		movzwq (%rdi), %rax
	form "r1@100",		movsbl (%rdi), %eax
	form "r1@100",		movsbw (%rdi), %ax
	form "r1@100",		movsbq (%rdi), %rbx
	form "r2@100",		movswl (%rdi), %eax
	form "r2@100",		movswq (%rdi), %rax
	form "r4@100",		movslq (%rdi), %rax

	/* Accesses that are split at page boundaries and into 8 bytes. */
	form "w4@ffc w4@1000",	movq %rax, 0xefc(%rdi)
	form "r3@ffd r1@1000",	movl 0xefd(%rdi), %eax
	form "r1@fff r1@1000",	movw 0xeff(%rdi), %bx
	form "r1@fff r7@1000",	movq 0xeff(%rdi), %rbx
	form "w8@100 w8@108",	movdqu %xmm0, (%rdi)
	form "w8@100 w8@108",	movups %xmm1, (%rdi)
	form "w8@100 w8@108",	movupd %xmm1, (%rdi)
	form "w8@100 w8@108",	movaps %xmm0, (%rdi)
	form "w8@100 w8@108",	movdqa %xmm0, (%rdi)
	form "w8@100 w8@108",	movntdq %xmm0, (%rdi)
	form "r8@101 r8@109",	movdqu 1(%rdi), %xmm0
	form "r8@100 r8@108",	movups (%rdi), %xmm1
	form "r8@100 r8@108",	movapd (%rdi), %xmm1
	form "r8@100 r8@108",	lddqu (%rdi), %xmm0
	form "r8@ff4 r4@ffc r4@1000",	movdqu 0xef4(%rdi), %xmm1
	form "r4@100",		movd (%rdi), %xmm0
	form "r8@100",		movq (%rdi), %xmm0
	form "w4@100",		movd %xmm0, (%rdi)
	form "w8@100",		movq %xmm1, (%rdi)
	form "r4@100",		movss (%rdi), %xmm0
	form "r8@100",		movsd (%rdi), %xmm0
	form "w4@100",		movss %xmm0, (%rdi)
	form "w8@100",		movsd %xmm0, (%rdi)

	/* Read, modify, write. */
	.irp op, add, adc, sub, sbb, and, or, xor, xchg, xadd, cmpxchg
	form "r1@100 w1@100",	\op\()b %bl, (%rdi)
	form "r1@100 w1@100",	\op\()b %bh, (%rdi)
	form "r2@100 w2@100",	\op\()w %bx, (%rdi)
	form "r4@100 w4@100",	\op\()l %ebx, (%rdi)
	form "r8@100 w8@100",	\op\()q %rbx, (%rdi)
	.endr
	.irp op, add, adc, sub, sbb, and, or, xor
	form "r1@100",		\op\()b (%rdi), %bh
	form "r2@100",		\op\()w (%rdi), %ax
	form "r4@100",		\op\()l (%rdi), %eax
	form "r8@100",		\op\()q (%rdi), %rax
	form "r2@100 w2@100",	\op\()w $0x8001, (%rdi)
	form "r4@100 w4@100",	\op\()l $-5, (%rdi)
	form "r8@100 w8@100",	\op\()q $-5, (%rdi)
	.endr
	.irp op, inc, dec, neg, not
	form "r1@100 w1@100",	\op\()b (%rdi)
	form "r2@100 w2@100",	\op\()w (%rdi)
	form "r4@100 w4@100",	\op\()l (%rdi)
	form "r8@100 w8@100",	\op\()q (%rdi)
	.endr
	form "r4@100 w4@100",	lock addl %eax, (%rdi)
	form "r4@100 w4@100",	lock cmpxchgl %ebx, (%rdi)

	/* Read and compare. */
	form "r1@100",		cmpb %al, (%rdi)
	form "r2@100",		cmpw (%rdi), %ax
	form "r4@100",		cmpl %eax, (%rdi)
	form "r8@100",		cmpq (%rdi), %rax
	form "r1@100",		cmpb $0x80, (%rdi)
	form "r4@100",		cmpl $-1, (%rdi)
	form "r1@100",		testb %ah, (%rdi)
	form "r2@100",		testw $0x8000, (%rdi)
	form "r4@100",		testl %eax, (%rdi)
	form "r8@100",		testq $-2, (%rdi)

	/* Strings with rdi, then with rsi, in the window. */
	form "w1@100",		stosb
	form "w8@100",		stosq
	form "w1@100 w1@101 w1@102",	rep stosb
	form "w2@100 w2@102 w2@104",	rep stosw
	form "w4@100 w4@104 w4@108",	rep stosl
	form "w8@100 w8@108 w8@110",	rep stosq
	form "w1@100",		movsb
	form "w2@100",		movsw
	form "w4@100",		movsl
	form "w8@100",		movsq
	form "w4@100 w4@104 w4@108",	rep movsl
	form "w8@100 w8@108 w8@110",	rep movsq
	form_from "r1@100",	lodsb
	form_from "r2@100",	lodsw
	form_from "r4@100",	lodsl
	form_from "r8@100",	lodsq
	form_from "r4@100 r4@104 r4@108",	rep lodsl
	form_from "r1@100",	movsb
	form_from "r1@100 r1@101 r1@102",	rep movsb
	form_from "r2@100 r2@102 r2@104",	rep movsw
	form_from "r8@100 r8@108 r8@110",	rep movsq

	.pushsection .data.rel.ro, "aw"
	.quad	0, 0, 0, 0
	.popsection

/* Absolute addresses: test_trap_insn.c replaces the placeholder. */
guest moffs
	movabs	%al, 0x1122334455667788
	movabs	%ax, 0x1122334455667788
	movabs	%eax, 0x1122334455667788
	movabs	%rax, 0x1122334455667788
	movabs	0x1122334455667788, %rax
	mov	%rax, 0(%r8)
	movabs	0x1122334455667788, %eax
	mov	%rax, 8(%r8)
	mov	$-1, %rax
	movabs	0x1122334455667788, %ax
	mov	%rax, 16(%r8)
	movabs	0x1122334455667788, %al
	mov	%rax, 24(%r8)
	hlt
end_guest moffs

/* rep stosl and rep movsl to the window; rcx: flags, 0x400 for backwards. */
guest direction
	push	%rcx
	popfq
	mov	$3, %ecx
	rep stosl
	mov	$2, %ecx
	rep movsl
	cld
	mov	%rdi, 0(%r8)
	mov	%rsi, 8(%r8)
	hlt
end_guest direction

guest ports_out
	mov	$0x1122334455667788, %rax
	outb	%al, $0x10
	outw	%ax, $0x11
	outl	%eax, $0xfe
	mov	$0xfffe, %edx
	outb	%al, %dx
	outw	%ax, %dx
	outl	%eax, %dx
	hlt
end_guest ports_out

guest ports_in
	mov	$0x1122334455667788, %rax
	inb	$0x10, %al
	mov	%rax, 0(%r8)
	mov	$0x1122334455667788, %rax
	inw	$0x11, %ax
	mov	%rax, 8(%r8)
	mov	$0x1122334455667788, %rax
	inl	$0xfe, %eax
	mov	%rax, 16(%r8)
	mov	$0x1122334455667788, %rax
	mov	$0xffff1234, %edx
	inb	%dx, %al
	mov	%rax, 24(%r8)
	inw	%dx, %ax
	mov	%rax, 32(%r8)
	inl	%dx, %eax
	mov	%rax, 40(%r8)
	hlt
end_guest ports_in

/* Moves rcx elements between memory and port 0x20; r9: flags. */
.macro string_io name, insn:vararg
guest \name
	mov	$0x20, %edx
	push	%r9
	popfq
	\insn
	cld
	mov	%rsi, 0(%r8)
	mov	%rdi, 8(%r8)
	mov	%rcx, 16(%r8)
	hlt
end_guest \name
.endm
	string_io outsb, outsb
	string_io outsl, outsl
	string_io rep_outsb, rep outsb
	string_io rep_outsw, rep outsw
	string_io rep_outsl, rep outsl
	string_io rexw_outsl, .byte 0xf3, 0x48, 0x6f
	string_io insb, insb
	string_io insl, insl
	string_io rep_insb, rep insb
	string_io rep_insw, rep insw
	string_io rep_insl, rep insl

/* Exits that are not accesses. */
guest halts
	movq	$1, 0(%r8)
	hlt
	movq	$2, 0(%r8)
	hlt
	movq	$3, 0(%r8)
	hlt
end_guest halts

/* Accesses to the window and to ports, between stores to memory. */
guest mixed
	movl	(%rdi), %eax
	mov	%rax, 0(%r8)
	movdqu	8(%rdi), %xmm0
	movdqu	%xmm0, 64(%r8)
	movl	$0x55aa, 4(%rdi)
	inw	$0x30, %ax
	mov	%rax, 8(%r8)
	outb	%al, $0x31
	hlt
end_guest mixed

/* rcx stores. */
guest stores
1:	movl	%edx, (%rdi)
	loop	1b
	hlt
end_guest stores

guest stores_forever
1:	movl	%edx, (%rdi)
	jmp	1b
end_guest stores_forever

guest rep_forever
	mov	$-1, %rcx
	rep stosl
	hlt
end_guest rep_forever

/* Counts at r8, without an exit. */
guest spin
1:	incq	(%r8)
	jmp	1b
end_guest spin

/* Stores the registers of a fresh vCPU; uses no stack. */
guest fresh
	mov	%rdi, 0(%r9)
	mov	%rsi, 8(%r9)
	mov	%rdx, 16(%r9)
	mov	%rcx, 24(%r9)
	mov	%r8, 32(%r9)
	mov	%r9, 40(%r9)
	mov	%rsp, 48(%r9)
	or	%rbx, %rax
	or	%rbp, %rax
	or	%r10, %rax
	or	%r11, %rax
	or	%r12, %rax
	or	%r13, %rax
	or	%r14, %rax
	or	%r15, %rax
	mov	%rax, 56(%r9)
	hlt
end_guest fresh

/* Stores the SSE state to r8, then loads it from rdi and rsi. */
guest vector_state
	stmxcsr	0(%r8)
	movdqu	%xmm0, 16(%r8)
	hlt
	ldmxcsr	(%rdi)
	movdqu	(%rsi), %xmm0
	hlt
	stmxcsr	0(%r8)
	movdqu	%xmm0, 16(%r8)
	hlt
end_guest vector_state

/* Programs that end in an error. */
guest load
	movq	(%rdi), %rax
	hlt
end_guest load

guest store_vector
	movdqu	%xmm0, (%rdi)
	hlt
end_guest store_vector

guest jump
	jmp	*%rdi
end_guest jump

guest invalid
	ud2
end_guest invalid

guest divide
	xor	%ecx, %ecx
	div	%ecx
	hlt
end_guest divide

guest unknown
	addsd	(%rdi), %xmm0
	hlt
end_guest unknown

guest misaligned
	movaps	1(%rdi), %xmm0
	hlt
end_guest misaligned

guest segment
	movl	%fs:(%rdi), %eax
	hlt
end_guest segment

guest stos
	rep stosq
	hlt
end_guest stos

	.section .note.GNU-stack, "", @progbits
