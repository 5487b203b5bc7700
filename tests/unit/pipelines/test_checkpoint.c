// SPDX-License-Identifier: Apache-2.0
#include "pipelines/checkpoint.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// Computed with Python's hashlib after the formula in checkpoint.h.
#define C1 "54b7bef0535cf72a442ccacd8df3c39a0a052119b9798d62fb62ec23ba1a1b65"
#define C2 "16f26c985fbe4871fcb76c3d76cf539d3f30c9870fdd66242ef25cd005f23e97"

static const struct checkpoint_origin origin = {
	.appliance = "a1",
	.epoch = 9,
	.topic = "telemetry",
	.partition = 3,
	.partition_map = 2,
	.wall_ns = 1700000000000000000,
	.clock = CLOCK_SYNCED,
};

static struct view text(const char *s) {
	return (struct view) {(const uint8_t *)s, (uint32_t)strlen(s)};
}

static const char *made(struct checkpoint_chain *c) {
	static uint8_t out[CHECKPOINT_BYTES_MAX + 1];
	uint32_t n = checkpoint_make(c, &origin, out);

	assert_true(n < CHECKPOINT_BYTES_MAX);
	out[n] = '\0';
	return (const char *)out;
}

static void has(const char *json, const char *part) {
	if (strstr(json, part) == NULL)
		fail_msg("no %s in %s", part, json);
}

static void hex_is(const uint8_t digest[SHA256_BYTES], const char *hex) {
	char got[2 * SHA256_BYTES + 1];

	for (unsigned i = 0; i < SHA256_BYTES; i++)
		snprintf(got + 2 * i, 3, "%02x", digest[i]);
	assert_string_equal(got, hex);
}

// FIPS 180-4 examples and a million times 'a'.
static void sha256_of_known_texts(void **) {
	static const struct {
		const char *in, *hex;
	} known[] = {
		{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	};
	uint8_t digest[SHA256_BYTES];
	struct sha256 s;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		sha256_init(&s);
		sha256_update(&s, known[i].in, strlen(known[i].in));
		sha256_digest(&s, digest);
		hex_is(digest, known[i].hex);
	}
	char thousand[1000];
	memset(thousand, 'a', sizeof(thousand));
	sha256_init(&s);
	for (unsigned i = 0; i < 1000; i++)
		sha256_update(&s, thousand, sizeof(thousand));
	sha256_digest(&s, digest);
	hex_is(digest, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// However the text is cut, and whichever instructions do it.
static void sha256_pieces_and_variants_agree(void **) {
	uint8_t in[4 * 64], whole[SHA256_BYTES], pieces[SHA256_BYTES];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 31 + 7);
	for (size_t n = 0; n <= sizeof(in); n++) {
		struct sha256 a, b;
		sha256_init(&a);
		sha256_update(&a, in, n);
		sha256_digest(&a, whole);
		sha256_init(&b);
		for (size_t at = 0; at < n; at += 13)
			sha256_update(&b, in + at, n - at < 13 ? n - at : 13);
		sha256_digest(&b, pieces);
		assert_memory_equal(whole, pieces, SHA256_BYTES);
	}
	static uint8_t more[2 * SHA256_WAITING_MAX];
	struct sha256 fast, slow;

	for (size_t i = 0; i < sizeof(more); i++)
		more[i] = (uint8_t)(i * 37 + (i >> 8));
	sha256_init(&fast);
	sha256_init(&slow);
	sha256_update(&fast, more, sizeof(more)); // too much to wait
	assert_int_equal(fast.waiting, 0);
	sha256_blocks_portable(slow.h, more, sizeof(more) / 64);
	assert_memory_equal(fast.h, slow.h, sizeof(fast.h));
}

// Two streams hashed side by side, whenever and with however much waiting in each, against each
// hashed by itself in one piece.
static void two_streams_side_by_side_agree(void **) {
	static uint8_t in[2][40000];
	uint32_t seed = 1;

	for (unsigned round = 0; round < 200; round++) {
		struct sha256 s[2], one;
		uint8_t got[SHA256_BYTES], want[SHA256_BYTES];
		size_t n[2] = {0};

		sha256_init(&s[0]);
		sha256_init(&s[1]);
		for (unsigned i = 0; i < 20; i++) {
			seed = seed * 1664525 + 1013904223;
			unsigned which = seed >> 31;
			size_t len = seed % 7 == 0 ? seed >> 8 & 4095 : seed >> 8 & 511;
			if (n[which] + len > sizeof(in[0]))
				continue;
			for (size_t k = 0; k < len; k++)
				in[which][n[which] + k] = (uint8_t)(seed >> k % 24);
			sha256_update(&s[which], in[which] + n[which], len);
			n[which] += len;
			if (seed % 3 == 0)
				sha256_hash_pair(&s[which], &s[!which]);
		}
		for (unsigned i = 0; i < 2; i++) {
			sha256_init(&one);
			sha256_update(&one, in[i], n[i]);
			sha256_digest(&one, want);
			sha256_digest(&s[i], got);
			assert_memory_equal(got, want, SHA256_BYTES);
		}
	}
}

static void the_chain_is_what_the_page_says(void **) {
	struct checkpoint_chain c;
	char long_value[301] = "";

	checkpoint_init(&c);
	assert_false(checkpoint_due(&c));
	assert_int_equal(checkpoint_add(&c, 1, text("dev-1"), text("{\"a\":1}")), 0);
	assert_int_equal(checkpoint_add(&c, 2, text("dev-2"), text("{\"b\":2}")), 0);
	assert_true(checkpoint_due(&c));
	const char *json = made(&c);
	has(json, "{\"type\":\"checkpoint\",\"appliance\":\"a1\",\"appliance_epoch\":9,");
	has(json, "\"topic\":\"telemetry\",\"partition\":3,\"number\":1,\"from\":1,\"to\":2,");
	has(json, "\"records\":2,\"records_total\":2,\"bytes\":14,\"skipped\":[],");
	has(json,
	    "\"previous\":\"0000000000000000000000000000000000000000000000000000000000000000\"");
	has(json, "\"chain\":\"" C1 "\"");
	has(json, "\"map\":2,\"time_ns\":1700000000000000000,\"clock\":\"synced\"}");
	assert_false(checkpoint_due(&c));

	memset(long_value, 'x', 300);
	assert_int_equal(checkpoint_add(&c, 5, text("dev-1"), text(long_value)), 0);
	json = made(&c);
	has(json,
	    "\"number\":2,\"from\":3,\"to\":5,\"records\":1,\"records_total\":3,\"bytes\":300,");
	has(json, "\"skipped\":[[3,4]],\"previous\":\"" C1 "\",\"chain\":\"" C2 "\"");
}

// Names and numbers at their largest still fit.
static void the_largest_checkpoint_fits(void **) {
	char topic[250];
	struct checkpoint_origin large = origin;
	struct checkpoint_chain c;
	uint8_t out[CHECKPOINT_BYTES_MAX];
	uint64_t seq = 10000000000000000000u;

	memset(topic, 't', sizeof(topic));
	topic[249] = '\0';
	large.appliance = "abcdefghijklmnopqrstuvwxyz01234";
	large.topic = topic;
	large.epoch = UINT64_MAX;
	large.partition = INT32_MAX;
	large.partition_map = UINT32_MAX;
	large.clock = CLOCK_HOLDOVER;
	checkpoint_init(&c);
	c.number = c.records_total = c.bytes = UINT64_MAX - 10;
	for (unsigned i = 0; i < CHECKPOINT_SKIPS_MAX; i++)
		assert_int_equal(checkpoint_add(&c, seq += 2, text("d"), text("v")), 0);
	assert_int_equal(checkpoint_add(&c, seq + 2, text("d"), text("v")), -ENOSPC);
	uint32_t n = checkpoint_make(&c, &large, out);
	assert_int_equal(out[n - 1], '}');
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_of_known_texts),
		cmocka_unit_test(sha256_pieces_and_variants_agree),
		cmocka_unit_test(two_streams_side_by_side_agree),
		cmocka_unit_test(the_chain_is_what_the_page_says),
		cmocka_unit_test(the_largest_checkpoint_fits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
