/* SPDX-License-Identifier: MIT */
/*
 * The signal handlers of the trap engine.  A thread enters and leaves guest
 * code here, and faults that are not the guest's go on to the previous handler.
 *
 * The engine installs handlers by system call and not by sigaction().
 * ThreadSanitizer's sigaction() delays asynchronous signals until the next
 * library call, and a spinning guest never makes one.
 */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/util.h"
#include "testing/trap/internal.h"

#define SA_KERNEL_RESTORER 0x04000000ul

#define PAGE_FAULT_FETCH  (1u << 4)
#define USER_ADDRESS_BITS 47

#define FPU_CONTROL_DEFAULT 0x37f
#define MXCSR_DEFAULT	    0x1f80
#define EFLAGS_BOOT	    0x202ull /* IF: a process cannot clear it */

/* The kernel's layout, which differs from glibc's struct sigaction. */
struct kernel_sigaction {
	union {
		void (*simple)(int sig);
		void (*info)(int sig, siginfo_t *info, void *context);
	};
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

/*
 * bf_trap_gate(): its HLT faults.  The handler recognizes the address and
 * replaces the thread's registers with the guest's.  When the thread leaves
 * guest code, it continues at the RET.
 *
 * bf_trap_restorer(): the kernel requires a restorer.  Unwinders recognize it
 * by exactly these bytes.
 */
void bf_trap_gate(void);
void bf_trap_restorer(void);
__asm__(".pushsection .text\n"
	".globl bf_trap_gate\n"
	".hidden bf_trap_gate\n"
	".type bf_trap_gate, @function\n"
	"bf_trap_gate:\n"
	"	hlt\n"
	"	ret\n"
	".size bf_trap_gate, . - bf_trap_gate\n"
	".globl bf_trap_restorer\n"
	".hidden bf_trap_restorer\n"
	".type bf_trap_restorer, @function\n"
	"bf_trap_restorer:\n"
	"	movq $15, %rax\n"
	"	syscall\n"
	".size bf_trap_restorer, . - bf_trap_restorer\n"
	".popsection\n");

#define GATE_HLT_LENGTH 1

static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, BF_TRAP_KICK};

/*
 * The handlers that the engine replaced; actions[latest % NR_PREVIOUS] is the
 * newest.  A new one goes into the next slot, because a handler on another
 * thread may still read the current one.
 */
#define NR_PREVIOUS 8

static struct {
	struct kernel_sigaction actions[NR_PREVIOUS];
	_Atomic unsigned int latest;
} previous[ARRAY_SIZE(signals)];

static pthread_mutex_t install_lock = PTHREAD_MUTEX_INITIALIZER;

/* initial-exec: the handler must not allocate, and may run at any point. */
static __thread struct bf_trap_vcpu *self
	__attribute__((tls_model("initial-exec")));

static void on_signal(int sig, siginfo_t *info, void *context);

static uint64_t mask_of(int sig)
{
	return 1ull << (sig - 1);
}

static int kernel_sigaction(int sig, const struct kernel_sigaction *act,
			    struct kernel_sigaction *old)
{
	return (int)syscall(SYS_rt_sigaction, sig, act, old, sizeof(act->mask));
}

static bool is_installed(size_t i, struct kernel_sigaction *current)
{
	kernel_sigaction(signals[i], NULL, current);
	return current->info == on_signal;
}

/* Caller holds install_lock. */
static void handler_install(size_t i)
{
	/*
	 * Faults nest (SA_NODEFER): a fault of an exit handler must reach the
	 * previous handler of the signal.  The kick is blocked in the handler
	 * and arrives when the handler returns to the guest.  So a kick cannot
	 * be lost between the handler's last check of the flag and the guest.
	 */
	const struct kernel_sigaction ours = {
		.info = on_signal,
		.flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER |
			 SA_KERNEL_RESTORER,
		.restorer = bf_trap_restorer,
		.mask = mask_of(BF_TRAP_KICK),
	};
	struct kernel_sigaction old;
	unsigned int next;

	if (is_installed(i, &old))
		return;
	next = atomic_load_explicit(&previous[i].latest, memory_order_relaxed) +
	       1;
	previous[i].actions[next % NR_PREVIOUS] = old;
	/*
	 * The release orders the copy before its index.  It pairs with the
	 * acquire in call_next_handler().  Without it that function could call
	 * a stale pointer.
	 */
	atomic_store_explicit(&previous[i].latest, next, memory_order_release);
	kernel_sigaction(signals[i], &ours, NULL);
}

void bf_trap_signals_install(void)
{
	struct kernel_sigaction current;
	size_t i;

	/*
	 * Check SIGSEGV alone: code that replaces one of the handlers (a test
	 * framework between two tests, a crash reporter) replaces SIGSEGV's.
	 */
	if (is_installed(0, &current))
		return;
	pthread_mutex_lock(&install_lock);
	for (i = ARRAY_SIZE(signals); i-- > 0;)
		handler_install(i);
	pthread_mutex_unlock(&install_lock);
}

static void set_default(int sig)
{
	const struct kernel_sigaction action = {
		.simple = SIG_DFL,
		.flags = SA_KERNEL_RESTORER,
		.restorer = bf_trap_restorer,
	};

	kernel_sigaction(sig, &action, NULL);
}

/*
 * Takes the default action.  The return from the handler repeats the faulting
 * instruction, so the process dies there.  A signal that a process sent must be
 * sent again.
 */
static void take_default(int sig, const siginfo_t *info)
{
	set_default(sig);
	if (info->si_code <= 0)
		syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), sig);
}

static void call_previous(const struct kernel_sigaction *action, int sig,
			  siginfo_t *info, void *context)
{
	uint64_t mask = action->mask;

	if (!(action->flags & SA_NODEFER))
		mask |= mask_of(sig);
	if (action->flags & SA_RESETHAND)
		set_default(sig);
	/* The return from on_signal() restores the mask. */
	syscall(SYS_rt_sigprocmask, SIG_BLOCK, &mask, NULL, sizeof(mask));
	if (action->flags & SA_SIGINFO)
		action->info(sig, info, context);
	else
		action->simple(sig);
}

/* Passes on a signal that is not the engine's. */
static void call_next_handler(int sig, siginfo_t *info, void *context)
{
	const struct kernel_sigaction *action;
	unsigned int latest;
	size_t i = 0;

	while (signals[i] != sig)
		i++;
	latest =
		atomic_load_explicit(&previous[i].latest, memory_order_acquire);
	action = &previous[i].actions[latest % NR_PREVIOUS];
	if (action->simple == SIG_IGN && info->si_code <= 0)
		return;
	if (action->simple == SIG_IGN || action->simple == SIG_DFL)
		take_default(sig, info);
	else
		call_previous(action, sig, info, context);
}

static uint64_t rip_of(const ucontext_t *uc)
{
	return (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
}

/*
 * Did the guest jump to memory that it cannot execute?  QEMU's processor raises
 * the general protection fault of a jump to an address that is not canonical
 * at that address, and others raise it at the jump.
 */
static bool is_bad_fetch(const ucontext_t *uc)
{
	const greg_t *regs = uc->uc_mcontext.gregs;

	if (regs[REG_TRAPNO] == TRAPNO_PROTECTION)
		return rip_of(uc) >> USER_ADDRESS_BITS;
	return regs[REG_TRAPNO] == TRAPNO_PAGE_FAULT &&
	       (regs[REG_ERR] & PAGE_FAULT_FETCH ||
		regs[REG_CR2] == regs[REG_RIP]);
}

static bool is_guest_signal(const struct bf_trap_vcpu *vcpu, int sig,
			    const siginfo_t *info, const ucontext_t *uc)
{
	if (!vcpu->in_guest)
		return false;
	if (sig == BF_TRAP_KICK)
		return true;
	return info->si_code > 0 &&
	       (bf_trap_is_memory(vcpu->trap, rip_of(uc), 1) ||
		is_bad_fetch(uc));
}

static void save_host(struct bf_trap_vcpu *vcpu, const ucontext_t *uc)
{
	memcpy(vcpu->host.regs, uc->uc_mcontext.gregs, sizeof(vcpu->host.regs));
	memcpy(vcpu->host.fp, uc->uc_mcontext.fpregs, BF_TRAP_FP_SIZE);
}

static void load_host(const struct bf_trap_vcpu *vcpu, ucontext_t *uc)
{
	memcpy(uc->uc_mcontext.gregs, vcpu->host.regs, sizeof(vcpu->host.regs));
	memcpy(uc->uc_mcontext.fpregs, vcpu->host.fp, BF_TRAP_FP_SIZE);
}

/* The state after a reset, but with exceptions masked, as in the ABI. */
static void reset_fp(struct _libc_fpstate *fp)
{
	memset(fp, 0, BF_TRAP_FP_SIZE);
	fp->cwd = FPU_CONTROL_DEFAULT;
	fp->mxcsr = MXCSR_DEFAULT;
}

static void load_boot(struct bf_trap_vcpu *vcpu, ucontext_t *uc)
{
	static const int args[] = {REG_RDI, REG_RSI, REG_RDX,
				   REG_RCX, REG_R8,  REG_R9};
	static const int zero[] = {REG_RAX, REG_RBX, REG_RBP, REG_R10, REG_R11,
				   REG_R12, REG_R13, REG_R14, REG_R15};
	greg_t *regs = uc->uc_mcontext.gregs;
	size_t i;

	load_host(vcpu, uc); /* for the segments */
	reset_fp(uc->uc_mcontext.fpregs);
	for (i = 0; i < ARRAY_SIZE(zero); i++)
		regs[zero[i]] = 0;
	for (i = 0; i < ARRAY_SIZE(args); i++)
		regs[args[i]] = (greg_t)vcpu->boot.args[i];
	regs[REG_RIP] = (greg_t)vcpu->boot.rip;
	regs[REG_RSP] = (greg_t)vcpu->boot.rsp;
	regs[REG_EFL] = EFLAGS_BOOT;
	vcpu->reboot = false;
}

static void leave_guest(struct bf_trap_vcpu *vcpu, ucontext_t *uc)
{
	load_host(vcpu, uc);
	uc->uc_mcontext.gregs[REG_RIP] += GATE_HLT_LENGTH;
	sigaddset(&uc->uc_sigmask, BF_TRAP_KICK);
}

static bool take_interrupt(struct bf_trap_vcpu *vcpu)
{
	if (!bf_trap_interrupted(vcpu))
		return false;
	/*
	 * The acquire pairs with the release in bf_trap_vcpu_kick().  It orders
	 * the kicking thread's earlier writes before the caller's reads after
	 * -EINTR.  Without it the caller could miss the reason of the kick.
	 */
	atomic_exchange_explicit(&vcpu->kicked, false, memory_order_acquire);
	return true;
}

/* Ends each handler: lets the thread enter guest code, or leave for good. */
static void resume_guest(struct bf_trap_vcpu *vcpu, ucontext_t *uc)
{
	for (;;) {
		if (vcpu->dying) {
			leave_guest(vcpu, uc);
			return;
		}
		if (vcpu->reboot)
			load_boot(vcpu, uc);
		if (!take_interrupt(vcpu))
			break;
		vcpu->run->exit_reason = KVM_EXIT_INTR;
		bf_trap_return_to_caller(vcpu);
	}
	sigdelset(&uc->uc_sigmask, BF_TRAP_KICK);
	vcpu->in_guest = true;
}

/* Reports the instruction at which the guest stopped, as KVM does. */
static void set_failure(struct bf_trap_vcpu *vcpu, uint64_t rip)
{
	struct kvm_run *run = vcpu->run;
	size_t size;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	memset(&run->emulation_failure, 0, sizeof(run->emulation_failure));
	run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	size = bf_trap_peek(vcpu->trap, rip, run->emulation_failure.insn_bytes,
			    sizeof(run->emulation_failure.insn_bytes));
	if (!size)
		return;
	run->emulation_failure.ndata = 3;
	run->emulation_failure.flags =
		KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	run->emulation_failure.insn_size = (uint8_t)size;
}

/* Handles the fault or the kick that stopped the guest, then resumes it. */
static void handle_stop(struct bf_trap_vcpu *vcpu, int sig, ucontext_t *uc)
{
	int ret = 0;

	vcpu->in_guest = false;
	if (sig == SIGSEGV)
		ret = bf_trap_emulate(vcpu, uc);
	else if (sig != BF_TRAP_KICK)
		ret = -EOPNOTSUPP;
	if (ret && ret != -ECANCELED) {
		set_failure(vcpu, rip_of(uc));
		bf_trap_return_to_caller(vcpu);
	}
	resume_guest(vcpu, uc);
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	struct bf_trap_vcpu *vcpu = self;
	ucontext_t *uc = context;

	if (vcpu && rip_of(uc) == (uintptr_t)bf_trap_gate) {
		save_host(vcpu, uc);
		resume_guest(vcpu, uc);
	} else if (vcpu && is_guest_signal(vcpu, sig, info, uc)) {
		handle_stop(vcpu, sig, uc);
	} else {
		call_next_handler(sig, info, context);
	}
}

void bf_trap_signals_enter(struct bf_trap_vcpu *vcpu)
{
	self = vcpu;
	bf_trap_gate();
	self = NULL;
}
