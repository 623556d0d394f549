/* SPDX-License-Identifier: MIT */
/*
 * The instructions of the trap engine.  Each form runs on the window, where the
 * engine emulates it, and on plain memory, where the processor executes it.
 * Registers, flags and memory must be the same.
 */
#include <string.h>

#include "trap_fixture.h"
#include "base/util.h"

struct form {
	const char *code;
	size_t size;
	const char *text;
	const char *accesses;
};

extern const struct form trap_forms[] __attribute__((visibility("hidden")));

GUEST(moffs);
GUEST(direction);
GUEST(ports_out);
GUEST(ports_in);
GUEST(outsb);
GUEST(outsl);
GUEST(rep_outsb);
GUEST(rep_outsw);
GUEST(rep_outsl);
GUEST(rexw_outsl);
GUEST(insb);
GUEST(insl);
GUEST(rep_insb);
GUEST(rep_insw);
GUEST(rep_insl);

#define FLAG_CF	   1u
#define FLAG_AF	   0x10u
#define FLAG_DF	   0x400u
#define FLAGS_NONE 2u

#define BASE	     0x100u /* where operands begin */
#define RESULT_FLAGS 6
#define RESULT_SIZE  96

struct inputs {
	uint64_t rax;
	uint64_t rbx;
	uint64_t memory;
	uint64_t flags;
};

/* State after a form has run. */
struct outcome {
	unsigned char registers[RESULT_SIZE];
	char operands[WINDOW_SIZE];
	char source[WINDOW_SIZE];
};

/* The logic instructions leave AF undefined. */
static bool has_undefined_af(const struct form *form)
{
	return !strncmp(form->text, "and", 3) ||
	       !strncmp(form->text, "or", 2) ||
	       !strncmp(form->text, "xor", 3) ||
	       !strncmp(form->text, "test", 4);
}

static void fill(char *to, uint64_t value)
{
	size_t i;

	for (i = 0; i < WINDOW_SIZE; i += sizeof(value))
		memcpy(to + i, &value, sizeof(value));
}

static void run_form(struct machine *m, const struct form *form,
		     const struct inputs *in, bool emulated,
		     struct outcome *out)
{
	char *operands = emulated ? m->device : m->memory + OPERANDS;
	uint64_t flags;

	fill(operands, in->memory);
	fill(m->memory + SOURCE, ~in->memory);
	boot_code(m, form->code, form->size,
		  emulated ? window_addr(m, BASE) :
			     memory_addr(m, OPERANDS + BASE),
		  memory_addr(m, SOURCE + BASE), in->rax, in->flags, in->rbx);
	run_to(m, KVM_EXIT_HLT);
	if (has_undefined_af(form)) {
		flags = result(m, RESULT_FLAGS) & ~(uint64_t)FLAG_AF;
		memcpy(m->memory + RESULTS + 8 * RESULT_FLAGS, &flags,
		       sizeof(flags));
	}
	memcpy(out->registers, m->memory + RESULTS, sizeof(out->registers));
	memcpy(out->operands, operands, sizeof(out->operands));
	memcpy(out->source, m->memory + SOURCE, sizeof(out->source));
}

static void check_form(struct machine *m, const struct form *form,
		       const struct inputs *in)
{
	struct outcome emulated, native;

	run_form(m, form, in, false, &native);
	assert_string_equal(m->log, "");
	run_form(m, form, in, true, &emulated);
	if (!(in->flags & FLAG_DF) && strcmp(m->log, form->accesses))
		fail_msg("%s: accesses %s instead of %s", form->text, m->log,
			 form->accesses);
	if (memcmp(&emulated, &native, sizeof(native)))
		fail_msg("%s: rax %#lx rbx %#lx memory %#lx flags %#lx: "
			 "not what the processor does",
			 form->text, in->rax, in->rbx, in->memory, in->flags);
}

static void test_forms(void **state)
{
	static const struct inputs inputs[] = {
		{0, 0, 0, FLAGS_NONE},
		{1, 2, 3, FLAGS_NONE | FLAG_CF},
		{0x1122334455667788, 0x99aabbccddeeff01, 0x7f6e5d4c3b2a1908,
		 FLAGS_NONE},
		{0x1122334455667788, 0x99aabbccddeeff01, 0x8091a2b3c4d5e6f7,
		 FLAGS_NONE | FLAG_CF},
		{-1ull, -1ull, 1, FLAGS_NONE | FLAG_CF},
		{-1ull, 1, -1ull, FLAGS_NONE | FLAG_CF},
		{0x8080808080808080, 0x8080808080808080, 0x8080808080808080,
		 FLAGS_NONE},
		{0x7f7f7f7f7f7f7f7f, 0x0101010101010101, 0x7f7f7f7f7f7f7f7f,
		 FLAGS_NONE | FLAG_CF},
		{0x8000000080008080, 0x7fffffff7fff7f7f, 0x8000000080008080,
		 FLAGS_NONE},
		{5, 0xfffffffffffffffb, 5, FLAGS_NONE},
		{0x1122334455667788, 0x99aabbccddeeff01, 0x7f6e5d4c3b2a1908,
		 FLAGS_NONE | FLAG_DF},
	};
	const struct form *form;
	size_t i;

	for (form = trap_forms; form->code; form++)
		for (i = 0; i < ARRAY_SIZE(inputs); i++)
			check_form(*state, form, &inputs[i]);
}

/* Replaces the program's placeholders by an address. */
static void patch(char *code, size_t size, uint64_t addr)
{
	static const uint64_t placeholder = 0x1122334455667788;
	size_t i;

	for (i = 0; i + sizeof(addr) <= size; i++)
		if (!memcmp(code + i, &placeholder, sizeof(placeholder)))
			memcpy(code + i, &addr, sizeof(addr));
}

static void test_absolute_addresses(void **state)
{
	struct machine *m = *state;

	fill(m->device, 0xf1f2f3f4f5f6f7f8);
	boot(m, moffs, 0, 0, 0, 0, 0);
	patch(m->memory + CODE, (size_t)(moffs_end - moffs_start),
	      window_addr(m, 0x208));
	run_to(m, KVM_EXIT_HLT);
	assert_string_equal(m->log, "w1@208 w2@208 w4@208 w8@208 "
				    "r8@208 r4@208 r2@208 r1@208");
	assert_int_equal(result(m, 0), 0);
	assert_int_equal(result(m, 1), 0);
	assert_int_equal(result(m, 2), 0xffffffffffff0000);
	assert_int_equal(result(m, 3), 0xffffffffffff0000);
}

static void test_direction(void **state)
{
	struct machine *m = *state;
	uint64_t from = memory_addr(m, SOURCE + BASE);

	boot(m, direction, window_addr(m, BASE), from, 0, FLAGS_NONE, 0);
	run_to(m, KVM_EXIT_HLT);
	assert_string_equal(m->log, "w4@100 w4@104 w4@108 w4@10c w4@110");
	assert_int_equal(result(m, 0), window_addr(m, BASE + 20));
	assert_int_equal(result(m, 1), from + 8);

	boot(m, direction, window_addr(m, BASE), from, 0, FLAG_DF, 0);
	run_to(m, KVM_EXIT_HLT);
	assert_string_equal(m->log, "w4@100 w4@fc w4@f8 w4@f4 w4@f0");
	assert_int_equal(result(m, 0), window_addr(m, BASE - 20));
	assert_int_equal(result(m, 1), from - 8);
}

static void test_ports_out(void **state)
{
	struct machine *m = *state;

	boot(m, ports_out, 0, 0, 0, 0, 0);
	run_to(m, KVM_EXIT_HLT);
	assert_string_equal(m->log, "out1@10x1=88 out2@11x1=7788 "
				    "out4@fex1=55667788 out1@fffex1=88 "
				    "out2@fffex1=7788 out4@fffex1=55667788");
}

static void test_ports_in(void **state)
{
	struct machine *m = *state;

	memcpy(m->ports, "\xf0\xf1\xf2\xf3", 4);
	boot(m, ports_in, 0, 0, 0, 0, 0);
	run_to(m, KVM_EXIT_HLT);
	assert_string_equal(m->log, "in1@10x1 in2@11x1 in4@fex1 in1@1234x1 "
				    "in2@1234x1 in4@1234x1");
	assert_int_equal(result(m, 0), 0x11223344556677f0);
	assert_int_equal(result(m, 1), 0x112233445566f1f1);
	assert_int_equal(result(m, 2), 0xf3f2f1f2);
	assert_int_equal(result(m, 3), 0x11223344556677f3);
	assert_int_equal(result(m, 4), 0x112233445566f1f4);
	assert_int_equal(result(m, 5), 0xf3f2f1f5);
}

/* Checks the registers after a string instruction that began at BASE. */
static void check_indices(struct machine *m, int64_t rsi, int64_t rdi,
			  uint64_t rcx)
{
	assert_int_equal(result(m, 0),
			 memory_addr(m, SOURCE + BASE) + (uint64_t)rsi);
	assert_int_equal(result(m, 1),
			 memory_addr(m, OPERANDS + BASE) + (uint64_t)rdi);
	assert_int_equal(result(m, 2), rcx);
}

#define run_string(m, name, rcx, flags)                             \
	do {                                                        \
		boot(m, name, memory_addr(m, OPERANDS + BASE),      \
		     memory_addr(m, SOURCE + BASE), 0, rcx, flags); \
		run_to(m, KVM_EXIT_HLT);                            \
	} while (0)

static void test_string_out(void **state)
{
	struct machine *m = *state;
	unsigned int i;

	for (i = 0; i < WINDOW_SIZE; i++)
		m->memory[SOURCE + i] = (char)i;
	run_string(m, outsb, 7, FLAGS_NONE);
	assert_string_equal(m->log, "out1@20x1=0");
	check_indices(m, 1, 0, 7);
	run_string(m, outsl, 7, FLAGS_NONE);
	assert_string_equal(m->log, "out4@20x1=3020100");
	check_indices(m, 4, 0, 7);
	run_string(m, rep_outsb, 3, FLAGS_NONE);
	assert_string_equal(m->log, "out1@20x3=0,1,2");
	check_indices(m, 3, 0, 0);
	run_string(m, rep_outsw, 2, FLAGS_NONE);
	assert_string_equal(m->log, "out2@20x2=100,302");
	check_indices(m, 4, 0, 0);
	run_string(m, rexw_outsl, 2, FLAGS_NONE);
	assert_string_equal(m->log, "out4@20x2=3020100,7060504");
	check_indices(m, 8, 0, 0);
	run_string(m, rep_outsl, 2, FLAG_DF);
	assert_string_equal(m->log, "out4@20x2=3020100,fffefdfc");
	check_indices(m, -8, 0, 0);
	run_string(m, rep_outsl, 0, FLAGS_NONE);
	assert_string_equal(m->log, "");
	check_indices(m, 0, 0, 0);
}

static void test_string_in(void **state)
{
	struct machine *m = *state;

	fill(m->memory + OPERANDS, -1ull);
	memcpy(m->ports, "\x01\x02\x03\x04", 4);
	run_string(m, insb, 7, FLAGS_NONE);
	assert_string_equal(m->log, "in1@20x1");
	check_indices(m, 0, 1, 7);
	run_string(m, insl, 7, FLAGS_NONE);
	assert_string_equal(m->log, "in4@20x1");
	check_indices(m, 0, 4, 7);
	assert_memory_equal(m->memory + OPERANDS + BASE, "\2\2\3\4\xff", 5);
	run_string(m, rep_insw, 2, FLAGS_NONE);
	assert_string_equal(m->log, "in2@20x2");
	check_indices(m, 0, 4, 0);
	assert_memory_equal(m->memory + OPERANDS + BASE, "\3\2\4\2\xff", 5);
	run_string(m, rep_insb, 3, FLAG_DF);
	assert_string_equal(m->log, "in1@20x3");
	check_indices(m, 0, -3, 0);
	assert_memory_equal(m->memory + OPERANDS + BASE - 3, "\xff\7\6\5\2", 5);
	run_string(m, rep_insl, 0, FLAGS_NONE);
	assert_string_equal(m->log, "");
	check_indices(m, 0, 0, 0);
}

/* An exit holds 4096 bytes, so a longer string needs several. */
static bool count_elements(struct machine *m)
{
	size_t used = strlen(m->log);

	m->log[used] = (char)('0' + m->run->io.count / 256);
	m->log[used + 1] = 0;
	return true;
}

static void test_long_strings(void **state)
{
	struct machine *m = *state;

	m->hook = count_elements;
	run_string(m, rep_outsl, 1024 + 512, FLAGS_NONE);
	assert_string_equal(m->log, "42");
	check_indices(m, 6 * 1024, 0, 0);
	run_string(m, rep_insw, 2048 + 2048 + 256, FLAGS_NONE);
	assert_string_equal(m->log, "881");
	check_indices(m, 0, 8704, 0);
}

/* A string beyond guest memory exits with the elements inside, then fails. */
static void test_string_past_memory(void **state)
{
	struct machine *m = *state;
	uint64_t last = memory_addr(m, MEMORY_SIZE - 8);

	boot(m, rep_outsl, 0, last, 0, 3, FLAGS_NONE);
	run_to(m, KVM_EXIT_INTERNAL_ERROR);
	assert_string_equal(m->log, "out4@20x2=0,0");
	boot(m, rep_insl, last, 0, 0, 3, FLAGS_NONE);
	run_to(m, KVM_EXIT_INTERNAL_ERROR);
	assert_string_equal(m->log, "in4@20x2");
}

#define machine_test(f) \
	cmocka_unit_test_setup_teardown(f, machine_setup, machine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		machine_test(test_forms),
		machine_test(test_absolute_addresses),
		machine_test(test_direction),
		machine_test(test_ports_out),
		machine_test(test_ports_in),
		machine_test(test_string_out),
		machine_test(test_string_in),
		machine_test(test_long_strings),
		machine_test(test_string_past_memory),
	};

	return cmocka_run_group_tests_name("trap_insn", tests, NULL, NULL);
}
