// SPDX-License-Identifier: Apache-2.0
// Tables of payloads: bytes in; return code, or readings written as text, out. Tests only.
//
//   device@time#seq{name[unit]=value,...};...
//
// Integers as they are, unsigned beyond 63 bits with "u", doubles with "~", strings in quotes,
// bytes in hex between angle brackets.
#pragma once

#include "parsers/payload.h"
#include "tests/support/guard.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct payload_case {
	const char *name;
	const char *in;
	uint32_t len; // 0: strlen(in)
	enum payload_rc rc;
	const char *readings; // if PAYLOAD_OK
};

#define BYTES(s) s, sizeof(s) - 1
#define CASE_TEXT(s) s, 0

static struct readings case_readings;
static char case_text[1 << 20];
static uint32_t case_text_len;

__attribute__((format(printf, 1, 2))) static void out(const char *format, ...) {
	va_list args;

	va_start(args, format);
	int n = vsnprintf(
		case_text + case_text_len, sizeof(case_text) - case_text_len, format, args
	);
	va_end(args);
	case_text_len += (uint32_t)n;
	assert_true(case_text_len < sizeof(case_text));
}

static void out_value(const struct value *v) {
	switch (v->kind) {
	case VALUE_NULL:
		out("null");
		break;
	case VALUE_BOOL:
		out(v->b ? "true" : "false");
		break;
	case VALUE_I64:
		out("%" PRId64, v->i);
		break;
	case VALUE_U64:
		out("%" PRIu64 "u", v->u);
		break;
	case VALUE_F64:
		out("~%.15g", v->f);
		break;
	case VALUE_STRING:
		out("\"%.*s\"", (int)v->s.len, (const char *)v->s.p);
		break;
	case VALUE_BYTES:
		out("<");
		for (uint32_t i = 0; i < v->s.len; i++)
			out("%02x", v->s.p[i]);
		out(">");
		break;
	}
}

static const char *readings_as_text(const struct readings *r) {
	case_text_len = 0;
	for (uint32_t i = 0; i < r->reading_count; i++) {
		const struct reading *one = &r->readings[i];
		out("%s%.*s", i > 0 ? ";" : "", (int)one->device.len, (const char *)one->device.p);
		if (one->has_time)
			out("@%" PRId64, one->time_ns);
		if (one->has_seq)
			out("#%" PRIu64, one->seq);
		for (uint32_t k = 0; k < one->field_count; k++) {
			const struct field *f = &r->fields[one->first_field + k];
			out("%c%.*s", k == 0 ? '{' : ',', (int)f->name.len, (const char *)f->name.p
			);
			if (f->unit.len > 0)
				out("[%.*s]", (int)f->unit.len, (const char *)f->unit.p);
			out("=");
			out_value(&f->v);
		}
		out("}");
	}
	return case_text;
}

static struct payload_decoder *case_decoder(void) {
	static struct payload_decoder *d;

	if (d == nullptr)
		d = payload_decoder_init(aligned_alloc(64, payload_decoder_size()));
	return d;
}

#define CASE_NOW_NS INT64_C(1700000000000000000)

static const struct payload_hints case_hints = {
	.device_key = VIEW_LITERAL("dev"),
	.time_key = VIEW_LITERAL("ts"),
	.seq_key = VIEW_LITERAL("seq"),
	.time_unit = TIME_MS,
	.now_ns = CASE_NOW_NS,
};

static inline enum payload_rc
case_decode(enum payload_format format, const void *in, uint32_t len) {
	readings_reset(&case_readings);
	return payload_decode(
		case_decoder(), format, guard_view(in, len), &case_hints, &case_readings
	);
}

static inline void
run_cases(enum payload_format format, const struct payload_case *cases, size_t count) {
	for (size_t i = 0; i < count; i++) {
		const struct payload_case *c = &cases[i];
		uint32_t len = c->len > 0 ? c->len : (uint32_t)strlen(c->in);
		enum payload_rc rc = case_decode(format, c->in, len);
		if (rc != c->rc)
			fail_msg(
				"%s: got %s, want %s",
				c->name,
				payload_rc_label(rc),
				payload_rc_label(c->rc)
			);
		if (rc == PAYLOAD_OK && strcmp(readings_as_text(&case_readings), c->readings) != 0)
			fail_msg("%s:\n got %s\nwant %s", c->name, case_text, c->readings);
		if (rc != PAYLOAD_OK
		    && (case_readings.reading_count | case_readings.field_count
			| case_readings.text_used)
			    != 0)
			fail_msg("%s: a refused payload left something behind", c->name);
	}
}

// No proper prefix of a good payload is good (formats that know where they end).
static inline void every_truncation_is_refused(
	enum payload_format format,
	const struct payload_case *cases,
	size_t count
) {
	for (size_t i = 0; i < count; i++) {
		const struct payload_case *c = &cases[i];
		uint32_t len = c->len > 0 ? c->len : (uint32_t)strlen(c->in);
		if (c->rc != PAYLOAD_OK)
			continue;
		for (uint32_t n = 0; n < len; n++)
			if (case_decode(format, c->in, n) == PAYLOAD_OK)
				fail_msg("%s: accepted when cut to %u bytes", c->name, n);
	}
}

// Any prefix of anything is decoded without reading past its end.
static inline void every_truncation_is_safe(
	enum payload_format format,
	const struct payload_case *cases,
	size_t count
) {
	for (size_t i = 0; i < count; i++) {
		const struct payload_case *c = &cases[i];
		uint32_t len = c->len > 0 ? c->len : (uint32_t)strlen(c->in);
		for (uint32_t n = 0; n < len; n++)
			case_decode(format, c->in, n);
	}
}
