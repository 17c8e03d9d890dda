/* SPDX-License-Identifier: GPL-2.0-only */
#include "cmd/socket_scan.h"

#include <stdio.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/privilege.h"
#include "model/wire_check.h"
#include "source/machine.h"
#include "source/scan_source.h"
#include "util/clock.h"

/* Larger than in a stream: evicted sockets would be missing from the list. */
static const struct model_limits limits_of_model = {.sockets = 4 * 1024 * 1024, .processes = 65536};

static void on_event(void *context, const void *data, size_t size)
{
	struct socket_scan *scan = context;
	union wire_event event;

	if (wire_check(data, size, &event) || model_apply(scan->lookup.model, &event.hdr))
		scan->lookup.invalid++;
}

/* Prints one line, also if several namespaces could not be entered. */
static void warn_of_namespaces(const struct socket_scan *scan)
{
	uint32_t netns, first = 0;
	char others[40] = "";
	size_t count = 0;
	int first_err = 0;

	for (size_t i = 0; i < machine_netns_count(scan->lookup.source); i++) {
		int err = machine_netns_error(scan->lookup.source, i, &netns);

		if (err && !count++) {
			first = netns;
			first_err = err;
		}
	}
	if (!count)
		return;
	if (count > 1)
		snprintf(others, sizeof(others), " (and %zu more)", count - 1);
	fprintf(stderr, "porttrace: network namespace %u%s could not be entered: %s; its TIME_WAITs and orphans are "
			"missing\n", first, others, strerror(-first_err));
}

int socket_scan_run(struct socket_scan *scan, const struct settings *settings, const struct output_config *output)
{
	const struct kernel_options kernel = {.settings = settings, .backend = -1, .verbose = output->verbose};
	const struct socket_query all_sockets = {0};
	char reason[256] = "", limits[SOURCE_LIMITS_SIZE];
	struct lookup *lookup = &scan->lookup;
	int err;

	lookup->model = model_new(&limits_of_model);
	if (!lookup->model) {
		fprintf(stderr, "porttrace: out of memory\n");
		return EXIT_FAILED;
	}
	lookup->source = scan_source_open(&kernel, on_event, scan, reason, sizeof(reason));
	if (!lookup->source) {
		fprintf(stderr, "porttrace: %s\n", reason);
		return EXIT_FAILED;
	}
	err = lookup->source->ops->scan(lookup->source, &all_sockets, on_event, scan);
	if (err) {
		fprintf(stderr, "porttrace: cannot read the sockets: %s\n", strerror(-err));
		return EXIT_FAILED;
	}
	scan->boot_ns = clock_boot_ns();
	scan_source_limits(lookup->source, limits, sizeof(limits));
	if (!limits[0])
		warn_of_namespaces(scan);
	else if (!output->quiet)
		privilege_print_limits(output->argv, limits);
	return EXIT_DONE;
}

int socket_scan_status(const struct socket_scan *scan)
{
	unsigned long long evicted = port_table_evicted(model_ports(scan->lookup.model));
	unsigned long long invalid = scan->lookup.invalid;

	if (evicted)
		fprintf(stderr, "porttrace: the port table is full: %llu sockets are not listed\n", evicted);
	if (invalid)
		fprintf(stderr, "porttrace: %llu sockets are not listed: no memory for them, or invalid records\n", invalid);
	return evicted || invalid ? EXIT_LOST : EXIT_DONE;
}

void socket_scan_done(struct socket_scan *scan)
{
	if (scan->lookup.source)
		scan->lookup.source->ops->close(scan->lookup.source);
	model_free(scan->lookup.model);
}
