/* SPDX-License-Identifier: GPL-2.0-only */
/* What a network namespace says of one address and its ports, asked from inside. */
#ifndef PORTTRACE_WHY_BIND_ENVIRONMENT_H
#define PORTTRACE_WHY_BIND_ENVIRONMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "why/caller.h"
#include "cmd/why_options.h"
#include "porttrace/wire.h"
#include "system/netns.h"

struct bind_environment {
	struct wire_netns settings;
	uint8_t reserved[NETNS_PORTS];
	bool has_ipv6;
	bool is_v6only;	    /* net.ipv6.bindv6only: what a new socket is */
	bool is_privileged; /* the caller may take privileged ports */
	bool autobind_reuse; /* net.ipv4.ip_autobind_reuse */
	uint32_t ifindex;   /* of a link-local address with its interface */
	uint32_t error;	    /* what bind() would say of the address; 0: nothing */
	bool is_tentative;  /* EADDRNOTAVAIL because it is still being checked for duplicates */
};

/* 0, -ESRCH: there is no such namespace; or -errno. */
int bind_environment_read(const struct why_options *options, const struct why_caller *caller,
		    struct netns_list *namespaces, struct bind_environment *place);

#endif
