/* SPDX-License-Identifier: GPL-2.0-only */
/* Answers the question: builds the claim of the bind() and applies the kernel's rules to the sockets found. */
#include "why/question.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose/rules.h"
#include "probe/features.h"
#include "source/scan_source.h"
#include "util/address.h"

/* A port has one connection per peer, and all of them count. */
static const struct model_limits model_limits = {.sockets = 4 * 1024 * 1024};

struct why_question *why_question_new(const struct why_config *config)
{
	struct why_question *question = calloc(1, sizeof(*question));

	if (!question)
		return NULL;
	question->config = config;
	question->lookup.model = model_new(&model_limits);
	question->namespaces = netns_list_new();
	if (!question->lookup.model || !question->namespaces) {
		why_question_free(question);
		errno = ENOMEM;
		return NULL;
	}
	return question;
}

void why_question_free(struct why_question *question)
{
	if (!question)
		return;
	if (question->lookup.source)
		question->lookup.source->ops->close(question->lookup.source);
	model_free(question->lookup.model);
	netns_list_free(question->namespaces);
	free(question->chain);
	free(question);
}

const char *why_question_reason(const struct why_question *question)
{
	return question->reason;
}

void why_question_limits(const struct why_question *question, char *limits)
{
	scan_source_limits(question->lookup.source, limits, SOURCE_LIMITS_SIZE);
}

static void fill_bucket(struct bucket *bucket, const struct bucket_dump *dump)
{
	*bucket = (struct bucket){
		.fastreuse = dump->fastreuse,
		.fastreuseport = dump->fastreuseport,
		.fast = {
			.uid = dump->fast_uid,
			.family = dump->fast_family,
			.flags = dump->fast_v6only ? WIRE_V6ONLY : 0,
		},
	};
	memcpy(bucket->fast.local_addr, dump->fast_addr, sizeof(bucket->fast.local_addr));
}

/* Searches BTF, which is slow: only if an orphan is on the port and the caller has SO_REUSEPORT. */
static bool counts_orphans_as_root(const struct why_question *question)
{
	for (size_t i = 0; question->config->flags & WIRE_REUSEPORT && i < question->chain_count; i++) {
		if (question->chain[i].sock.flags & WIRE_ORPHAN)
			return features_orphan_is_root();
	}
	return false;
}

/* Without an address the claim is for the IPv6 wildcard, which includes IPv4: most servers bind that. */
static void make_claim(struct why_question *question)
{
	static const uint8_t any_ipv4[16] = {[10] = 0xff, [11] = 0xff};
	const struct why_config *config = question->config;
	const struct bind_environment *environment = &question->environment;
	struct claim *claim = &question->claim;
	uint16_t family = config->family;

	if (!family)
		family = environment->has_ipv6 || config->flags & WIRE_V6ONLY ? AF_INET6 : AF_INET;
	*claim = (struct claim){
		.call = CLAIM_BIND,
		.sock = {
			.netns = question->caller.netns,
			.uid = question->caller.uid,
			.ifindex = environment->ifindex,
			.flags = config->flags,
			.family = family,
			.protocol = config->protocol,
			.local_port = config->port,
			.state = WIRE_TCP_CLOSE,
		},
		.task = question->caller.task,
		.address_tentative = environment->is_tentative,
		.has_net_bind_service = environment->is_privileged,
		.autobind_reuse = environment->autobind_reuse,
		.orphan_is_root = counts_orphans_as_root(question),
		.in_pid_namespace = question->lookup.source->in_pid_namespace,
		.keeps_timewait = environment->settings.has & WIRE_NETNS_KEEPS_TIMEWAIT,
	};
	if (question->dump.has_bucket) {
		fill_bucket(&question->bucket, &question->dump);
		claim->bucket = &question->bucket;
	}
	memcpy(claim->sock.local_addr, config->address, sizeof(claim->sock.local_addr));
	if (family == AF_INET && !address_is_mapped(config->address))
		memcpy(claim->sock.local_addr, any_ipv4, sizeof(any_ipv4));
	if (config->family == AF_INET6 && environment->is_v6only)
		claim->sock.flags |= WIRE_V6ONLY;
}

/* pool.low 0: the range could not be read. */
static bool is_exhausted(const struct pool *pool)
{
	return pool->low && pool_taken(pool) >= pool->size;
}

/*
 * __inet_bind() in net/ipv4/af_inet.c checks the address before the privilege. __inet6_bind() in
 * net/ipv6/af_inet6.c checks the privilege first, except that it refuses multicast on TCP at once.
 */
static uint32_t predict(const struct why_question *question, const struct netns_entry *netns)
{
	const struct bind_environment *environment = &question->environment;
	const struct claim *claim = &question->claim;
	bool lacks_privilege = claim->sock.local_port &&
			       claim->sock.local_port < environment->settings.unprivileged_start &&
			       !environment->is_privileged;
	bool is_multicast = claim->sock.family == AF_INET6 && claim->sock.local_addr[0] == 0xff;

	if (environment->error && (claim->sock.family == AF_INET || is_multicast || !lacks_privilege))
		return environment->error;
	if (!claim->sock.local_port && is_exhausted(&question->pool))
		return EADDRINUSE;
	if (question->dump.done && sock_is_udp(&claim->sock))
		return diagnose_verdict_in_order(claim, question->chain, question->chain_count, netns);
	return diagnose_verdict(claim, &question->holders.failure, netns);
}

static uint32_t predict_by_sockets(struct why_question *question, const struct netns_entry *netns)
{
	const struct socket_chain chain = {question->chain, question->dump.done ? question->chain_count : 0};

	if (question->config->port)
		why_holders_find(&question->holders, &question->claim, &chain, question->lookup.model, question->boot_ns);
	else
		pool_count(&question->claim, question->lookup.model, NULL, &question->pool);
	return predict(question, netns);
}

/* Whether a refused bind() would succeed if the holders whose options are not known had all of them. */
static bool depends_on_unknown(const struct why_question *question, const struct netns_entry *netns)
{
	struct wire_sock socks[FAILURE_HOLDERS_MAX];
	const struct failure *failure = &question->holders.failure;
	bool is_any = false;

	for (size_t i = 0; i < failure->holder_count; i++) {
		socks[i] = failure->holders[i].sock;
		if (!(socks[i].unknown & WIRE_UNKNOWN_REUSE))
			continue;
		socks[i].flags |= WIRE_REUSEADDR | WIRE_REUSEPORT;
		is_any = true;
	}
	return is_any && !diagnose_verdict_of_socks(&question->claim, socks, failure->holder_count, netns);
}

/* Judges twice, last with the options given, so that the holders found are those of the claim. */
static void judge(struct why_question *question, const struct netns_entry *netns, struct why_answer *answer)
{
	uint32_t *flags = &question->claim.sock.flags, given = *flags;

	*flags |= WIRE_REUSEADDR;
	answer->error_with_reuseaddr = predict_by_sockets(question, netns);
	answer->is_uncertain_with_reuseaddr =
		answer->error_with_reuseaddr == EADDRINUSE && depends_on_unknown(question, netns);
	*flags = given;
	answer->error = predict_by_sockets(question, netns);
	answer->is_uncertain = answer->error == EADDRINUSE && depends_on_unknown(question, netns);
	/* Only another socket's refusal depends on the option. */
	if (answer->error != EADDRINUSE) {
		answer->error_with_reuseaddr = answer->error;
		answer->is_uncertain_with_reuseaddr = false;
	}
	why_holders_look_up(&question->holders, &question->lookup);
}

/* Predicts the result from the scan. */
static enum why_status apply_rules(struct why_question *question, struct why_answer *answer)
{
	const struct netns_entry *netns;
	uint32_t error;

	question->environment.settings.hdr.boot_ns = question->boot_ns;
	model_apply(question->lookup.model, &question->environment.settings.hdr);
	netns = netns_table_find(model_namespaces(question->lookup.model), question->caller.netns);
	make_claim(question);
	netns_entry_set(&question->entry, question->lookup.source, &question->claim, question->boot_ns);
	why_scan_drop_unmet(question);
	process_lookup_origin(&question->lookup, &question->claim.task);
	error = predict_by_sockets(question, netns);
	if (!question->config->port && error == EADDRINUSE) {
		enum why_status status = why_scan_range_owners(question);

		if (status != WHY_ANSWERED)
			return status;
		error = predict_by_sockets(question, netns);
	}
	/* Query unreferenced sockets too, before reporting a port as free. */
	if (question->dump.done)
		why_scan_unreferenced(question);
	else if (!error)
		why_scan_inactive(question);
	judge(question, netns, answer);
	return WHY_ANSWERED;
}

enum why_status why_question_answer(struct why_question *question, struct why_answer *answer)
{
	int err = why_caller_find(question->config, &question->caller);
	enum why_status status;

	if (err)
		return why_caller_failed(question->config, err, question->reason, sizeof(question->reason));
	status = why_scan_open(question);
	if (status == WHY_ANSWERED)
		status = why_scan(question);
	return status == WHY_ANSWERED ? apply_rules(question, answer) : status;
}
