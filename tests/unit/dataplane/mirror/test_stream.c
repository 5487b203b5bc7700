// SPDX-License-Identifier: Apache-2.0
// Passive reassembly as step tables, and any segmentation and order against the plain byte stream.
#include "dataplane/mirror/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define ACK 0x10
#define SECOND 1000000000ull

static char seen[70000];
static uint32_t seen_len, begun, ended, picked_up;
static bool refuse;
static struct mirror_stats stats;
static struct mirror_streams *t;

static bool pick_up(void *, struct view bytes) {
	return bytes.p[0] == '!';
}

static void begin(void *, uint32_t, bool picked) {
	begun++;
	picked_up += picked;
}

static bool show(void *, uint32_t, const struct flow_key *, struct view bytes) {
	assert_true(seen_len + bytes.len <= sizeof(seen));
	memcpy(seen + seen_len, bytes.p, bytes.len);
	seen_len += bytes.len;
	return !refuse;
}

static void end(void *, uint32_t) {
	ended++;
}

static int setup(void **) {
	const struct mirror_limits limits = {
		.streams = 4, .chunks = 64, .chunks_per_stream = 32, .gap_ns = 5 * SECOND
	};
	const struct mirror_stream_env env = {
		.pick_up = pick_up, .begin = begin, .bytes = show, .end = end, .stats = &stats
	};

	seen_len = begun = ended = picked_up = 0;
	refuse = false;
	stats = (struct mirror_stats) {0};
	return mirror_streams_create(&limits, &env, &t);
}

static int teardown(void **) {
	mirror_streams_destroy(t);
	return 0;
}

static void
segment(uint16_t port, uint32_t seq, uint8_t flags, const char *bytes, uint32_t len, uint64_t now) {
	const struct flow_key key = {
		.remote = {10, 1},
		.local = {10, 2},
		.remote_port = port,
		.local_port = 1883,
		.family = 4
	};
	static uint8_t tcp[20 + 70000];

	memset(tcp, 0, 20);
	for (int i = 0; i < 4; i++)
		tcp[4 + i] = (uint8_t)(seq >> (24 - 8 * i));
	tcp[12] = 5 << 4;
	tcp[13] = flags;
	memcpy(tcp + 20, bytes, len);
	mirror_streams_input(t, &key, view_of(tcp, 20 + len), now);
}

struct step {
	uint32_t seq;
	uint8_t flags;
	const char *bytes;
	const char *seen; // all that has been shown after this step
	uint32_t seconds;
};

static void play(const struct step *steps, size_t n) {
	for (size_t i = 0; i < n; i++) {
		const struct step *s = &steps[i];
		segment(1,
			s->seq,
			s->flags,
			s->bytes,
			(uint32_t)strlen(s->bytes),
			s->seconds * SECOND);
		assert_int_equal(seen_len, strlen(s->seen));
		assert_memory_equal(seen, s->seen, seen_len);
	}
}
#define PLAY(...)                                                                                  \
	play((const struct step[]) {__VA_ARGS__},                                                  \
	     sizeof((const struct step[]) {__VA_ARGS__}) / sizeof(struct step))

static void a_retransmission_is_shown_once(void **) {
	PLAY({99, SYN, "", ""},
	     {100, ACK, "abc", "abc"},
	     {100, ACK, "abc", "abc"},
	     {101, ACK, "bcde", "abcde"},
	     {99, ACK, "?", "abcde"});
	assert_int_equal(stats.count[MIRROR_BYTES_AGAIN], 6);
	assert_int_equal(stats.count[MIRROR_BYTES], 5);
}

static void reordered_segments_are_shown_in_order(void **) {
	PLAY({99, SYN, "", ""},
	     {106, ACK, "gh", ""},
	     {103, ACK, "def", ""},
	     {100, ACK, "abc", "abcdefgh"});
	assert_int_equal(mirror_streams_held(t), 0);
}

static void of_overlapping_bytes_the_first_copy_counts(void **) {
	PLAY({99, SYN, "", ""},
	     {103, ACK, "DE", ""},
	     {102, ACK, "xyzF", ""},
	     {100, ACK, "abcdefg", "abxDEFg"},
	     {100, ACK, "1234567h", "abxDEFgh"});
	assert_int_equal(mirror_streams_held(t), 0);
}

static void sequence_numbers_wrap(void **) {
	PLAY({0xfffffffd, SYN, "", ""}, {1, ACK, "def", ""}, {0xfffffffe, ACK, "abc", "abcdef"});
}

static void a_gap_ends_the_stream_until_its_next_syn(void **) {
	PLAY({99, SYN, "", ""},
	     {100, ACK, "ab", "ab", 1},
	     {105, ACK, "fg", "ab", 2},
	     {107, ACK, "h", "ab", 8},
	     {102, ACK, "cde", "ab", 8},
	     {108, ACK, "!", "ab", 9},
	     {99, SYN, "", "ab", 9},
	     {999, SYN, "", "ab", 9},
	     {1000, ACK, "new", "abnew", 9});
	assert_int_equal(stats.count[MIRROR_GAPS], 1);
	assert_int_equal(begun, 2);
	assert_int_equal(ended, 1);
	assert_int_equal(mirror_streams_held(t), 0);
}

static void too_much_behind_a_hole_is_a_gap(void **) {
	char bytes[33 * MIRROR_CHUNK_BYTES] = {0};

	segment(1, 99, SYN, "", 0, 0);
	segment(1, 101, ACK, bytes, sizeof(bytes), 0);
	assert_int_equal(stats.count[MIRROR_GAPS], 1);
	assert_int_equal(mirror_streams_held(t), 0);
	segment(2, 99, SYN, "", 0, 0);
	segment(2, 100 + MIRROR_AHEAD_MAX + 1, ACK, "a", 1, 0);
	assert_int_equal(stats.count[MIRROR_GAPS], 2);
}

static void a_hole_that_fills_late_but_in_time_is_none(void **) {
	PLAY({99, SYN, "", ""},
	     {101, ACK, "b", "", 1},
	     {103, ACK, "d", "", 4},
	     {100, ACK, "a", "ab", 5},
	     {102, ACK, "c", "abcd", 9});
	assert_int_equal(stats.count[MIRROR_GAPS], 0);
}

static void a_stream_is_picked_up_where_it_may_be(void **) {
	PLAY({500, ACK, "middle", ""}, {506, ACK, "!whole", "!whole"}, {512, ACK, "x", "!wholex"});
	assert_int_equal(picked_up, 1);
	assert_int_equal(stats.count[MIRROR_NOT_PICKED_UP], 1);
}

static void fin_and_reset_end_a_stream(void **) {
	PLAY({99, SYN, "", ""},
	     {102, ACK | FIN, "c", ""},
	     {100, ACK, "ab", "abc"},
	     {103, ACK, "!", "abc"});
	assert_int_equal(stats.count[MIRROR_GAPS], 0);
	assert_int_equal(stats.count[MIRROR_CLOSED], 1);
	segment(2, 99, SYN, "", 0, 0);
	segment(2, 100, RST, "", 0, 0);
	assert_int_equal(stats.count[MIRROR_CLOSED], 2);
	assert_int_equal(ended, 2);
}

static void refused_bytes_end_the_stream(void **) {
	refuse = true;
	PLAY({99, SYN, "", ""}, {102, ACK, "cd", ""}, {100, ACK, "ab", "ab"}, {104, ACK, "e", "ab"}
	);
	assert_int_equal(ended, 1);
	assert_int_equal(mirror_streams_held(t), 0);
}

static void a_full_table_gives_up_the_ended_then_the_oldest(void **) {
	for (uint16_t port = 1; port <= 4; port++)
		segment(port, 99, SYN, "", 0, 0);
	segment(3, 100, RST, "", 0, 0);
	segment(1, 100, ACK, "a", 1, 0);
	segment(5, 99, SYN, "", 0, 0);
	assert_int_equal(stats.count[MIRROR_EVICTED], 0);
	segment(6, 99, SYN, "", 0, 0);
	assert_int_equal(stats.count[MIRROR_EVICTED], 1);
	segment(2, 100, ACK, "lost", 4, 0);
	segment(1, 101, ACK, "b", 1, 0);
	assert_int_equal(seen_len, 2);
	assert_memory_equal(seen, "ab", 2);
}

static void malformed_headers_are_counted(void **) {
	const struct flow_key key = {.family = 4};
	uint8_t tcp[20] = {[12] = 6 << 4};

	mirror_streams_input(t, &key, view_of(tcp, 20), 0);
	tcp[12] = 4 << 4;
	mirror_streams_input(t, &key, view_of(tcp, 20), 0);
	mirror_streams_input(t, &key, view_of(tcp, 13), 0);
	assert_int_equal(stats.count[MIRROR_SEGMENT_BAD], 3);
}

static uint32_t draw(uint64_t *state, uint32_t below) {
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*state >> 33) % below;
}

// Segments cut anywhere, sent again, and swapped within a window.
static void any_segmentation_and_order_give_the_stream(void **) {
	static char bytes[4000];

	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7 + (i >> 8));
	for (uint64_t seed = 1; seed <= 500; seed++) {
		uint64_t state = seed;
		uint32_t start = draw(&state, UINT32_MAX), low = 0;
		bool sent[40] = {false};
		seen_len = 0;
		segment((uint16_t)seed, start - 1, SYN, "", 0, 0);
		while (low < 40) {
			uint32_t window = 40 - low < 12 ? 40 - low : 12;
			uint32_t k = low + draw(&state, window);
			uint32_t before = k * 100 < 150 ? k * 100 : draw(&state, 150);
			uint32_t from = k * 100 - before;
			uint32_t len = before + 100;
			segment((uint16_t)seed, start + from, ACK, bytes + from, len, 0);
			sent[k] = true;
			while (low < 40 && sent[low])
				low++;
		}
		assert_int_equal(seen_len, sizeof(bytes));
		assert_memory_equal(seen, bytes, sizeof(bytes));
		assert_int_equal(mirror_streams_held(t), 0);
		segment((uint16_t)seed, start + sizeof(bytes), ACK | FIN, "", 0, 0);
	}
	assert_int_equal(stats.count[MIRROR_GAPS], 0);
	assert_int_equal(stats.count[MIRROR_CLOSED], 500);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(a_retransmission_is_shown_once),
		TEST(reordered_segments_are_shown_in_order),
		TEST(of_overlapping_bytes_the_first_copy_counts),
		TEST(sequence_numbers_wrap),
		TEST(a_gap_ends_the_stream_until_its_next_syn),
		TEST(too_much_behind_a_hole_is_a_gap),
		TEST(a_hole_that_fills_late_but_in_time_is_none),
		TEST(a_stream_is_picked_up_where_it_may_be),
		TEST(fin_and_reset_end_a_stream),
		TEST(refused_bytes_end_the_stream),
		TEST(a_full_table_gives_up_the_ended_then_the_oldest),
		TEST(malformed_headers_are_counted),
		TEST(any_segmentation_and_order_give_the_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
