// SPDX-License-Identifier: Apache-2.0
// What must hold of every payload, whatever its bytes: for the fuzz targets of the decoders. The
// input is a heap copy of its exact size, so that AddressSanitizer sees any read past its end.
#pragma once

#include "config/config.h"
#include "pipelines/decode.h"
#include "pipelines/encode_json.h"
#include "pipelines/encode_original.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what))                                                                       \
			abort();                                                                   \
	} while (0)

static struct burst fuzz_burst;

static inline struct payload_decoder *fuzz_decoder(void) {
	static struct payload_decoder *d;

	if (d == nullptr)
		d = payload_decoder_init(aligned_alloc(64, payload_decoder_size()));
	return d;
}

// Every view can be read, every double is finite, no name comes twice.
static inline void fuzz_check_readings(const struct readings *r) {
	CHECK(r->reading_count > 0 && r->reading_count <= READINGS_MAX);
	CHECK(r->field_count <= FIELDS_MAX && r->text_used <= PAYLOAD_TEXT_MAX);
	uint32_t fields = 0;
	for (uint32_t i = 0; i < r->reading_count; i++) {
		const struct reading *one = &r->readings[i];
		CHECK(one->field_count > 0 && one->first_field == fields);
		CHECK(one->device.len == 0 || device_id_valid(one->device));
		fields += one->field_count;
		for (uint32_t k = 0; k < one->field_count && k < 64; k++)
			for (uint32_t j = 0; j < k; j++)
				CHECK(!view_equal(
					r->fields[one->first_field + k].name,
					r->fields[one->first_field + j].name
				));
	}
	CHECK(fields == r->field_count);
	for (uint32_t i = 0; i < fields; i++)
		CHECK(r->fields[i].v.kind != VALUE_F64 || isfinite(r->fields[i].v.f));
}

// Both encodings stay within their bounds; the envelope is JSON.
static inline void fuzz_check_encodings(const struct item *it) {
	static struct config config = {.appliance = "fuzz"};
	static struct envelope envelope;
	struct batch_entry entry = {0};

	if (envelope.record[0][0].len == 0)
		envelope_render(&envelope, &config);
	for (uint32_t i = 0; i < fuzz_burst.record_count; i++) {
		const struct record *rec = &fuzz_burst.records[i];
		uint32_t bound = encode_json_bound(&envelope, it, rec, &fuzz_burst.readings);
		uint8_t *text = malloc(bound);
		uint32_t len = encode_json(&envelope, it, rec, &fuzz_burst.readings, text);
		CHECK(len <= bound);
		yyjson_doc *doc = yyjson_read((const char *)text, len, 0);
		CHECK(doc != NULL);
		CHECK(yyjson_obj_size(yyjson_obj_get(yyjson_doc_get_root(doc), "fields"))
		      == rec->reading->field_count);
		yyjson_doc_free(doc);
		free(text);
	}
	const struct record *rec = &fuzz_burst.records[0];
	uint32_t bound = encode_original_bound(&envelope, it, rec);
	uint8_t *text = malloc(bound);
	encode_original(&envelope, it, rec, text, &entry);
	CHECK(entry.headers_len + entry.len <= bound);
	free(text);
}

static inline enum payload_rc
fuzz_payload(enum payload_format format, const uint8_t *bytes, size_t size) {
	static struct config_route route;
	static struct profile profile = {
		.device_from = DEVICE_FROM_IDENTITY,
		.hints =
			{
				.device_key = VIEW_LITERAL("dev"),
				.time_key = VIEW_LITERAL("ts"),
				.seq_key = VIEW_LITERAL("seq"),
				.time_unit = TIME_MS,
			},
		.route = &route,
	};
	struct item *it = &fuzz_burst.items[0];
	uint8_t *copy = malloc(size > 0 ? size : 1);

	memcpy(copy, bytes, size);
	*it = (struct item) {
		.m =
			{
				.format = format,
				.profile = &profile,
				.device = VIEW_LITERAL("fuzz-1"),
				.path = VIEW_LITERAL("a\"\\\x01"),
				.payload = view_of(copy, (uint32_t)size),
				.rx_wall_ns = 1763712000123456789,
				.token = TOKEN_NONE,
			},
	};
	fuzz_burst.item_count = 1;
	CHECK(decode_burst(fuzz_decoder(), &fuzz_burst, 0) == 1);
	enum payload_rc rc = it->state == ITEM_GOING ? PAYLOAD_OK : it->payload;
	if (it->state == ITEM_GOING) {
		fuzz_check_readings(&fuzz_burst.readings);
		fuzz_check_encodings(it);
	} else {
		CHECK(rc != PAYLOAD_OK && fuzz_burst.record_count == 0);
		CHECK(fuzz_burst.readings.field_count == 0 && fuzz_burst.readings.text_used == 0);
	}
	free(copy);
	return rc;
}
