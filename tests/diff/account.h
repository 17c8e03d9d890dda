/* SPDX-License-Identifier: GPL-2.0-only */
/* The sockets of a scenario, from which the rules get their input. */
#ifndef PORTTRACE_TESTS_DIFF_ACCOUNT_H
#define PORTTRACE_TESTS_DIFF_ACCOUNT_H

#include "diagnose/diagnose.h"
#include "lab.h"

#define ENDS 32 /* sockets, accepted connections and TIME_WAITs of a scenario */

/* A socket, or its TIME_WAIT. */
struct end {
	int fd, peer;
	struct wire_sock sock; /* the expected state in the kernel */
	uint32_t substate;
	bool holds;	  /* the socket is in the bind bucket, or in UDP's slot */
	bool port_locked; /* SOCK_BINDPORT_LOCK, _BINDADDR_LOCK */
	bool addr_locked;
	bool queued;	  /* not accepted yet; parent is its listener */
	int parent;
	int order; /* position in the chain, the highest first */
};

struct world {
	struct end ends[ENDS];
	size_t count;
	struct bucket bucket;
	uint16_t port;
	int order;
	unsigned int connects;
	unsigned long checked, refused;
	uint32_t kernel, engine; /* of the last call that was compared */
	bool loud;
	unsigned int draw; /* random, chooses a remedy; 0: none is carried out */
	bool is_over; /* a remedy changed sockets without updating the account */
	unsigned long remedies[REMEDY_WAIT + 1]; /* carried out, by action */
	unsigned long unoffered; /* remedies that were not offered, and carried out */
};

bool is_udp(const struct end *end);
bool is_mptcp(const struct end *end);
bool is_connected(const struct end *end);
struct end *world_add(struct world *w);
bool has_bucket(const struct world *w);
void bucket_took(struct world *w, const struct claim *claim, bool is_new);
void socket_released(struct world *w, struct end *end);
void end_closed(struct world *w, struct end *end);
void drop_queue(struct world *w, const struct end *listener);
void chain_insert(struct world *w, struct end *end);
void reset_address(struct end *end);
/* For the log. */
void log_line(const struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Runs one operation and updates the account. false: kernel and rules disagree. */
void do_socket(struct end *end, const struct op *op);
void do_option(struct end *end, const struct op *op);
void do_device(struct end *end, const struct op *op);
void do_owner(struct end *end, const struct op *op);
bool do_bind(struct world *w, struct end *end, const struct op *op);
bool do_listen(struct world *w, struct end *end);
void do_connect(struct world *w, struct end *end, const struct op *op);
void do_incoming(struct world *w, struct end *end, const struct op *op);
void do_peer_close(struct world *w, struct end *end);
void do_peer_reset(struct world *w, struct end *end);
void do_shutdown(struct world *w, struct end *end);
void do_disconnect(struct world *w, struct end *end);
void do_close(struct world *w, struct end *end, bool reset);
/* Counts one comparison; false: they differ. */
bool compare(struct world *w, uint32_t kernel, uint32_t engine);
/* Carries out one remedy of a refused bind (draw chooses it), and makes the call again. false: it failed again. */
bool do_remedy(struct world *w, struct end *end, const struct claim *refused, unsigned int draw,
	       uint32_t (*again)(const struct end *end, const struct claim *claim));
const char *name_of(uint32_t error);

#endif
