// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/crypto.h"
#include "dataplane/frame/frame.h"
#include "tests/unit/dataplane/frame/key_file.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#define MS 1000000ull
#define FLEET 5000

static struct frame_devices *devices;
static struct frame_adapter *adapter;
static struct crypto *crypto;
static struct crypto *device_crypto; // the devices' side
static struct ledger_messages ledger;
static struct config config;
static struct config_listener listener = {.protocol = LISTEN_FRAME, .format = PAYLOAD_JSON};
static struct flow_key peer = {.remote = {10, 0, 0, 9}, .remote_port = 4000, .family = 4};
static uint64_t now;

static struct {
	struct message m;
	char device[65];
	char payload[256];
} pushed[64];
static uint32_t pushed_count;

static struct {
	uint8_t bytes[256];
	uint32_t len;
} sent[64];
static uint32_t sent_count;

static unsigned next_of_fleet;
static bool out_of_order; // of the fleet

static void push(void *, const struct message *m) {
	uint32_t i = pushed_count++ % 64;

	ledger.received++;
	ledger.accepted++;
	pushed[i].m = *m;
	snprintf(pushed[i].device, 65, "%.*s", (int)m->device.len, m->device.p);
	if (pushed[i].device[0] == 'n')
		out_of_order |= strtoul(pushed[i].device + 2, NULL, 10) != next_of_fleet++ % FLEET;
	snprintf(pushed[i].payload, 256, "%.*s", (int)m->payload.len, m->payload.p);
}

static void
note(void *, const struct flow_key *, const struct net_path *, const void *bytes, uint32_t len) {
	memcpy(sent[sent_count % 64].bytes, bytes, len);
	sent[sent_count++ % 64].len = len;
}

static int start(const char *marks) {
	char why[256] = "";
	const struct frame_env env = {
		.adapter = {.ledger = &ledger, .push = push, .send = note},
		.crypto = crypto,
		.pending = 4,
	};
	struct frame_env e = env;

	if (frame_devices_load(keys_path, marks, FLEET + 10, &devices, why, sizeof(why)) != 0)
		return -1;
	e.devices = devices;
	config.frame.receipt_delay_ms = 200;
	return frame_create(&e, &config, &adapter);
}

static int setup(void **) {
	now = 1000 * MS;
	pushed_count = 0;
	sent_count = 0;
	next_of_fleet = 0;
	out_of_order = false;
	ledger = (struct ledger_messages) {0};
	listener.auth = AUTH_NONE;
	if (crypto_create(CRYPTO_AUTO, 8, &crypto) != 0
	    || crypto_create(CRYPTO_MBEDTLS, 8, &device_crypto) != 0)
		return -1;
	return state_make() == 0 ? start(NULL) : -1;
}

static int teardown(void **) {
	struct ledger l = {.messages[TRANSPORT_FRAME] = ledger};
	char why[128] = "";

	frame_destroy(adapter);
	frame_devices_destroy(devices);
	crypto_destroy(crypto);
	crypto_destroy(device_crypto);
	state_remove();
	if (!ledger_balanced(&l, why, sizeof(why)))
		fail_msg("%s", why);
	return 0;
}

static int setup_with_marks(void **state) {
	if (setup(state) != 0)
		return -1;
	frame_destroy(adapter);
	frame_devices_destroy(devices);
	return start(marks_path);
}

static struct crypto_key key_of(const char *device) {
	static const uint8_t gcm[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	static uint8_t hmac[32];

	for (uint8_t i = 0; i < 32; i++)
		hmac[i] = (uint8_t)(0x20 + i);
	if (strcmp(device, "dev-2") == 0)
		return (struct crypto_key) {.id = 2, .bytes = hmac, .len = 32};
	return (struct crypto_key) {.id = 1, .bytes = gcm, .len = 16};
}

// Seals a frame as the device does; dev-2 has an HMAC key.
static uint32_t
seal(const char *device,
     uint8_t flags,
     uint32_t epoch,
     uint64_t seq,
     const char *payload,
     uint8_t *out) {
	bool hmac = strcmp(device, "dev-2") == 0;
	struct frame f = {
		.algorithm = hmac ? FRAME_HMAC_SHA_256 : FRAME_AES_128_GCM,
		.flags = flags,
		.key_number = hmac,
		.epoch = epoch,
		.seq = seq,
		.device = view_of(device, (uint32_t)strlen(device)),
	};
	uint32_t header = frame_header_encode(&f, out, 256);
	uint32_t len = (uint32_t)strlen(payload);
	struct crypto_key key = key_of(device);

	memcpy(out + header, payload, len);
	if (hmac) {
		uint8_t digest[32];
		hmac_sha256(device_crypto, &key, view_of(out, header + len), digest);
		memcpy(out + header + len, digest, 16);
	} else {
		uint8_t nonce[12];
		frame_nonce(&f, nonce);
		gcm_seal(
			device_crypto,
			&key,
			nonce,
			view_of(out, header),
			view_of(out + header, len),
			out + header,
			out + header + len
		);
	}
	return header + len + 16;
}

static void input(const uint8_t *bytes, uint32_t len) {
	uint8_t copy[4096];
	const struct datagram d = {
		.bytes = copy, .len = len, .key = &peer, .listener = &listener, .now_ns = now
	};

	memcpy(copy, bytes, len);
	frame_input(adapter, &d);
	memset(copy, 0xee, sizeof(copy)); // the packet is gone
}

static void send(const char *device, uint8_t flags, uint32_t epoch, uint64_t seq) {
	uint8_t frame[512];

	input(frame, seal(device, flags, epoch, seq, "{\"temp\":21.4567}", frame));
}

static void verdict(uint32_t i, enum outcome outcome) {
	const struct verdict v = {.outcome = outcome};

	frame_done(adapter, pushed[i].m.token, &v);
}

static struct frame_receipt receipt(uint32_t i, uint64_t seq) {
	struct frame f;
	struct frame_receipt r;
	uint8_t payload[16];

	assert_true(i < sent_count);
	assert_int_equal(frame_decode(view_of(sent[i].bytes, sent[i].len), true, &f), FRAME_OK);
	assert_true(f.seq == seq);
	char device[65] = "";
	memcpy(device, f.device.p, f.device.len);
	struct crypto_key key = key_of(device);
	if (f.algorithm == FRAME_HMAC_SHA_256) {
		uint8_t digest[32];
		hmac_sha256(device_crypto, &key, f.authenticated, digest);
		assert_memory_equal(digest, f.tag.p, 16);
		memcpy(payload, f.payload.p, 16);
	} else {
		uint8_t nonce[12];
		frame_nonce(&f, nonce);
		assert_true(
			gcm_open(device_crypto, &key, nonce, f.header, f.payload, payload, f.tag.p)
		);
	}
	assert_int_equal(frame_receipt_decode(view_of(payload, 16), &r), FRAME_OK);
	return r;
}

static uint64_t count(enum frame_counter c) {
	return frame_stats(adapter)->count[c];
}

static void an_authentic_frame_is_a_proven_message(void **) {
	send("dev-1", 0, 3, 7);
	send("dev-2", 0, 0, 9);
	assert_int_equal(pushed_count, 2);
	assert_string_equal(pushed[0].device, "dev-1");
	assert_string_equal(pushed[0].payload, "{\"temp\":21.4567}");
	assert_true(pushed[0].m.proven);
	assert_true(pushed[0].m.epoch == 3 && pushed[0].m.seq == 7);
	assert_int_equal(pushed[0].m.transport, TRANSPORT_FRAME);
	assert_true(pushed[0].m.token == TOKEN_NONE);
	assert_string_equal(pushed[1].device, "dev-2");
	assert_string_equal(pushed[1].payload, "{\"temp\":21.4567}");
}

static void a_changed_byte_anywhere_is_refused(void **) {
	static const char *const both[] = {"dev-1", "dev-2"};
	uint64_t sent_frames = 0;

	for (uint32_t i = 0; i < 2; i++) {
		uint8_t frame[512];
		uint32_t len = seal(both[i], 0, 1, 5, "payload", frame);
		for (uint32_t byte = 0; byte < len; byte++, sent_frames++) {
			frame[byte] ^= 0x41;
			input(frame, len);
			frame[byte] ^= 0x41;
		}
		for (uint32_t n = 0; n < len; n++, sent_frames++)
			input(frame, n);
	}
	assert_int_equal(pushed_count, 0);
	assert_int_equal(ledger.received, sent_frames);
	assert_true(ledger.refused[REFUSE_PROTECTION] > 0);
	assert_true(ledger.refused[REFUSE_MALFORMED] > 0);
	assert_true(ledger.refused[REFUSE_DEVICE_UNKNOWN] > 0);
}

static void copies_and_old_frames_are_refused_as_replayed(void **) {
	send("dev-1", 0, 1, 2000);
	send("dev-1", 0, 1, 2000);
	send("dev-1", 0, 1, 2000 - 1024);
	send("dev-1", 0, 0, 9999);
	assert_int_equal(pushed_count, 1);
	assert_int_equal(ledger.refused[REFUSE_REPLAY], 3);
	assert_int_equal(count(FRAME_SEEN), 1);
	assert_int_equal(count(FRAME_OLD), 2);
}

static void a_forged_frame_moves_no_window(void **) {
	uint8_t frame[512];
	uint32_t len = seal("dev-1", 0, 1, 1000000, "x", frame);

	frame[len - 1] ^= 1;
	input(frame, len);
	send("dev-1", 0, 1, 1);
	assert_int_equal(pushed_count, 1);
}

static void the_listener_may_narrow_the_sources(void **) {
	struct ip_prefix trust = {4, 32, {10, 0, 0, 1}};

	listener.auth = AUTH_TRUST;
	listener.trust = &trust;
	listener.trust_count = 1;
	send("dev-1", 0, 1, 1);
	assert_int_equal(ledger.refused[REFUSE_UNTRUSTED], 1);
}

static void a_receipt_says_what_met_its_contract(void **) {
	send("dev-1", FRAME_FLAG_RECEIPT, 1, 10);
	frame_poll(adapter, now += 300 * MS);
	assert_int_equal(sent_count, 0); // nothing is acknowledged yet
	verdict(0, OUTCOME_ACKED);
	frame_poll(adapter, now += 100 * MS);
	assert_int_equal(sent_count, 0);
	assert_true(frame_poll(adapter, now) == now + 100 * MS);
	frame_poll(adapter, now += 100 * MS);
	assert_int_equal(sent_count, 1);
	struct frame_receipt r = receipt(0, 10);
	assert_true(r.highest == 10 && r.bits == 0);
	assert_int_equal(frame_waiting(adapter), 0);

	// Several in the delay become one, which answers the latest; a refused one is left out.
	for (uint64_t seq = 11; seq < 15; seq++)
		send("dev-1", FRAME_FLAG_RECEIPT, 1, seq);
	verdict(1, OUTCOME_ACKED);
	verdict(2, OUTCOME_REFUSED);
	verdict(4, OUTCOME_ACKED);
	verdict(3, OUTCOME_ACKED);
	frame_poll(adapter, now += 300 * MS);
	assert_int_equal(sent_count, 2);
	r = receipt(1, 14);
	assert_true(r.highest == 14 && r.bits == 0b1101);
}

static void a_receipt_under_hmac(void **) {
	send("dev-2", FRAME_FLAG_RECEIPT, 1, 10);
	verdict(0, OUTCOME_ACKED);
	frame_poll(adapter, now += 300 * MS);
	assert_true(receipt(0, 10).highest == 10);
}

static void a_receipt_is_never_longer_than_its_request(void **) {
	uint8_t frame[512];

	input(frame, seal("dev-1", FRAME_FLAG_RECEIPT, 1, 1, "fifteen bytes..", frame));
	verdict(0, OUTCOME_ACKED);
	frame_poll(adapter, now += 300 * MS);
	assert_int_equal(sent_count, 0);
	assert_int_equal(count(FRAME_RECEIPT_TOO_LONG), 1);
	input(frame, seal("dev-1", FRAME_FLAG_RECEIPT, 1, 2, "sixteen bytes...", frame));
	verdict(1, OUTCOME_ACKED);
	frame_poll(adapter, now += 300 * MS);
	assert_int_equal(sent_count, 1);
}

static void a_query_is_no_message(void **) {
	send("dev-1", FRAME_FLAG_RECEIPT | FRAME_FLAG_QUERY, 1, 1);
	frame_poll(adapter, now += 300 * MS);
	assert_int_equal(pushed_count, 0);
	assert_int_equal(ledger.received, 0);
	assert_true(receipt(0, 1).highest == 0);
	// A copy of it gets no second receipt: its nonce has been used.
	send("dev-1", FRAME_FLAG_RECEIPT | FRAME_FLAG_QUERY, 1, 1);
	frame_poll(adapter, now += 300 * MS);
	assert_int_equal(sent_count, 1);
}

static void without_a_slot_the_data_still_goes_on(void **) {
	for (uint64_t seq = 1; seq <= 5; seq++)
		send("dev-1", FRAME_FLAG_RECEIPT, 1, seq);
	assert_int_equal(pushed_count, 5);
	assert_true(pushed[4].m.token == TOKEN_NONE);
	assert_int_equal(count(FRAME_RECEIPT_NO_SLOT), 1);
}

static void a_frame_waits_for_its_mark_and_keeps_its_order(void **) {
	send("dev-1", 0, 1, 1);
	send("dev-1", 0, 1, 2);
	send("dev-2", 0, 1, 1);
	send("dev-1", 0, 1, 2); // a copy while it waits
	assert_int_equal(pushed_count, 0);
	assert_int_equal(count(FRAME_PARKED), 4);
	assert_int_equal(frame_devices_grants(devices), 0);
	assert_true(frame_poll(adapter, now) <= now + MS);
	assert_int_equal(pushed_count, 0);

	assert_int_equal(frame_devices_flush(devices), 2);
	frame_poll(adapter, now += 20 * MS);
	assert_int_equal(pushed_count, 3);
	assert_true(pushed[0].m.seq == 1 && pushed[1].m.seq == 2);
	assert_string_equal(pushed[1].device, "dev-1");
	assert_string_equal(pushed[1].payload, "{\"temp\":21.4567}");
	assert_string_equal(pushed[2].device, "dev-2");
	assert_int_equal(ledger.refused[REFUSE_REPLAY], 1);
	frame_poll(adapter, now += MS);
	assert_int_equal(frame_waiting(adapter), 0);
	send("dev-1", 0, 1, 3);
	assert_int_equal(pushed_count, 4); // granted ahead
}

static void a_disk_that_does_not_answer_sheds_and_counts(void **) {
	const uint64_t frames = 40000; // more than there is room for

	for (uint64_t seq = 1; seq <= frames; seq++)
		send("dev-1", 0, 1, seq);
	uint64_t parked = count(FRAME_PARKED);
	assert_true(parked > 15000 && parked < frames);
	assert_int_equal(count(FRAME_PARK_FULL), frames - parked);
	assert_int_equal(ledger.shed[SHED_MARK], frames - parked);
	frame_poll(adapter, now += 1100 * MS);
	assert_int_equal(ledger.shed[SHED_MARK], frames);
	assert_int_equal(frame_waiting(adapter), 0);
	assert_int_equal(pushed_count, 0);
	// All of it is free again, from wherever it was.
	for (uint64_t seq = 1; seq <= parked; seq++)
		send("dev-1", 0, 2, seq);
	assert_int_equal(count(FRAME_PARKED), 2 * parked);
	frame_poll(adapter, now += 1100 * MS);
	assert_int_equal(frame_waiting(adapter), 0);
}

static int fleet_setup(void **state) {
	static char keys[FLEET * 64];
	size_t n = 0;

	for (unsigned i = 0; i < FLEET; i++)
		n += (size_t)snprintf(
			keys + n,
			sizeof(keys) - n,
			"n-%u aes-128-gcm 0 000102030405060708090a0b0c0d0e0f\n",
			i
		);
	if (setup(state) != 0)
		return -1;
	frame_destroy(adapter);
	frame_devices_destroy(devices);
	return keys_write(keys) == 0 ? start(marks_path) : -1;
}

static uint64_t wall_us(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint32_t poll_until_quiet(void) {
	uint32_t polls = 0;

	do
		polls++;
	while (frame_poll(adapter, now) == now);
	return polls;
}

// Everybody's first frame, two of each: they wait for one store, and then go on in their order.
static void a_fleet_that_sends_for_the_first_time(void **) {
	char name[16];

	for (unsigned i = 0; i < 2 * FLEET; i++) {
		snprintf(name, sizeof(name), "n-%u", i % FLEET);
		send(name, 0, 1, 1 + i / FLEET);
	}
	assert_int_equal(pushed_count, 0);
	assert_int_equal(count(FRAME_PARKED), 2 * FLEET);
	assert_int_equal(ledger.shed[SHED_MARK], 0);
	uint64_t begin_us = wall_us();
	assert_int_equal(frame_devices_flush(devices), FLEET);
	print_message("%d marks stored in %" PRIu64 " us\n", FLEET, wall_us() - begin_us);
	assert_int_equal(frame_devices_flush(devices), 0);
	uint32_t polls = poll_until_quiet();
	assert_true(polls > 10); // in portions, with pipeline_run() between them
	assert_int_equal(pushed_count, 2 * FLEET);
	assert_false(out_of_order);
	assert_int_equal(frame_waiting(adapter), 0);
	send("n-77", 0, 1, 3);
	assert_int_equal(pushed_count, 2 * FLEET + 1);
}

// While some wait and some have gone, more come: round and round the arena.
static void what_waits_is_found_wherever_it_lies(void **) {
	char name[16];
	uint32_t sent_frames = 0;

	for (unsigned round = 0; round < 40; round++) {
		for (unsigned i = 0; i < 1500 + 100 * (round % 7); i++, sent_frames++) {
			snprintf(name, sizeof(name), "n-%u", (sent_frames * 7) % FLEET);
			send(name, 0, 1 + round, 1 + sent_frames);
		}
		if (round % 3 != 0)
			continue;
		frame_devices_flush(devices);
		poll_until_quiet();
	}
	frame_devices_flush(devices);
	poll_until_quiet();
	assert_int_equal(pushed_count + ledger.refused[REFUSE_REPLAY], sent_frames);
	assert_int_equal(ledger.shed[SHED_MARK], 0);
	assert_int_equal(frame_waiting(adapter), 0);
}

static void one_device_has_one_owner(void **) {
	uint8_t frame[512];
	uint32_t len = seal("dev-1", 0, 1, 1, "x", frame);
	uint16_t owner = frame_owner(view_of(frame, len), 7);

	for (uint64_t seq = 2; seq < 50; seq++) {
		len = seal("dev-1", FRAME_FLAG_RECEIPT, 1, seq, "y", frame);
		assert_int_equal(frame_owner(view_of(frame, len), 7), owner);
	}
	for (uint32_t n = 0; n < len; n++)
		assert_true(frame_owner(view_of(frame, n), 7) < 7);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TEST_WITH_MARKS(f) cmocka_unit_test_setup_teardown(f, setup_with_marks, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(an_authentic_frame_is_a_proven_message),
		TEST(a_changed_byte_anywhere_is_refused),
		TEST(copies_and_old_frames_are_refused_as_replayed),
		TEST(a_forged_frame_moves_no_window),
		TEST(the_listener_may_narrow_the_sources),
		TEST(a_receipt_says_what_met_its_contract),
		TEST(a_receipt_under_hmac),
		TEST(a_receipt_is_never_longer_than_its_request),
		TEST(a_query_is_no_message),
		TEST(without_a_slot_the_data_still_goes_on),
		TEST_WITH_MARKS(a_frame_waits_for_its_mark_and_keeps_its_order),
		TEST_WITH_MARKS(a_disk_that_does_not_answer_sheds_and_counts),
		cmocka_unit_test_setup_teardown(
			a_fleet_that_sends_for_the_first_time, fleet_setup, teardown
		),
		cmocka_unit_test_setup_teardown(
			what_waits_is_found_wherever_it_lies, fleet_setup, teardown
		),
		TEST(one_device_has_one_owner),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
