// SPDX-License-Identifier: Apache-2.0
// The match stage against naive oracles, the shipped signatures with their vectors, what is refused
// to be compiled, and the cache.
#include "bench/payloads.h"
#include "config/config.h"
#include "pipelines/match.h"
#include "pipelines/match_compile.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ERRORS 16
#define SHIPPED SOURCE_DIR "/config/signatures"

static struct burst burst; // large

static uint64_t random_state = 88172645463325252u;
static uint32_t random_below(uint32_t n) {
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state % n);
}

static struct profile profile = {.name = "meter"};

static void profile_reset(void) {
	for (int f = 0; f < FINDING_COUNT; f++)
		profile.on[f] = finding_default((enum finding)f);
	profile.partial = false;
}

static void text_add(char *text, size_t size, const char *more) {
	size_t at = strlen(text);

	snprintf(text + at, size - at, "%s", more);
}

// --- making sets

static struct match_set *compiled(const char *yaml, const char *cache) {
	const struct match_options o = {.workers = 2, .cache = cache};
	struct config_error errors[ERRORS];
	struct signature_set *set = NULL;
	struct match_set *m = NULL;
	uint32_t count;

	if (signatures_load_text("t.yaml", yaml, strlen(yaml), &set, errors, ERRORS, &count) != 0)
		fail_msg("%s:%u: %s", errors[0].file, errors[0].line, errors[0].text);
	if (match_compile(set, &o, &m, errors, ERRORS, &count) != 0)
		fail_msg("%s:%u: %s", errors[0].file, errors[0].line, errors[0].text);
	return m;
}

// One expression, expected to be refused; the text of the first mistake.
static struct config_error refused(const char *expression, const char *more) {
	const struct match_options o = {.workers = 1, .vectors = true};
	struct config_error errors[ERRORS];
	struct signature_set *set = NULL;
	struct match_set *m = NULL;
	char yaml[8192];
	uint32_t count = 0;

	snprintf(
		yaml,
		sizeof(yaml),
		"signatures:\n  - id: 1\n    name: s\n    severity: low\n    action: tag\n"
		"    expression: '%s'\n    match: 'abc'\n%s",
		expression,
		more
	);
	assert_int_equal(
		signatures_load_text("t.yaml", yaml, strlen(yaml), &set, errors, ERRORS, &count), 0
	);
	assert_int_equal(match_compile(set, &o, &m, errors, ERRORS, &count), -EINVAL);
	assert_null(m);
	assert_int_equal(count, 1);
	assert_string_equal(errors[0].file, "t.yaml");
	signatures_free(set);
	return errors[0];
}

// --- one message through the stage

static struct item *one(const char *path, const void *payload, uint32_t len) {
	struct item *it = &burst.items[0];

	burst.item_count = 1;
	burst.record_count = 1;
	memset(it, 0, sizeof(*it));
	it->m.profile = &profile;
	it->m.transport = TRANSPORT_MQTT;
	it->m.path = view_of(path, (uint32_t)strlen(path));
	it->m.payload = view_of(payload, len);
	it->m.proven = true;
	it->finding = FINDING_NONE;
	it->record_count = 1;
	memset(&burst.records[0], 0, sizeof(burst.records[0]));
	burst.records[0].quarantine = FINDING_NONE;
	return it;
}

static struct match_order last_order;
static uint32_t orders;

static void on_order(void *, const struct match_order *o) {
	last_order = *o;
	orders++;
}
static const struct match_enforcer enforcer = {.enforce = on_order};

static struct item *sent(struct match_set *m, const char *path, const char *payload) {
	struct item *it = one(path, payload, (uint32_t)strlen(payload));

	orders = 0;
	match_burst(&burst, 0, 1, match_set_matcher(m, 0), &enforcer);
	return it;
}

static bool hit(struct match_set *m, uint32_t index, struct view payload) {
	uint64_t before = match_set_total(m, index).hits;

	one("", payload.p, payload.len);
	match_burst(&burst, 0, 1, match_set_matcher(m, 1), &enforcer);
	return match_set_total(m, index).hits > before;
}

static uint64_t hits_of_all(const struct match_set *m) {
	uint64_t n = 0;

	for (uint32_t i = 0; i < match_set_source(m)->count; i++)
		n += match_set_total(m, i).hits;
	return n;
}

// --- actions

#define SIG(id, name, expression, action)                                                          \
	"  - {id: " id ", name: " name ", expression: '" expression                                \
	"', severity: high, action: " action ", match: x}\n"

static const char actions[] = "signatures:\n" SIG("1", "t", "TTT", "tag")
	SIG("2", "q", "QQQ", "quarantine") SIG("3", "r", "RRR", "refuse")
		SIG("4", "d", "DDD", "disconnect") SIG("5", "b", "BBB", "ban, for: 90s");

static void each_action_does_what_it_says(void **) {
	struct match_set *m = compiled(actions, NULL);
	struct item *it;

	profile_reset();
	it = sent(m, "t/a", "nothing");
	assert_int_equal(it->state, ITEM_GOING);
	assert_int_equal(burst.records[0].found_count, 0);

	it = sent(m, "t/a", "a TTT b");
	assert_int_equal(it->state, ITEM_GOING);
	assert_int_equal(burst.records[0].quarantine, FINDING_NONE);
	assert_int_equal(burst.records[0].found_count, 1);
	assert_int_equal(burst.records[0].found[0].finding, FINDING_SIGNATURE);
	assert_int_equal(burst.records[0].found[0].detail, 1);
	assert_memory_equal(burst.records[0].found[0].field.p, "t", 1);

	it = sent(m, "t/a", "a QQQ TTT");
	assert_int_equal(it->state, ITEM_GOING);
	assert_int_equal(burst.records[0].quarantine, FINDING_SIGNATURE);
	assert_int_equal(burst.records[0].found_count, 2);
	assert_int_equal(burst.records[0].found[0].detail, 2); // the graver first

	it = sent(m, "t/a", "TTT RRR QQQ");
	assert_int_equal(it->state, ITEM_REFUSED);
	assert_int_equal(it->refuse, REFUSE_SIGNATURE);
	assert_int_equal(it->signature, 3);
	assert_false(it->disconnect);
	assert_int_equal(orders, 0);

	it = sent(m, "t/a", "TTT DDD RRR");
	assert_int_equal(it->refuse, REFUSE_SIGNATURE);
	assert_true(it->disconnect);
	assert_int_equal(orders, 1);
	assert_int_equal(last_order.signature, 4);
	assert_int_equal(last_order.ban_s, 0);

	it = sent(m, "t/a", "BBB DDD");
	assert_true(it->disconnect);
	assert_int_equal(last_order.signature, 5);
	assert_int_equal(last_order.ban_s, 90);
	assert_int_equal(match_set_total(m, 4).acted, 1);
	assert_int_equal(match_set_total(m, 3).acted, 1); // the ban was the graver
	assert_int_equal(match_set_total(m, 3).hits, 2);
	match_set_free(m);
}

// A spoofed datagram must not cut off whoever it names.
static void an_unproven_sender_is_only_quarantined(void **) {
	struct match_set *m = compiled(actions, NULL);

	profile_reset();
	for (int i = 0; i < 2; i++) {
		const char *payload = i == 0 ? "DDD" : "BBB";
		struct item *it = one("", payload, 3);
		it->m.proven = false;
		it->m.transport = TRANSPORT_UDP;
		orders = 0;
		match_burst(&burst, 0, 1, match_set_matcher(m, 0), &enforcer);
		assert_int_equal(it->state, ITEM_GOING);
		assert_int_equal(burst.records[0].quarantine, FINDING_SIGNATURE);
		assert_false(it->disconnect);
		assert_int_equal(orders, 0);
		assert_int_equal(match_set_total(m, 3 + (uint32_t)i).unproven, 1);
	}
	match_set_free(m);
}

static void what_was_malformed_is_looked_at_too(void **) {
	struct match_set *m = compiled(actions, NULL);

	profile_reset();
	for (int proven = 0; proven < 2; proven++) {
		struct item *it = one("", "{broken BBB", 11);
		it->record_count = 0;
		it->m.proven = proven != 0;
		item_refuse(it, REFUSE_MALFORMED, PAYLOAD_BAD_SYNTAX, "decode");
		orders = 0;
		match_burst(&burst, 0, 1, match_set_matcher(m, 0), &enforcer);
		assert_int_equal(it->state, ITEM_REFUSED);
		assert_int_equal(it->signature, 5);
		assert_int_equal(it->refuse, proven != 0 ? REFUSE_SIGNATURE : REFUSE_MALFORMED);
		assert_int_equal(it->disconnect, proven != 0);
		assert_int_equal(orders, proven);
	}
	struct item *it = one("", "BBB", 3);
	item_refuse(it, REFUSE_DEVICE_UNKNOWN, PAYLOAD_OK, "authorize");
	match_burst(&burst, 0, 1, match_set_matcher(m, 0), &enforcer);
	assert_int_equal(it->signature, 0);
	match_set_free(m);
}

static void a_profile_may_be_stricter_or_not_look(void **) {
	struct match_set *m = compiled(actions, NULL);
	struct item *it;

	profile_reset();
	profile.on[FINDING_SIGNATURE] = FINDING_QUARANTINE;
	it = sent(m, "", "TTT");
	assert_int_equal(it->state, ITEM_GOING);
	assert_int_equal(burst.records[0].quarantine, FINDING_SIGNATURE);
	profile.on[FINDING_SIGNATURE] = FINDING_IGNORE;
	it = sent(m, "", "BBB");
	assert_int_equal(it->state, ITEM_GOING);
	assert_int_equal(burst.records[0].found_count, 0);
	assert_int_equal(match_set_total(m, 4).hits, 0);
	match_set_free(m);
}

static void scopes_hold(void **) {
	static const char yaml[] =
		"signatures:\n"
		"  - {id: 1, name: a, expression: AAA, scope: path, severity: low, action: tag, "
		"match: x}\n"
		"  - {id: 2, name: b, expression: AAA, scope: payload, severity: low, action: tag, "
		"match: x}\n"
		"  - {id: 3, name: c, expression: AAA, scope: both, severity: low, action: tag, "
		"match: x}\n"
		"  - {id: 4, name: d, expression: AAA, severity: low, action: tag, protocols: "
		"[coap], match: x}\n"
		"  - {id: 5, name: e, expression: AAA, severity: low, action: tag, profiles: "
		"[pump], match: x}\n"
		"  - {id: 6, name: f, expression: AAA, severity: low, action: tag, profiles: [x, "
		"meter], match: x}\n";
	static const struct {
		const char *path, *payload;
		uint8_t hits[6];
	} wanted[] = {
		{"AAA", "none", {1, 0, 1, 0, 0, 0}},
		{"t", "xAAAx", {0, 1, 1, 0, 0, 1}},
		{"AAA", "AAA", {1, 1, 1, 0, 0, 1}}, // found twice, hit once
	};
	struct match_set *m = compiled(yaml, NULL);

	profile_reset();
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		uint64_t before[6];
		for (uint32_t k = 0; k < 6; k++)
			before[k] = match_set_total(m, k).hits;
		sent(m, wanted[i].path, wanted[i].payload);
		for (uint32_t k = 0; k < 6; k++)
			assert_int_equal(match_set_total(m, k).hits - before[k], wanted[i].hits[k]);
	}
	match_set_free(m);
}

static void no_more_than_a_few_are_named(void **) {
	char yaml[16384] = "signatures:\n";
	uint32_t severities = 0;

	for (int i = 0; i < 40; i++) {
		char s[200];
		snprintf(
			s,
			sizeof(s),
			"  - {id: %d, name: n%d, expression: 'A{%d}', severity: %s, action: tag, "
			"match: x}\n",
			i + 1,
			i,
			i + 1,
			i % 7 == 3 ? "critical" : "low"
		);
		text_add(yaml, sizeof(yaml), s);
	}
	struct match_set *m = compiled(yaml, NULL);
	char payload[64];
	memset(payload, 'A', sizeof(payload));
	profile_reset();
	one("", payload, sizeof(payload));
	match_burst(&burst, 0, 1, match_set_matcher(m, 0), &enforcer);
	assert_int_equal(hits_of_all(m), 40);
	assert_int_equal(burst.records[0].found_count, MATCH_KEPT);
	for (int i = 0; i < MATCH_KEPT; i++)
		severities += (burst.records[0].found[i].detail - 1) % 7 == 3;
	assert_int_equal(severities, MATCH_KEPT); // the critical ones
	match_set_free(m);
}

// --- oracles

#define ORACLE_SIGNATURES 60
#define ORACLE_ROUNDS 4000

// Expressions that POSIX and Hyperscan read alike, over an alphabet small enough to hit.
static void random_expression(char *out, size_t room) {
	static const char *const atoms[] = {
		"a", "b", "c", "ab", "ca", "[ab]", "[^a]", ".", "(ab|c)", "(a|bc)", "b+", "(ca)+"
	};
	uint32_t n = 2 + random_below(4);

	out[0] = '\0';
	for (uint32_t i = 0; i < n; i++) {
		size_t at = strlen(out);
		snprintf(
			out + at,
			room - at,
			"%s",
			atoms[random_below(sizeof(atoms) / sizeof(atoms[0]))]
		);
	}
}

// All signatures in one database hit exactly what regexec() says, and what each says alone.
static void the_stage_agrees_with_posix(void **) {
	char yaml[32768] = "signatures:\n";
	regex_t expressions[ORACLE_SIGNATURES];
	uint64_t hits = 0;

	for (int i = 0; i < ORACLE_SIGNATURES; i++) {
		char e[128], s[300];
		random_expression(e, sizeof(e));
		assert_int_equal(regcomp(&expressions[i], e, REG_EXTENDED | REG_NOSUB), 0);
		snprintf(
			s,
			sizeof(s),
			"  - {id: %d, name: n, expression: '%s', severity: low, action: tag, "
			"match: "
			"x}\n",
			i + 1,
			e
		);
		text_add(yaml, sizeof(yaml), s);
	}
	struct match_set *m = compiled(yaml, NULL);
	profile_reset();
	for (int round = 0; round < ORACLE_ROUNDS; round++) {
		char payload[32];
		uint32_t len = 1 + random_below(sizeof(payload) - 2);
		for (uint32_t k = 0; k < len; k++)
			payload[k] = "abcd"[random_below(4)];
		payload[len] = '\0';
		uint64_t before[ORACLE_SIGNATURES];
		for (uint32_t i = 0; i < ORACLE_SIGNATURES; i++)
			before[i] = match_set_total(m, i).hits;
		sent(m, "", payload);
		for (uint32_t i = 0; i < ORACLE_SIGNATURES; i++) {
			bool is = match_set_total(m, i).hits > before[i];
			bool wanted = regexec(&expressions[i], payload, 0, NULL, 0) == 0;
			assert_int_equal(match_hits(m, i, false, payload, len), wanted);
			if (is != wanted)
				fail_msg(
					"'%s' on '%s': %d, regexec says %d",
					match_set_source(m)->signatures[i].expression,
					payload,
					is,
					wanted
				);
			hits += is;
		}
	}
	assert_true(hits > ORACLE_ROUNDS);
	for (int i = 0; i < ORACLE_SIGNATURES; i++)
		regfree(&expressions[i]);
	match_set_free(m);
}

// --- the shipped set

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
	uint32_t fields = 1 + random_below(8);

	n += (size_t)snprintf(out, room, "{\"ts\":%u", 1700000000u + random_below(1u << 26));
	for (uint32_t i = 0; i < fields; i++) {
		n += (size_t)snprintf(
			out + n,
			room - n,
			",\"%s\":",
			names[random_below(sizeof(names) / sizeof(names[0]))]
		);
		if (random_below(3) == 0)
			n += (size_t)snprintf(
				out + n,
				room - n,
				"\"%s\"",
				texts[random_below(sizeof(texts) / sizeof(texts[0]))]
			);
		else if (random_below(6) == 0)
			n += (size_t)snprintf(out + n, room - n, "[%u,%u]", random_below(99), i);
		else
			n += (size_t)snprintf(
				out + n,
				room - n,
				"%s%u.%02u%s",
				random_below(4) == 0 ? "-" : "",
				random_below(100000),
				random_below(100),
				random_below(20) == 0 ? "e-12" : ""
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
	assert_int_equal(hits_of_all(m), 0);
}

static void shipped_signatures_leave_normal_telemetry_alone(void **) {
	struct match_set *m = shipped;
	char text[2048];

	profile_reset();
	for (uint32_t i = 0; i < bench_payload_count; i++) {
		hit(m, 0, bench_payloads[i].bytes);
		report_hits(m, bench_payloads[i].name);
	}
	for (size_t i = 0; i < sizeof(ordinary) / sizeof(ordinary[0]); i++) {
		sent(m, "t/x", ordinary[i]);
		report_hits(m, ordinary[i]);
	}
	for (size_t i = 0; i < sizeof(ordinary_paths) / sizeof(ordinary_paths[0]); i++) {
		sent(m, ordinary_paths[i], "{\"t\":1}");
		report_hits(m, ordinary_paths[i]);
	}
	for (int i = 0; i < 100000; i++) {
		uint32_t len = normal_telemetry(text, sizeof(text));
		one(ordinary_paths[random_below(8)], text, len);
		match_burst(&burst, 0, 1, match_set_matcher(m, 0), &enforcer);
		if (i % 100 == 99 || hits_of_all(m) > 0)
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

	profile_reset();
	for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
		size_t len = strlen(pieces[p]);
		for (size_t i = 0; i < size; i++)
			payload[i] = pieces[p][i % len];
		struct matcher *w = match_set_matcher(m, 0);
		uint64_t before = atomic_load(&w->scanned_bytes);
		one("", payload, (uint32_t)size);
		match_burst(&burst, 0, 1, w, &enforcer);
		// Nothing but digits is looked at once more, for long numbers.
		uint64_t scanned = atomic_load(&w->scanned_bytes) - before;
		assert_int_equal(scanned, *pieces[p] == '0' ? 2 * size : size);
		assert_true(burst.records[0].found_count <= MATCH_KEPT);
		assert_int_equal(atomic_load(&w->errors), 0);
	}
	for (uint32_t i = 0; i < match_set_source(m)->count; i++)
		assert_true(match_set_total(m, i).hits <= sizeof(pieces) / sizeof(pieces[0]));
	free(payload);
}

// --- what is not compiled

static void bad_expressions_name_their_line(void **) {
	struct config_error e = refused("a(b", "");
	assert_int_equal(e.line, 6);
	assert_non_null(strstr(e.text, "s: the expression does not compile: "));
	assert_non_null(strstr(e.text, "at index 1"));
	e = refused("a(?=b)", "");
	assert_non_null(strstr(e.text, "does not compile"));
	e = refused("(a|b)\\1", "");
	assert_non_null(strstr(e.text, "does not compile"));
	e = refused("a*", "");
	assert_non_null(strstr(e.text, "matches the empty text"));
	e = refused("abd", "");
	assert_string_equal(e.text, "s: this match is not hit");
	assert_int_equal(e.line, 7);
	e = refused("abc", "    near_miss: 'xabcx'\n");
	assert_string_equal(e.text, "s: this near miss is hit");
	assert_int_equal(e.line, 8);
}

static void bombs_in_expressions_are_refused_unseen(void **) {
	static const char *const bombs[] = {
		"((a{1,100}){1,100}){1,100}",
		"(x+x+){1,30000}y",
		"[a-z]{20000}",
		"(a{10}|b{10}){5000}",
		"(((((((((a{9}){9}){9}){9}){9}){9}){9}){9}){9}",
		"\\d{1,9999}",
		"([ab]\\]{3}){4000}",
	};

	for (size_t i = 0; i < sizeof(bombs) / sizeof(bombs[0]); i++) {
		struct config_error e = refused(bombs[i], "");
		if (strstr(e.text, "positions; at most 8192") == NULL)
			fail_msg("%s: %s", bombs[i], e.text);
	}
	assert_int_equal(match_positions("abc"), 3);
	assert_int_equal(match_positions("a{3}b"), 4);
	assert_int_equal(match_positions("(ab){2,5}"), 10);
	assert_int_equal(match_positions("[]a{9}]{4}"), 4);
	assert_int_equal(match_positions("\\(a{2}\\)"), 4);
	assert_int_equal(match_positions("a{,3}x{y}"), 9); // literal braces
	assert_int_equal(match_positions("(((ab"), 2);
	assert_int_equal(match_positions("a\\"), 2);
}

// --- cache

static void flip(const char *path, off_t at) {
	uint8_t b;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &b, 1, at), 1);
	b ^= 0x20;
	assert_int_equal(pwrite(fd, &b, 1, at), 1);
	close(fd);
}

static void the_cache_is_used_and_never_trusted(void **) {
	char path[] = "/tmp/match-cache-XXXXXX";
	struct match_set *m;
	struct stat s;

	close(mkstemp(path));
	m = compiled(actions, path); // an empty file is a corrupt one
	assert_false(match_set_info(m)->cached);
	assert_int_equal(match_set_info(m)->cache_error, -EBADMSG);
	match_set_free(m);
	m = compiled(actions, path);
	assert_true(match_set_info(m)->cached);
	assert_int_equal(match_set_info(m)->cache_error, 0);
	profile_reset();
	assert_int_equal(sent(m, "t", "RRR")->state, ITEM_REFUSED);
	match_set_free(m);

	assert_int_equal(stat(path, &s), 0);
	// Any byte of it: never used, always mended, and the set works.
	for (off_t at = 0; at < s.st_size; at += at < 100 ? 7 : s.st_size / 23) {
		flip(path, at);
		m = compiled(actions, path);
		assert_false(match_set_info(m)->cached);
		assert_int_equal(sent(m, "t", "RRR")->state, ITEM_REFUSED);
		match_set_free(m);
		m = compiled(actions, path);
		assert_true(match_set_info(m)->cached);
		match_set_free(m);
	}
	assert_int_equal(truncate(path, s.st_size - 1), 0);
	m = compiled(actions, path);
	assert_false(match_set_info(m)->cached);
	match_set_free(m);
	// Other expressions, other key.
	m = compiled("signatures:\n" SIG("1", "t", "ZZZ", "tag"), path);
	assert_false(match_set_info(m)->cached);
	assert_int_equal(match_set_info(m)->cache_error, 0);
	match_set_free(m);
	unlink(path);
	// Nowhere to write: works all the same, and says so.
	m = compiled(actions, "/nonexistent/cache");
	assert_int_equal(match_set_info(m)->cache_error, -ENOENT);
	match_set_free(m);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_action_does_what_it_says),
		cmocka_unit_test(an_unproven_sender_is_only_quarantined),
		cmocka_unit_test(what_was_malformed_is_looked_at_too),
		cmocka_unit_test(a_profile_may_be_stricter_or_not_look),
		cmocka_unit_test(scopes_hold),
		cmocka_unit_test(no_more_than_a_few_are_named),
		cmocka_unit_test(the_stage_agrees_with_posix),
		cmocka_unit_test(shipped_signatures_hit_their_vectors),
		cmocka_unit_test(shipped_signatures_leave_normal_telemetry_alone),
		cmocka_unit_test(bombs_in_payloads_cost_their_length),
		cmocka_unit_test(bad_expressions_name_their_line),
		cmocka_unit_test(bombs_in_expressions_are_refused_unseen),
		cmocka_unit_test(the_cache_is_used_and_never_trusted),
	};
	return cmocka_run_group_tests(tests, shipped_setup, shipped_teardown);
}
