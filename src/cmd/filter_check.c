/* SPDX-License-Identifier: GPL-2.0-only */
/* Says which filters match nothing: with a mistyped one the machine looks quiet. */
#include "cmd/filter_check.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "source/machine.h"
#include "util/address.h"

static void check_pids(const struct settings_numbers *pids)
{
	for (uint32_t i = 0; i < pids->count; i++) {
		if (kill((pid_t)pids->values[i], 0) && errno == ESRCH)
			fprintf(stderr, "porttrace: no process has pid %u now\n", pids->values[i]);
	}
}

static void check_namespaces(const struct settings_numbers *namespaces, const struct source *source)
{
	for (uint32_t i = 0; i < namespaces->count; i++) {
		if (!machine_has_netns(source, namespaces->values[i]))
			fprintf(stderr, "porttrace: no network namespace has inode number %u now\n",
				namespaces->values[i]);
	}
}

static bool is_ipv4(const struct settings_cidr *cidr)
{
	return cidr->prefix >= 96 && address_is_mapped(cidr->addr);
}

/* Two options, of which one selects a family and the other only addresses of the other family. */
static void check_family(const struct settings *settings, const struct settings_cidrs *cidrs, const char *option)
{
	uint32_t other = 0;

	if (settings->ipv4 == settings->ipv6)
		return;
	for (uint32_t i = 0; i < cidrs->count; i++)
		other += is_ipv4(&cidrs->values[i]) != (bool)settings->ipv4;
	if (other && other == cidrs->count)
		fprintf(stderr, "porttrace: -%c and %s exclude each other: no socket has both\n",
			settings->ipv4 ? '4' : '6', option);
}

void filter_check(const struct settings *settings, const struct source *source)
{
	check_pids(&settings->pids);
	check_namespaces(&settings->netns, source);
	check_family(settings, &settings->local, "--local");
	check_family(settings, &settings->remote, "--remote");
}
