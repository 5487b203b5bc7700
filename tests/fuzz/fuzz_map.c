// SPDX-License-Identifier: Apache-2.0
// Any text as a profile's body either compiles or gives a sentence; whatever compiles runs over any
// record that decodes, within its room, to fields that may be encoded. Input: the profile's options
// as YAML's flow style would have them between braces, a zero byte, then a JSON payload.
#include "config/config.h"
#include "pipelines/decode.h"
#include "pipelines/map.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERRORS 4
#define BODY_MAX 8192

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char before[] =
	"lab: yes\n"
	"ports: [{name: w, devices: d, interfaces: [{addresses: [10.0.0.1/24]}]}]\n"
	"topics: [{name: dead-letter}]\n"
	"routes: [{name: r, topic: dead-letter}]\n"
	"kafka: {brokers: 'k:1'}\n"
	"profiles: [{name: p, route: r, device: {from: path, segment: 1}, ";

static struct burst burst;

static void value_check(const struct value *v) {
	assert(v->kind <= VALUE_BYTES);
	if (v->kind == VALUE_F64)
		assert(__builtin_isfinite(v->f));
	volatile uint8_t sum = 0;
	if (v->kind == VALUE_STRING || v->kind == VALUE_BYTES)
		for (uint32_t i = 0; i < v->s.len; i++)
			sum ^= v->s.p[i];
}

static void record_check(const struct record *rec) {
	const struct readings *r = &burst.readings;

	assert(rec->first_field + rec->field_count <= r->field_count);
	assert(r->field_count <= FIELDS_MAX && r->text_used <= PAYLOAD_TEXT_MAX);
	for (uint16_t i = 0; i < rec->field_count; i++) {
		const struct field *f = &r->fields[rec->first_field + i];
		assert(f->name.len > 0 || f->name.p != nullptr);
		value_check(&f->v);
		for (uint16_t k = 0; k < i && rec->field_count < 32; k++)
			assert(!view_equal(f->name, r->fields[rec->first_field + k].name));
	}
}

static void run(const struct config *c, struct view payload) {
	static _Alignas(64) uint8_t scratch[1 << 20];

	assert(payload_decoder_size() <= sizeof(scratch));
	burst.item_count = 2; // the second meets what the first has left
	for (int i = 0; i < 2; i++)
		burst.items[i] = (struct item) {.m = {
							.profile = &c->profiles[0],
							.format = PAYLOAD_JSON,
							.path = VIEW_LITERAL("plant/dev-1/temp"),
							.payload = payload,
							.token = TOKEN_NONE,
						}};
	for (uint16_t from = 0; from < 2;) {
		uint16_t to = decode_burst(payload_decoder_init(scratch), &burst, from);
		assert(to > from);
		map_burst(&burst, from, to, NULL);
		for (; from < to; from++)
			for (uint16_t i = 0; i < burst.items[from].record_count; i++)
				record_check(&burst.records[burst.items[from].first_record + i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	static char text[sizeof(before) + BODY_MAX + 8];
	struct config_error errors[ERRORS];
	struct config *c = NULL;
	uint32_t count;
	size_t body = strnlen((const char *)bytes, size);

	// No files: neither secrets nor profiles.
	if (body > BODY_MAX || memmem(bytes, body, "file", 4) != NULL)
		return 0;
	int n = snprintf(text, sizeof(text), "%s%.*s}]\n", before, (int)body, (const char *)bytes);
	int ret = config_load_text(
		"/nonexistent/fuzz.yaml", text, (size_t)n, &c, errors, ERRORS, &count
	);
	assert(ret == 0 || ret == -EINVAL);
	assert((ret == 0) == (count == 0));
	for (uint32_t i = 0; i < count; i++)
		assert(errors[i].text[0] != '\0');
	if (ret == 0 && body < size)
		run(c, view_of(bytes + body + 1, (uint32_t)(size - body - 1)));
	config_free(c);
	return 0;
}
