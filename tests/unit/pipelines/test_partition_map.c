// SPDX-License-Identifier: Apache-2.0
#include "pipelines/partition_map.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/partition-map-XXXXXX";
static char path[64];

static int dir_setup(void **) {
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/partitions", dir);
	return 0;
}

static int dir_teardown(void **) {
	unlink(path);
	return rmdir(dir);
}

static void write_file(const char *text) {
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void an_absent_file_is_an_empty_map(void **) {
	static struct partition_map m;

	assert_int_equal(partition_map_load("/tmp/no/such/map", &m), 0);
	assert_int_equal(m.version, 0);
	assert_int_equal(m.count, 0);
}

static void what_is_stored_is_loaded(void **) {
	static struct partition_map m, back;

	m.version = 3;
	assert_int_equal(partition_map_add(&m, "telemetry", 12), 0);
	assert_int_equal(partition_map_add(&m, "dead-letter", 1), 0);
	assert_int_equal(partition_map_add(&m, "telemetry", 24), -EEXIST);
	assert_int_equal(partition_map_store(path, &m), 0);
	assert_int_equal(partition_map_load(path, &back), 0);
	assert_int_equal(back.version, 3);
	assert_int_equal(partition_map_get(&back, "telemetry"), 12);
	assert_int_equal(partition_map_get(&back, "dead-letter"), 1);
	assert_int_equal(partition_map_get(&back, "telemetr"), 0);
}

static void a_full_map_says_so(void **) {
	static struct partition_map m;
	char name[16];

	for (unsigned i = 0; i < PARTITION_MAP_TOPICS_MAX; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		assert_int_equal(partition_map_add(&m, name, 1), 0);
	}
	assert_int_equal(partition_map_add(&m, "one-more", 1), -ENOSPC);
}

// A map that was cut short or edited wrongly must not move devices to other partitions.
static void a_broken_file_is_refused(void **) {
	static const char *const broken[] = {
		"",
		"sluice-partitions 2 1\n",
		"sluice-partitions 1 0\n",
		"sluice-partitions 1 1",
		"partitions 1 1\nt 1\n",
		"sluice-partitions 1 1\nt 0\n",
		"sluice-partitions 1 1\nt -1\n",
		"sluice-partitions 1 1\nt 4294967296\n",
		"sluice-partitions 1 1\nt 4",
		"sluice-partitions 1 1\nt\n",
		"sluice-partitions 1 1\n 4\n",
		"sluice-partitions 1 1\nt 4\nt 5\n",
		"sluice-partitions 1 1\nt 4 x\n",
	};
	static struct partition_map m;

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		write_file(broken[i]);
		if (partition_map_load(path, &m) != -EINVAL)
			fail_msg("accepted: %s", broken[i]);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_absent_file_is_an_empty_map),
		cmocka_unit_test(what_is_stored_is_loaded),
		cmocka_unit_test(a_full_map_says_so),
		cmocka_unit_test(a_broken_file_is_refused),
	};
	return cmocka_run_group_tests(tests, dir_setup, dir_teardown);
}
