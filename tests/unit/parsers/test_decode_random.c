// SPDX-License-Identifier: Apache-2.0
// Decoders against what was encoded: random readings are written in every format together with the
// list of fields that must come out. One payload has many readings with many times.
#include "parsers/payload.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS 3000
#define WANTED_MAX 512

struct wanted_field {
	char name[96];
	char unit[8];
	struct value v;
	char text[40];
};

struct wanted_reading {
	char device[64];
	bool has_time, has_seq;
	int64_t time_ns;
	uint64_t seq;
	int first, count;
};

static struct {
	int readings, fields;
	struct wanted_reading r[64];
	struct wanted_field f[WANTED_MAX];
} wanted;

static char json[65536];
static size_t json_len;
static uint8_t cbor[65536];
static size_t cbor_len;

static struct readings got;
static struct payload_decoder *decoder;
static uint64_t seed = 88172645463325252u;

static uint64_t random64(void) {
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint32_t below(uint32_t n) {
	return (uint32_t)(random64() >> 33) % n;
}

[[gnu::format(printf, 1, 2)]] static void json_add(const char *format, ...) {
	va_list args;

	va_start(args, format);
	json_len += (size_t)vsnprintf(json + json_len, sizeof(json) - json_len, format, args);
	va_end(args);
}

static void json_text(const char *s) {
	json_add("\"");
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			json_add("\\%c", *s);
		else if ((unsigned char)*s < ' ' || below(8) == 0)
			json_add((unsigned char)*s < 0x80 ? "\\u%04x" : "%c", (unsigned char)*s);
		else
			json_add("%c", *s);
	}
	json_add("\"");
}

// --- CBOR (RFC 8949 section 3), the head in a length that may be longer than needed

static void cbor_head(uint8_t major, uint64_t n) {
	int size = n < 24 && below(4) != 0 ? 0 : n < 256 ? 1 : n < 65536 ? 2 : n >> 32 == 0 ? 4 : 8;

	while (size > 0 && size < 8 && below(8) == 0)
		size *= 2;
	if (size == 0) {
		cbor[cbor_len++] = (uint8_t)(major << 5 | n);
		return;
	}
	cbor[cbor_len++] = (uint8_t)(major << 5 | (23 + 1 + __builtin_ctz((unsigned)size)));
	for (int i = size - 1; i >= 0; i--)
		cbor[cbor_len++] = (uint8_t)(n >> (8 * i));
}

static void cbor_text(const char *s) {
	size_t n = strlen(s);

	cbor_head(3, n);
	memcpy(cbor + cbor_len, s, n);
	cbor_len += n;
}

static void cbor_integer(int64_t v) {
	if (v < 0)
		cbor_head(1, ~(uint64_t)v);
	else
		cbor_head(0, (uint64_t)v);
}

static void cbor_double(double v) {
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	cbor[cbor_len++] = 0xfb;
	for (int i = 7; i >= 0; i--)
		cbor[cbor_len++] = (uint8_t)(bits >> (8 * i));
}

// Returns whether it must be ended with a break.
static bool cbor_begin(uint8_t major, uint64_t n) {
	bool open = below(3) == 0;

	if (open)
		cbor[cbor_len++] = (uint8_t)(major << 5 | 31);
	else
		cbor_head(major, n);
	return open;
}

static void cbor_end(bool open) {
	if (open)
		cbor[cbor_len++] = 0xff;
}

// --- values in both

static void text_random(char *out, size_t size) {
	static const char *const parts[] = {
		"a", "Z", "7", "\xc3\xa4", "\xe2\x82\xac", "\"", "\\", " ", "/", "\n", "."
	};
	int n = (int)below(5);

	out[0] = '\0';
	for (int i = 0; i < n; i++)
		snprintf(out + strlen(out), size - strlen(out), "%s", parts[below(11)]);
}

// Few digits, so that text and double are the same number whoever converts, and never whole: that
// would be an integer.
static double double_random(void) {
	return (double)(2 * (int64_t)below(1000000) - 1000001) / 128;
}

static int64_t integer_random(void) {
	uint64_t v = random64() >> below(64);
	return below(2) ? (int64_t)(v >> 1) : -(int64_t)(v >> 1);
}

static void scalar_random(const char *name) {
	struct wanted_field *f = &wanted.f[wanted.fields++];

	*f = (struct wanted_field) {0};
	snprintf(f->name, sizeof(f->name), "%s", name);
	switch (below(6)) {
	case 0:
		f->v.kind = VALUE_NULL;
		json_add("null");
		cbor[cbor_len++] = below(2) ? 0xf6 : 0xf7;
		break;
	case 1:
		f->v = (struct value) {.kind = VALUE_BOOL, .b = below(2)};
		json_add(f->v.b ? "true" : "false");
		cbor[cbor_len++] = f->v.b ? 0xf5 : 0xf4;
		break;
	case 2:
		f->v = (struct value) {.kind = VALUE_F64, .f = double_random()};
		json_add(below(2) ? "%.17g" : "%.17e", f->v.f);
		cbor_double(f->v.f);
		break;
	case 3:
		f->v.kind = VALUE_STRING;
		text_random(f->text, sizeof(f->text));
		json_text(f->text);
		cbor_text(f->text);
		break;
	default:
		f->v = (struct value) {.kind = VALUE_I64, .i = integer_random()};
		if (below(16) == 0) {
			f->v = (struct value) {.kind = VALUE_U64, .u = random64() | INT64_MIN};
			json_add("%" PRIu64, f->v.u);
			cbor_head(0, f->v.u);
			break;
		}
		json_add("%" PRId64, f->v.i);
		cbor_integer(f->v.i);
	}
}

static void tree_random(const char *path, int depth);

static void value_random(const char *path, int depth) {
	if (depth < 4 && below(4) == 0)
		tree_random(path, depth + 1);
	else
		scalar_random(path);
}

static void tree_random(const char *path, int depth) {
	bool object = below(2);
	uint32_t n = 1 + below(3);
	char name[96], key[24];

	json_add(object ? "{" : "[");
	bool open = cbor_begin(object ? 5 : 4, n);
	for (uint32_t i = 0; i < n; i++) {
		snprintf(key, sizeof(key), object ? "k%u%s" : "%u", i, below(4) ? "" : "\xc3\xa9");
		if (!object)
			snprintf(key, sizeof(key), "%u", i);
		snprintf(name, sizeof(name), "%.60s.%s", path, key);
		json_add(i > 0 ? ", " : "");
		if (object) {
			json_text(key);
			json_add(":");
			cbor_text(key);
		}
		value_random(name, depth);
	}
	json_add(object ? "}" : "]");
	cbor_end(open);
}

enum member : uint8_t { MEMBER_DEVICE, MEMBER_TIME, MEMBER_SEQ, MEMBER_FIELD };

static void member_random(struct wanted_reading *r, enum member m, int number) {
	char key[16];

	switch (m) {
	case MEMBER_DEVICE:
		snprintf(r->device, sizeof(r->device), "dev-%u", below(1000));
		json_add("\"dev\":\"%s\"", r->device);
		cbor_text("dev");
		cbor_text(r->device);
		break;
	case MEMBER_TIME: {
		int64_t ms = (int64_t)below(2000000000) * 1000 + below(1000);
		r->has_time = true;
		r->time_ns = ms * 1000000;
		json_add("\"ts\":%" PRId64, ms);
		cbor_text("ts");
		cbor_integer(ms);
		break;
	}
	case MEMBER_SEQ:
		r->has_seq = true;
		r->seq = random64() >> below(64);
		json_add("\"no\":%" PRIu64, r->seq);
		cbor_text("no");
		cbor_head(0, r->seq);
		break;
	case MEMBER_FIELD:
		snprintf(key, sizeof(key), "f%d", number);
		json_add("\"%s\":", key);
		cbor_text(key);
		value_random(key, 0);
	}
}

static void reading_random(void) {
	struct wanted_reading *r = &wanted.r[wanted.readings++];
	enum member members[16];
	int n = 0;

	*r = (struct wanted_reading) {.first = wanted.fields};
	for (uint32_t i = 1 + below(6); i > 0; i--)
		members[n++] = MEMBER_FIELD;
	for (enum member m = MEMBER_DEVICE; m < MEMBER_FIELD; m++)
		if (below(2))
			members[n++] = m;
	for (int i = n - 1; i > 0; i--) {
		int k = (int)below((uint32_t)i + 1);
		enum member t = members[i];
		members[i] = members[k];
		members[k] = t;
	}
	json_add("{");
	bool open = cbor_begin(5, (uint64_t)n);
	for (int i = 0; i < n; i++) {
		json_add(i > 0 ? "," : "");
		member_random(r, members[i], i);
	}
	json_add("}");
	cbor_end(open);
	r->count = wanted.fields - r->first;
}

// --- comparison

static bool value_same(const struct value *v, const struct wanted_field *w) {
	if (v->kind != w->v.kind)
		return false;
	switch (v->kind) {
	case VALUE_BOOL:
		return v->b == w->v.b;
	case VALUE_I64:
		return v->i == w->v.i;
	case VALUE_U64:
		return v->u == w->v.u;
	case VALUE_F64:
		return v->f == w->v.f;
	case VALUE_STRING:
		return view_equal(v->s, view_of(w->text, (uint32_t)strlen(w->text)));
	default:
		return true;
	}
}

static void compare(const char *format, const char *shown) {
	if (got.reading_count != wanted.readings)
		fail_msg(
			"%s: %u readings, not %d: %s",
			format,
			got.reading_count,
			wanted.readings,
			shown
		);
	for (int i = 0; i < wanted.readings; i++) {
		const struct wanted_reading *w = &wanted.r[i];
		const struct reading *r = &got.readings[i];
		bool same = view_equal(r->device, view_of(w->device, (uint32_t)strlen(w->device)))
			&& r->has_time == w->has_time && (!w->has_time || r->time_ns == w->time_ns)
			&& r->has_seq == w->has_seq && (!w->has_seq || r->seq == w->seq)
			&& r->field_count == w->count;
		if (!same)
			fail_msg("%s: reading %d differs: %s", format, i, shown);
		for (int k = 0; k < w->count; k++) {
			const struct field *f = &got.fields[r->first_field + k];
			const struct wanted_field *wf = &wanted.f[w->first + k];
			if (!view_equal(f->name, view_of(wf->name, (uint32_t)strlen(wf->name)))
			    || !view_equal(f->unit, view_of(wf->unit, (uint32_t)strlen(wf->unit)))
			    || !value_same(&f->v, wf))
				fail_msg(
					"%s: field %s differs (%.*s): %s",
					format,
					wf->name,
					(int)f->name.len,
					(const char *)f->name.p,
					shown
				);
		}
	}
}

static const struct payload_hints keyed = {
	.device_key = {(const uint8_t *)"dev", 3},
	.time_key = {(const uint8_t *)"ts", 2},
	.seq_key = {(const uint8_t *)"no", 2},
	.time_unit = TIME_MS,
	.now_ns = 1780000000000000000,
};

static void decode(enum payload_format format, const void *bytes, size_t n, const char *shown) {
	readings_reset(&got);
	enum payload_rc rc =
		payload_decode(decoder, format, view_of(bytes, (uint32_t)n), &keyed, &got);
	if (rc != PAYLOAD_OK)
		fail_msg("%s: %s: %s", payload_format_label(format), payload_rc_label(rc), shown);
	compare(payload_format_label(format), shown);
}

static void start(void) {
	wanted.readings = 0;
	wanted.fields = 0;
	json_len = 0;
	cbor_len = 0;
}

static void json_and_cbor(void **) {
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t n = 1 + below(6);
		bool list = n > 1 || below(2);
		start();
		json_add(list ? " [" : "");
		bool open = list ? cbor_begin(4, n) : false;
		for (uint32_t i = 0; i < n; i++) {
			json_add(i > 0 ? " , " : "");
			reading_random();
		}
		json_add(list ? "]\n" : "");
		cbor_end(open);
		decode(PAYLOAD_JSON, json, json_len, json);
		decode(PAYLOAD_CBOR, cbor, cbor_len, json);
	}
}

static void line_field(struct wanted_field *f, const char *name) {
	*f = (struct wanted_field) {0};
	snprintf(f->name, sizeof(f->name), "%s", name);
	switch (below(4)) {
	case 0:
		f->v = (struct value) {.kind = VALUE_I64, .i = integer_random()};
		json_add("%s=%" PRId64 "i", name, f->v.i);
		break;
	case 1:
		f->v = (struct value) {.kind = VALUE_BOOL, .b = below(2)};
		json_add("%s=%s", name, f->v.b ? "t" : "false");
		break;
	case 2:
		f->v.kind = VALUE_STRING;
		snprintf(f->text, sizeof(f->text), "a,b =%u", below(10));
		json_add("%s=\"%s\"", name, f->text);
		break;
	default:
		f->v = (struct value) {.kind = VALUE_F64, .f = double_random()};
		json_add("%s=%.17g", name, f->v.f);
	}
}

static void line_protocol(void **) {
	static const struct payload_hints hints = {
		.device_key = {(const uint8_t *)"dev", 3},
		.time_unit = TIME_NS,
	};
	char name[16];

	for (int round = 0; round < ROUNDS; round++) {
		start();
		for (uint32_t n = 1 + below(6); n > 0; n--) {
			struct wanted_reading *r = &wanted.r[wanted.readings++];
			*r = (struct wanted_reading) {.first = wanted.fields,
						      .has_time = below(4) != 0};
			struct wanted_field *f = &wanted.f[wanted.fields++];
			*f = (struct wanted_field) {.name = "_measurement", .v.kind = VALUE_STRING};
			snprintf(f->text, sizeof(f->text), "m%u", below(9));
			snprintf(r->device, sizeof(r->device), "d%u", below(100));
			json_add("%s,dev=%s", f->text, r->device);
			if (below(2)) {
				f = &wanted.f[wanted.fields++];
				*f = (struct wanted_field) {.name = "tag", .v.kind = VALUE_STRING};
				snprintf(f->text, sizeof(f->text), "x y%u", below(9));
				json_add(",tag=x\\ y%c", f->text[3]);
			}
			uint32_t fields = 1 + below(5);
			for (uint32_t i = 0; i < fields; i++) {
				snprintf(name, sizeof(name), "f%u", i);
				json_add(i == 0 ? " " : ",");
				line_field(&wanted.f[wanted.fields++], name);
			}
			if (r->has_time) {
				r->time_ns = (int64_t)(random64() >> 2);
				json_add(" %" PRId64, r->time_ns);
			}
			json_add(below(3) && n > 1 ? "\n" : n > 1 ? "\r\n" : "");
			r->count = wanted.fields - r->first;
		}
		readings_reset(&got);
		enum payload_rc rc = payload_decode(
			decoder, PAYLOAD_LINE, view_of(json, (uint32_t)json_len), &hints, &got
		);
		if (rc != PAYLOAD_OK)
			fail_msg("%s: %s", payload_rc_label(rc), json);
		compare("line", json);
	}
}

// --- SenML: base values are set anywhere and hold from there on

struct bases {
	char name[48];
	char unit[8];
	int64_t time_s, value;
};

static void senml_record(struct bases *b, int number) {
	static const char *const units[] = {"Cel", "W", "%RH", "m"};
	char name[64];
	int64_t offset = 0;
	uint32_t bits = below(16);
	bool has_unit = below(2), has_time = below(3) == 0;
	bits &= below(16); // few
	int members = 2 + __builtin_popcount(bits) + has_unit + has_time;

	json_add("%s{", number > 0 ? "," : "");
	bool open = cbor_begin(5, (uint64_t)members);
	if (bits & 1) {
		snprintf(b->name, sizeof(b->name), "urn:dev:d%u", below(3));
		snprintf(name, sizeof(name), "%s:", b->name);
		json_add("\"bn\":\"%s\",", name);
		cbor_integer(-2);
		cbor_text(name);
	}
	if (bits & 2) {
		b->time_s = 1700000000 + below(3);
		json_add("\"bt\":%" PRId64 ",", b->time_s);
		cbor_integer(-3);
		cbor_integer(b->time_s);
	}
	if (bits & 4) {
		snprintf(b->unit, sizeof(b->unit), "%s", units[below(4)]);
		json_add("\"bu\":\"%s\",", b->unit);
		cbor_integer(-4);
		cbor_text(b->unit);
	}
	if (bits & 8) {
		b->value = (int64_t)below(1000) - 500;
		json_add("\"bv\":%" PRId64 ",", b->value);
		cbor_integer(-5);
		cbor_integer(b->value);
	}
	snprintf(name, sizeof(name), "n%d", number);
	json_add("\"n\":\"%s\",", name);
	cbor_integer(0);
	cbor_text(name);
	struct wanted_field *f = &wanted.f[wanted.fields++];
	*f = (struct wanted_field) {0};
	snprintf(f->name, sizeof(f->name), "%s", name);
	snprintf(f->unit, sizeof(f->unit), "%s", b->unit);
	if (has_unit) {
		snprintf(f->unit, sizeof(f->unit), "%s", units[below(4)]);
		json_add("\"u\":\"%s\",", f->unit);
		cbor_integer(1);
		cbor_text(f->unit);
	}
	if (has_time) {
		offset = (int64_t)below(3) - 1;
		json_add("\"t\":%" PRId64 ",", offset);
		cbor_integer(6);
		cbor_integer(offset);
	}
	switch (below(4)) {
	case 0:
		f->v.kind = VALUE_STRING;
		text_random(f->text, sizeof(f->text));
		json_add("\"vs\":");
		json_text(f->text);
		cbor_integer(3);
		cbor_text(f->text);
		break;
	case 1:
		f->v = (struct value) {.kind = VALUE_BOOL, .b = below(2)};
		json_add("\"vb\":%s", f->v.b ? "true" : "false");
		cbor_integer(4);
		cbor[cbor_len++] = f->v.b ? 0xf5 : 0xf4;
		break;
	case 2: {
		int64_t own = (int64_t)below(100000) - 50000;
		f->v = (struct value) {.kind = VALUE_I64, .i = own + b->value};
		json_add("\"v\":%" PRId64, own);
		cbor_integer(2);
		cbor_integer(own);
		break;
	}
	default: {
		double own = (double)below(1000) + 0.25;
		f->v = (struct value) {.kind = VALUE_F64, .f = own + (double)b->value};
		json_add("\"v\":%.2f", own);
		cbor_integer(2);
		cbor_double(own);
	}
	}
	json_add("}");
	cbor_end(open);
	// A reading ends where device or time change.
	int64_t ns = (b->time_s + offset) * 1000000000;
	struct wanted_reading *r = wanted.readings > 0 ? &wanted.r[wanted.readings - 1] : NULL;
	if (r == NULL || r->time_ns != ns || strcmp(r->device, b->name) != 0) {
		r = &wanted.r[wanted.readings++];
		*r = (struct wanted_reading
		) {.has_time = true, .time_ns = ns, .first = wanted.fields - 1};
		snprintf(r->device, sizeof(r->device), "%s", b->name);
	}
	r->count = wanted.fields - r->first;
}

static void senml(void **) {
	for (int round = 0; round < ROUNDS; round++) {
		struct bases b = {.name = "urn:dev:first", .time_s = 1700000000};
		int n = 1 + (int)below(20);
		start();
		// A record of nothing but bases comes first.
		json_add("[{\"bn\":\"urn:dev:first:\",\"bt\":1700000000},");
		bool open = cbor_begin(4, (uint64_t)n + 1);
		cbor_head(5, 2);
		cbor_integer(-2);
		cbor_text("urn:dev:first:");
		cbor_integer(-3);
		cbor_integer(1700000000);
		for (int i = 0; i < n; i++)
			senml_record(&b, i);
		json_add("]");
		cbor_end(open);
		decode(PAYLOAD_SENML_JSON, json, json_len, json);
		decode(PAYLOAD_SENML_CBOR, cbor, cbor_len, json);
	}
}

static int setup(void **) {
	decoder = payload_decoder_init(aligned_alloc(64, payload_decoder_size()));
	return decoder == NULL;
}

static int teardown(void **) {
	free(decoder);
	return 0;
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_and_cbor),
		cmocka_unit_test(line_protocol),
		cmocka_unit_test(senml),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
