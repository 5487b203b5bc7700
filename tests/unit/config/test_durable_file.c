// SPDX-License-Identifier: Apache-2.0
// Which system calls a replacement makes, in which order, and what is left after each of them
// fails. The calls are ours here: the test is linked in front of libc.
#include "config/durable_file.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/test_durable.XXXXXX";
static char path[64], part[72];
static char trace[256]; // "sync-file rename sync-directory "
static const char *failing; // the call that fails
static bool watching;
static bool streamed; // written through the stream, or whole at once

static bool note(const char *call) {
	if (!watching)
		return false;
	size_t used = strlen(trace);
	snprintf(trace + used, sizeof(trace) - used, "%s ", call);
	return failing != NULL && strcmp(call, failing) == 0;
}

int fsync(int fd) {
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
	struct stat s;

	assert_int_equal(fstat(fd, &s), 0);
	if (note(S_ISDIR(s.st_mode) ? "sync-directory" : "sync-file")) {
		errno = EIO;
		return -1;
	}
	return real(fd);
}

int rename(const char *from, const char *to) {
	int (*real)(const char *, const char *) =
		(int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");

	if (note("rename")) {
		errno = EACCES;
		return -1;
	}
	return real(from, to);
}

static void holds(const char *expected) {
	char text[64] = "";
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	assert_string_equal(text, expected);
}

static int stream(const char *text) {
	struct durable_file f;
	int ret = durable_file_begin(&f, path, 0640);

	if (ret < 0)
		return ret;
	fputs(text, f.stream);
	return durable_file_commit(&f);
}

static int replace(const char *text) {
	watching = true;
	trace[0] = '\0';
	int ret = streamed ? stream(text) : durable_file_write(path, text, strlen(text), 0640);
	watching = false;
	failing = NULL;
	return ret;
}

static int setup(void **) {
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/file", dir);
	snprintf(part, sizeof(part), "%s.part", path);
	return 0;
}

static int before(void **state) {
	streamed = *state != NULL;
	return replace("old");
}

static int teardown(void **) {
	unlink(path);
	return rmdir(dir); // fails if a part was left
}

static void file_name_directory(void **) {
	struct stat s;

	assert_int_equal(replace("new"), 0);
	assert_string_equal(trace, "sync-file rename sync-directory ");
	holds("new");
	assert_int_equal(stat(path, &s), 0);
	assert_int_equal(s.st_mode & 0777 & ~0640, 0);
	assert_int_equal(access(part, F_OK), -1);
}

static void a_failing_disk_leaves_the_old_file(void **) {
	failing = "sync-file";
	assert_int_equal(replace("new"), -EIO);
	assert_string_equal(trace, "sync-file ");
	holds("old");
	failing = "rename";
	assert_int_equal(replace("new"), -EACCES);
	holds("old");
	assert_int_equal(access(part, F_OK), -1);
}

static void a_directory_that_cannot_be_synchronised_is_told(void **) {
	failing = "sync-directory";
	assert_int_equal(replace("new"), -EIO);
	holds("new");
}

static void a_full_disk_leaves_the_old_file(void **) {
	struct durable_file f;

	assert_int_equal(durable_file_begin(&f, path, 0640), 0);
	// The stream's descriptor becomes the disk that is always full.
	int full = open("/dev/full", O_WRONLY);
	assert_true(full >= 0 && dup2(full, fileno(f.stream)) >= 0);
	close(full);
	fputs("new", f.stream);
	assert_int_equal(durable_file_commit(&f), -ENOSPC);
	holds("old");
	assert_int_equal(access(part, F_OK), -1);
}

static void the_mode_of_another_file_is_taken(void **) {
	struct stat s;

	assert_int_equal(chmod(path, 0604), 0);
	assert_int_equal(durable_file_write_like(path, "new", 3, 0640, path), 0);
	holds("new");
	assert_int_equal(stat(path, &s), 0);
	assert_int_equal(s.st_mode & 0777, 0604);
	assert_int_equal(durable_file_write_like(path, "newer", 5, 0600, "/nonexistent"), 0);
	holds("newer");
	assert_int_equal(stat(path, &s), 0);
	assert_int_equal(s.st_mode & 0777, 0600);
}

static void abandoned_is_nothing(void **) {
	struct durable_file f;

	assert_int_equal(durable_file_begin(&f, path, 0640), 0);
	fputs("new", f.stream);
	durable_file_abandon(&f);
	durable_file_abandon(&f);
	holds("old");
	assert_int_equal(access(part, F_OK), -1);
}

static void what_a_crash_left_is_overwritten(void **) {
	FILE *f = fopen(part, "w");

	assert_non_null(f);
	fputs("half of something much longer", f);
	fclose(f);
	assert_int_equal(replace("new"), 0);
	holds("new");
}

static void names_too_long_and_directories_that_are_not(void **) {
	char name[DURABLE_PATH_MAX + 1];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(durable_file_write(name, "", 0, 0600), -ENAMETOOLONG);
	assert_int_equal(durable_file_write("/nonexistent/file", "", 0, 0600), -ENOENT);
	assert_int_equal(durable_name_sync("/nonexistent/file"), -ENOENT);
	assert_int_equal(durable_name_sync("in-the-current-one"), 0);
}

#define EITHER_WAY(test)                                                                           \
	cmocka_unit_test_setup(test, before), {                                                    \
		#test " by stream", test, before, NULL, &streamed                                  \
	}

int main(void) {
	const struct CMUnitTest tests[] = {
		EITHER_WAY(file_name_directory),
		EITHER_WAY(a_failing_disk_leaves_the_old_file),
		cmocka_unit_test_setup(a_directory_that_cannot_be_synchronised_is_told, before),
		cmocka_unit_test_setup(a_full_disk_leaves_the_old_file, before),
		cmocka_unit_test_setup(the_mode_of_another_file_is_taken, before),
		cmocka_unit_test_setup(abandoned_is_nothing, before),
		cmocka_unit_test_setup(what_a_crash_left_is_overwritten, before),
		cmocka_unit_test(names_too_long_and_directories_that_are_not),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
