/* SPDX-License-Identifier: GPL-2.0-only */
#include "cmd/option_values.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "cmd/options.h"
#include "cmd/target.h"
#include "porttrace/settings.h"
#include "porttrace/wire.h"
#include "system/kernel_fs.h"
#include "util/address.h"

#define SECONDS_MIN 0.001
#define SECONDS_MAX 1e9

bool option_number(const char *text, unsigned long low, unsigned long high, unsigned long *out)
{
	char *end;

	if (*text < '0' || *text > '9') /* strtoul() accepts a sign and spaces */
		return false;
	errno = 0;
	*out = strtoul(text, &end, 10);
	return !errno && !*end && *out >= low && *out <= high;
}

void option_true(const struct option_context *context, const char *text, void *field)
{
	(void)context;
	(void)text;
	*(bool *)field = true;
}

void option_bits(const struct option_context *context, const char *text, void *field)
{
	(void)text;
	*(uint32_t *)field |= context->row->bits;
}

void option_count(const struct option_context *context, const char *text, void *field)
{
	unsigned long count = 0;

	if (!option_number(text, 1, ULONG_MAX, &count))
		option_misuse(context, "'%s' is not a whole number above 0", text);
	*(uint64_t *)field = count;
}

void option_seconds(const struct option_context *context, const char *text, void *field)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || (*end && strcmp(end, "s") != 0) || !(seconds > 0))
		option_misuse(context, "'%s' is not a number of seconds above 0", text);
	if (seconds < SECONDS_MIN || seconds > SECONDS_MAX)
		option_misuse(context, "'%s' is out of range: %g to %.0f seconds", text, SECONDS_MIN, SECONDS_MAX);
	*(double *)field = seconds;
}

void option_process(const struct option_context *context, const char *text, void *field)
{
	unsigned long pid = 0;

	if (!option_number(text, 1, INT32_MAX, &pid))
		option_misuse(context, "'%s' is not a process id", text);
	*(uint32_t *)field = (uint32_t)pid;
}

/* Calls `add` for each part of a list. */
static void read_list(const struct option_context *context, const char *text, void *field, option_fn *add)
{
	char *copy = strdup(text), *rest = copy, *part;

	while (copy && (part = strsep(&rest, ",")))
		add(context, part, field);
	free(copy);
}

static void number_add(const struct option_context *context, struct settings_numbers *list, uint32_t value)
{
	if (list->count == SETTINGS_LIST_MAX)
		option_misuse(context, "at most %d values are possible", SETTINGS_LIST_MAX);
	list->values[list->count++] = value;
}

static void pid_add(const struct option_context *context, const char *text, void *field)
{
	uint32_t pid;

	option_process(context, text, &pid);
	number_add(context, field, pid);
}

void option_pids(const struct option_context *context, const char *text, void *field)
{
	read_list(context, text, field, pid_add);
}

uint32_t option_user(const struct option_context *context, const char *text)
{
	const struct passwd *user;
	unsigned long uid = 0;

	if (option_number(text, 0, UINT32_MAX - 1, &uid))
		return (uint32_t)uid;
	user = getpwnam(text);
	if (!user)
		option_misuse(context, "'%s' is not a user name or user id", text);
	return user->pw_uid;
}

static void user_add(const struct option_context *context, const char *text, void *field)
{
	number_add(context, field, option_user(context, text));
}

void option_users(const struct option_context *context, const char *text, void *field)
{
	read_list(context, text, field, user_add);
}

/* An inode number, a name of `ip netns`, or the path of a namespace. */
static void netns_add(const struct option_context *context, const char *text, void *field)
{
	unsigned long number = 0;
	char path[512];
	struct stat st;

	if (!option_number(text, 1, UINT32_MAX, &number)) {
		snprintf(path, sizeof(path), "%s%s", strchr(text, '/') ? "" : "/run/netns/", text);
		if (stat(path, &st))
			option_misuse(context, "'%s' is not the inode number, name or path of a network namespace: %s: %s",
				      text, path, strerror(errno));
		number = st.st_ino;
	}
	number_add(context, field, (uint32_t)number);
}

void option_netns(const struct option_context *context, const char *text, void *field)
{
	read_list(context, text, field, netns_add);
}

static void protocol_add(const struct option_context *context, const char *text, void *field)
{
	static const struct {
		const char *name;
		uint32_t number;
	} names[] = {
		{"tcp", IPPROTO_TCP},
		{"udp", IPPROTO_UDP},
		{"mptcp", IPPROTO_MPTCP},
		{"udplite", IPPROTO_UDPLITE},
		{"sctp", IPPROTO_SCTP},
	};
	unsigned long number = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i].name) == 0) {
			number_add(context, field, names[i].number);
			return;
		}
	}
	if (!option_number(text, 0, 65535, &number))
		option_misuse(context, "'%s' is not tcp, udp, mptcp, udplite, sctp or a number", text);
	number_add(context, field, (uint32_t)number);
}

void option_protocols(const struct option_context *context, const char *text, void *field)
{
	read_list(context, text, field, protocol_add);
}

static void comm_add(const struct option_context *context, const char *text, void *field)
{
	struct settings_names *comms = field;

	if (!*text)
		option_misuse(context, "a process name is empty");
	if (comms->count == SETTINGS_LIST_MAX)
		option_misuse(context, "at most %d names are possible", SETTINGS_LIST_MAX);
	/* The kernel keeps the first 15 bytes of a process name, so cut longer ones. */
	snprintf(comms->values[comms->count++], sizeof(comms->values[0]), "%s", text);
}

void option_comms(const struct option_context *context, const char *text, void *field)
{
	read_list(context, text, field, comm_add);
}

static void network_add(const struct option_context *context, const char *text, void *field)
{
	struct settings_cidrs *list = field;
	struct settings_cidr *cidr = &list->values[list->count];
	unsigned int prefix;

	if (list->count == SETTINGS_LIST_MAX)
		option_misuse(context, "at most %d addresses are possible", SETTINGS_LIST_MAX);
	if (address_parse(text, cidr->addr, &prefix))
		option_misuse(context, "'%s' is not an address or a network like 10.0.0.0/8", text);
	cidr->prefix = prefix;
	list->count++;
}

void option_networks(const struct option_context *context, const char *text, void *field)
{
	read_list(context, text, field, network_add);
}

static bool is_same_kind(const struct target *a, const struct target *b)
{
	return a->protocol == b->protocol && a->family == b->family && a->has_address == b->has_address &&
	       memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

/* Filters for ports, addresses and protocols are independent: they cannot say "tcp 80 or udp 53". */
static void check_kind(const struct option_context *context, const char *text, const struct target *target,
		       bool is_remote)
{
	if (target->device[0])
		option_misuse(context, "'%s': a filter has no device", text);
	if (context->has_first[is_remote] && !is_same_kind(&context->first[is_remote], target))
		option_misuse(context, "'%s': all ports of a filter have one address and protocol; run porttrace once for "
				       "each", text);
	context->first[is_remote] = *target;
	context->has_first[is_remote] = true;
}

static void add_address(const struct option_context *context, struct settings_cidrs *list, const char *text)
{
	uint8_t address[16];
	unsigned int prefix;

	address_parse(text, address, &prefix);
	for (uint32_t i = 0; i < list->count; i++) {
		if (memcmp(list->values[i].addr, address, sizeof(address)) == 0)
			return;
	}
	network_add(context, text, list);
}

/* A socket bound to every address has the port on this address too. */
static void add_target_address(const struct option_context *context, const struct target *target, bool is_remote,
			       struct settings_cidrs *list)
{
	char text[ADDRESS_SIZE];

	if (!target->has_address)
		return;
	address_format(target->address, text);
	add_address(context, list, text);
	if (target->is_localhost)
		add_address(context, list, "::1");
	if (is_remote)
		return;
	add_address(context, list, "0.0.0.0");
	add_address(context, list, "::");
}

static void add_protocol(const struct option_context *context, uint32_t protocol, struct settings_numbers *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		if (list->values[i] == protocol)
			return;
	}
	if (protocol)
		number_add(context, list, protocol);
}

static void add_target(const struct option_context *context, const char *text, struct settings *settings,
		       bool is_remote)
{
	struct settings_ports *ports = is_remote ? &settings->remote_ports : &settings->local_ports;
	char error[TARGET_ERROR_SIZE];
	struct target target;

	if (!target_parse(text, &target, error))
		option_misuse(context, "%s", error);
	check_kind(context, text, &target, is_remote);
	ports->used = 1;
	for (unsigned int port = target.first; port <= target.last; port++)
		ports->bits[port / 64] |= 1ULL << (port % 64);
	add_target_address(context, &target, is_remote, is_remote ? &settings->remote : &settings->local);
	add_protocol(context, target.protocol, &settings->protocols);
	if (target.family && !target.has_address)
		*(target.family == AF_INET ? &settings->ipv4 : &settings->ipv6) = 1;
}

static void local_port_add(const struct option_context *context, const char *text, void *field)
{
	add_target(context, text, field, false);
}

static void remote_port_add(const struct option_context *context, const char *text, void *field)
{
	add_target(context, text, field, true);
}

void option_ports(const struct option_context *context, const char *text, void *field)
{
	read_list(context, text, field, local_port_add);
}

void option_remote_ports(const struct option_context *context, const char *text, void *field)
{
	read_list(context, text, field, remote_port_add);
}

static void event_add(const struct option_context *context, const char *text, void *field)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} names[] = {
		{"bind", 1U << WIRE_BIND},	     {"listen", 1U << WIRE_LISTEN},
		{"connect", 1U << WIRE_CONNECT},     {"accept", 1U << WIRE_ACCEPT},
		{"close", 1U << WIRE_CLOSE},	     {"timewait", 1U << WIRE_TIMEWAIT},
		{"release", 1U << WIRE_RELEASE},     {"churn", OPTION_EVENT_CHURN},
		{"all", OPTION_EVENTS_ALL},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i].name) == 0) {
			*(uint32_t *)field |= names[i].bit;
			return;
		}
	}
	option_misuse(context, "'%s' is not an event; choose from bind, listen, connect, accept, close, timewait, "
			       "release, churn, all", text);
}

void option_events(const struct option_context *context, const char *text, void *field)
{
	read_list(context, text, field, event_add);
}

/* `path` as /proc/PID/cgroup shows it ("/system.slice/x.service"), or in the file system. Returns -errno. */
static int cgroup_open(int root, const char *path)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	int fd = openat(root, *path == '/' && path[1] ? path + 1 : ".", flags);
	struct statfs fs;

	if (fd < 0)
		fd = open(path, flags);
	if (fd < 0)
		return -errno;
	if (fstatfs(fd, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
		return fd;
	close(fd);
	return -ENOTDIR;
}

/* The number of levels between fd and the root of the hierarchy, whose inode number is `root`. Closes fd. */
static uint32_t cgroup_level(int fd, ino_t root)
{
	struct stat st;
	uint32_t level = 0;

	while (fd >= 0 && fstat(fd, &st) == 0 && st.st_ino != root) {
		int up = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		close(fd);
		fd = up;
		level++;
	}
	if (fd >= 0)
		close(fd);
	return level;
}

void option_cgroup(const struct option_context *context, const char *text, void *field)
{
	int root = kernel_fs_open("cgroup2");
	struct settings *settings = field;
	struct stat top, st;
	int fd;

	if (root < 0)
		option_misuse(context, "there is no cgroup v2 hierarchy: %s", strerror(-root));
	fd = cgroup_open(root, text);
	if (fd < 0 || fstat(fd, &st) || fstat(root, &top))
		option_misuse(context, "'%s' is not a cgroup v2: %s", text, strerror(fd < 0 ? -fd : errno));
	settings->cgroup_id = st.st_ino; /* so bpf_get_current_cgroup_id() names it */
	settings->cgroup_level = cgroup_level(fd, top.st_ino);
	close(root);
}

/* The index of `text` in `names`, which ends with NULL. */
static int read_choice(const struct option_context *context, const char *text, const char *const *names)
{
	char all[128] = "";

	for (int i = 0; names[i]; i++) {
		if (strcmp(text, names[i]) == 0)
			return i;
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i ? ", " : "", names[i]);
	}
	option_misuse(context, "'%s' is not one of %s", text, all);
}

void option_time(const struct option_context *context, const char *text, void *field)
{
	static const char *const names[] = {
		[TIME_WALL] = "wall", [TIME_RELATIVE] = "relative", [TIME_ISO] = "iso", [TIME_NONE] = "none", NULL};

	*(enum time_style *)field = (enum time_style)read_choice(context, text, names);
}

void option_color(const struct option_context *context, const char *text, void *field)
{
	static const char *const names[] = {
		[COLOUR_AUTO] = "auto", [COLOUR_ALWAYS] = "always", [COLOUR_NEVER] = "never", NULL};

	*(enum colour_mode *)field = (enum colour_mode)read_choice(context, text, names);
}

void option_probes(const struct option_context *context, const char *text, void *field)
{
	static const char *const names[] = {"auto", "fentry", "kprobe", "tracepoint", NULL};

	*(int *)field = read_choice(context, text, names) - 1;
}
