// SPDX-License-Identifier: Apache-2.0
// The protobuf encoding read back by the library's own decoder, and packing through the pipeline.
// tests/functional/kafka_encodings.sh reads it with protobuf's Python from the shipped .proto.
#include "config/config.h"
#include "pipelines/encode_protobuf.h"
#include "pipelines/proto/record_wire.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct protobuf_scratch *scratch;
static struct readings readings;

static int setup(void **) {
	scratch = calloc(1, protobuf_scratch_size());
	return scratch == NULL;
}

static int teardown(void **) {
	free(scratch);
	return 0;
}

static void bytes_equal(ProtobufCBinaryData b, const char *text) {
	assert_int_equal(b.len, strlen(text));
	assert_memory_equal(b.data, text, b.len);
}

static void field_add(const char *name, struct value v) {
	readings.fields[readings.field_count++] = (struct field) {
		.name = view_of(name, (uint32_t)strlen(name)),
		.v = v,
	};
}

static Sluice__V1__Record *
round_trip(const struct envelope *e, const struct item *it, const struct record *rec) {
	uint8_t buf[8192];
	uint32_t n = protobuf_prepare(scratch, e, it, rec, &readings);

	assert_true(n <= sizeof(buf));
	memset(buf, 0xee, sizeof(buf));
	assert_int_equal(protobuf_write(scratch, buf), n);
	assert_int_equal(buf[n], 0xee);
	assert_int_equal(buf[0], 0x09); // field 1, 64 bits: where the egress thread writes
	memset(buf + PROTOBUF_SEQ_AT, 0, 8);
	buf[PROTOBUF_SEQ_AT] = 42;
	Sluice__V1__Record *r = sluice__v1__record__unpack(NULL, n, buf);
	assert_non_null(r);
	assert_int_equal(r->ledger_seq, 42);
	return r;
}

static void everything_comes_back(void **) {
	struct config_route route = {.ack = ACK_KAFKA, .encoding = ENCODING_PROTOBUF};
	struct profile profile = {.name = "env", .schema_version = 7, .route = &route};
	struct property user[] = {{VIEW_LITERAL("site"), VIEW_LITERAL("a\"b")}};
	struct reading reading = {.time_ns = -5, .has_time = true};
	struct item it = {
		.m =
			{
				.transport = TRANSPORT_MQTT,
				.realm = 5,
				.profile = &profile,
				.path = VIEW_LITERAL("t/dev-1/env"),
				.properties = user,
				.property_count = 1,
				.proven = true,
				.rx_wall_ns = 1763712000123456789,
				.epoch = 99,
				.seq = 12,
			},
		.record_count = 3,
	};
	struct record rec = {
		.reading = &reading,
		.device = VIEW_LITERAL("dev-1"),
		.found = {{.finding = FINDING_RANGE, .field = VIEW_LITERAL("t")}},
		.found_count = 1,
		.n = 2,
	};
	struct envelope e = {
		.appliance_epoch = 7, .partition_map = 3, .appliance = VIEW_LITERAL("s1")
	};

	readings_reset(&readings);
	field_add("null", (struct value) {.kind = VALUE_NULL});
	field_add("no", (struct value) {.kind = VALUE_BOOL, .b = false});
	field_add("min", (struct value) {.kind = VALUE_I64, .i = INT64_MIN});
	field_add("max", (struct value) {.kind = VALUE_U64, .u = UINT64_MAX});
	field_add("zero", (struct value) {.kind = VALUE_F64, .f = 0});
	field_add("text", (struct value) {.kind = VALUE_STRING, .s = VIEW_LITERAL("x\ny")});
	field_add("data", (struct value) {.kind = VALUE_BYTES, .s = VIEW_LITERAL("\x00\x7b")});
	rec.field_count = readings.field_count;

	Sluice__V1__Record *r = round_trip(&e, &it, &rec);
	bytes_equal(r->appliance, "s1");
	bytes_equal(r->device, "dev-1");
	bytes_equal(r->path, "t/dev-1/env");
	bytes_equal(r->profile, "env");
	assert_int_equal(r->schema, 7);
	bytes_equal(r->transport, "mqtt");
	assert_int_equal(r->realm, 5);
	assert_int_equal(r->n, 2);
	assert_int_equal(r->of, 3);
	assert_int_equal(r->ack, SLUICE__V1__ACK__ACK_KAFKA);
	assert_int_equal(r->device_time_case, SLUICE__V1__RECORD__DEVICE_TIME_TIME_NS);
	assert_true(r->time_ns == -5);
	assert_true(r->arrival_ns == it.m.rx_wall_ns);
	assert_true(r->proven && !r->retained);
	assert_int_equal(r->n_properties, 1);
	bytes_equal(r->properties[0]->value, "a\"b");
	assert_int_equal(r->n_findings, 1);
	bytes_equal(r->findings[0]->finding, "out-of-range");
	bytes_equal(r->findings[0]->class_, "malfunction");
	// What is zero or false is still said, and null is told from it.
	assert_int_equal(r->n_fields, 7);
	assert_int_equal(r->fields[0]->value_case, SLUICE__V1__FIELD__VALUE__NOT_SET);
	assert_int_equal(r->fields[1]->value_case, SLUICE__V1__FIELD__VALUE_FLAG);
	assert_true(r->fields[2]->integer == INT64_MIN);
	assert_true(r->fields[3]->unsigned_ == UINT64_MAX);
	assert_int_equal(r->fields[4]->value_case, SLUICE__V1__FIELD__VALUE_NUMBER);
	bytes_equal(r->fields[5]->text, "x\ny");
	assert_int_equal(r->fields[6]->data.len, 2);
	sluice__v1__record__free_unpacked(r, NULL);
}

static void a_record_without_time_or_schema_says_so(void **) {
	struct config_route route = {.encoding = ENCODING_PROTOBUF};
	struct profile profile = {.name = "plain", .route = &route};
	struct reading reading = {0};
	struct item it = {.m = {.profile = &profile}, .record_count = 1};
	struct record rec = {.reading = &reading, .device = VIEW_LITERAL("d")};
	struct envelope e = {0};

	readings_reset(&readings);
	Sluice__V1__Record *r = round_trip(&e, &it, &rec);
	assert_int_equal(r->device_time_case, SLUICE__V1__RECORD__DEVICE_TIME__NOT_SET);
	bytes_equal(r->profile, "");
	assert_int_equal(r->schema, 0);
	sluice__v1__record__free_unpacked(r, NULL);
}

static void varints_have_the_length_they_need(void **) {
	static const struct {
		uint32_t v, bytes;
	} cases[] = {{0, 1}, {127, 1}, {128, 2}, {16383, 2}, {16384, 3}, {UINT32_MAX, 5}};
	uint8_t at[VARINT32_MAX_BYTES];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t n = varint_write(at, cases[i].v), v = 0;
		assert_int_equal(n, cases[i].bytes);
		for (uint32_t k = 0; k < n; k++)
			v |= (uint32_t)(at[k] & 0x7f) << 7 * k;
		assert_int_equal(v, cases[i].v);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_comes_back),
		cmocka_unit_test(a_record_without_time_or_schema_says_so),
		cmocka_unit_test(varints_have_the_length_they_need),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
