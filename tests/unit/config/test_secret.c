// SPDX-License-Identifier: Apache-2.0
#include "config/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/sluice-secret-XXXXXX";

static int dir_make(void **) {
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int dir_remove(void **) {
	return rmdir(dir);
}

// Reads file:NAME of a file with this content and mode.
static int
read_back(const void *bytes, size_t n, mode_t mode, char *out, size_t size, char *why, size_t len) {
	char path[64];

	snprintf(path, sizeof(path), "%s/s", dir);
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	int ret = secret_read("file:s", dir, out, size, why, len);
	unlink(path);
	return ret;
}

static void a_file_is_read_without_its_last_newline(void **) {
	char out[16], why[160];

	assert_int_equal(read_back("hush\n", 5, 0600, out, sizeof(out), why, sizeof(why)), 0);
	assert_string_equal(out, "hush");
	assert_int_equal(read_back("a\n\n", 3, 0640, out, sizeof(out), why, sizeof(why)), 0);
	assert_string_equal(out, "a\n");
}

static void what_is_no_secret_is_refused(void **) {
	char out[16], why[160];

	assert_int_equal(read_back("hush", 4, 0604, out, 16, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "open to every user"));
	assert_string_equal(out, "");
	assert_int_equal(read_back("\n", 1, 0600, out, 16, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "the secret is empty");
	assert_int_equal(read_back("a\0b", 3, 0600, out, 16, why, sizeof(why)), -EINVAL);
	assert_int_equal(read_back("0123456789abcdef", 16, 0600, out, 16, why, 160), -EINVAL);
	assert_non_null(strstr(why, "longer than 15 bytes"));
	assert_int_equal(secret_read("file:/dev/zero", dir, out, 16, why, sizeof(why)), -EINVAL);
	assert_int_equal(secret_read("file:missing", dir, out, 16, why, sizeof(why)), -ENOENT);
	assert_int_equal(secret_read("file:", dir, out, 16, why, sizeof(why)), -EINVAL);
}

static void the_reason_never_contains_the_secret(void **) {
	char out[4], why[160];

	assert_int_equal(secret_read("hunter2", dir, out, sizeof(out), why, sizeof(why)), -E2BIG);
	assert_null(strstr(why, "hunter2"));
}

static void credentials_lie_in_systemd_s_directory_only(void **) {
	char path[64], out[16], why[160];

	unsetenv("CREDENTIALS_DIRECTORY");
	assert_int_equal(secret_path("credential:k", dir, path, sizeof(path)), -ENOENT);
	setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x", 1);
	assert_int_equal(secret_path("credential:k", dir, path, sizeof(path)), 0);
	assert_string_equal(path, "/run/credentials/x/k");
	assert_int_equal(secret_path("credential:../k", dir, path, sizeof(path)), -EINVAL);
	assert_int_equal(secret_path("credential:..", dir, path, sizeof(path)), -EINVAL);
	assert_int_equal(secret_path("credential:", dir, path, sizeof(path)), -EINVAL);
	assert_int_equal(secret_path("credential:k", dir, path, 8), -ENAMETOOLONG);
	assert_int_equal(secret_read("credential:k", dir, out, 16, why, sizeof(why)), -ENOENT);
	unsetenv("CREDENTIALS_DIRECTORY");
}

static void files_are_relative_to_the_configuration(void **) {
	char path[64];

	assert_int_equal(secret_path("file:a/b", "/etc/sluice", path, sizeof(path)), 0);
	assert_string_equal(path, "/etc/sluice/a/b");
	assert_int_equal(secret_path("file:/a/b", "/etc/sluice", path, sizeof(path)), 0);
	assert_string_equal(path, "/a/b");
	assert_int_equal(secret_path("env:X", "/etc/sluice", path, sizeof(path)), -EINVAL);
	assert_int_equal(secret_path("/a/b", "/etc/sluice", path, sizeof(path)), -EINVAL);
}

static void tests_may_use_the_environment(void **) {
	char out[16], why[160];

	setenv("SLUICE_TEST_SECRET", "hush", 1);
	assert_int_equal(secret_read("env:SLUICE_TEST_SECRET", dir, out, 16, why, 160), 0);
	assert_string_equal(out, "hush");
	setenv("SLUICE_TEST_SECRET", "", 1);
	assert_int_equal(secret_read("env:SLUICE_TEST_SECRET", dir, out, 16, why, 160), -EINVAL);
	unsetenv("SLUICE_TEST_SECRET");
	assert_int_equal(secret_read("env:SLUICE_TEST_SECRET", dir, out, 16, why, 160), -ENOENT);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_read_without_its_last_newline),
		cmocka_unit_test(what_is_no_secret_is_refused),
		cmocka_unit_test(the_reason_never_contains_the_secret),
		cmocka_unit_test(credentials_lie_in_systemd_s_directory_only),
		cmocka_unit_test(files_are_relative_to_the_configuration),
		cmocka_unit_test(tests_may_use_the_environment),
	};
	return cmocka_run_group_tests(tests, dir_make, dir_remove);
}
