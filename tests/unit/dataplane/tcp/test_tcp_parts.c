// SPDX-License-Identifier: Apache-2.0
// The parts that have no RFC: timer wheel, slab, TIME_WAIT records, PROXY header.
#include "dataplane/tcp/proxy_v2.h"
#include "dataplane/tcp/slab.h"
#include "dataplane/tcp/time_wait.h"
#include "dataplane/tcp/timer_wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t rng = 88172645463325252;

static uint32_t draw(uint32_t n) {
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 20) % n;
}

#define NODES 500

struct timed {
	uint32_t pad[3];
	struct wheel_node node;
};

// Against a list that is searched: nothing fires early, late or twice, over any distance.
static void wheel_matches_an_oracle(void **) {
	static struct timed e[NODES];
	static uint32_t due[NODES];
	static bool armed[NODES];
	struct wheel w;
	uint32_t now = UINT32_MAX - 5000; // wraps soon

	memset(armed, 0, sizeof(armed));
	for (int i = 0; i < NODES; i++)
		e[i].node.slot = WHEEL_IDLE;
	wheel_init(&w, &e[0].node, sizeof(e[0]), now);
	for (int step = 0; step < 40000; step++) {
		uint32_t i = 1 + draw(NODES - 1);
		static const uint32_t reach[] = {10, 300, 70000, 2000000};
		if (draw(3) == 0) {
			wheel_clear(&w, i);
			armed[i] = false;
		} else {
			due[i] = now + 1 + draw(reach[draw(4)]);
			wheel_set(&w, i, due[i]);
			armed[i] = true;
		}
		if (draw(4) != 0)
			continue;
		now += draw(reach[draw(3)]);
		for (;;) {
			unsigned budget = 1 + draw(50);
			uint32_t k = wheel_pop(&w, now, &budget);
			if (k == 0 && budget > 0)
				break;
			if (k == 0)
				continue;
			assert_true(armed[k]);
			assert_true((int32_t)(due[k] - now) <= 0);
			armed[k] = false;
		}
		for (int k = 1; k < NODES; k++)
			assert_true(!armed[k] || (int32_t)(due[k] - now) > 0);
	}
	uint32_t left = 0;
	for (int k = 1; k < NODES; k++)
		left += armed[k];
	assert_int_equal(w.armed, left);
}

// Sleeping for wheel_idle_ticks() never oversleeps.
static void wheel_says_when_to_wake(void **) {
	static struct timed e[2];
	struct wheel w;

	for (uint32_t distance = 0; distance < 200000; distance = distance * 3 / 2 + 1) {
		uint32_t now = 12345;
		e[1].node.slot = WHEEL_IDLE;
		wheel_init(&w, &e[0].node, sizeof(e[0]), now);
		assert_true(wheel_idle_ticks(&w, now) == UINT64_MAX);
		wheel_set(&w, 1, now + distance);
		uint32_t fired = 0;
		for (int turns = 0; fired == 0; turns++) {
			assert_true(turns < 2000);
			uint64_t sleep = wheel_idle_ticks(&w, now);
			assert_true(now + sleep <= 12345 + (uint64_t)distance);
			now += sleep > 0 ? (uint32_t)sleep : 1;
			unsigned budget = 1000;
			fired = wheel_pop(&w, now, &budget);
		}
		assert_true(now - 12345 <= distance + 1);
	}
}

static void slab_gives_back_everything(void **) {
	enum { PAGES = 32, MAX = 4000 };
	struct slab s;
	static struct slab_page pages[PAGES];
	uint8_t *base = aligned_alloc(64, (size_t)PAGES * SLAB_PAGE_BYTES);
	static uint32_t ref[MAX];
	static uint32_t size[MAX];
	static uint8_t mark[MAX];

	assert_non_null(base);
	slab_init(&s, base, pages, PAGES);
	memset(ref, 0, sizeof(ref));
	for (int step = 0; step < 60000; step++) {
		uint32_t i = draw(MAX);
		if (ref[i] != 0) {
			const uint8_t *p = slab_at(&s, ref[i]);
			assert_true(p[0] == mark[i] && p[size[i] - 1] == mark[i]);
			assert_true(slab_bytes(&s, ref[i]) >= size[i]);
			slab_free(&s, ref[i]);
			ref[i] = 0;
			continue;
		}
		size[i] = 1 + draw(1u << (6 + draw(11)));
		mark[i] = (uint8_t)draw(256);
		ref[i] = slab_alloc(&s, size[i]);
		if (ref[i] != 0)
			memset(slab_at(&s, ref[i]), mark[i], size[i]);
	}
	for (int i = 0; i < MAX; i++)
		if (ref[i] != 0)
			slab_free(&s, ref[i]);
	assert_int_equal(s.chunks_used, 0);
	assert_int_equal(s.pages_used, 0);
	// after any use every page can serve the largest size
	for (int i = 0; i < PAGES; i++)
		assert_int_not_equal(slab_alloc(&s, SLAB_PAGE_BYTES), 0);
	assert_int_equal(slab_alloc(&s, 1), 0);
	free(base);
}

static void time_wait_is_bounded_and_ordered(void **) {
	enum { CAP = 8 };
	static struct tw_record records[CAP + 1];
	static uint32_t buckets[16];
	struct time_wait w;
	bool evicted;

	assert_int_equal(time_wait_buckets(CAP), 16);
	time_wait_init(&w, records, buckets, CAP);
	w.ticks[TW_TIME_WAIT] = 100;
	w.ticks[TW_TOMBSTONE] = 200;
	for (uint16_t i = 0; i < CAP; i++) {
		struct tw_record r = {
			.remote_port = i, .hash = i % 3, .kind = i < 4 ? TW_TIME_WAIT : TW_TOMBSTONE
		};
		time_wait_add(&w, &r, i, &evicted);
		assert_false(evicted);
	}
	// full: the oldest tombstone goes, then the next
	struct tw_record r = {.remote_port = 100, .hash = 1, .kind = TW_TIME_WAIT};
	time_wait_add(&w, &r, 50, &evicted);
	assert_true(evicted);
	const uint8_t zero[16] = {0};
	assert_null(time_wait_lookup(&w, 4 % 3, zero, 4, 0));
	assert_non_null(time_wait_lookup(&w, 0, zero, 0, 0));
	assert_non_null(time_wait_lookup(&w, 1, zero, 100, 0));
	assert_null(time_wait_lookup(&w, 1, zero, 100, 1));
	assert_int_equal(time_wait_idle_ticks(&w, 50), 50);
	time_wait_restart(&w, time_wait_lookup(&w, 0, zero, 0, 0), 90);
	assert_int_equal(time_wait_idle_ticks(&w, 90), 11);
	assert_false(time_wait_expire(&w, 103, 64));
	assert_int_equal(w.used, 5); // 1, 2, 3 are gone; 0 was restarted
	assert_true(time_wait_expire(&w, 1000, 2));
	assert_false(time_wait_expire(&w, 1000, 64));
	assert_int_equal(w.used, 0);
	assert_true(time_wait_idle_ticks(&w, 0) == UINT64_MAX);
}

static const uint8_t v4_header[] = {
	0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54,
	0x0a, 0x21, 0x11, 0x00, 0x0f, 10,   1,	  2,	3,    192,  0,
	2,    1,    0x9c, 0x40, 0x07, 0x5b, 0x04, 0x00, 0x00, // a TLV of no bytes
};

static void proxy_v4(void **) {
	struct proxy_v2 h;

	for (uint32_t n = 0; n < sizeof(v4_header); n++)
		assert_int_equal(proxy_v2_parse(view_of(v4_header, n), &h), PROXY_MORE);
	assert_int_equal(proxy_v2_parse(view_of(v4_header, sizeof(v4_header)), &h), PROXY_OK);
	assert_int_equal(h.bytes, sizeof(v4_header));
	assert_int_equal(h.family, 4);
	assert_memory_equal(h.source, "\x0a\x01\x02\x03\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_memory_equal(h.destination, "\xc0\x00\x02\x01", 4);
	assert_int_equal(h.source_port, 40000);
	assert_int_equal(h.destination_port, 1883);
}

static void proxy_table(void **) {
	static const struct {
		const char *name;
		uint32_t at;
		uint8_t value;
		enum proxy_rc rc;
		uint8_t family;
	} cases[] = {
		{"signature", 0, 0x0e, PROXY_BAD, 0},
		{"last of the signature", 11, 0x0b, PROXY_BAD, 0},
		{"version 1", 12, 0x11, PROXY_BAD, 0},
		{"command 2", 12, 0x22, PROXY_BAD, 0},
		{"LOCAL names nobody", 12, 0x20, PROXY_OK, 0},
		{"UDP names nobody", 13, 0x12, PROXY_OK, 0},
		{"unspecified names nobody", 13, 0x00, PROXY_OK, 0},
		{"IPv6 does not fit", 13, 0x21, PROXY_BAD, 0},
		{"announces 64 KiB", 14, 0xff, PROXY_BAD, 0},
		{"addresses cut short", 15, 11, PROXY_BAD, 0},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t b[sizeof(v4_header)];
		struct proxy_v2 h = {.family = 99};
		memcpy(b, v4_header, sizeof(b));
		b[cases[i].at] = cases[i].value;
		enum proxy_rc rc = proxy_v2_parse(view_of(b, sizeof(b)), &h);
		if (rc != cases[i].rc || (rc == PROXY_OK && h.family != cases[i].family))
			fail_msg("%s: %d", cases[i].name, rc);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wheel_matches_an_oracle),
		cmocka_unit_test(wheel_says_when_to_wake),
		cmocka_unit_test(slab_gives_back_everything),
		cmocka_unit_test(time_wait_is_bounded_and_ordered),
		cmocka_unit_test(proxy_v4),
		cmocka_unit_test(proxy_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
