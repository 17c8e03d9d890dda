/* SPDX-License-Identifier: GPL-2.0-only */
#include "cmd/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cmd/output.h"
#include "porttrace/wire.h"
#include "system/container_name.h"
#include "system/netns_name.h"

void options_set_events(struct stream_config *stream, struct settings *settings, uint32_t events)
{
	stream->settings = settings;
	stream->limits_churn = true;
	stream->is_default = !events;
	if (events) {
		settings->kinds = events & ~OPTION_EVENT_CHURN;
		stream->show_churn = events & OPTION_EVENT_CHURN;
		return;
	}
	settings->kinds = 1U << WIRE_BIND | 1U << WIRE_LISTEN | 1U << WIRE_CONNECT | 1U << WIRE_CLOSE;
	stream->show_churn = !settings->failed_only;
}

/* NO_COLOR: https://no-color.org */
static bool wants_colour(enum colour_mode mode)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	if (mode != COLOUR_AUTO)
		return mode == COLOUR_ALWAYS;
	return isatty(STDOUT_FILENO) && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

/* As setlocale() would choose it, but a name whose locale is not installed counts too: only the terminal has to know it. */
static bool is_utf8(void)
{
	static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const char *value = getenv(variables[i]);

		if (value && *value)
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

void options_for_render(const struct output_config *output, struct render_options *render)
{
	struct stat netns;
	int64_t boot = clock_ns(CLOCK_BOOTTIME);

	*render = (struct render_options){
		.out = stdout,
		.err = stderr,
		.boot_to_wall_ns = clock_ns(CLOCK_REALTIME) - boot,
		.start_boot_ns = (uint64_t)boot,
		.time = output->time,
		.colour = wants_colour(output->colour),
		.utf8 = is_utf8(),
		.quiet = output->quiet,
		.verbose = output->verbose,
		.netns_name = netns_label,
		.container_name = container_name,
		.width = output_columns(),
	};
	if (stat("/proc/self/ns/net", &netns) == 0)
		render->own_netns = (uint32_t)netns.st_ino;
}
