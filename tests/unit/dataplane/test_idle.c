// SPDX-License-Identifier: Apache-2.0
#include "dataplane/bell.h"
#include "dataplane/idle.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#define ITEMS 200000
#define BOUND_MS 20000 // a lost wake-up, not a slow machine

static struct bell bell;
static _Atomic(uint32_t) made;

static int open_bell(void **) {
	return bell_open(&bell);
}

static int close_bell(void **) {
	bell_close(&bell);
	return 0;
}

static void *produce(void *) {
	for (uint32_t n = 1; n <= ITEMS; n++) {
		atomic_store_explicit(&made, n, memory_order_release);
		bell_ring(&bell);
		// Now and then let the other one fall asleep.
		if (n % 64 == 0)
			usleep(1);
	}
	return nullptr;
}

// The sleeper has no other alarm: what is slept over would never be seen.
static void no_work_is_slept_over(void **) {
	uint32_t taken = 0, sleeps = 0;
	pthread_t producer;

	atomic_store(&made, 0);
	assert_int_equal(pthread_create(&producer, NULL, produce, NULL), 0);
	while (taken < ITEMS) {
		uint32_t there = atomic_load_explicit(&made, memory_order_acquire);
		if (there > taken) {
			taken = there;
			continue;
		}
		struct pollfd fd = {.fd = bell.fd, .events = POLLIN};
		bool rung = false;
		bell_listen(&bell);
		if (atomic_load_explicit(&made, memory_order_acquire) == taken) {
			rung = poll(&fd, 1, BOUND_MS) > 0;
			sleeps++;
			assert_true(rung);
		}
		bell_hush(&bell, rung);
	}
	pthread_join(producer, NULL);
	assert_true(sleeps > 0);
}

static void nobody_asleep_is_not_rung(void **) {
	uint64_t n;

	bell_ring(&bell);
	assert_int_equal(read(bell.fd, &n, sizeof(n)), -1);
	bell_listen(&bell);
	bell_ring(&bell);
	bell_ring(&bell); // the first one has woken it
	assert_int_equal(read(bell.fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 1);
}

// A ring that comes after the sleep was over is not heard for ever.
static void late_ring_ends_one_sleep(void **) {
	const uint64_t one = 1;
	struct idle i;

	idle_init(&i, &bell, NULL, 0, 1000);
	bell_listen(&bell);
	atomic_store(&bell.asleep, false); // taken, not written yet
	bell_hush(&bell, false);
	assert_int_equal(write(bell.fd, &one, sizeof(one)), sizeof(one));
	bell_listen(&bell);
	bool rung = idle_sleep(&i, true, 1, UINT64_MAX);
	assert_true(rung);
	bell_hush(&bell, rung);
	bell_listen(&bell);
	assert_false(idle_sleep(&i, true, 1, UINT64_MAX));
	bell_hush(&bell, false);
}

static void rest_often(struct idle *i, uint32_t frames) {
	for (unsigned n = 0; n < 100; n++) {
		i->frames = frames;
		i->naps = 0;
		(void)idle_awaits(i);
	}
}

static void frames_in_company_are_taken_together(void **) {
	struct idle i;
	int queue[2];

	assert_int_equal(pipe(queue), 0);
	idle_init(&i, &bell, queue, 1, 1000);
	assert_true(idle_may_sleep(&i, 0));
	rest_often(&i, 1);
	assert_true(idle_awaits(&i));
	rest_often(&i, 20);
	assert_false(idle_awaits(&i));
	assert_false(idle_sleep(&i, false, 1, UINT64_MAX));
	assert_true(idle_awaits(&i)); // in vain: whatever comes now is waited for
	i.naps = 0;
	assert_false(idle_awaits(&i));
	rest_often(&i, 1);
	assert_true(idle_awaits(&i));
	// The queue wakes as the bell does, and is told apart from it.
	assert_int_equal(write(queue[1], "x", 1), 1);
	assert_false(idle_sleep(&i, true, 1, UINT64_MAX));
	assert_true(i.fds[1].revents != 0);
	close(queue[0]);
	close(queue[1]);
}

static void queue_without_descriptor_is_looked_at(void **) {
	int queues[2] = {0, -1};
	struct idle i;

	idle_init(&i, &bell, queues, 2, 1000);
	assert_int_equal(i.count, 1);
	assert_int_equal(i.first_ns, IDLE_SLEEP_MIN_NS);
	assert_int_equal(i.max_ns, IDLE_SLEEP_MAX_NS);
	assert_false(idle_may_sleep(&i, IDLE_SPIN_NS - 1));
	assert_true(idle_may_sleep(&i, IDLE_SPIN_NS));
	rest_often(&i, 20);
	assert_true(idle_awaits(&i));
}

static void what_is_due_is_not_slept_over(void **) {
	struct idle i;

	idle_init(&i, &bell, NULL, 0, 1000);
	bell_listen(&bell);
	bell_ring(&bell);
	assert_false(idle_sleep(&i, true, 5, 5)); // not even looked
	assert_true(idle_sleep(&i, true, 5, 6));
	assert_int_equal(i.naps, 2);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_bell, close_bell)
	const struct CMUnitTest tests[] = {
		TEST(no_work_is_slept_over),
		TEST(nobody_asleep_is_not_rung),
		TEST(late_ring_ends_one_sleep),
		TEST(frames_in_company_are_taken_together),
		TEST(queue_without_descriptor_is_looked_at),
		TEST(what_is_due_is_not_slept_over),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}
