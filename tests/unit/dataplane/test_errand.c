// SPDX-License-Identifier: Apache-2.0
// One request at a time on a thread of its own.
#include "dataplane/errand.h"

#include <errno.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

struct rig {
	sem_t go; // the work waits for it
	sem_t at_it;
};

static void
work(void *owner, const void *query, const atomic_bool *stop, struct errand_answer *out) {
	struct rig *rig = owner;
	char text[16];
	int number;

	(void)stop;
	sem_post(&rig->at_it);
	sem_wait(&rig->go);
	memcpy(&number, query, sizeof(number));
	out->result = number < 0 ? number : 0;
	snprintf(text, sizeof(text), "%d", number);
	if (number >= 0)
		out->json = strdup(text);
}

static bool answered(struct errand *e, struct errand_answer *a) {
	for (int i = 0; i < 20000; i++) {
		if (errand_answered(e, a))
			return true;
		nanosleep(&(struct timespec) {.tv_nsec = 500000}, nullptr);
	}
	return false;
}

static void test_one_at_a_time(void **state) {
	struct errand_answer a;
	struct errand *e;
	struct rig rig;

	(void)state;
	sem_init(&rig.go, 0, 0);
	sem_init(&rig.at_it, 0, 0);
	assert_int_equal(errand_create("test", sizeof(int), work, &rig, &e), 0);
	assert_false(errand_answered(e, &a));
	assert_int_equal(errand_ask(e, &(int) {7}, 41), 0);
	sem_wait(&rig.at_it);
	assert_int_equal(errand_ask(e, &(int) {8}, 42), -EBUSY);
	assert_false(errand_answered(e, &a));
	sem_post(&rig.go);
	assert_true(answered(e, &a));
	assert_int_equal(a.seq, 41);
	assert_int_equal(a.result, 0);
	assert_string_equal(a.json, "7");
	free(a.json);
	assert_false(errand_answered(e, &a)); // told once

	sem_post(&rig.go);
	assert_int_equal(errand_ask(e, &(int) {-EPERM}, 43), 0);
	assert_true(answered(e, &a));
	assert_int_equal(a.seq, 43);
	assert_int_equal(a.result, -EPERM);
	assert_null(a.json);

	// Ends with an answer that nobody took: the sanitizers see whether it is freed.
	sem_post(&rig.go);
	assert_int_equal(errand_ask(e, &(int) {9}, 44), 0);
	sem_wait(&rig.at_it);
	errand_destroy(e);
}

static void test_limits(void **state) {
	struct errand *e;

	(void)state;
	assert_int_equal(errand_create("big", ERRAND_QUERY_MAX + 1, work, nullptr, &e), -ENOMEM);
	errand_destroy(nullptr);
	assert_int_equal(errand_create("idle", sizeof(int), work, nullptr, &e), 0);
	errand_destroy(e); // never asked, no thread
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_at_a_time),
		cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, nullptr, nullptr);
}
