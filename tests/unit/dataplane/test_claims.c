// SPDX-License-Identifier: Apache-2.0
#include "dataplane/claims.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct claims *c;

static int setup(void **) {
	return claims_create(&c);
}

static int teardown(void **) {
	claims_destroy(c);
	return 0;
}

static struct view text(const char *s) {
	return (struct view) {(const uint8_t *)s, (uint32_t)strlen(s)};
}

static const struct {
	const char *pattern, *topic;
	bool fits;
} topics[] = {
	{"t/%d/env", "t/dev-1/env", true},
	{"t/%d/env", "t/dev-2/env", false},
	{"t/%d/env", "t/dev-1/env/x", false},
	{"t/%d/env", "t/dev-1", false},
	{"t/%d/#", "t/dev-1", true},
	{"t/%d/#", "t/dev-1/a/b", true},
	{"t/%d/#", "t/dev-11/a", false},
	{"t/+/env", "t/anything/env", true},
	{"t/+/env", "t//env", true},
	{"t/+", "t/a/b", false},
	{"#", "anything/at/all", true},
	{"a/#/b", "a/x/b", false},
	{"plant-%d/temp", "plant-dev-1/temp", true},
	{"a", "", false},
	{"+", "", true},
	{"a/", "a", false},
	{"a/", "a/", true},
	{"", "a", false},
};

static void topics_fit_as_mqtt_filters_do(void **) {
	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
		if (claim_topic_fits(text(topics[i].pattern), text("dev-1"), text(topics[i].topic))
		    != topics[i].fits)
			fail_msg("%s and %s", topics[i].pattern, topics[i].topic);
}

static void ids_fit_by_runs(void **) {
	assert_true(claim_id_fits(text("%d-*"), text("gw"), text("gw-7")));
	assert_true(claim_id_fits(text("*"), text("gw"), text("any")));
	assert_true(claim_id_fits(text("a*b*c"), text("gw"), text("aXbYbZc")));
	assert_false(claim_id_fits(text("a*b*c"), text("gw"), text("aXbYbZ")));
	assert_false(claim_id_fits(text("%d-*"), text("gw"), text("gx-7")));
	assert_false(claim_id_fits(text(""), text("gw"), text("gw")));
}

static struct channel_claim claim(uint32_t set, enum claim_kind kind, const char *pattern) {
	struct channel_claim k = {.set = set, .kind = kind, .len = (uint8_t)strlen(pattern)};

	memcpy(k.pattern, pattern, k.len);
	return k;
}

static bool allow(uint32_t set, enum claim_kind kind, const char *what) {
	return claims_allow(c, set, kind, text("dev-1"), text(what));
}

static void a_set_restricts_the_kinds_it_speaks_of(void **) {
	struct channel_claim list[] = {
		claim(3, CLAIM_TOPIC, "t/%d/#"),
		claim(3, CLAIM_TOPIC, "status/%d"),
		claim(4, CLAIM_ID, "%d.*"),
		claim(5, CLAIM_PATH, "/t/%d/env"),
	};

	assert_true(allow(0, CLAIM_TOPIC, "any"));
	assert_false(allow(0, CLAIM_ID, "other"));
	assert_false(allow(3, CLAIM_TOPIC, "t/dev-1/x")); // not here yet
	claims_begin(c, true);
	assert_int_equal(claims_add(c, list, 4), 0);
	claims_end(c);
	assert_true(allow(3, CLAIM_TOPIC, "t/dev-1/x"));
	assert_true(allow(3, CLAIM_TOPIC, "status/dev-1"));
	assert_false(allow(3, CLAIM_TOPIC, "t/dev-2/x"));
	assert_true(allow(3, CLAIM_PATH, "/anything"));
	assert_false(allow(3, CLAIM_ID, "dev-2"));
	assert_true(allow(4, CLAIM_ID, "dev-1.7"));
	assert_true(allow(4, CLAIM_TOPIC, "any"));
	assert_true(allow(5, CLAIM_PATH, "t/dev-1/env"));
	assert_false(allow(5, CLAIM_PATH, "/t/dev-1/other"));
	assert_false(allow(99, CLAIM_TOPIC, "t"));
}

static void the_same_sets_again_change_nothing_and_new_ones_join(void **) {
	struct channel_claim list[] = {claim(3, CLAIM_TOPIC, "a"), claim(4, CLAIM_TOPIC, "b")};
	struct channel_claim out;
	uint32_t at = 0, n = 0;

	claims_begin(c, true);
	assert_int_equal(claims_add(c, list, 1), 0);
	claims_end(c);
	claims_begin(c, false);
	assert_int_equal(claims_add(c, list, 2), 0);
	claims_end(c);
	assert_true(allow(3, CLAIM_TOPIC, "a"));
	assert_true(allow(4, CLAIM_TOPIC, "b"));
	while (claims_next(c, &at, &out))
		n++;
	assert_int_equal(n, 2);
	// Another registry: 3 is something else.
	list[0] = claim(3, CLAIM_TOPIC, "c");
	claims_begin(c, true);
	assert_int_equal(claims_add(c, list, 1), 0);
	claims_end(c);
	assert_false(allow(3, CLAIM_TOPIC, "a"));
	assert_true(allow(3, CLAIM_TOPIC, "c"));
	assert_false(allow(4, CLAIM_TOPIC, "b"));
}

static void what_does_not_fit_denies(void **) {
	struct channel_claim k = claim(1, CLAIM_TOPIC, "t/#");
	int ret = 0;

	claims_begin(c, true);
	for (uint32_t set = 1; ret == 0; set++) {
		k.set = set;
		ret = claims_add(c, &k, 1);
	}
	assert_int_equal(ret, -ENOSPC);
	claims_end(c);
	assert_true(allow(1, CLAIM_TOPIC, "t/x"));
	assert_true(allow(k.set - 1, CLAIM_TOPIC, "t/x"));
	assert_false(allow(k.set, CLAIM_TOPIC, "t/x"));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(topics_fit_as_mqtt_filters_do),
		cmocka_unit_test(ids_fit_by_runs),
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(a_set_restricts_the_kinds_it_speaks_of),
		T(the_same_sets_again_change_nothing_and_new_ones_join),
		T(what_does_not_fit_denies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
