/* SPDX-License-Identifier: GPL-2.0-only */
/* The settings and addresses of a network namespace that affect bind(), read inside it. */
#ifndef PORTTRACE_WHY_BIND_ENVIRONMENT_H
#define PORTTRACE_WHY_BIND_ENVIRONMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "porttrace/wire.h"
#include "system/netns.h"
#include "system/netns_read.h"
#include "why/caller.h"
#include "why/config.h"

struct bind_environment {
	struct wire_netns settings;
	uint8_t reserved[NETNS_PORTS];
	bool has_ipv6;
	bool is_v6only;	    /* net.ipv6.bindv6only: the default of IPV6_V6ONLY */
	bool is_privileged; /* the caller may bind privileged ports */
	bool autobind_reuse; /* net.ipv4.ip_autobind_reuse */
	uint32_t ifindex;   /* of config.device; 0: none */
	uint32_t error;	    /* the errno of bind() for the address; 0: it is usable */
	bool is_tentative;  /* EADDRNOTAVAIL because duplicate address detection is running */
};

/* 0, -ESRCH: there is no such namespace; or -errno. */
int bind_environment_read(const struct why_config *config, const struct why_caller *caller,
		    struct netns_list *namespaces, struct bind_environment *environment);

#endif
