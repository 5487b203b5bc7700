// SPDX-License-Identifier: Apache-2.0
// Signatures that need a long run of digits have a database of their own, which only payloads with
// such a run see. That changes the cost and never the hits.
#include "config/config.h"
#include "pipelines/match.h"
#include "pipelines/match_compile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct burst burst; // large
static struct profile profile = {.name = "meter"};

static uint32_t random_below(uint32_t n) {
	static uint64_t x = 1;

	x = x * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((x >> 33) % n);
}

static void every_branch_must_say_how_many(void **) {
	static const struct {
		const char *expression;
		uint32_t digits;
	} table[] = {
		{"\\d{64}", 64},
		{"[0-9]{40}", 40},
		{"=\\d{64}[,}]", 64},
		{"\\d{64}?x", 64}, // lazy, not optional
		{"a\\d{64,}", 64},
		{"a\\d{64,90}|b[0-9]{40}c", 40},
		{"\\d{3}\\d{50}", 50}, // of one atom, which is enough to know
		{"\\d{31}", 0}, // too short a run to be rare
		{"\\d{64}|a", 0}, // a branch without
		{"|\\d{64}", 0},
		{"(\\d{64})", 0}, // a group may be optional, this one is not: not looked into
		{"(\\d{64})?x", 0},
		{"(a|\\d{64})\\d{64}", 64},
		{"\\d{64}{0,1}x", 0}, // optional after all
		{"\\d{64}?{0}x", 0},
		{"\\d{64}*x", 0},
		{"\\d+", 0},
		{"d{64}", 0},
		{"\\\\d{64}", 0}, // a backslash, and d 64 times
		{"[\\d{64}]x", 0}, // a class
		{"[a|b]\\d{64}", 64},
		{"[]\\d{64}]x", 0}, // a class that begins with a bracket
		{"[[:alpha:]\\d{64}]x", 0},
		{"\\Q\\d{64}\\E", 0}, // quoted
		{"(?x) #\\d{64}", 0}, // a comment
		{"(*UCP)\\d{64}", 0}, // other digits
		{"a)\\d{64}", 0},
		{"\\d{64", 0},
		{"\\d{,64}", 0},
		{"\\d{99999999999}", 0},
		{"\\", 0},
		{"", 0},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (match_digits_needed(table[i].expression) != table[i].digits)
			fail_msg(
				"%s: %u",
				table[i].expression,
				match_digits_needed(table[i].expression)
			);
}

static const char set_text[] = "signatures:\n"
			       "  - {id: 1, name: a, expression: '=\\d{64}', severity: low, "
			       "action: tag, match: x}\n"
			       "  - {id: 2, name: b, expression: 'x[0-9]{40}|y\\d{90}', severity: "
			       "low, action: tag, scope: both, match: {path: x}}\n"
			       "  - {id: 3, name: c, expression: '=1', severity: low, action: tag, "
			       "match: x}\n";

static uint32_t run_behind(const char *text, uint32_t len, uint32_t at) {
	uint32_t n = 0;

	while (at + n < len && text[at + n] >= '0' && text[at + n] <= '9')
		n++;
	return n;
}

// What the three are, by hand.
static void look(const char *text, uint32_t len, bool hit[3]) {
	memset(hit, 0, 3 * sizeof(*hit));
	for (uint32_t i = 0; i < len; i++) {
		uint32_t run = run_behind(text, len, i + 1);
		hit[0] |= text[i] == '=' && run >= 64;
		hit[1] |= (text[i] == 'x' && run >= 40) || (text[i] == 'y' && run >= 90);
		hit[2] |= text[i] == '=' && i + 1 < len && text[i + 1] == '1';
	}
}

// Runs about as long as what is asked for, between a few other bytes.
static uint32_t payload_make(char *text, uint32_t room) {
	static const uint32_t lengths[] = {0, 1, 38, 39, 40, 41, 63, 64, 65, 89, 90, 91};
	uint32_t len = 0;

	for (uint32_t n = random_below(5); n > 0; n--) {
		text[len++] = "=xy a"[random_below(5)];
		uint32_t run = lengths[random_below(sizeof(lengths) / sizeof(lengths[0]))];
		for (uint32_t i = 0; i < run; i++)
			text[len++] = (char)('0' + random_below(10));
	}
	assert_true(len <= room);
	return len;
}

static void the_stage_hits_what_is_there(void **) {
	const struct match_options o = {.workers = 1};
	const struct match_enforcer nobody = {};
	struct config_error errors[4];
	struct signature_set *set = NULL;
	struct match_set *m = NULL;
	uint32_t count, hits = 0;
	char text[512];

	assert_int_equal(
		signatures_load_text(
			"t.yaml", set_text, sizeof(set_text) - 1, &set, errors, 4, &count
		),
		0
	);
	assert_int_equal(match_compile(set, &o, &m, errors, 4, &count), 0);
	for (enum finding f = 0; f < FINDING_COUNT; f++)
		profile.on[f] = finding_default(f);
	for (int round = 0; round < 20000; round++) {
		uint32_t len = payload_make(text, sizeof(text));
		bool wanted[3];
		uint64_t before[3];
		look(text, len, wanted);
		for (uint32_t k = 0; k < 3; k++)
			before[k] = match_set_total(m, k).hits;
		burst.item_count = burst.record_count = 1;
		burst.records[0] = (struct record) {.quarantine = FINDING_NONE};
		burst.items[0] = (struct item) {.record_count = 1};
		burst.items[0].m.profile = &profile;
		burst.items[0].m.transport = TRANSPORT_MQTT;
		burst.items[0].m.payload = view_of(text, len);
		match_burst(&burst, 0, 1, match_set_matcher(m, 0), &nobody);
		for (uint32_t k = 0; k < 3; k++) {
			assert_int_equal(match_set_total(m, k).hits - before[k], wanted[k]);
			assert_int_equal(match_hits(m, k, false, text, len), wanted[k]);
		}
		hits += wanted[0] + wanted[1];
		// A path is looked at whole, whatever it holds.
		assert_int_equal(match_hits(m, 1, true, text, len), wanted[1]);
	}
	assert_true(hits > 5000);
	match_set_free(m);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_branch_must_say_how_many),
		cmocka_unit_test(the_stage_hits_what_is_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
