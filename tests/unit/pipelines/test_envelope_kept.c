// SPDX-License-Identifier: Apache-2.0
// What the encoders keep from one record to the next never shows: random runs of records encoded
// with one envelope are what each is with an envelope of its own.
#include "config/config.h"
#include "pipelines/encode_json.h"
#include "pipelines/encode_original.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include <cmocka.h>

#define RECORDS 20000

static struct config config = {.appliance = "kept \"in\" mind", .partition_map = 7};
static struct config_route routes[2] = {{.ack = ACK_RECEIVED}, {.ack = ACK_KAFKA}};
static struct profile profiles[2] = {
	{.name = "one", .route = &routes[0]},
	{.name = "two", .route = &routes[1], .schema_version = 3},
};
static struct reading reading;
static struct readings readings;
static struct item item;
static struct record record;
static uint64_t seed = 20260712;

static uint32_t below(uint32_t n) {
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((seed >> 33) % n);
}

static struct view one_of(const char *const *texts, uint32_t n) {
	const char *s = texts[below(n)];

	return view_of(s, (uint32_t)strlen(s));
}

// Mostly what the record before had, as in a burst.
static void next_message(struct message *m) {
	static const int64_t arrivals[] = {0, 1763712000123456789, -5, INT64_MAX, INT64_MIN};
	static const uint64_t epochs[] = {0, 9, 1763711000, UINT64_MAX};

	if (below(4) == 0)
		m->rx_wall_ns = arrivals[below(5)];
	if (below(8) == 0)
		m->realm = (uint16_t)below(65536);
	if (below(8) == 0)
		m->transport = (enum transport)below(TRANSPORT_COUNT);
	if (below(8) == 0)
		m->profile = &profiles[below(2)];
	if (below(3) == 0)
		m->epoch = epochs[below(4)];
	m->seq = below(2) ? below(1000) : UINT64_MAX - below(3);
	m->proven = below(2);
	m->retained = below(2);
	m->payload = VIEW_LITERAL("payload");
}

static void next_record(void) {
	static const char *const devices[] = {
		"d", "gen-000001", "an\"end", "a longer name than a word"
	};
	static const char *const names[] = {"temperature", "t", "back\\slash", "humidity.indoor.x"};

	record = (struct record) {
		.reading = &reading,
		.device = one_of(devices, 4),
		.quarantine = FINDING_NONE,
		.field_count = 2,
		.n = (uint16_t)(below(3) == 0 ? below(3) : 0),
	};
	item.record_count = (uint16_t)(record.n + 1 + (below(4) == 0));
	reading.has_seq = below(3) == 0;
	reading.seq = below(100000);
	reading.has_time = below(3) == 0;
	reading.time_ns = 1763712000000000000 + below(1000);
	for (uint32_t i = 0; i < 2; i++) {
		struct field *f = &readings.fields[i];
		*f = (struct field) {.name = one_of(names, 4)};
		f->v = below(2) ? (struct value) {.kind = VALUE_I64, .i = (int64_t)below(100)}
				: (struct value) {.kind = VALUE_F64, .f = below(1000) / 8.0};
	}
}

static uint8_t *json_of(struct envelope *e, uint32_t *len) {
	uint32_t bound = encode_json_bound(e, &item, &record, &readings);
	uint8_t *text = malloc(bound);

	*len = encode_json(e, &item, &record, &readings, text);
	assert_true(*len <= bound);
	return text;
}

static uint8_t *original_of(struct envelope *e, struct batch_entry *entry) {
	uint32_t bound = encode_original_bound(e, &item, &record);
	uint8_t *text = malloc(bound);

	*entry = (struct batch_entry) {0};
	encode_original(e, &item, &record, text, entry);
	assert_true(entry->headers_len + entry->len <= bound);
	return text;
}

static void same_json(struct envelope *kept, struct envelope *fresh) {
	uint32_t len, expected_len;
	uint8_t *text = json_of(kept, &len);
	uint8_t *expected = json_of(fresh, &expected_len);

	assert_int_equal(len, expected_len);
	assert_memory_equal(text, expected, len);
	yyjson_doc *doc = yyjson_read((const char *)text, len, 0);
	assert_non_null(doc);
	yyjson_val *root = yyjson_doc_get_root(doc);
	yyjson_val *device = yyjson_obj_get(root, "device");
	assert_int_equal(yyjson_get_len(device), record.device.len);
	assert_memory_equal(yyjson_get_str(device), record.device.p, record.device.len);
	assert_int_equal(yyjson_get_sint(yyjson_obj_get(root, "arrival_ns")), item.m.rx_wall_ns);
	assert_int_equal(yyjson_get_int(yyjson_obj_get(root, "realm")), item.m.realm);
	assert_true(yyjson_get_uint(yyjson_obj_get(root, "epoch")) == item.m.epoch);
	uint64_t seq = reading.has_seq ? reading.seq : item.m.seq;
	assert_true(yyjson_get_uint(yyjson_obj_get(root, "seq")) == seq);
	assert_int_equal(yyjson_get_int(yyjson_obj_get(root, "n")), record.n);
	assert_int_equal(yyjson_get_int(yyjson_obj_get(root, "of")), item.record_count);
	char id[160];
	snprintf(
		id,
		sizeof(id),
		"%.*s/%llu/%llu/%u",
		(int)record.device.len,
		(const char *)record.device.p,
		(unsigned long long)item.m.epoch,
		(unsigned long long)seq,
		record.n
	);
	assert_string_equal(yyjson_get_str(yyjson_obj_get(root, "id")), id);
	yyjson_doc_free(doc);
	free(text);
	free(expected);
}

static void same_original(struct envelope *kept, struct envelope *fresh) {
	struct batch_entry entry, other;
	uint8_t *text = original_of(kept, &entry);
	uint8_t *expected = original_of(fresh, &other);

	assert_int_equal(entry.headers_len, other.headers_len);
	assert_int_equal(entry.seq_at, other.seq_at);
	assert_memory_equal(text, expected, entry.headers_len + entry.len);
	free(text);
	free(expected);
}

static void nothing_shows(void **) {
	static struct envelope kept, fresh;

	kept.appliance_epoch = fresh.appliance_epoch = 1763711000;
	item.m.profile = &profiles[0];
	envelope_render(&kept, &config);
	for (uint32_t i = 0; i < RECORDS; i++) {
		if (below(50) == 0) { // the clock, as pipeline_clock() does
			kept.clock = fresh.clock = (enum clock_quality)below(3);
			kept.clock_error_us = fresh.clock_error_us = below(100000);
			envelope_render(&kept, &config);
		}
		next_message(&item.m);
		next_record();
		envelope_render(&fresh, &config);
		same_json(&kept, &fresh);
		same_original(&kept, &fresh);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_shows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
