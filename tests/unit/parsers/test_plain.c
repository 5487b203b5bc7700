// SPDX-License-Identifier: Apache-2.0
// What the one-pass readers of CBOR and of SenML in JSON take, the readers of everything take, and
// give the same; lines are read the same with and without vectors. Random payloads, each whole and
// with bytes changed. Usage: test_plain [SEED]
#include "tests/support/json_agreement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define PAYLOADS 20000
#define CHANGES 12 // of each

static const struct payload_hints hints = {
	.device_key = VIEW_LITERAL("dev"),
	.time_key = VIEW_LITERAL("ts"),
	.seq_key = VIEW_LITERAL("seq"),
	.time_unit = TIME_MS,
	.now_ns = 1763712000000000000,
};
static struct payload_decoder *decoder;
static uint64_t seed = 20260713;
static uint8_t bytes[4096];
static uint32_t len;

static uint32_t below(uint32_t n) {
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((seed >> 33) % n);
}

// In a block of its own size, so that AddressSanitizer sees a read past the end.
static enum json_agreement agreement(bool cbor) {
	uint8_t *copy = malloc(len > 0 ? len : 1);

	memcpy(copy, bytes, len);
	enum json_agreement a = cbor ? cbor_agreement(view_of(copy, len), &hints)
				     : senml_agreement(decoder, view_of(copy, len), &hints);
	if (a == JSON_DIFFERENT) {
		printf("differs:");
		for (uint32_t i = 0; i < len; i++)
			printf(" %02x", copy[i]);
		printf("\n");
	}
	free(copy);
	return a;
}

static void change(void) {
	uint32_t at = below(len);

	switch (below(4)) {
	case 0:
		bytes[at] = (uint8_t)below(256);
		break;
	case 1:
		bytes[at] ^= (uint8_t)(1u << below(8));
		break;
	case 2:
		memmove(bytes + at, bytes + at + 1, len - at - 1);
		len--;
		break;
	default:
		len = at;
	}
}

static void agree(bool cbor, void (*add_payload)(void)) {
	uint32_t said[3] = {0};

	printf("seed %llu\n", (unsigned long long)seed);
	for (uint32_t i = 0; i < PAYLOADS; i++) {
		len = 0;
		add_payload();
		said[agreement(cbor)]++;
		for (uint32_t n = 0; n < CHANGES && len > 0; n++) {
			change();
			assert_int_not_equal(agreement(cbor), JSON_DIFFERENT);
		}
	}
	assert_int_equal(said[JSON_DIFFERENT], 0);
	// Both kinds came often enough to mean something.
	assert_in_range(said[JSON_SAME], PAYLOADS / 5, PAYLOADS);
	assert_in_range(said[JSON_LEFT], PAYLOADS / 20, PAYLOADS);
}

// --- CBOR

static void put(uint8_t b) {
	assert_true(len < sizeof(bytes));
	bytes[len++] = b;
}

static void put_be(uint64_t v, uint32_t n) {
	while (n-- > 0)
		put((uint8_t)(v >> 8 * n));
}

// Not always in the shortest form, which nobody asks for.
static void head(uint8_t major, uint64_t n) {
	uint32_t form = below(8) == 0 ? below(4) : 0;

	if (n < 24 && form == 0) {
		put((uint8_t)(major << 5 | n));
	} else if (n < 256 && form <= 1) {
		put((uint8_t)(major << 5 | 24));
		put((uint8_t)n);
	} else if (n < 65536 && form <= 2) {
		put((uint8_t)(major << 5 | 25));
		put_be(n, 2);
	} else if (n <= UINT32_MAX) {
		put((uint8_t)(major << 5 | 26));
		put_be(n, 4);
	} else {
		put((uint8_t)(major << 5 | 27));
		put_be(n, 8);
	}
}

static void put_text(uint32_t n) {
	head(3, n);
	for (uint32_t i = 0; i < n; i++)
		put(below(200) == 0 ? (uint8_t)below(256) : (uint8_t)('a' + below(26)));
}

static void put_value(void) {
	static const uint64_t integers[] = {
		0, 23, 24, 255, 256, 65535, 65536, UINT32_MAX, 1ull << 32, INT64_MAX, UINT64_MAX
	};
	double d = (int)below(100000) / 100.0;
	float f = (float)below(1000) / 8;
	uint64_t bits;
	uint32_t bits32;

	memcpy(&bits, &d, 8);
	memcpy(&bits32, &f, 4);
	switch (below(12)) {
	case 0:
	case 1:
		head((uint8_t)below(2), integers[below(below(4) == 0 ? 11 : 8)]);
		break;
	case 2:
		put_text(below(below(8) == 0 ? 300 : 20));
		break;
	case 3:
		put((uint8_t)(0xf4 + below(4)));
		break;
	case 4:
		put(0xfa);
		put_be(bits32, 4);
		break;
	case 5: // half, infinite and not a number among them
		put(below(6) == 0 ? 0xf9 : 0xf5);
		if (bytes[len - 1] == 0xf9)
			put_be(below(65536), 2);
		break;
	case 6:
		if (below(10) == 0) { // what is left to the other: nested, tagged, bytes
			static const uint8_t others[] = {0x81, 0xa0, 0xc1, 0x41, 0x7f, 0x9f};
			put(others[below(6)]);
		}
		put(7);
		break;
	default:
		put(0xfb);
		put_be(below(20) == 0 ? 0x7ff0000000000000 | below(2) : bits, 8);
	}
}

static void put_map(void) {
	static const char *const names[] = {"dev", "ts", "seq", "temperature"};
	uint32_t members = below(6) + (below(20) == 0 ? 20 : 0);
	bool indefinite = below(4) == 0;

	if (indefinite)
		put(0xbf);
	else
		head(5, members);
	for (uint32_t i = 0; i < members; i++) {
		const char *name = names[below(4)];
		if (below(5) == 0) {
			head(3, strlen(name));
			for (; *name != '\0'; name++)
				put((uint8_t)*name);
		} else if (below(40) == 0) {
			put((uint8_t)below(24)); // a number as key
		} else {
			put_text(1 + below(below(10) == 0 ? 40 : 12));
		}
		put_value();
	}
	if (indefinite)
		put(0xff);
}

static void cbor_payload(void) {
	uint32_t n = below(3) == 0 ? 1 + below(4) : 0;

	if (n > 0)
		head(4, n);
	put_map();
	for (uint32_t i = 1; i < n; i++)
		put_map();
}

static void cbor_agrees(void **) {
	agree(true, cbor_payload);
}

// --- SenML

[[gnu::format(printf, 1, 2)]] static void add(const char *format, ...) {
	va_list list;

	va_start(list, format);
	len += (uint32_t)vsnprintf((char *)bytes + len, sizeof(bytes) - len, format, list);
	va_end(list);
	assert_true(len < sizeof(bytes));
}

static void add_pair(bool *more, const char *label, const char *value) {
	static const char *const spaces[] = {"", "", "", "", " ", "\n", "\t"};

	add("%s%s\"%s\"%s:%s%s%s",
	    *more ? "," : "",
	    spaces[below(7)],
	    label,
	    spaces[below(7)],
	    spaces[below(7)],
	    value,
	    spaces[below(7)]);
	*more = true;
}

static void add_number(bool *more, const char *label) {
	char text[32];

	switch (below(4)) {
	case 0:
		snprintf(text, sizeof(text), "%d", (int)below(2000) - 1000);
		break;
	case 1:
		snprintf(text, sizeof(text), "%de%d", (int)below(100), (int)below(30) - 15);
		break;
	default:
		snprintf(
			text,
			sizeof(text),
			"%s%d.%u",
			below(4) == 0 ? "-" : "",
			(int)below(100),
			below(1000)
		);
	}
	add_pair(more, label, text);
}

static void add_record(bool first) {
	static const char *const names[] = {
		"\"temperature\"", "\"t\"", "\"a/b:c\"", "\"\"", "\"sp ace\"", "\"\\u0061\"", "7"
	};
	static const char *const bases[] = {
		"\"gen-000001/\"",
		"\"urn:dev:mac:0024befffe804ff1:\"",
		"\"dev\"",
		"\"a/b\"",
		"\"/\""
	};
	bool more = false;

	add("{");
	if (first || below(8) == 0)
		add_pair(&more, "bn", bases[below(5)]);
	if (below(6) == 0)
		add_pair(&more, "bt", below(2) ? "1763712000" : "1.276020076001e+09");
	if (below(12) == 0)
		add_pair(&more, "bu", "\"Cel\"");
	if (below(12) == 0)
		add_number(&more, "bv");
	if (below(20) == 0)
		add_pair(&more, "bver", below(4) == 0 ? "11" : "10");
	if (below(10) > 0)
		add_pair(&more, "n", names[below(below(8) == 0 ? 7 : 4)]);
	if (below(2) == 0)
		add_pair(&more, "u", below(2) ? "\"%RH\"" : "\"Cel\"");
	switch (below(14)) {
	case 0:
		add_pair(&more, "vs", "\"open\"");
		break;
	case 1:
		add_pair(&more, "vb", below(2) ? "true" : "false");
		break;
	case 2:
		add_pair(&more, below(2) ? "vd" : "x", "\"aGk\"");
		break;
	case 3:
		add_number(&more, "s");
		break;
	default:
		add_number(&more, "v");
	}
	if (below(4) == 0)
		add_number(&more, "t");
	if (below(20) == 0)
		add_number(&more, "ut");
	add("}");
}

static void senml_payload(void) {
	uint32_t n = 1 + below(4);

	add("%s[", below(8) == 0 ? " " : "");
	for (uint32_t i = 0; i < n; i++) {
		add_record(i == 0);
		add("%s", i + 1 < n ? "," : "");
	}
	add("]%s", below(8) == 0 ? "\n" : "");
}

static void senml_agrees(void **) {
	agree(false, senml_payload);
}

// --- lines

static void add_token(void) {
	static const char *const parts[] = {
		"a",
		"temp",
		"device",
		"gen-000001",
		"a longer token than a vector is",
		"\\,",
		"\\ ",
		"\\=",
		"\\x",
		"\xc3\xa9",
		"\""
	};

	for (uint32_t n = 1 + below(2); n > 0; n--)
		add("%s", parts[below(below(6) == 0 ? 11 : 5)]);
}

static void add_line(void) {
	static const char *const values[] = {
		"21.40",
		"-3i",
		"7u",
		"t",
		"FALSE",
		"\"a, b=c\"",
		"1e3",
		"-0.5",
		"1.",
		".5",
		"nan",
		""
	};

	add_token();
	for (uint32_t n = below(3); n > 0; n--) {
		add(",");
		add_token();
		add("=");
		add_token();
	}
	add(" ");
	for (uint32_t n = 1 + below(4); n > 0; n--) {
		add_token();
		add("=%s%s", values[below(below(4) == 0 ? 12 : 8)], n > 1 ? "," : "");
	}
	if (below(2) == 0)
		add(" %u", below(1000000));
	add("%s", below(4) == 0 ? "\r\n" : "\n");
}

static void lines_agree(void **) {
	uint32_t good = 0;

	printf("seed %llu\n", (unsigned long long)seed);
	for (uint32_t i = 0; i < PAYLOADS; i++) {
		len = 0;
		for (uint32_t n = 1 + below(3); n > 0; n--)
			add_line();
		for (uint32_t n = 0; n < CHANGES && len > 0; n++) {
			uint8_t *copy = malloc(len);
			struct readings_filler f;
			static struct readings out;
			memcpy(copy, bytes, len);
			if (!line_agreement(view_of(copy, len), &hints))
				fail_msg("differs: %.*s", (int)len, (char *)copy);
			readings_reset(&out);
			readings_begin(&f, &out, &hints);
			good += line_decode(view_of(copy, len), &f) == PAYLOAD_OK;
			free(copy);
			change();
		}
	}
	assert_in_range(good, PAYLOADS / 4, PAYLOADS * CHANGES);
}

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cbor_agrees),
		cmocka_unit_test(senml_agrees),
		cmocka_unit_test(lines_agree),
	};

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 10);
	decoder = payload_decoder_init(aligned_alloc(64, payload_decoder_size()));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
