/* SPDX-License-Identifier: GPL-2.0-only */
/* The values that options take: text -> filters. What does not parse ends the process with status 2 and
 * a line that names the option. */
#include "cmd/option_values.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "system/kernel_fs.h"
#include "util/address.h"

static void number_add(struct settings_numbers *list, uint32_t value, struct argp_state *state)
{
	if (list->count == SETTINGS_LIST_MAX)
		argp_error(state, "an option takes at most %d values", SETTINGS_LIST_MAX);
	else
		list->values[list->count++] = value;
}

bool option_number(const char *text, unsigned long low, unsigned long high, unsigned long *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoul(text, &end, 10);
	return !errno && !*end && *out >= low && *out <= high;
}

double option_seconds(const char *text, const char *option, struct argp_state *state)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || (*end && strcmp(end, "s") != 0) || !(value > 0) || value > 1e9)
		argp_error(state, "%s: '%s' is no number of seconds above 0", option, text);
	return value;
}

void option_list(struct options *options, const char *text, option_fn each, struct argp_state *state)
{
	char *copy = strdup(text), *rest = copy, *part;

	while (copy && (part = strsep(&rest, ",")))
		each(options, part, state);
	free(copy);
}

static void ports_add(struct settings_ports *ports, const char *part, const char *option,
		      struct argp_state *state)
{
	char *copy = strdup(part), *dash = copy ? strchr(copy, '-') : NULL;
	unsigned long first = 0, last = 0;
	bool good;

	if (dash)
		*dash++ = '\0';
	good = copy && option_number(copy, 0, 65535, &first) &&
	       (!dash || option_number(dash, 0, 65535, &last));
	if (!dash)
		last = first;
	free(copy);
	if (!good)
		argp_error(state, "%s: '%s' is no port or range of ports (0 to 65535)", option, part);
	if (last < first)
		argp_error(state, "%s: the range '%s' runs backwards", option, part);
	ports->used = 1;
	for (unsigned long port = first; port <= last; port++)
		ports->bits[port / 64] |= 1ULL << (port % 64);
}

void option_local_port(struct options *options, const char *part, struct argp_state *state)
{
	ports_add(&options->settings.local_ports, part, "port", state);
}

void option_remote_port(struct options *options, const char *part, struct argp_state *state)
{
	ports_add(&options->settings.remote_ports, part, "--remote-port", state);
}

void option_pid(struct options *options, const char *part, struct argp_state *state)
{
	unsigned long pid = 0;

	if (!option_number(part, 1, INT32_MAX, &pid))
		argp_error(state, "--pid: '%s' is no process id", part);
	number_add(&options->settings.pids, (uint32_t)pid, state);
}

void option_user(struct options *options, const char *part, struct argp_state *state)
{
	const struct passwd *user;
	unsigned long uid = 0;

	if (!option_number(part, 0, UINT32_MAX - 1, &uid)) {
		user = getpwnam(part);
		if (!user)
			argp_error(state, "--user: no user '%s'", part);
		uid = user->pw_uid;
	}
	number_add(&options->settings.uids, (uint32_t)uid, state);
}

void option_comm(struct options *options, const char *part, struct argp_state *state)
{
	struct settings_names *comms = &options->settings.comms;

	if (!*part)
		argp_error(state, "--comm: an empty name");
	if (comms->count == SETTINGS_LIST_MAX)
		argp_error(state, "--comm: at most %d names", SETTINGS_LIST_MAX);
	/* The kernel keeps 15 bytes of a name; a longer one means the same process. */
	snprintf(comms->values[comms->count++], sizeof(comms->values[0]), "%s", part);
}

void option_protocol(struct options *options, const char *part, struct argp_state *state)
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
		if (strcmp(part, names[i].name) == 0) {
			number_add(&options->settings.protocols, names[i].number, state);
			return;
		}
	}
	if (!option_number(part, 0, 65535, &number))
		argp_error(state, "--protocol: '%s' is not tcp, udp, mptcp, udplite, sctp or a number", part);
	number_add(&options->settings.protocols, (uint32_t)number, state);
}

/* An inode number, a name of `ip netns`, or the path of a namespace. */
void option_netns(struct options *options, const char *part, struct argp_state *state)
{
	unsigned long number = 0;
	char path[512];
	struct stat st;

	if (!option_number(part, 1, UINT32_MAX, &number)) {
		snprintf(path, sizeof(path), "%s%s", strchr(part, '/') ? "" : "/run/netns/", part);
		if (stat(path, &st))
			argp_error(state, "--netns: '%s' is no inode number, and %s: %s", part, path,
				   strerror(errno));
		number = st.st_ino;
	}
	number_add(&options->settings.netns, (uint32_t)number, state);
}

void option_event(struct options *options, const char *part, struct argp_state *state)
{
	static const struct {
		const char *name;
		uint32_t kind;
	} names[] = {
		{"bind", WIRE_BIND},	 {"listen", WIRE_LISTEN},     {"connect", WIRE_CONNECT},
		{"accept", WIRE_ACCEPT}, {"close", WIRE_CLOSE},	      {"timewait", WIRE_TIMEWAIT},
		{"release", WIRE_RELEASE},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(part, names[i].name) == 0) {
			options->settings.kinds |= 1U << names[i].kind;
			return;
		}
	}
	if (strcmp(part, "churn") == 0)
		options->show_churn = true;
	else
		argp_error(state, "--event: '%s' is not bind, listen, connect, accept, close, timewait, "
				  "release or churn", part);
}

static void cidr_add(struct settings_cidrs *list, const char *text, const char *option,
		     struct argp_state *state)
{
	struct settings_cidr *cidr = &list->values[list->count];
	unsigned int prefix;

	if (list->count == SETTINGS_LIST_MAX)
		argp_error(state, "%s: at most %d addresses", option, SETTINGS_LIST_MAX);
	if (address_parse(text, cidr->addr, &prefix))
		argp_error(state, "%s: '%s' is no address or CIDR", option, text);
	cidr->prefix = prefix;
	list->count++;
}

void option_local(struct options *options, const char *part, struct argp_state *state)
{
	cidr_add(&options->settings.local, part, "--local", state);
}

void option_remote(struct options *options, const char *part, struct argp_state *state)
{
	cidr_add(&options->settings.remote, part, "--remote", state);
}

/* As /proc/PID/cgroup has it ("/system.slice/x.service"), or where the hierarchy is mounted. -errno. */
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

/* Its depth below the root of the hierarchy. Closes fd. */
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

/* A cgroup's id is its inode number. */
void option_cgroup(struct options *options, const char *text, struct argp_state *state)
{
	int root = kernel_fs_open("cgroup2");
	struct stat top, st;
	int fd;

	if (root < 0) {
		argp_error(state, "--cgroup: no cgroup v2 hierarchy: %s", strerror(-root));
		return;
	}
	fd = cgroup_open(root, text);
	if (fd < 0 || fstat(fd, &st) || fstat(root, &top))
		argp_error(state, "--cgroup: '%s' is no cgroup v2: %s", text, strerror(fd < 0 ? -fd : errno));
	options->settings.cgroup_id = st.st_ino;
	options->settings.cgroup_level = cgroup_level(fd, top.st_ino);
	close(root);
}

int option_choice(const char *text, const char *option, const char *const *names,
			struct argp_state *state)
{
	char all[128] = "";

	for (int i = 0; names[i]; i++) {
		if (strcmp(text, names[i]) == 0)
			return i;
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i ? ", " : "", names[i]);
	}
	argp_error(state, "%s: '%s' is not one of %s", option, text, all);
	return 0;
}
