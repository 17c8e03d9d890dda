/* SPDX-License-Identifier: GPL-2.0-only */
/* The reason of a refusal from verifier logs of real kernels. */
#include "probe/verifier_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define STATISTICS "processed 1395 insns (limit 1000000) max_states_per_insn 4 total_states 105 peak_states 105 mark_read 53\n"

static void the_last_sentence_is_the_reason(void **state)
{
	char reason[80];

	(void)state;
	assert_true(verifier_log_reason("0: (85) call bpf_get_func_ret#183\nunknown func bpf_get_func_ret#183\n" STATISTICS,
					reason, sizeof(reason)));
	assert_string_equal(reason, "unknown func bpf_get_func_ret#183");
	assert_true(verifier_log_reason("; }\n1731: (95) exit\ncannot return stack pointer to the caller\n"
					"verification time 4433 usec\nstack depth 0+64\n" STATISTICS, reason,
					sizeof(reason)));
	assert_string_equal(reason, "cannot return stack pointer to the caller");
}

static void a_long_reason_is_cut(void **state)
{
	char reason[16];

	(void)state;
	assert_true(verifier_log_reason("R1 invalid mem access 'inv'\n" STATISTICS, reason, sizeof(reason)));
	assert_string_equal(reason, "R1 invalid mem ");
}

static void a_cut_log_has_no_reason(void **state)
{
	char reason[16];

	(void)state;
	assert_false(verifier_log_reason("0: (79) r6 = *(u64 *)(r1 +8)\n1: (15) if r6 =", reason, sizeof(reason)));
}

/* After EPERM for a program type the log has only statistics; a refusal before verification has no log. */
static void no_reason(void **state)
{
	char reason[16] = "as before";

	(void)state;
	assert_false(verifier_log_reason("", reason, sizeof(reason)));
	assert_false(verifier_log_reason("\n\n" STATISTICS, reason, sizeof(reason)));
	assert_string_equal(reason, "as before");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_sentence_is_the_reason),
		cmocka_unit_test(a_long_reason_is_cut),
		cmocka_unit_test(a_cut_log_has_no_reason),
		cmocka_unit_test(no_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
