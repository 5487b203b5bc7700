// SPDX-License-Identifier: Apache-2.0
// Messages of the channel, and the corpus that fuzz_channel starts from: one of every type.
//   test_control_channel --write DIR    makes that corpus anew, after a message has changed
#include "controlplane/api/channel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static _Alignas(8) uint8_t packet[CHANNEL_MESSAGE_MAX + 64];

static struct channel_header *header(void) {
	return (struct channel_header *)(void *)packet;
}

static void *element(void) {
	return packet + sizeof(struct channel_header);
}

static size_t one_device(const char *name) {
	struct channel_device *d = element();

	memset(packet, 0, sizeof(packet));
	d->name_len = (uint8_t)strlen(name);
	memcpy(d->name, name, d->name_len);
	d->state = DEVICE_ACTIVE;
	return channel_seal(header(), CHANNEL_DEVICES, 1, CHANNEL_FLAG_FIRST, 7, 42);
}

static enum channel_rc decode(size_t len) {
	struct channel_message m;
	uint16_t theirs;

	return channel_decode(packet, len, &m, &theirs);
}

static void a_device_arrives_as_it_was_sent(void **) {
	struct channel_message m;
	uint16_t theirs = 0;
	size_t len = one_device("dev-1");

	assert_int_equal(channel_decode(packet, len, &m, &theirs), CHANNEL_OK);
	assert_int_equal(m.type, CHANNEL_DEVICES);
	assert_int_equal(m.count, 1);
	assert_int_equal(m.header->seq, 7);
	assert_int_equal(m.header->registry_version, 42);
	assert_memory_equal(((const struct channel_device *)m.elements)->name, "dev-1", 5);
}

static void every_truncation_is_refused(void **) {
	size_t len = one_device("dev-1");

	for (size_t n = 0; n < len; n++) {
		uint8_t *exact = malloc(n + 1);
		struct channel_message m;
		uint16_t theirs;
		memcpy(exact, packet, n);
		assert_int_not_equal(channel_decode(exact, n, &m, &theirs), CHANNEL_OK);
		free(exact);
	}
	assert_int_equal(decode(len + 1), CHANNEL_BAD_LENGTH);
}

static void another_version_is_named_whatever_follows(void **) {
	struct channel_message m;
	uint16_t theirs = 0;
	size_t len = one_device("x");

	header()->version = 99;
	header()->type = 4711;
	assert_int_equal(channel_decode(packet, len, &m, &theirs), CHANNEL_BAD_VERSION);
	assert_int_equal(theirs, 99);
}

static void fields_used_as_index_or_length_are_checked(void **) {
	struct channel_device *d = element();
	size_t len = one_device("x");

	d->name_len = CHANNEL_NAME_MAX + 1;
	assert_int_equal(decode(len), CHANNEL_BAD_FIELD);
	d->name_len = 0;
	assert_int_equal(decode(len), CHANNEL_BAD_FIELD);
	d->name_len = 1;
	d->state = DEVICE_STATE_COUNT;
	assert_int_equal(decode(len), CHANNEL_BAD_FIELD);
	d->state = DEVICE_ACTIVE;
	memset(d->profile, 'a', sizeof(d->profile));
	assert_int_equal(decode(len), CHANNEL_BAD_FIELD);
	memset(d->profile, 0, sizeof(d->profile));
	assert_int_equal(decode(len), CHANNEL_OK);
}

static void labels_must_be_a_set(void **) {
	struct channel_labels *l = element();

	memset(packet, 0, sizeof(packet));
	*l = (struct channel_labels) {.set = 1, .len = 11};
	memcpy(l->bytes, "\4\5sitebasel", 11);
	size_t len = channel_seal(header(), CHANNEL_LABELS, 1, 0, 1, 1);
	assert_int_equal(decode(len), CHANNEL_OK);
	l->bytes[1] = 6;
	assert_int_equal(decode(len), CHANNEL_BAD_FIELD);
	l->bytes[1] = 5;
	l->len = 0;
	assert_int_equal(decode(len), CHANNEL_BAD_FIELD);
	l->len = LABELS_BYTES_MAX + 1;
	assert_int_equal(decode(len), CHANNEL_BAD_FIELD);
	l->len = 11;
	l->set = 0;
	assert_int_equal(decode(len), CHANNEL_BAD_FIELD);
}

static void a_header_that_lies_about_its_size_is_refused(void **) {
	size_t len = one_device("x");

	header()->count = 2;
	assert_int_equal(decode(len), CHANNEL_BAD_LENGTH);
	header()->count = 1;
	header()->len = 1;
	assert_int_equal(decode(len), CHANNEL_BAD_LENGTH);
	header()->len = (uint32_t)len;
	header()->type = CHANNEL_NONE;
	assert_int_equal(decode(len), CHANNEL_BAD_TYPE);
	header()->type = CHANNEL_TYPE_COUNT;
	assert_int_equal(decode(len), CHANNEL_BAD_TYPE);
	header()->type = CHANNEL_DEVICES;
	header()->magic++;
	assert_int_equal(decode(len), CHANNEL_BAD_MAGIC);
}

static void statements_come_alone(void **) {
	memset(packet, 0, sizeof(packet));
	size_t len = channel_seal(header(), CHANNEL_HELLO, 2, 0, 1, 0);
	assert_int_equal(decode(len), CHANNEL_BAD_LENGTH);
	len = channel_seal(header(), CHANNEL_HELLO, 0, 0, 1, 0);
	assert_int_equal(decode(len), CHANNEL_BAD_LENGTH);
	len = channel_seal(header(), CHANNEL_HELLO, 1, 0, 1, 0);
	assert_int_equal(decode(len), CHANNEL_OK);
}

static void every_type_fits_and_has_a_label(void **) {
	for (int t = CHANNEL_NONE + 1; t < CHANNEL_TYPE_COUNT; t++) {
		assert_true(channel_room((enum channel_type)t) >= 1);
		assert_non_null(channel_type_label((enum channel_type)t));
	}
	assert_int_equal(device_state_find("revoked"), DEVICE_REVOKED);
	assert_int_equal(device_state_find("gone"), -1);
}

// --- one message of every type, as full as it may be

#define PEER {.bytes = {10, 77, 0, 2}, .family = 4, .prefix_len = 24, .port = 1883, .realm = 7}
#define DEVICE "pump-17"
#define DEVICE_LEN (sizeof(DEVICE) - 1)

static void put(const void *e, size_t size) {
	memcpy(element(), e, size);
}

#define PUT(type, ...) put(&(struct type)__VA_ARGS__, sizeof(struct type))

static void example_of_the_registry(enum channel_type t) {
	switch (t) {
	case CHANNEL_DEVICES:
		PUT(channel_device,
		    {.name = DEVICE,
		     .name_len = DEVICE_LEN,
		     .state = DEVICE_ACTIVE,
		     .records_per_s = 10,
		     .claims = 1,
		     .profile = "line",
		     .labels = 1});
		break;
	case CHANNEL_LABELS:
		PUT(channel_labels, {.set = 1, .len = 20, .bytes = "\4\5sitebasel\4\3unitbar"});
		break;
	case CHANNEL_CLAIMS:
		PUT(channel_claim,
		    {.set = 1, .kind = CLAIM_TOPIC, .len = 10, .pattern = "plant/%d/#"});
		break;
	case CHANNEL_CREDENTIALS:
		PUT(channel_credential,
		    {.name = DEVICE,
		     .name_len = DEVICE_LEN,
		     .kind = CREDENTIAL_AES,
		     .number = 1,
		     .len = 16,
		     .bytes = "0123456789abcdef"});
		break;
	case CHANNEL_BLOCKS:
		PUT(channel_block,
		    {.id = 3,
		     .for_s = 600,
		     .records_per_s = 5,
		     .action = BLOCK_ACTION_LIMIT,
		     .device_len = DEVICE_LEN,
		     .peer = PEER,
		     .device = DEVICE,
		     .reason = "noisy"});
		break;
	default:
		break;
	}
}

static void example_of_a_report(enum channel_type t) {
	switch (t) {
	case CHANNEL_EVENTS:
		PUT(channel_event,
		    {.wall_ns = 1790000000000000000,
		     .name = DEVICE,
		     .name_len = DEVICE_LEN,
		     .kind = EVENT_REFUSED,
		     .repeated = 3,
		     .peer = PEER,
		     .transport = "mqtt",
		     .reason = "device-not-active",
		     .listener = "mqtt"});
		break;
	case CHANNEL_COUNTERS:
		PUT(channel_counter,
		    {.value = 900, .name = "messages_received_total{transport=\"udp\"}"});
		break;
	case CHANNEL_FLOWS:
		PUT(channel_flow,
		    {.cursor = 8,
		     .device = DEVICE,
		     .device_len = DEVICE_LEN,
		     .peer = PEER,
		     .transport = "mqtt",
		     .records = 5});
		break;
	case CHANNEL_TEXT:
		PUT(channel_text, {.len = 13, .bytes = "{\"topics\":[]}"});
		break;
	default:
		break;
	}
}

static void example_of_a_statement(enum channel_type t) {
	switch (t) {
	case CHANNEL_HELLO:
		PUT(channel_hello, {.epoch = 3, .registry_version = 9, .workers = 2, .build = "1"});
		break;
	case CHANNEL_REFUSED:
		PUT(channel_refused, {.ours = 1, .theirs = 2, .text = "install the same release"});
		break;
	case CHANNEL_ACK:
		PUT(channel_ack,
		    {.result = -16, .type = CHANNEL_LETTERS, .workers = 2, .text = "try again"});
		break;
	case CHANNEL_GENERATION:
		PUT(channel_generation,
		    {.kind = GENERATION_SIGNATURES,
		     .flags = GENERATION_CHECK,
		     .number = 4,
		     .path = "/etc/sluice/signatures.bundle"});
		break;
	case CHANNEL_FLOW_LIST:
		PUT(channel_flow_query,
		    {.device = DEVICE,
		     .device_len = DEVICE_LEN,
		     .limit = 50,
		     .peer = PEER,
		     .transport_label = "mqtt"});
		break;
	case CHANNEL_FLOW_ACTION:
		PUT(channel_flow_action,
		    {.device = DEVICE, .device_len = DEVICE_LEN, .by_realm = 1, .peer = PEER});
		break;
	case CHANNEL_WHY:
		PUT(channel_why, {.device = DEVICE, .device_len = DEVICE_LEN});
		break;
	case CHANNEL_LETTERS:
		PUT(channel_letters,
		    {.op = LETTERS_REPLAY,
		     .device_len = DEVICE_LEN,
		     .partition = -1,
		     .offset = -1,
		     .scan = 10000,
		     .limit = 50,
		     .device = DEVICE,
		     .reason = "out-of-range"});
		break;
	case CHANNEL_TOPICS:
		PUT(channel_topics,
		    {.op = TOPICS_CREATE, .partitions = 4, .replicas = 3, .name = "telemetry"});
		break;
	default:
		break;
	}
}

// Sealed in `packet`; 0: nobody has written one.
static size_t example(enum channel_type t) {
	static const uint8_t nothing[CHANNEL_MESSAGE_MAX];
	size_t size = channel_element_size(t);

	memset(packet, 0, sizeof(packet));
	example_of_the_registry(t);
	example_of_a_report(t);
	example_of_a_statement(t);
	if (memcmp(element(), nothing, size) == 0)
		return 0;
	return channel_seal(header(), t, 1, CHANNEL_FLAG_FIRST | CHANNEL_FLAG_LAST, 7, 42);
}

static FILE *seed_open(const char *directory, enum channel_type t, const char *mode) {
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", directory, channel_type_label(t));
	return fopen(path, mode);
}

static void every_type_has_a_seed_of_today(void **) {
	static uint8_t seed[sizeof(packet)];

	for (int t = CHANNEL_NONE + 1; t < CHANNEL_TYPE_COUNT; t++) {
		const char *label = channel_type_label((enum channel_type)t);
		FILE *f = seed_open(CORPUS, (enum channel_type)t, "rb");
		size_t len = example((enum channel_type)t);
		if (len == 0 || decode(len) != CHANNEL_OK)
			fail_msg("%s: no good example here", label);
		if (f == NULL)
			fail_msg("%s: no seed: run with --write", label);
		size_t n = fread(seed, 1, sizeof(seed), f);
		fclose(f);
		if (n != len || memcmp(seed, packet, len) != 0)
			fail_msg("%s: an old seed: run with --write", label);
	}
}

static int seeds_write(const char *directory) {
	for (int t = CHANNEL_NONE + 1; t < CHANNEL_TYPE_COUNT; t++) {
		size_t len = example((enum channel_type)t);
		FILE *f = seed_open(directory, (enum channel_type)t, "wb");
		if (f == NULL || fwrite(packet, 1, len, f) != len || fclose(f) != 0)
			return 1;
	}
	return 0;
}

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_arrives_as_it_was_sent),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(another_version_is_named_whatever_follows),
		cmocka_unit_test(fields_used_as_index_or_length_are_checked),
		cmocka_unit_test(labels_must_be_a_set),
		cmocka_unit_test(a_header_that_lies_about_its_size_is_refused),
		cmocka_unit_test(statements_come_alone),
		cmocka_unit_test(every_type_fits_and_has_a_label),
		cmocka_unit_test(every_type_has_a_seed_of_today),
	};

	if (argc == 3 && strcmp(argv[1], "--write") == 0)
		return seeds_write(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
