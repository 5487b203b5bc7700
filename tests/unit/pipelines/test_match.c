// SPDX-License-Identifier: Apache-2.0
// The match stage: what each action does to whom, and what is hit, against a naive oracle.
#include "tests/unit/pipelines/match_rig.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void each_action_does_what_it_says(void **) {
	struct match_set *m = rig_compiled(rig_actions, NULL);
	struct item *it;

	rig_reset();
	it = rig_sent(m, "t/a", "nothing");
	assert_int_equal(it->state, ITEM_GOING);
	assert_int_equal(rig_burst.records[0].found_count, 0);

	it = rig_sent(m, "t/a", "a TTT b");
	assert_int_equal(it->state, ITEM_GOING);
	assert_int_equal(rig_burst.records[0].quarantine, FINDING_NONE);
	assert_int_equal(rig_burst.records[0].found_count, 1);
	assert_int_equal(rig_burst.records[0].found[0].finding, FINDING_SIGNATURE);
	assert_int_equal(rig_burst.records[0].found[0].detail, 1);
	assert_memory_equal(rig_burst.records[0].found[0].field.p, "t", 1);

	it = rig_sent(m, "t/a", "a QQQ TTT");
	assert_int_equal(it->state, ITEM_GOING);
	assert_int_equal(rig_burst.records[0].quarantine, FINDING_SIGNATURE);
	assert_int_equal(rig_burst.records[0].found_count, 2);
	assert_int_equal(rig_burst.records[0].found[0].detail, 2); // the graver first

	it = rig_sent(m, "t/a", "TTT RRR QQQ");
	assert_int_equal(it->state, ITEM_REFUSED);
	assert_int_equal(it->refuse, REFUSE_SIGNATURE);
	assert_int_equal(it->signature, 3);
	assert_false(it->disconnect);
	assert_int_equal(rig_orders, 0);

	it = rig_sent(m, "t/a", "TTT DDD RRR");
	assert_int_equal(it->refuse, REFUSE_SIGNATURE);
	assert_true(it->disconnect);
	assert_int_equal(rig_orders, 1);
	assert_int_equal(rig_last_order.signature, 4);
	assert_int_equal(rig_last_order.ban_s, 0);

	it = rig_sent(m, "t/a", "BBB DDD");
	assert_true(it->disconnect);
	assert_int_equal(rig_last_order.signature, 5);
	assert_int_equal(rig_last_order.ban_s, 90);
	assert_int_equal(match_set_total(m, 4).acted, 1);
	assert_int_equal(match_set_total(m, 3).acted, 1); // the ban was the graver
	assert_int_equal(match_set_total(m, 3).hits, 2);
	match_set_free(m);
}

// A spoofed datagram must not cut off whoever it names.
static void an_unproven_sender_is_only_quarantined(void **) {
	struct match_set *m = rig_compiled(rig_actions, NULL);

	rig_reset();
	for (int i = 0; i < 2; i++) {
		const char *payload = i == 0 ? "DDD" : "BBB";
		struct item *it = rig_item("", payload, 3);
		it->m.proven = false;
		it->m.transport = TRANSPORT_UDP;
		rig_orders = 0;
		match_burst(&rig_burst, 0, 1, match_set_matcher(m, 0), &rig_enforcer);
		assert_int_equal(it->state, ITEM_GOING);
		assert_int_equal(rig_burst.records[0].quarantine, FINDING_SIGNATURE);
		assert_false(it->disconnect);
		assert_int_equal(rig_orders, 0);
		assert_int_equal(match_set_total(m, 3 + (uint32_t)i).unproven, 1);
	}
	match_set_free(m);
}

static void what_was_malformed_is_looked_at_too(void **) {
	struct match_set *m = rig_compiled(rig_actions, NULL);

	rig_reset();
	for (int proven = 0; proven < 2; proven++) {
		struct item *it = rig_item("", "{broken BBB", 11);
		it->record_count = 0;
		it->m.proven = proven != 0;
		item_refuse(it, REFUSE_MALFORMED, PAYLOAD_BAD_SYNTAX, "decode");
		rig_orders = 0;
		match_burst(&rig_burst, 0, 1, match_set_matcher(m, 0), &rig_enforcer);
		assert_int_equal(it->state, ITEM_REFUSED);
		assert_int_equal(it->signature, 5);
		assert_int_equal(it->refuse, proven != 0 ? REFUSE_SIGNATURE : REFUSE_MALFORMED);
		assert_int_equal(it->disconnect, proven != 0);
		assert_int_equal(rig_orders, proven);
	}
	struct item *it = rig_item("", "BBB", 3);
	item_refuse(it, REFUSE_DEVICE_UNKNOWN, PAYLOAD_OK, "authorize");
	match_burst(&rig_burst, 0, 1, match_set_matcher(m, 0), &rig_enforcer);
	assert_int_equal(it->signature, 0);
	match_set_free(m);
}

static void a_profile_may_be_stricter_or_not_look(void **) {
	struct match_set *m = rig_compiled(rig_actions, NULL);
	struct item *it;

	rig_reset();
	rig_profile.on[FINDING_SIGNATURE] = FINDING_QUARANTINE;
	it = rig_sent(m, "", "TTT");
	assert_int_equal(it->state, ITEM_GOING);
	assert_int_equal(rig_burst.records[0].quarantine, FINDING_SIGNATURE);
	rig_profile.on[FINDING_SIGNATURE] = FINDING_IGNORE;
	it = rig_sent(m, "", "BBB");
	assert_int_equal(it->state, ITEM_GOING);
	assert_int_equal(rig_burst.records[0].found_count, 0);
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
	struct match_set *m = rig_compiled(yaml, NULL);

	rig_reset();
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		uint64_t before[6];
		for (uint32_t k = 0; k < 6; k++)
			before[k] = match_set_total(m, k).hits;
		rig_sent(m, wanted[i].path, wanted[i].payload);
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
		rig_text_add(yaml, sizeof(yaml), s);
	}
	struct match_set *m = rig_compiled(yaml, NULL);
	char payload[64];
	memset(payload, 'A', sizeof(payload));
	rig_reset();
	rig_item("", payload, sizeof(payload));
	match_burst(&rig_burst, 0, 1, match_set_matcher(m, 0), &rig_enforcer);
	assert_int_equal(rig_hits(m), 40);
	assert_int_equal(rig_burst.records[0].found_count, MATCH_KEPT);
	for (int i = 0; i < MATCH_KEPT; i++)
		severities += (rig_burst.records[0].found[i].detail - 1) % 7 == 3;
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
	uint32_t n = 2 + rig_random(4);

	out[0] = '\0';
	for (uint32_t i = 0; i < n; i++) {
		size_t at = strlen(out);
		snprintf(
			out + at,
			room - at,
			"%s",
			atoms[rig_random(sizeof(atoms) / sizeof(atoms[0]))]
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
		rig_text_add(yaml, sizeof(yaml), s);
	}
	struct match_set *m = rig_compiled(yaml, NULL);
	rig_reset();
	for (int round = 0; round < ORACLE_ROUNDS; round++) {
		char payload[32];
		uint32_t len = 1 + rig_random(sizeof(payload) - 2);
		for (uint32_t k = 0; k < len; k++)
			payload[k] = "abcd"[rig_random(4)];
		payload[len] = '\0';
		uint64_t before[ORACLE_SIGNATURES];
		for (uint32_t i = 0; i < ORACLE_SIGNATURES; i++)
			before[i] = match_set_total(m, i).hits;
		rig_sent(m, "", payload);
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

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_action_does_what_it_says),
		cmocka_unit_test(an_unproven_sender_is_only_quarantined),
		cmocka_unit_test(what_was_malformed_is_looked_at_too),
		cmocka_unit_test(a_profile_may_be_stricter_or_not_look),
		cmocka_unit_test(scopes_hold),
		cmocka_unit_test(no_more_than_a_few_are_named),
		cmocka_unit_test(the_stage_agrees_with_posix),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
