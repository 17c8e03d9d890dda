/* SPDX-License-Identifier: GPL-2.0-only */
/* socket(), setsockopt(), bind() and listen(): bind() and listen() are compared with the kernel. */
#include <errno.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account.h"
#include "util/address.h"
#include "util/errno_name.h"

#ifndef TCP_REPAIR_OFF_NO_WP
#define TCP_REPAIR_OFF_NO_WP -1
#endif

static void engine_verdict(struct world *w, struct claim *claim, uint32_t *verdict)
{
	static struct holder holders[ENDS];
	struct failure failure = {.holders = holders};
	const struct end *last = NULL;

	/* UDP slots are ordered; for TCP the order does not matter. */
	for (;;) {
		const struct end *next = NULL;

		for (size_t i = 0; i < w->count; i++) {
			const struct end *end = &w->ends[i];

			if (end->holds && (!last || end->order < last->order) &&
			    (!next || end->order > next->order))
				next = end;
		}
		if (!next)
			break;
		holders[failure.holder_count].sock = next->sock;
		holders[failure.holder_count++].substate = next->substate;
		last = next;
	}
	claim->bucket = has_bucket(w) ? &w->bucket : NULL;
	*verdict = diagnose_verdict(claim, &failure, NULL);
}

const char *name_of(uint32_t error)
{
	static char names[4][ERRNO_NAME_SIZE];
	static unsigned int next;

	return error ? errno_name(error, names[next++ % 4]) : "0";
}

bool compare(struct world *w, uint32_t kernel, uint32_t engine)
{
	w->checked++;
	w->refused += kernel != 0;
	log_line(w, "  kernel %s, engine %s%s\n", name_of(kernel), name_of(engine),
	    kernel == engine ? "" : "   <<<<");
	w->kernel = kernel;
	w->engine = engine;
	return kernel == engine;
}

void do_socket(struct end *end, const struct op *op)
{
	int family = op->value % 2 ? AF_INET6 : AF_INET, off = 0;
	uint16_t protocol = protocols[op->what];
	int kind = protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
	struct end fresh = {.fd = -1, .peer = -1, .parent = -1, .sock.cookie = end->sock.cookie};
	bool by_fchown = op->how && protocol != IPPROTO_MPTCP;

	if (end->fd >= 0 || end->holds || (protocol == IPPROTO_MPTCP && !lab.has_mptcp))
		return;
	*end = fresh;
	if (!by_fchown)
		become(uids[op->uid]);
	end->fd = socket(family, kind | SOCK_CLOEXEC, protocol);
	if (end->fd < 0)
		die("socket");
	/* The first option creates the MPTCP subflow, whose uid the kernel compares. */
	if (protocol == IPPROTO_MPTCP)
		setsockopt(end->fd, SOL_SOCKET, SO_REUSEADDR, &off, sizeof(off));
	become(0);
	if (by_fchown && fchown(end->fd, uids[op->uid], (gid_t)-1))
		die("fchown");
	end->sock.netns = 1;
	end->sock.family = (uint16_t)family;
	end->sock.protocol = protocol;
	end->sock.uid = uids[op->uid];
	end->sock.state = WIRE_TCP_CLOSE;
	local_of(end->fd, end->sock.local_addr);
}

static void set_flag(struct end *end, uint32_t flag, bool value)
{
	end->sock.flags = value ? end->sock.flags | flag : end->sock.flags & ~flag;
}

void do_option(struct end *end, const struct op *op)
{
	struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sock_fprog prog = {.len = 1, .filter = code};
	int value = op->value;

	switch ((enum sock_option)op->what) {
	case OPTION_REUSEADDR:
		if (!setsockopt(end->fd, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value)))
			set_flag(end, WIRE_REUSEADDR, value);
		break;
	case OPTION_REUSEPORT:
		if (!setsockopt(end->fd, SOL_SOCKET, SO_REUSEPORT, &value, sizeof(value)))
			set_flag(end, WIRE_REUSEPORT, value);
		break;
	case OPTION_V6ONLY:
		if (end->sock.family == AF_INET6 &&
		    !setsockopt(end->fd, IPPROTO_IPV6, IPV6_V6ONLY, &value, sizeof(value)))
			set_flag(end, WIRE_V6ONLY, value);
		break;
	case OPTION_PROG:
		if (!setsockopt(end->fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)))
			set_flag(end, WIRE_REUSEPORT_PROG, true);
		break;
	case OPTION_KINDS:
		break;
	}
}

void do_device(struct end *end, const struct op *op)
{
	const char *name = devices[op->value];

	/* On this device the packets of the connection would not arrive. */
	if (is_connected(end) && !is_udp(end))
		return;
	if (!setsockopt(end->fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name) + 1))
		end->sock.ifindex = lab.device[op->value];
}

void do_owner(struct end *end, const struct op *op)
{
	if (fchown(end->fd, uids[op->uid], (gid_t)-1))
		die("fchown");
	/* The MPTCP subflow has its own uid, which cannot be changed. */
	if (!is_mptcp(end))
		end->sock.uid = uids[op->uid];
}

static bool address_fits_device(const struct end *end, const char *text)
{
	/* Only lo has the address ::1. */
	return strcmp(text, "::1") || end->sock.ifindex != lab.device[DEVICE_HOLE];
}

static void bound(struct world *w, struct end *end, struct claim *claim)
{
	bool is_new = !has_bucket(w);
	bool wild = address_is_wildcard(claim->sock.local_addr);

	memcpy(end->sock.local_addr, claim->sock.local_addr, 16);
	end->sock.local_port = w->port;
	end->sock.flags &= ~(uint32_t)WIRE_PORT_EPHEMERAL;
	end->port_locked = true;
	end->addr_locked = !wild || (end->sock.family == AF_INET6 &&
				     address_is_mapped(claim->sock.local_addr));
	if (end->sock.family == AF_INET6 && !wild && !address_is_mapped(end->sock.local_addr)) {
		end->sock.flags |= WIRE_V6ONLY;
		claim->sock.flags |= WIRE_V6ONLY;
	}
	if (!is_udp(end))
		bucket_took(w, claim, is_new);
	chain_insert(w, end);
}

/* Makes the bind() again as the caller of op; claim has w->port. */
static uint32_t bind_again(const struct end *end, const struct claim *claim)
{
	union sockaddr_any where;
	socklen_t size = sockaddr_fill(&where, end->sock.family, claim->sock.local_addr, claim->sock.local_port);

	return bind(end->fd, &where.sa, size) ? (uint32_t)errno : 0;
}

bool do_bind(struct world *w, struct end *end, const struct op *op)
{
	struct claim claim = {.call = CLAIM_BIND, .sock = end->sock};
	const char *text = bind_address(op, end->sock.family);
	int repair = 1, off = TCP_REPAIR_OFF_NO_WP;
	uint32_t kernel = 0, engine;
	union sockaddr_any where;
	unsigned int prefix;
	socklen_t size;
	bool force;

	address_parse(text, claim.sock.local_addr, &prefix);
	if (!address_fits_device(end, text))
		return true;
	force = op->how && end->sock.protocol == IPPROTO_TCP &&
		end->sock.state == WIRE_TCP_CLOSE &&
		!setsockopt(end->fd, IPPROTO_TCP, TCP_REPAIR, &repair, sizeof(repair));
	if (force)
		claim.sock.flags |= WIRE_REUSEADDR | WIRE_FORCE_REUSE;
	claim.had_port = end->sock.local_port || is_connected(end) ||
			 end->sock.state == WIRE_TCP_LISTEN;
	claim.has_net_bind_service = !uids[op->uid];
	claim.sock.local_port = w->port;
	engine_verdict(w, &claim, &engine);
	size = sockaddr_fill(&where, end->sock.family, claim.sock.local_addr, w->port);
	become(uids[op->uid]);
	if (bind(end->fd, &where.sa, size))
		kernel = (uint32_t)errno;
	become(0);
	if (force) {
		setsockopt(end->fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off));
		end->sock.flags &= ~(uint32_t)WIRE_REUSEADDR;
	}
	if (!kernel)
		bound(w, end, &claim);
	if (!compare(w, kernel, engine))
		return false;
	/* Try a remedy of some refused calls: those of root without TCP_REPAIR. */
	if (kernel != EADDRINUSE || force || uids[op->uid] || !w->draw || w->draw % 3)
		return true;
	return do_remedy(w, end, &claim, w->draw / 3, bind_again);
}

bool do_listen(struct world *w, struct end *end)
{
	struct claim claim = {.call = CLAIM_LISTEN, .sock = end->sock};
	uint32_t kernel = 0, engine;

	/* On a socket without a port, listen() makes the kernel choose one. */
	if (!is_udp(end) && !end->holds && end->sock.state == WIRE_TCP_CLOSE && !end->sock.remote_port)
		return true;
	engine_verdict(w, &claim, &engine);
	if (listen(end->fd, 16))
		kernel = (uint32_t)errno;
	if (!kernel && end->sock.state != WIRE_TCP_LISTEN) {
		bucket_took(w, &claim, false);
		end->sock.state = WIRE_TCP_LISTEN;
	}
	return compare(w, kernel, engine);
}
