/* SPDX-License-Identifier: GPL-2.0-only */
/* Standard output that is closed, full, over a limit, or a pipe without a reader. */
#include "cmd/output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd/command.h"

bool output_is_open(void)
{
	return fcntl(STDOUT_FILENO, F_GETFD) >= 0;
}

size_t output_columns(void)
{
	struct winsize size = {0};

	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

int output_failed(int err)
{
	if (err == -EPIPE)
		return EXIT_DONE;
	fprintf(stderr, "porttrace: writing to standard output: %s\n", strerror(-err));
	return EXIT_FAILED;
}

static void check_at_exit(void)
{
	if (fclose(stdout) == 0 || errno == EPIPE)
		return;
	if (errno == EBADF)
		fprintf(stderr, "porttrace: standard output is closed\n");
	else
		fprintf(stderr, "porttrace: writing to standard output: %s\n", strerror(errno));
	_exit(EXIT_FAILED);
}

void output_check_at_exit(void)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	atexit(check_at_exit);
}
