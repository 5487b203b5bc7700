// SPDX-License-Identifier: Apache-2.0
#include "dataplane/blocks.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MS 1000000ull

static const uint64_t secret[2] = {7, 8};
static struct blocks *b;
static char path[64];

static int setup(void **) {
	snprintf(path, sizeof(path), "/tmp/blocks.%d", getpid());
	return blocks_create(2, secret, &b);
}

static int teardown(void **) {
	blocks_destroy(b);
	unlink(path);
	return 0;
}

static struct channel_block by_prefix(uint8_t a, uint8_t c, uint8_t len, uint16_t realm) {
	return (struct channel_block) {
		.id = 1,
		.op = CHANNEL_PUT,
		.peer = {.family = 4, .prefix_len = len, .realm = realm, .bytes = {a, 0, c, 9}},
		.reason = "test",
	};
}

static struct channel_block by_device(const char *name) {
	struct channel_block k = {.id = 2, .op = CHANNEL_PUT, .reason = "test"};

	k.device_len = (uint8_t)strlen(name);
	memcpy(k.device, name, k.device_len);
	return k;
}

static bool source(uint8_t a, uint8_t c, uint16_t realm) {
	uint8_t address[4] = {a, 0, c, 9};
	return blocks_source(b, 4, address, realm);
}

static struct view name_of(const char *s) {
	return (struct view) {(const uint8_t *)s, (uint32_t)strlen(s)};
}

static enum block_verdict judge(const char *device, uint8_t c, uint32_t records, uint64_t ms) {
	struct channel_address peer = {.family = 4, .prefix_len = 32, .bytes = {10, 0, c, 9}};
	return blocks_judge(b, name_of(device), &peer, records, 5000 * MS + ms * MS);
}

static int apply(struct channel_block k) {
	return blocks_apply(b, &k);
}

static int take_away(struct channel_block k) {
	k.op = CHANNEL_REMOVE;
	return blocks_apply(b, &k);
}

static void a_prefix_blocks_what_it_covers_in_its_realm(void **) {
	assert_false(source(10, 1, 0));
	assert_int_equal(apply(by_prefix(10, 1, 24, 0)), 0);
	assert_true(source(10, 1, 0));
	assert_false(source(10, 2, 0));
	assert_false(source(10, 1, 5));
	assert_int_equal(apply(by_prefix(11, 0, 8, 5)), 0);
	assert_true(source(11, 77, 5));
	assert_int_equal(apply(by_prefix(10, 128, 17, 0)), 0); // not on a byte
	assert_true(source(10, 200, 0));
	assert_false(source(10, 100, 0));
	assert_int_equal(take_away(by_prefix(10, 1, 24, 0)), 0);
	assert_false(source(10, 1, 0));
	assert_int_equal(take_away(by_prefix(10, 1, 24, 0)), -ENOENT);
	assert_true(source(11, 77, 5));
}

static void ipv6_prefixes_of_any_length(void **) {
	struct channel_block k = by_prefix(0, 0, 0, 3);
	uint8_t address[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1};

	k.peer.family = 6;
	memcpy(k.peer.bytes, address, 16);
	const uint8_t lengths[] = {0, 1, 63, 64, 65, 127, 128};
	for (size_t i = 0; i < sizeof(lengths); i++) {
		k.peer.prefix_len = lengths[i];
		assert_int_equal(apply(k), 0);
		assert_true(blocks_source(b, 6, address, 3));
		assert_false(blocks_source(b, 6, address, 4));
		assert_int_equal(take_away(k), 0);
		assert_false(blocks_source(b, 6, address, 3));
	}
	assert_int_equal(apply(k), 0);
	address[15] = 1;
	assert_false(blocks_source(b, 6, address, 3));
}

static void a_device_is_refused_and_a_limit_sheds(void **) {
	struct channel_block limit = by_device("meter-1");

	assert_int_equal(judge("meter-1", 1, 1, 0), BLOCK_NONE);
	assert_int_equal(apply(by_device("meter-2")), 0);
	assert_int_equal(judge("meter-2", 1, 1, 0), BLOCK_REFUSED);
	assert_int_equal(judge("meter-", 1, 1, 0), BLOCK_NONE);
	assert_true(blocks_device(b, name_of("meter-2")));
	limit.action = BLOCK_ACTION_LIMIT;
	assert_int_equal(apply(limit), -EINVAL);
	limit.records_per_s = 10;
	assert_int_equal(apply(limit), 0);
	assert_false(blocks_device(b, name_of("meter-1")));
	unsigned passed = 0;
	for (unsigned i = 0; i < 100; i++)
		passed += judge("meter-1", 1, 1, 0) == BLOCK_NONE;
	assert_in_range(passed, 10, 12);
	assert_int_equal(judge("meter-1", 1, 1, 0), BLOCK_LIMITED);
	assert_int_equal(judge("meter-1", 1, 1, 2000), BLOCK_NONE);
}

static void a_limit_of_a_prefix_counts_all_behind_it(void **) {
	struct channel_block limit = by_prefix(10, 4, 24, 0);
	unsigned passed = 0;

	limit.action = BLOCK_ACTION_LIMIT;
	limit.records_per_s = 20;
	assert_int_equal(apply(limit), 0);
	for (unsigned i = 0; i < 30; i++) {
		passed += judge("a", 4, 1, 0) == BLOCK_NONE;
		passed += judge("b", 4, 1, 0) == BLOCK_NONE;
	}
	assert_in_range(passed, 20, 22);
	assert_int_equal(judge("a", 5, 1, 0), BLOCK_NONE);
	assert_false(source(10, 4, 0));
}

static struct block_ask ask_for(uint8_t c, uint32_t for_s) {
	return (struct block_ask) {
		.peer = {.family = 4, .prefix_len = 32, .bytes = {10, 0, c, 9}},
		.for_s = for_s,
		.signature = 42,
		.reason = "log4shell",
	};
}

static void a_ban_asked_for_is_made_reported_once_and_kept(void **) {
	struct block_ask ask = ask_for(7, 3600);
	struct channel_block told[4];

	assert_true(blocks_ask(b, 1, &ask));
	assert_true(blocks_ask(b, 0, &ask));
	assert_false(source(10, 7, 0));
	assert_true(blocks_turn(b));
	assert_false(blocks_turn(b));
	assert_true(source(10, 7, 0));
	assert_int_equal(blocks_report(b, told, 4), 1);
	assert_int_equal(told[0].signature, 42);
	assert_int_equal(told[0].id, 0);
	assert_string_equal(told[0].reason, "log4shell");
	assert_in_range(told[0].for_s, 3590, 3600);
	assert_int_equal(blocks_report(b, told, 4), 0);
	// The control plane did not hear it, and sends its own set, which lacks it.
	blocks_report_again(b);
	blocks_whole_begin(b);
	assert_int_equal(blocks_whole_end(b), 0);
	assert_true(source(10, 7, 0));
	assert_int_equal(blocks_report(b, told, 4), 1);
	// It has it now, and one day takes it away.
	told[0].id = 9;
	assert_int_equal(blocks_apply(b, &told[0]), 0);
	blocks_whole_begin(b);
	assert_int_equal(blocks_whole_end(b), 1);
	assert_false(source(10, 7, 0));
}

static void an_operators_block_outlasts_a_shorter_ban(void **) {
	struct channel_block k = by_prefix(10, 7, 32, 0);
	struct block_ask ask = ask_for(7, 60);
	struct channel_block told[1];

	assert_int_equal(apply(k), 0);
	assert_true(blocks_ask(b, 0, &ask));
	blocks_turn(b);
	assert_int_equal(blocks_report(b, told, 1), 0);
}

static uint32_t crowd; // behind every address

static uint32_t crowd_behind(void *, const struct block_ask *) {
	return crowd;
}

static void a_ban_that_hits_a_crowd_is_told_to_one_worker(void **) {
	struct block_ask ask = ask_for(7, 3600);
	struct block_decline d, other;
	struct blocks_stats s;
	unsigned told[2] = {0};

	blocks_guard(b, crowd_behind, NULL);
	crowd = 41;
	ask.transport = 3;
	for (uint16_t w = 0; w < 2; w++) // whoever asks, the same one hears of it
		assert_true(blocks_ask(b, w, &ask));
	assert_false(blocks_turn(b));
	assert_false(source(10, 7, 0));
	for (uint16_t w = 0; w < 2; w++)
		while (blocks_declined(b, w, w == 0 ? &d : &other))
			told[w]++;
	assert_int_equal(told[0] + told[1], 2);
	assert_int_equal(told[0] * told[1], 0);
	if (told[1] > 0)
		d = other;
	assert_int_equal(d.devices, 41);
	assert_int_equal(d.signature, 42);
	assert_int_equal(d.transport, 3);
	assert_memory_equal(&d.peer, &ask.peer, sizeof(d.peer));
	// Many addresses: both hear of some. Nobody listens: the rest is lost and counted.
	for (unsigned i = 0; i < 200; i++) {
		ask = ask_for((uint8_t)i, 3600);
		assert_true(blocks_ask(b, 0, &ask));
		blocks_turn(b);
	}
	for (uint16_t w = 0; w < 2; w++) {
		told[w] = 0;
		while (blocks_declined(b, w, &d))
			told[w]++;
	}
	blocks_stats(b, &s);
	assert_true(told[0] > 0 && told[1] > 0);
	assert_int_equal(s.asks_lost, 200 - told[0] - told[1]);
	assert_int_equal(s.declined, 202);
	assert_int_equal(s.blocked, 0);
	crowd = 0;
	assert_true(blocks_ask(b, 0, &ask));
	assert_true(blocks_turn(b));
	assert_true(source(10, 199, 0));
}

static void a_full_ring_says_no(void **) {
	struct block_ask ask = ask_for(1, 60);
	struct blocks_stats s;
	unsigned taken = 0;

	for (unsigned i = 0; i < 200; i++)
		taken += blocks_ask(b, 0, &ask);
	assert_in_range(taken, 1, 199);
	assert_true(blocks_ask(b, 1, &ask));
	blocks_stats(b, &s);
	assert_int_equal(s.asks_lost, 200 - taken);
	blocks_turn(b);
	assert_true(blocks_ask(b, 0, &ask));
}

static void what_ends_is_taken_away(void **) {
	struct channel_block k = by_prefix(10, 1, 24, 0);
	struct blocks_stats s;

	k.for_s = 1;
	assert_int_equal(apply(k), 0);
	assert_int_equal(apply(by_prefix(10, 2, 24, 0)), 0);
	assert_true(source(10, 1, 0));
	for (unsigned i = 0; i < 40 && source(10, 1, 0); i++) {
		usleep(100000);
		blocks_turn(b);
	}
	assert_false(source(10, 1, 0));
	assert_true(source(10, 2, 0));
	blocks_stats(b, &s);
	assert_int_equal(s.expired, 1);
	assert_int_equal(s.blocked, 1);
}

static void the_table_has_an_end(void **) {
	struct channel_block k = by_prefix(10, 0, 32, 0);

	for (uint32_t i = 0; i < BLOCKS_MAX; i++) {
		memcpy(k.peer.bytes, &i, 4);
		assert_int_equal(apply(k), 0);
	}
	memset(k.peer.bytes, 0xff, 4);
	assert_int_equal(apply(k), -ENOSPC);
	k.peer.bytes[0] = k.peer.bytes[1] = k.peer.bytes[2] = k.peer.bytes[3] = 0;
	assert_int_equal(take_away(k), 0);
	memset(k.peer.bytes, 0xff, 4);
	assert_int_equal(apply(k), 0);
}

static void a_file_brings_back_what_is_left(void **) {
	struct channel_block k = by_prefix(10, 1, 24, 6), back;
	struct stat st;
	uint32_t at = 0, n = 0;

	k.for_s = 100;
	assert_int_equal(apply(k), 0);
	assert_int_equal(apply(by_device("meter-2")), 0);
	assert_int_equal(blocks_save(b, path), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	blocks_destroy(b);
	assert_int_equal(blocks_create(2, secret, &b), 0);
	assert_int_equal(blocks_load(b, path), 0);
	assert_true(source(10, 1, 6));
	assert_true(blocks_device(b, name_of("meter-2")));
	while (blocks_next(b, &at, &back)) {
		n++;
		if (back.device_len == 0)
			assert_in_range(back.for_s, 98, 100);
		else
			assert_int_equal(back.for_s, 0);
		assert_string_equal(back.reason, "test");
	}
	assert_int_equal(n, 2);
}

static void any_flipped_byte_of_the_file_is_noticed(void **) {
	assert_int_equal(apply(by_prefix(10, 1, 24, 6)), 0);
	assert_int_equal(blocks_save(b, path), 0);
	for (long at = 0;; at += 3) {
		FILE *f = fopen(path, "r+");
		assert_non_null(f);
		fseek(f, at, SEEK_SET);
		int c = fgetc(f);
		if (c == EOF) {
			fclose(f);
			break;
		}
		fseek(f, at, SEEK_SET);
		fputc(c ^ 0x10, f);
		fclose(f);
		struct blocks *other;
		assert_int_equal(blocks_create(1, secret, &other), 0);
		assert_int_equal(blocks_load(other, path), -EBADMSG);
		uint32_t next = 0;
		struct channel_block none;
		assert_false(blocks_next(other, &next, &none));
		blocks_destroy(other);
		f = fopen(path, "r+");
		fseek(f, at, SEEK_SET);
		fputc(c, f);
		fclose(f);
	}
	assert_int_equal(blocks_load(b, "/tmp/there-is-no-such-file"), -ENOENT);
}

// A reader never misses what stays while others come and go in its chain.
static atomic_bool stop;

static void *reader(void *) {
	unsigned missed = 0;

	while (!atomic_load(&stop))
		missed += !source(10, 1, 0);
	return (void *)(uintptr_t)missed;
}

static void what_stays_is_never_missed_while_others_change(void **) {
	pthread_t thread;
	void *missed;

	assert_int_equal(apply(by_prefix(10, 1, 24, 0)), 0);
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&thread, NULL, reader, NULL), 0);
	for (unsigned i = 0; i < 200000; i++) {
		struct channel_block k = by_prefix(12, (uint8_t)i, 24, (uint16_t)(i % 977));
		assert_int_equal(apply(k), 0);
		assert_int_equal(take_away(k), 0);
	}
	atomic_store(&stop, true);
	pthread_join(thread, &missed);
	// Eight looks in a row may each meet a change: rare, and then one frame passes.
	assert_in_range((uintptr_t)missed, 0, 50);
}

int main(void) {
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(a_prefix_blocks_what_it_covers_in_its_realm),
		T(ipv6_prefixes_of_any_length),
		T(a_device_is_refused_and_a_limit_sheds),
		T(a_limit_of_a_prefix_counts_all_behind_it),
		T(a_ban_asked_for_is_made_reported_once_and_kept),
		T(an_operators_block_outlasts_a_shorter_ban),
		T(a_ban_that_hits_a_crowd_is_told_to_one_worker),
		T(a_full_ring_says_no),
		T(what_ends_is_taken_away),
		T(the_table_has_an_end),
		T(a_file_brings_back_what_is_left),
		T(any_flipped_byte_of_the_file_is_noticed),
		T(what_stays_is_never_missed_while_others_change),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
