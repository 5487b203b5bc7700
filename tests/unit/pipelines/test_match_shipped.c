// SPDX-License-Identifier: Apache-2.0
// The shipped signatures: they hit their vectors, leave normal telemetry alone, and long input of
// any kind costs its length.
#include "bench/payloads.h"
#include "tests/unit/pipelines/match_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SHIPPED SOURCE_DIR "/config/signatures"

static struct match_set *shipped; // compiling takes seconds: once for all

static int shipped_setup(void **) {
	const struct match_options o = {.workers = 2, .vectors = true};
	static struct config_error errors[100];
	struct signature_set *set = NULL;
	uint32_t count = 0;

	if (signatures_load(SHIPPED, &set, errors, 100, &count) == 0
	    && match_compile(set, &o, &shipped, errors, 100, &count) == 0)
		return 0;
	for (uint32_t i = 0; i < count; i++)
		print_error("%s:%u: %s\n", errors[i].file, errors[i].line, errors[i].text);
	signatures_free(set);
	return -1;
}

static int shipped_teardown(void **) {
	match_set_free(shipped);
	return 0;
}

static void shipped_signatures_hit_their_vectors(void **) {
	struct match_set *m = shipped;
	const struct signature_set *set = match_set_source(m);
	uint32_t files = 0;

	assert_true(set->count >= 100);
	for (uint32_t i = 0; i < set->count; i++) {
		const struct signature *s = &set->signatures[i];
		uint32_t misses = 0;
		for (uint32_t k = 0; k < s->vector_count; k++)
			misses += s->vectors[k].near_miss;
		if (misses == 0 || misses == s->vector_count)
			fail_msg("%s lacks a match or a near miss", s->name);
		if (s->reference[0] == '\0')
			fail_msg("%s has no reference", s->name);
		files += i == 0 || strcmp(s->file, set->signatures[i - 1].file) != 0;
	}
	assert_true(files >= 5);
	assert_true(match_set_info(m)->vectors >= 2 * set->count);
}

static uint32_t normal_telemetry(char *out, size_t room) {
	static const char *const names[] = {
		"temperature",
		"humidity",
		"status",
		"battery",
		"rssi",
		"lat",
		"lon",
		"mode",
		"door",
		"firmware",
		"uptime_s",
		"co2",
		"pressure",
		"error",
		"user",
		"admin_state",
		"role"
	};
	static const char *const texts[] = {
		"ok",
		"open",
		"closed",
		"auto",
		"Basel / Nord",
		"O'Brien",
		"pump #4 (left)",
		"1.2.3-rc4",
		"https://vendor.example/fw/1.2.bin",
		"2026-11-28T12:00:00Z",
		"aGVsbG8gd29ybGQ=",
		"select",
		"union",
		"drop",
		"50 %",
		"C:\\\\data",
		"a;b",
		"\\u00e4",
		"10.0.0.7",
		"admin@site.example",
		"up and running; next service in 3 d",
		"sleep"
	};
	size_t n = 0;
	uint32_t fields = 1 + rig_random(8);

	n += (size_t)snprintf(out, room, "{\"ts\":%u", 1700000000u + rig_random(1u << 26));
	for (uint32_t i = 0; i < fields; i++) {
		n += (size_t)snprintf(
			out + n,
			room - n,
			",\"%s\":",
			names[rig_random(sizeof(names) / sizeof(names[0]))]
		);
		if (rig_random(3) == 0)
			n += (size_t)snprintf(
				out + n,
				room - n,
				"\"%s\"",
				texts[rig_random(sizeof(texts) / sizeof(texts[0]))]
			);
		else if (rig_random(6) == 0)
			n += (size_t)snprintf(out + n, room - n, "[%u,%u]", rig_random(99), i);
		else
			n += (size_t)snprintf(
				out + n,
				room - n,
				"%s%u.%02u%s",
				rig_random(4) == 0 ? "-" : "",
				rig_random(100000),
				rig_random(100),
				rig_random(20) == 0 ? "e-12" : ""
			);
	}
	n += (size_t)snprintf(out + n, room - n, "}");
	return (uint32_t)n;
}

static const char *const ordinary[] = {
	"weather,dev=s-1,site=basel temperature=21.5,humidity=40i 1763712000000000000",
	("[{\"bn\":\"urn:dev:ow:10e2073a01080063:\",\"bt\":1.276020076e+09,\"u\":\"A\",\"v\":1.2},"
	 "{\"n\":\"voltage\",\"u\":\"V\",\"v\":120.1}]"),
	"{\"d\":{\"id\":\"m-1\",\"obis\":{\"1-0:1.8.0\":12.5}}}",
	"21.5",
	"ON",
	"{\"action\":\"toggle\",\"linkquality\":120}",
	"{\"StatusSNS\":{\"Time\":\"2026-11-28T12:00:00\",\"AM2301\":{\"Temperature\":21.5}}}",
};

static const char *const ordinary_paths[] = {
	"t/dev-1/temperature",
	"/sensors/basel/room 4/humidity",
	"zigbee2mqtt/0x00158d0001/availability",
	"tele/sonoff-7/SENSOR",
	"shellies/shelly1-A4CF/relay/0/power",
	"spBv1.0/plant/DDATA/edge-1/pump_4",
	"homeassistant/sensor/kitchen/state",
	"application/3/device/70b3d5/event/up",
};

static void report_hits(const struct match_set *m, const char *what) {
	for (uint32_t i = 0; i < match_set_source(m)->count; i++)
		if (match_set_total(m, i).hits > 0)
			print_error("%s hits %s\n", match_set_source(m)->signatures[i].name, what);
	assert_int_equal(rig_hits(m), 0);
}

static void shipped_signatures_leave_normal_telemetry_alone(void **) {
	struct match_set *m = shipped;
	char text[2048];

	rig_reset();
	for (uint32_t i = 0; i < bench_payload_count; i++) {
		rig_item("", bench_payloads[i].bytes.p, bench_payloads[i].bytes.len);
		match_burst(&rig_burst, 0, 1, match_set_matcher(m, 1), &rig_enforcer);
		report_hits(m, bench_payloads[i].name);
	}
	for (size_t i = 0; i < sizeof(ordinary) / sizeof(ordinary[0]); i++) {
		rig_sent(m, "t/x", ordinary[i]);
		report_hits(m, ordinary[i]);
	}
	for (size_t i = 0; i < sizeof(ordinary_paths) / sizeof(ordinary_paths[0]); i++) {
		rig_sent(m, ordinary_paths[i], "{\"t\":1}");
		report_hits(m, ordinary_paths[i]);
	}
	for (int i = 0; i < 100000; i++) {
		uint32_t len = normal_telemetry(text, sizeof(text));
		rig_item(ordinary_paths[rig_random(8)], text, len);
		match_burst(&rig_burst, 0, 1, match_set_matcher(m, 0), &rig_enforcer);
		if (i % 100 == 99 || rig_hits(m) > 0)
			report_hits(m, text);
	}
}

// Long input of the kind that makes backtracking engines hang: read once, few words about it.
static void bombs_in_payloads_cost_their_length(void **) {
	static const char *const pieces[] = {
		"a",
		"A",
		"0",
		"(",
		"[",
		"{\"a\":",
		"../",
		"%2e",
		"\\x90",
		"' or ",
		"${",
		"<",
		"/*",
		"union select ",
		"\xff\xfd",
		"`",
		"ab!",
		"&lol;",
		"\\u0061"
	};
	struct match_set *m = shipped;
	size_t size = 1u << 20;
	char *payload = malloc(size);

	rig_reset();
	for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
		size_t len = strlen(pieces[p]);
		for (size_t i = 0; i < size; i++)
			payload[i] = pieces[p][i % len];
		struct matcher *w = match_set_matcher(m, 0);
		uint64_t before = atomic_load(&w->scanned_bytes);
		rig_item("", payload, (uint32_t)size);
		match_burst(&rig_burst, 0, 1, w, &rig_enforcer);
		// Nothing but digits is looked at once more, for long numbers.
		uint64_t scanned = atomic_load(&w->scanned_bytes) - before;
		assert_int_equal(scanned, *pieces[p] == '0' ? 2 * size : size);
		assert_true(rig_burst.records[0].found_count <= MATCH_KEPT);
		assert_int_equal(atomic_load(&w->errors), 0);
	}
	for (uint32_t i = 0; i < match_set_source(m)->count; i++)
		assert_true(match_set_total(m, i).hits <= sizeof(pieces) / sizeof(pieces[0]));
	free(payload);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shipped_signatures_hit_their_vectors),
		cmocka_unit_test(shipped_signatures_leave_normal_telemetry_alone),
		cmocka_unit_test(bombs_in_payloads_cost_their_length),
	};
	return cmocka_run_group_tests(tests, shipped_setup, shipped_teardown);
}
