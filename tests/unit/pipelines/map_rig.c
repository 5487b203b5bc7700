// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/pipelines/map_rig.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct burst rig_burst;
struct payload_decoder *rig_decoder;

int rig_setup(void **) {
	rig_decoder = payload_decoder_init(aligned_alloc(64, payload_decoder_size()));
	return 0;
}

int rig_teardown(void **) {
	free(rig_decoder);
	return 0;
}

struct config *rig_program(const char *map) {
	struct config_error errors[4];
	struct config *c = NULL;
	char text[16384];
	uint32_t count;

	snprintf(
		text,
		sizeof(text),
		"lab: yes\n"
		"ports: [{name: w, devices: d, interfaces: [{addresses: [10.0.0.1/24]}]}]\n"
		"topics: [{name: dead-letter}]\n"
		"routes: [{name: r, topic: dead-letter}]\n"
		"kafka: {brokers: 'k:1'}\n"
		"profiles: [{name: p, route: r, device: {from: path, segment: 1}, map: [\n%s]}]\n",
		map
	);
	int ret = config_load_text("/x/y.yaml", text, strlen(text), &c, errors, 4, &count);
	for (uint32_t i = 0; i < count; i++)
		print_error("%u: %s\n", errors[i].line, errors[i].text);
	if (ret != 0)
		print_error("%s", text);
	assert_int_equal(ret, 0);
	return c;
}

struct message
rig_message(const struct config *c, enum payload_format format, const char *payload) {
	return (struct message) {
		.profile = &c->profiles[0],
		.format = format,
		.transport = TRANSPORT_MQTT,
		.realm = 3,
		.path = VIEW_LITERAL("plant/dev-1/temp"),
		.payload = view_of(payload, (uint32_t)strlen(payload)),
		.token = TOKEN_NONE,
	};
}

const struct record *
rig_run(const struct config *c, enum payload_format format, const char *payload) {
	rig_burst.item_count = 1;
	rig_burst.items[0] = (struct item) {.m = rig_message(c, format, payload)};
	assert_int_equal(decode_burst(rig_decoder, &rig_burst, 0), 1);
	if (rig_burst.items[0].state != ITEM_GOING)
		fail_msg("%s: %s", payload, payload_rc_label(rig_burst.items[0].payload));
	map_burst(&rig_burst, 0, 1, NULL);
	return &rig_burst.records[0];
}

void rig_value_print(char *out, size_t size, const struct value *v) {
	switch (v->kind) {
	case VALUE_NULL:
		snprintf(out, size, "null");
		break;
	case VALUE_BOOL:
		snprintf(out, size, "%s", v->b ? "true" : "false");
		break;
	case VALUE_I64:
		snprintf(out, size, "%" PRId64, v->i);
		break;
	case VALUE_U64:
		snprintf(out, size, "%" PRIu64, v->u);
		break;
	case VALUE_F64:
		snprintf(out, size, "%.17gf", v->f);
		break;
	case VALUE_STRING:
		snprintf(out, size, "'%.*s'", (int)v->s.len, (const char *)v->s.p);
		break;
	case VALUE_BYTES:
		snprintf(out, size, "<%.*s>", (int)v->s.len, (const char *)v->s.p);
		break;
	}
}

void rig_record_print(char *out, size_t size, const struct record *rec) {
	size_t n = 0;
	char v[512];

	out[0] = '\0';
	for (uint16_t i = 0; i < rec->field_count; i++) {
		const struct field *f = &rig_burst.readings.fields[rec->first_field + i];
		rig_value_print(v, sizeof(v), &f->v);
		n += (size_t)snprintf(
			out + n,
			size - n,
			"%s%.*s=%s%s%.*s",
			i > 0 ? " " : "",
			(int)f->name.len,
			(const char *)f->name.p,
			v,
			f->unit.len > 0 ? ":" : "",
			(int)f->unit.len,
			(const char *)f->unit.p
		);
	}
}
