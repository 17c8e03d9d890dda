/* SPDX-License-Identifier: GPL-2.0-only */
/* The reader joins elements that read() returns in parts; a partial last element is an error, not the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "source/chunk_reader.h"

#define ELEMENT 1000

struct taken {
	size_t element; /* size of each */
	size_t count;
	size_t wrong; /* elements whose bytes differ from the written ones */
};

static size_t take(void *context, const char *data, size_t size)
{
	struct taken *taken = context;
	size_t at = 0;

	for (; size - at >= taken->element; at += taken->element) {
		for (size_t i = 0; i < taken->element; i++)
			taken->wrong += data[at + i] != (char)taken->count;
		taken->count++;
	}
	return size - at;
}

/* A child writes `bytes`, in elements of ELEMENT bytes, `part` bytes per write(). */
static int read_from_writer(size_t bytes, size_t part, struct taken *taken)
{
	int pipes[2], err;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (!pid) {
		char buffer[4096];

		close(pipes[0]);
		for (size_t done = 0; done < bytes;) {
			size_t size = bytes - done < part ? bytes - done : part;

			for (size_t i = 0; i < size; i++)
				buffer[i] = (char)((done + i) / ELEMENT);
			if (write(pipes[1], buffer, size) != (ssize_t)size)
				_exit(1);
			done += size;
		}
		_exit(0);
	}
	close(pipes[1]);
	err = chunks_read(pipes[0], take, taken);
	close(pipes[0]);
	waitpid(pid, NULL, 0);
	return err;
}

static void cut_elements_are_joined(void **state)
{
	static const size_t parts[] = {7, 999, 1000, 1001, 4096};

	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct taken taken = {.element = ELEMENT};

		assert_int_equal(read_from_writer(200 * ELEMENT, parts[i], &taken), 0);
		assert_int_equal(taken.count, 200);
		assert_int_equal(taken.wrong, 0);
	}
}

static void an_element_that_does_not_fit_is_an_error(void **state)
{
	struct taken taken = {.element = CHUNK_BYTES + 1};

	(void)state;
	assert_int_equal(read_from_writer(2 * CHUNK_BYTES, 4096, &taken), -EMSGSIZE);
	assert_int_equal(taken.count, 0);
}

static void an_element_as_large_as_the_buffer_fits(void **state)
{
	struct taken taken = {.element = CHUNK_BYTES};

	(void)state;
	assert_int_equal(read_from_writer(CHUNK_BYTES, 4096, &taken), 0);
	assert_int_equal(taken.count, 1);
}

static void a_cut_last_element_is_an_error(void **state)
{
	struct taken taken = {.element = ELEMENT};

	(void)state;
	assert_int_equal(read_from_writer(3 * ELEMENT + 1, 4096, &taken), -EBADMSG);
	assert_int_equal(taken.count, 3);
	assert_int_equal(chunks_read(-1, take, &taken), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_elements_are_joined),
		cmocka_unit_test(an_element_that_does_not_fit_is_an_error),
		cmocka_unit_test(an_element_as_large_as_the_buffer_fits),
		cmocka_unit_test(a_cut_last_element_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
