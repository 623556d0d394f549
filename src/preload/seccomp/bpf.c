/* SPDX-License-Identifier: MIT */
/*
 * The kernel accepts forward jumps within the filter only, so a sane filter
 * ends.  Everything else may be wrong here: the kernel refuses such a filter,
 * but only after this code has run it.
 */
#include <linux/audit.h>
#include <string.h>

#include "preload/seccomp/bpf.h"
#include "preload/seccomp/calls.h"

#define CELLS 16

struct machine {
	struct seccomp_data data;
	uint64_t known; /* bit n: the word n of data */
	bool depends;	/* an unknown word was loaded */
	uint32_t a;
	uint32_t x;
	uint32_t cells[CELLS];
};

static bool jumps_inside(const struct sock_filter *f, uint32_t left)
{
	if (BPF_CLASS(f->code) != BPF_JMP)
		return true;
	if (BPF_OP(f->code) == BPF_JA)
		return f->k < left;
	return f->jt < left && f->jf < left;
}

bool bpf_is_sane(const struct sock_fprog *filter)
{
	if (!filter->len || filter->len > BPF_MAXINSNS)
		return false;
	for (uint32_t pc = 0; pc < filter->len; pc++)
		if (!jumps_inside(&filter->filter[pc], filter->len - pc - 1))
			return false;
	return true;
}

static uint32_t load_word(struct machine *m, uint32_t offset)
{
	uint32_t word = 0;

	if (offset > sizeof(m->data) - sizeof(word))
		return 0;
	/* A load that is not aligned is refused: any answer will do. */
	if (!(m->known >> offset / sizeof(word) & 1))
		m->depends = true;
	memcpy(&word, (const char *)&m->data + offset, sizeof(word));
	return word;
}

static uint32_t load_value(struct machine *m, const struct sock_filter *f)
{
	switch (BPF_MODE(f->code)) {
	case BPF_ABS:
		return load_word(m, f->k);
	case BPF_MEM:
		return m->cells[f->k % CELLS];
	case BPF_LEN:
		return sizeof(m->data);
	default:
		return f->k;
	}
}

static uint32_t alu_result(uint32_t a, uint16_t code, uint32_t b)
{
	switch (BPF_OP(code)) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return b ? a / b : 0;
	case BPF_AND:
		return a & b;
	case BPF_OR:
		return a | b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return a << (b & 31);
	case BPF_RSH:
		return a >> (b & 31);
	default:
		return -a;
	}
}

static uint32_t jump_offset(uint32_t a, const struct sock_filter *f, uint32_t b)
{
	switch (BPF_OP(f->code)) {
	case BPF_JA:
		return f->k;
	case BPF_JEQ:
		return a == b ? f->jt : f->jf;
	case BPF_JGT:
		return a > b ? f->jt : f->jf;
	case BPF_JGE:
		return a >= b ? f->jt : f->jf;
	default:
		return a & b ? f->jt : f->jf;
	}
}

static void move_register(struct machine *m, uint16_t code)
{
	if (BPF_MISCOP(code) == BPF_TAX)
		m->x = m->a;
	else
		m->a = m->x;
}

static void execute(struct machine *m, const struct sock_filter *f, uint32_t b)
{
	switch (BPF_CLASS(f->code)) {
	case BPF_LD:
		m->a = load_value(m, f);
		break;
	case BPF_LDX:
		m->x = load_value(m, f);
		break;
	case BPF_ST:
		m->cells[f->k % CELLS] = m->a;
		break;
	case BPF_STX:
		m->cells[f->k % CELLS] = m->x;
		break;
	case BPF_ALU:
		m->a = alu_result(m->a, f->code, b);
		break;
	default:
		move_register(m, f->code);
	}
}

/*
 * The instruction that returns, or the one behind an unknown load.  The filter
 * is sane, so each jump ends inside.
 */
static uint32_t run(struct machine *m, const struct sock_fprog *filter)
{
	uint32_t pc, b;

	for (pc = 0; pc < filter->len && !m->depends; pc++) {
		const struct sock_filter *f = &filter->filter[pc];

		b = BPF_SRC(f->code) == BPF_X ? m->x : f->k;
		if (BPF_CLASS(f->code) == BPF_RET)
			break;
		if (BPF_CLASS(f->code) == BPF_JMP)
			pc += jump_offset(m->a, f, b);
		else
			execute(m, f, b);
	}
	return pc;
}

static uint32_t returned(const struct machine *m, const struct sock_filter *f)
{
	return BPF_RVAL(f->code) == BPF_A ? m->a : f->k;
}

/* Marks the instructions that may come after the one at @pc. */
static void mark_next(const struct sock_fprog *filter, uint32_t pc,
		      bool *reached)
{
	const struct sock_filter *f = &filter->filter[pc];
	const uint32_t next = pc + 1;

	if (BPF_CLASS(f->code) != BPF_JMP) {
		reached[next] = true;
	} else if (BPF_OP(f->code) == BPF_JA) {
		reached[next + f->k] = true;
	} else {
		reached[next + f->jt] = true;
		reached[next + f->jf] = true;
	}
}

/* From @pc on each jump may go either way.  A computed action is refused. */
static enum bpf_answer ask_all(const struct sock_fprog *filter, uint32_t pc,
			       bool (*accepts)(uint32_t action,
					       const void *opaque),
			       const void *opaque)
{
	bool reached[BPF_MAXINSNS + 1] = {false};
	bool some = false, all = true;

	reached[pc] = true;
	for (; pc < filter->len; pc++) {
		const struct sock_filter *f = &filter->filter[pc];
		bool good;

		if (!reached[pc])
			continue;
		if (BPF_CLASS(f->code) != BPF_RET) {
			mark_next(filter, pc, reached);
			continue;
		}
		good = BPF_RVAL(f->code) != BPF_A && accepts(f->k, opaque);
		some |= good;
		all &= good;
	}
	/* Without a return at its end the kernel refuses the filter. */
	if (reached[filter->len] || !some)
		return BPF_REFUSED;
	return all ? BPF_ACCEPTED : BPF_DEPENDS;
}

/* Of the head of the data the number and the architecture are known. */
static struct machine machine_for(const struct bpf_call *call)
{
	struct machine m = {
		.data = {.nr = (int)call->nr, .arch = FILTER_ARCH},
		.known = 3,
	};

	for (unsigned int n = 0; n < 6; n++) {
		m.data.args[n] = call->args[n];
		if (call->known >> n & 1)
			m.known |= UINT64_C(3) << (4 + 2 * n);
	}
	return m;
}

enum bpf_answer bpf_ask(const struct sock_fprog *filter,
			const struct bpf_call *call,
			bool (*accepts)(uint32_t action, const void *opaque),
			const void *opaque)
{
	struct machine m = machine_for(call);
	uint32_t pc = run(&m, filter);

	if (m.depends)
		return ask_all(filter, pc, accepts, opaque);
	if (pc >= filter->len)
		return BPF_REFUSED;
	return accepts(returned(&m, &filter->filter[pc]), opaque) ?
		       BPF_ACCEPTED :
		       BPF_REFUSED;
}
