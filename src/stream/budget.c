/* SPDX-License-Identifier: GPL-2.0-only */
#include "stream/budget.h"

bool budget_available(struct budget *budget, uint64_t now_boot_ns)
{
	budget->left_ns += (int64_t)((now_boot_ns - budget->filled_boot_ns) / 2);
	budget->filled_boot_ns = now_boot_ns;
	if (budget->left_ns > BUDGET_MAX_NS)
		budget->left_ns = BUDGET_MAX_NS;
	if (budget->left_ns < -BUDGET_MAX_NS)
		budget->left_ns = -BUDGET_MAX_NS;
	return budget->left_ns > 0;
}

void budget_charge(struct budget *budget, uint64_t took_ns)
{
	budget->left_ns -= (int64_t)took_ns;
}
