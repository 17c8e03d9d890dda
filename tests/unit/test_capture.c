/* SPDX-License-Identifier: GPL-2.0-only */
/* The capture file: the reader returns what the writer wrote, also from an unfinished file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source/capture.h"
#include "wire_make.h"

static char path[64];

static int setup(void **state)
{
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/porttrace-capture-XXXXXX");
	fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

static struct capture_header header(void)
{
	return (struct capture_header){
		.boot_to_wall_ns = -5,
		.start_boot_ns = 7 * SECOND,
		.netns_count = 3,
		.kernel = "6.12.0",
		.probes = "tracepoint",
	};
}

static struct capture_writer *write_two(void)
{
	struct capture_writer *writer = capture_create(path);
	struct wire_bind bind = make_bind(SECOND, 1, 10);
	struct wire_process process = make_process(2 * SECOND, 10, "/x");
	struct capture_header first = {.kernel = "6.12.0"};

	assert_non_null(writer);
	assert_int_equal(capture_set_header(writer, &first), 0);
	assert_int_equal(capture_write(writer, &bind, sizeof(bind)), 0);
	assert_int_equal(capture_write(writer, &process, sizeof(process)), 0);
	return writer;
}

static void expect_two(struct capture_reader *reader, int end)
{
	const struct wire_hdr *event = NULL;
	size_t size = 0;

	assert_int_equal(capture_next(reader, (const void **)&event, &size), 0);
	assert_int_equal(event->kind, WIRE_BIND);
	assert_int_equal(size, sizeof(struct wire_bind));
	assert_int_equal((uintptr_t)event % 8, 0);
	assert_int_equal(capture_next(reader, (const void **)&event, &size), 0);
	assert_int_equal(event->kind, WIRE_PROCESS);
	assert_int_equal(size, sizeof(struct wire_process));
	assert_int_equal(capture_next(reader, (const void **)&event, &size), end);
	capture_close(reader);
}

static void a_whole_file_is_read_again(void **state)
{
	struct capture_writer *writer = write_two();
	struct capture_header written = header();
	struct capture_reader *reader;

	(void)state;
	written.stop_boot_ns = 9 * SECOND;
	written.lost_count = 4;
	assert_int_equal(capture_set_header(writer, &written), 0);
	assert_int_equal(capture_finish(writer), 0);
	reader = capture_open(path);
	assert_non_null(reader);
	assert_int_equal(capture_header_of(reader)->boot_to_wall_ns, -5);
	assert_int_equal(capture_header_of(reader)->start_boot_ns, 7 * SECOND);
	assert_int_equal(capture_header_of(reader)->stop_boot_ns, 9 * SECOND);
	assert_int_equal(capture_header_of(reader)->lost_count, 4);
	assert_int_equal(capture_header_of(reader)->netns_count, 3);
	assert_string_equal(capture_header_of(reader)->kernel, "6.12.0");
	expect_two(reader, -ENODATA);
}

static void a_header_between_events_moves_no_event(void **state)
{
	struct capture_writer *writer = capture_create(path);
	struct wire_bind bind = make_bind(SECOND, 1, 10);
	struct wire_process process = make_process(2 * SECOND, 10, "/x");
	struct capture_header written = header(), first = {0};
	struct capture_reader *reader;

	(void)state;
	assert_int_equal(capture_set_header(writer, &first), 0);
	capture_write(writer, &bind, sizeof(bind));
	assert_int_equal(capture_set_header(writer, &written), 0);
	capture_write(writer, &process, sizeof(process));
	assert_int_equal(capture_finish(writer), 0);
	reader = capture_open(path);
	assert_non_null(reader);
	assert_int_equal(capture_header_of(reader)->stop_boot_ns, 0);
	assert_int_equal(capture_header_of(reader)->start_boot_ns, 7 * SECOND);
	expect_two(reader, -ENODATA);
}

/* A pipe cannot be rewritten: each new header follows the events, and the reader passes it on. */
static void a_pipe_gets_the_header_again(void **state)
{
	const struct wire_hdr *event = NULL;
	struct capture_header written = header();
	struct capture_reader *reader;
	struct capture_writer *writer;
	size_t size = 0;
	int idle;

	(void)state;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(capture_create(path)); /* without a reader */
	assert_int_equal(errno, ENXIO);
	idle = open(path, O_RDWR); /* so that no open() waits */
	writer = write_two();
	assert_int_equal(capture_flush(writer), 0);
	reader = capture_open(path);
	assert_non_null(reader);
	assert_int_equal(capture_header_of(reader)->start_boot_ns, 0);
	assert_false(capture_would_wait(reader));
	assert_int_equal(capture_next(reader, (const void **)&event, &size), 0);
	assert_int_equal(event->kind, WIRE_BIND);
	assert_int_equal(capture_next(reader, (const void **)&event, &size), 0);
	assert_int_equal(event->kind, WIRE_PROCESS);
	assert_true(capture_would_wait(reader));
	assert_int_equal(capture_set_header(writer, &written), 0);
	assert_int_equal(capture_flush(writer), 0);
	assert_false(capture_would_wait(reader));
	assert_int_equal(capture_next(reader, (const void **)&event, &size), -EAGAIN);
	assert_int_equal(capture_header_of(reader)->start_boot_ns, 7 * SECOND);
	close(idle);
	assert_int_equal(capture_finish(writer), 0);
	assert_int_equal(capture_next(reader, (const void **)&event, &size), -ENODATA);
	capture_close(reader);
}

static void a_cut_event_is_reported(void **state)
{
	const struct wire_hdr *event;
	struct capture_reader *reader;
	size_t size;

	(void)state;
	assert_int_equal(capture_finish(write_two()), 0);
	assert_int_equal(truncate(path, sizeof(struct capture_header) + sizeof(struct wire_bind) + 20), 0);
	reader = capture_open(path);
	assert_non_null(reader);
	assert_int_equal(capture_next(reader, (const void **)&event, &size), 0);
	assert_int_equal(capture_next(reader, (const void **)&event, &size), -EIO);
	capture_close(reader);
}

static void change_byte(long offset, int byte)
{
	FILE *file = fopen(path, "r+");

	assert_non_null(file);
	fseek(file, offset, SEEK_SET);
	fputc(byte, file);
	fclose(file);
}

static void other_files_are_refused(void **state)
{
	(void)state;
	assert_null(capture_open(path)); /* empty */
	assert_int_equal(errno, EINVAL);
	assert_int_equal(capture_finish(write_two()), 0);
	change_byte(offsetof(struct capture_header, version), 200);
	assert_null(capture_open(path));
	assert_int_equal(errno, EPROTO);
	change_byte(0, 'X');
	assert_null(capture_open(path));
	assert_int_equal(errno, EINVAL);
	assert_null(capture_open("/nonexistent/file"));
	assert_int_equal(errno, ENOENT);
}

static void a_longer_header_is_skipped(void **state)
{
	struct capture_header written = header();
	struct wire_bind bind = make_bind(SECOND, 1, 10);
	struct wire_process process = make_process(2 * SECOND, 10, "/x");
	char tail[24] = "of a newer version";
	struct capture_header *whole = &written;
	FILE *file = fopen(path, "w");

	(void)state;
	memcpy(whole->magic, CAPTURE_MAGIC, sizeof(whole->magic));
	whole->header_size = sizeof(*whole) + sizeof(tail);
	whole->version = CAPTURE_VERSION;
	whole->byte_order = CAPTURE_BYTE_ORDER;
	fwrite(whole, sizeof(*whole), 1, file);
	fwrite(tail, sizeof(tail), 1, file);
	fwrite(&bind, sizeof(bind), 1, file);
	fwrite(&process, sizeof(process), 1, file);
	fclose(file);
	expect_two(capture_open(path), -ENODATA);
}

static void a_full_disk_is_reported(void **state)
{
	struct capture_writer *writer = capture_create("/dev/full");
	struct capture_header written = header();

	(void)state;
	if (!writer)
		skip();
	assert_int_equal(capture_set_header(writer, &written), 0); /* in the buffer */
	assert_int_equal(capture_flush(writer), -ENOSPC);
	assert_int_equal(capture_set_header(writer, &written), -ENOSPC);
	assert_int_equal(capture_finish(writer), -ENOSPC);
	assert_int_equal(capture_finish(NULL), 0);
	assert_null(capture_create("/nonexistent/file"));
	assert_int_equal(errno, ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_whole_file_is_read_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_header_between_events_moves_no_event, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pipe_gets_the_header_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cut_event_is_reported, setup, teardown),
		cmocka_unit_test_setup_teardown(other_files_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_longer_header_is_skipped, setup, teardown),
		cmocka_unit_test(a_full_disk_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
