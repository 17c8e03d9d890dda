/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A renderer writes reports as lines of one output format. The stream, `ls` and `why` make the reports.
 */
#ifndef PORTTRACE_RENDER_RENDERER_H
#define PORTTRACE_RENDER_RENDERER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "diagnose/diagnose.h"
#include "diagnose/forecast.h"
#include "diagnose/warning.h"
#include "model/model.h"
#include "porttrace/wire.h"

/* An event with what is known about it. All pointers are borrowed. */
struct report {
	const struct wire_hdr *event;
	const struct wire_sock *sock;	 /* NULL: not about a socket */
	const struct wire_task *task;	 /* NULL or pid 0: process not known */
	const struct process *process;	 /* NULL: not known from /proc */
	const struct conflict *conflict; /* NULL: not a failure over a port */
	const char *interface;		 /* "" or NULL: none */
	const struct port_entry *entry;	 /* `ls`: the row of the port table; else NULL */
	const struct port_report *port;	 /* with `entry`: the line of `ls` */
};

/* A SO_REUSEPORT group in one line. */
struct port_group {
	size_t count;		/* its sockets */
	size_t processes;	/* that have them; one that has two of them may count twice */
	uint64_t queue, limit;	/* the sums of port_entry.queue and .backlog */
};

/* One line of `ls`. */
struct port_report {
	const struct port_entry *entry;
	const struct process *process; /* of the first descriptor, else of the owner */
	const struct process_table *processes; /* of all descriptors */
	const char *interface;
	uint64_t boot_ns;	       /* when the table was read */
	const struct port_group *group; /* the line is that of a whole group; NULL: of `entry` */
	size_t group_size;	       /* `entry` is one of so many members; 0: of no group */
	unsigned int group_marks;      /* GROUP_MARK_* of diagnose/group.h */
};

/* A printf format of audit_report.enter and .wanted. The sysctl is replaced, so .wanted has what it has now. */
#define RESERVE_COMMAND "%ssysctl -w net.ipv4.ip_local_reserved_ports=%s"

/* The answer of `ephemeral --audit` about one network namespace. */
struct audit_report {
	uint64_t boot_ns;	/* when the sockets were read */
	uint32_t netns;
	uint16_t range_low, range_high;
	const char *reserved;	/* net.ipv4.ip_local_reserved_ports; "": none */
	const char *wanted;	/* the same with the ports of all servers; NULL: nothing is missing there */
	const char *enter;	/* before a command in the namespace; NULL: no command can enter it */
	const struct port_report *servers; /* on ports of the range, by port; those that are not reserved first */
	size_t count, unreserved;
};

struct start_report {
	uint64_t boot_ns;
	const char *version, *kernel, *probes;
	const char *const *missing; /* facts that these probes do not see; NULL-terminated, NULL: none */
	uint64_t sockets;
	uint64_t netns_count;
	const char *watching;	/* text only: "port 3000", what the filters select */
	const char *hint;	/* text only: "Ctrl-C to end" */
};

struct stop_report {
	uint64_t boot_ns;
	uint64_t events;
	uint64_t lost;
	uint64_t unpredicted; /* failures that the known kernel rules do not predict */
};

/* The answer of `why`. */
struct why_report {
	uint64_t boot_ns;	   /* when the sockets were read */
	const struct wire_sock *sock; /* the bind in question */
	uint32_t error;		   /* errno of bind() with the options of `sock`; 0: it would succeed */
	uint32_t error_with_reuseaddr; /* of bind() with SO_REUSEADDR too */
	/* The options of a holder decide and are not known: the error is that of a holder without them. */
	bool is_uncertain, is_uncertain_with_reuseaddr;
	/* The reason. Holders: the sockets that conflict, or if free, those that would share the port. */
	const struct conflict *conflict;
	const char *later;	   /* what would refuse bind() next; NULL: nothing */
	/* On the same port without conflict: at other addresses, in other network namespaces. */
	const struct holder *const *beside;
	size_t beside_count;
	const struct holder *elsewhere;
	size_t elsewhere_count, elsewhere_more;
	const char *service;	   /* name in /etc/services; NULL: none */
	bool privileged, reserved;
	uint16_t range_low, range_high; /* ephemeral, of this namespace; 0: not known */
};

/* The answer of `why --connect`. */
struct connect_report {
	uint64_t boot_ns;	      /* when the sockets were read */
	const struct wire_sock *sock; /* the connection in question */
	uint32_t error;		      /* errno of connect(); 0: nothing known stops it */
	const struct conflict *conflict; /* the reason. Holders: the servers on the port */
	bool is_local;		      /* the network namespace has the address */
	const char *device;	      /* of the route; "": not known */
	uint32_t ports, ports_left;   /* the local ports that a search may choose from; 0: not counted */
};

enum time_style { TIME_WALL, TIME_RELATIVE, TIME_ISO, TIME_NONE };

struct render_options {
	FILE *out;		   /* data */
	FILE *err;		   /* status lines; never data */
	int64_t boot_to_wall_ns;   /* CLOCK_REALTIME - CLOCK_BOOTTIME */
	uint64_t start_boot_ns;	   /* zero of TIME_RELATIVE */
	enum time_style time;
	bool colour;
	bool utf8;		   /* the terminal shows UTF-8, as far as the locale says */
	bool quiet, verbose;
	uint32_t own_netns;	   /* the namespace that rows need not name: the reader's, or that of -N; 0: not known */
	const char *(*netns_name)(uint32_t netns); /* NULL: it has none; the function is NULL: none is known */
	const char *(*container_name)(const char *id); /* likewise */
	bool sums_churn;	   /* text: churn that is not notable is summed */
	unsigned int width;	   /* terminal columns; 0: no terminal, do not cut */
};

/* CLOCK_REALTIME at boot_ns, in ns. Modulo 2^64: a crafted capture may hold any two numbers. */
static inline int64_t render_wall_ns(const struct render_options *options, uint64_t boot_ns)
{
	return (int64_t)(boot_ns + (uint64_t)options->boot_to_wall_ns);
}

struct render; /* the state of a format */

struct renderer {
	const char *name;
	bool is_selective;	   /* by default the ends of connections are left out */
	/* NULL with errno. `options` is copied. */
	struct render *(*open)(const struct render_options *options);
	void (*start)(struct render *render, const struct start_report *report);
	void (*event)(struct render *render, const struct report *report);
	void (*port)(struct render *render, const struct port_report *report);
	/* So many TIME_WAITs have no port() of their own. NULL: the format has a record for each. */
	void (*timewaits)(struct render *render, uint64_t count);
	/* Between start() and the first event, for each socket that has one of the watched ports; NULL: that was all.
	 * NULL: the format does not show them. */
	void (*now)(struct render *render, const struct port_report *report);
	/* How full the pools are when the stream begins, the fullest first. Only of the formats of `ephemeral`. */
	void (*pools)(struct render *render, const struct forecast *forecasts, size_t count, uint64_t boot_ns);
	/* Only of the formats of `ephemeral`. */
	void (*audit)(struct render *render, const struct audit_report *report);
	void (*churn)(struct render *render, const struct churn *churn, struct model *model,
		      uint64_t boot_ns);
	/* NULL: the format does not have them. */
	void (*warning)(struct render *render, const struct warning *warning, uint64_t boot_ns);
	/* At the end of every interval, also without a change. NULL: nothing to do. */
	void (*interval)(struct render *render, uint64_t boot_ns);
	void (*why)(struct render *render, const struct why_report *report);
	void (*connect)(struct render *render, const struct connect_report *report);
	void (*lost)(struct render *render, uint64_t count, const char *reason, uint64_t boot_ns);
	void (*stop)(struct render *render, const struct stop_report *report);
	/* Writes folded lines that are due and the buffer; 0 or -errno of the output. */
	int (*flush)(struct render *render, uint64_t now_boot_ns);
	void (*close)(struct render *render);
};

#endif
