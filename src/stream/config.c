/* SPDX-License-Identifier: GPL-2.0-only */
#include "stream/config.h"

bool stream_config_filters_flows(const struct stream_config *config)
{
	const struct settings *settings = config->settings;

	return settings->pids.count || settings->uids.count || settings->comms.count || settings->protocols.count ||
	       settings->local.count || settings->remote.count || settings->local_ports.used || settings->remote_ports.used ||
	       settings->cgroup_id || settings->ipv4 != settings->ipv6;
}

bool stream_config_filters_sockets(const struct stream_config *config)
{
	return config->settings->netns.count || stream_config_filters_flows(config);
}

bool stream_config_wants_netns(const struct stream_config *config, uint32_t netns)
{
	const struct settings_numbers *wanted = &config->settings->netns;

	for (uint32_t i = 0; i < wanted->count; i++) {
		if (wanted->values[i] == netns)
			return true;
	}
	return !wanted->count;
}
