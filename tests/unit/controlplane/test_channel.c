// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api/channel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_arrives_as_it_was_sent),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(another_version_is_named_whatever_follows),
		cmocka_unit_test(fields_used_as_index_or_length_are_checked),
		cmocka_unit_test(labels_must_be_a_set),
		cmocka_unit_test(a_header_that_lies_about_its_size_is_refused),
		cmocka_unit_test(statements_come_alone),
		cmocka_unit_test(every_type_fits_and_has_a_label),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
