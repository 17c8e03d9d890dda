/* SPDX-License-Identifier: GPL-2.0-only */
/* Events -> model -> explanation -> report. Independent of the source and the clock. */
#include "stream/session.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <netinet/in.h>

#include "model/wire_check.h"
#include "model/wire_filter.h"
#include "stream/current_holders.h"

int session_init(struct session *session, const struct stream_config *config, const struct renderer *renderer,
		 const struct render_options *render)
{
	/* A stream needs the live sockets of a busy machine; `ls` handles the most that a machine can have. */
	const struct model_limits limits = {.sockets = 16384, .timewaits = 4096};
	struct render_options options = *render;

	*session = (struct session){
		.config = config,
		.renderer = renderer,
		.is_partial = stream_config_filters_sockets(config),
	};
	options.sums_churn = config->is_default;
	session->render = session->renderer->open(&options);
	session->lookup.model = model_new(&limits);
	session->explainer = session->lookup.model ? explainer_new(&session->lookup) : NULL;
	session->warner = warner_new();
	return session->render && session->explainer && session->warner ? 0 : -ENOMEM;
}

void session_done(struct session *session)
{
	explainer_free(session->explainer);
	warner_free(session->warner);
	model_free(session->lookup.model);
	if (session->render)
		session->renderer->close(session->render);
}

/* Before any interval: no rates are known yet. */
static void report_pools(struct session *session, uint64_t boot_ns)
{
	struct forecast forecasts[FORECAST_POOLS_MAX];
	size_t count = forecast_list_all(session->config->settings, session->lookup.model, forecasts), wanted = 0;

	for (size_t i = 0; i < count; i++) {
		if (stream_config_wants_netns(session->config, forecasts[i].pool->now.netns))
			forecasts[wanted++] = forecasts[i];
	}
	session->renderer->pools(session->render, forecasts, wanted, boot_ns);
}

void session_start(struct session *session, const struct start_report *report)
{
	session->renderer->start(session->render, report);
	if (current_holders_report(&session->lookup, session->config, session->renderer, session->render,
				   report->boot_ns))
		session->invalid++;
	if (session->config->shows_pools)
		report_pools(session, report->boot_ns);
	session->streaming = true;
}

static void check_end(struct session *session, uint64_t count)
{
	if (session->config->count && count == session->config->count && session->on_end)
		session->on_end(session->end_context);
}

void session_interval(struct session *session, uint64_t boot_ns)
{
	if (session->renderer->interval)
		session->renderer->interval(session->render, boot_ns);
	session->intervals++;
	if (session->config->counts_intervals)
		check_end(session, session->intervals);
}

/* Copies the facts about the caller: lookups for the explanation may replace them in the model. */
static void copy_caller_facts(struct report *report, struct process *process, char interface[16])
{
	if (report->process) {
		*process = *report->process;
		report->process = process;
	}
	if (report->interface && *report->interface) {
		snprintf(interface, 16, "%s", report->interface);
		report->interface = interface;
	}
}

/* Of programs that open many connections only those are described that fail. */
static bool wants_origin(const struct wire_hdr *event)
{
	return wire_error_of(event) || event->kind == WIRE_LISTEN ||
	       (event->kind == WIRE_BIND && !(wire_sock_of(event)->flags & WIRE_PORT_EPHEMERAL));
}

static void warn_of_second_server(struct session *session, const struct wire_hdr *event)
{
	struct warning warning;

	if (session->renderer->warning &&
	    second_server_find(&session->second_servers, &session->lookup, event, &warning))
		session->renderer->warning(session->render, &warning, event->boot_ns);
}

static void report_event(struct session *session, const struct wire_hdr *event)
{
	struct report report = {
		.event = event,
		.sock = wire_sock_of(event),
		.task = wire_task_of(event),
	};
	struct conflict conflict;
	struct process process;
	char interface[16];

	if (report.task)
		report.process = wants_origin(event) ? process_lookup_origin(&session->lookup, report.task) :
						       process_lookup(&session->lookup, report.task);
	if (report.sock)
		report.interface = interface_lookup(&session->lookup, report.sock);
	if (wire_failed_errno(event))
		copy_caller_facts(&report, &process, interface);
	if (explain(session->explainer, event, &conflict))
		report.conflict = &conflict;
	session->unpredicted += report.conflict && !conflict.predicted;
	session->renderer->event(session->render, &report);
	warn_of_second_server(session, event);
	session->events++;
	if (!session->config->counts_intervals)
		check_end(session, session->events);
}

static void warn_of_pools(struct session *session, const struct churn *churn)
{
	struct forecast forecasts[FORECAST_POOLS_MAX];
	size_t count = forecast_list(churn, session->lookup.model, forecasts);
	struct warning warning;

	for (size_t i = 0; i < count; i++) {
		if (warning_of_pool(session->warner, &forecasts[i], churn, &warning) &&
		    session->renderer->warning)
			session->renderer->warning(session->render, &warning, churn->now.hdr.boot_ns);
	}
}

/* Keeps the flows that pass the filters. */
static void filter_flows(const struct settings *settings, struct churn *churn)
{
	size_t kept = 0;

	for (size_t i = 0; i < churn->top_count; i++) {
		const struct churn_top *top = &churn->top[i];

		if (wire_filter_flow(settings, top->local_addr, top->remote_addr, top->remote_port, top->protocol,
				     &top->task))
			churn->top[kept++] = *top;
	}
	churn->top_count = kept;
}

/* Replaces the sums of the namespace by those of the flows that are left. false: there are none. */
static bool limit_to_flows(const struct settings *settings, struct churn *churn)
{
	uint64_t allocated = 0, failed = 0, timewait = 0;

	/* A flow has many local ports and no known user. */
	if (settings->local_ports.used || settings->uids.count)
		return false;
	for (size_t i = 0; i < churn->top_count; i++) {
		allocated += churn->top[i].allocated;
		failed += churn->top[i].failed;
		timewait += churn->top[i].timewait;
	}
	churn->is_limited = true;
	churn->ephemeral_allocated = allocated;
	churn->ephemeral_failed = failed;
	churn->timewait_entered = timewait;
	/* Not known per flow. */
	churn->ephemeral_released = churn->timewait_overflowed = 0;
	churn->timewait_live = churn->timewait_expired = churn->timewait_reused = churn->timewait_killed = 0;
	return allocated + failed + timewait > 0;
}

/* Shortens the lists of processes and destinations to what is shown. */
static void shorten_lists(struct churn *churn)
{
	static const uint8_t nowhere[16];
	size_t kept = 0;

	churn->process_count = flows_by_process(churn->top, churn->top_count, churn->processes, CHURN_TOP_COUNT);
	if (churn->top_count > CHURN_TOP_COUNT)
		churn->top_count = CHURN_TOP_COUNT;
	for (size_t i = 0; i < churn->searches_to_count && kept < CHURN_TOP_COUNT; i++) {
		const struct churn_search_to *to = &churn->searches_to[i];

		if (wire_filter_flow(churn->only, nowhere, to->remote_addr, to->remote_port, IPPROTO_TCP, NULL))
			churn->searches_to[kept++] = *to;
	}
	churn->searches_to_count = kept;
}

/* What happened since the last of --count intervals is no interval. */
static bool has_all_intervals(const struct session *session)
{
	return session->config->counts_intervals && session->config->count &&
	       session->intervals >= session->config->count;
}

static void report_churn(struct session *session, const struct wire_netns *event)
{
	struct churn churn;

	if (has_all_intervals(session))
		return;
	if (!netns_table_churn(model_namespaces(session->lookup.model), event->netns, &churn) ||
	    !session->config->show_churn || !stream_config_wants_netns(session->config, event->netns))
		return;
	churn.only = session->config->settings;
	filter_flows(churn.only, &churn);
	if (session->config->limits_churn && stream_config_filters_flows(session->config) &&
	    !limit_to_flows(churn.only, &churn))
		return;
	shorten_lists(&churn);
	session->renderer->churn(session->render, &churn, session->lookup.model, event->hdr.boot_ns);
	warn_of_pools(session, &churn);
}

static void report_misuse(struct session *session, const struct wire_misuse *event)
{
	struct warning warning;

	if (!session->config->show_churn || !session->renderer->warning ||
	    !wire_filter(session->config->settings, &event->hdr))
		return;
	warning_of_misuse(event, netns_table_find(model_namespaces(session->lookup.model), event->sock.netns), &warning);
	session->renderer->warning(session->render, &warning, event->hdr.boot_ns);
}

static const char *lost_reason(uint32_t reason)
{
	switch ((enum wire_lost_reason)reason) {
	case WIRE_LOST_RING:
		return "ring buffer full";
	case WIRE_LOST_MAP:
		return "kernel map full";
	case WIRE_LOST_INVALID:
		return "not an event";
	case WIRE_LOST_TABLE:
		return "port table full";
	case WIRE_LOST_MISSED:
		return "return probe missed a call";
	case WIRE_LOST_NOT_RUN:
		return "probe not run, at most";
	}
	return "";
}

static void report_lost(struct session *session, const struct wire_lost *event)
{
	/* Counts events that the stream itself lacks: evicted table entries were reported before. */
	if (event->reason != WIRE_LOST_TABLE && event->reason != WIRE_LOST_MAP)
		session->lost += event->count;
	if (event->reason == WIRE_LOST_MISSED || event->reason == WIRE_LOST_NOT_RUN)
		session->not_run += event->count;
	session->renderer->lost(session->render, event->count, lost_reason(event->reason),
				event->hdr.boot_ns);
}

/* The end of a connection that did not fail, or that was accepted here. */
static bool is_plain_end(const struct wire_hdr *event)
{
	const struct wire_close *close = (const struct wire_close *)event;

	if (event->kind != WIRE_CLOSE)
		return false;
	return close->sock.flags & WIRE_ACCEPTED || (close->sock.remote_port && !close->error);
}

static bool is_shown(const struct session *session, const struct wire_hdr *event)
{
	const struct settings *settings = session->config->settings;

	/* The BPF programs also send events that only keep the table correct; those are not shown. */
	if (session->config->is_default && session->renderer->is_selective && is_plain_end(event))
		return false;
	if (event->kind == WIRE_RELEASE && ((const struct wire_release *)event)->is_held)
		return false;
	return session->streaming && settings->kinds & 1U << event->kind &&
	       (!settings->failed_only || wire_failed_errno(event)) &&
	       (!session->is_replay || wire_filter(settings, event)) &&
	       (!session->config->count || session->events < session->config->count);
}

static void apply(struct session *session, const union wire_event *event)
{
	if (event->hdr.kind == WIRE_SOCKET && explainer_take(session->explainer, &event->socket))
		return;
	if (model_apply(session->lookup.model, &event->hdr))
		session->invalid++;
}

static void apply_netns(struct session *session, const struct wire_netns *event)
{
	bool is_first;

	if (counters_apply(session->lookup.model, event, &is_first))
		session->invalid++;
	if (!is_first && event->ends_interval)
		report_churn(session, event);
}

static void process_event(struct session *session, const union wire_event *event)
{
	switch ((enum wire_kind)event->hdr.kind) {
	case WIRE_NETNS:
		apply_netns(session, &event->netns);
		return;
	case WIRE_LOST:
		report_lost(session, &event->lost);
		return;
	case WIRE_MISUSE:
		report_misuse(session, &event->misuse);
		return;
	case WIRE_BIND:
	case WIRE_LISTEN:
	case WIRE_CONNECT:
	case WIRE_ACCEPT:
	case WIRE_CLOSE:
	case WIRE_TIMEWAIT:
	case WIRE_RELEASE:
	case WIRE_SOCKET:
	case WIRE_PROCESS:
	case WIRE_TRAFFIC:
	case WIRE_INTERFACE:
	case WIRE_POOL:
	case WIRE_SEARCH:
		apply(session, event);
		if (is_shown(session, &event->hdr))
			report_event(session, &event->hdr);
	}
}

/* Counters are sent for all namespaces: the BPF programs do not filter them. */
static bool is_recorded(const struct session *session, const union wire_event *event)
{
	switch (event->hdr.kind) {
	case WIRE_NETNS:
		return stream_config_wants_netns(session->config, event->netns.netns);
	case WIRE_TRAFFIC:
		return stream_config_wants_netns(session->config, event->traffic.netns);
	case WIRE_POOL:
		return stream_config_wants_netns(session->config, event->pool.netns);
	case WIRE_SEARCH:
		return stream_config_wants_netns(session->config, event->search.netns);
	case WIRE_MISUSE:
		return stream_config_wants_netns(session->config, event->misuse.sock.netns);
	default:
		return true;
	}
}

void session_event(void *context, const void *data, size_t size)
{
	struct session *session = context;
	union wire_event event;
	int err = wire_check(data, size, &event);

	if (!err)
		process_event(session, &event);
	else if (err == -EPROTONOSUPPORT)
		session->unknown++;
	else
		session->invalid++;
	/* Written last, so that in a replay the results of lookups about this event precede it. */
	if (session->lookup.capture && !err && is_recorded(session, &event))
		capture_write(session->lookup.capture, data, size);
}
