// SPDX-License-Identifier: Apache-2.0
// What `sluicectl why` gets to know: each decision once, how often, the newest first.
#include "pipelines/decision.h"
#include "tests/unit/pipelines/remember_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct rig rig;
static struct decision_shown shown[DEVICE_DECISIONS];

static int setup(void **) {
	rig_start(&rig, 1);
	rig.fields[0] = (struct profile_field) {
		.name = VIEW_LITERAL("temp"),
		.type = FIELD_NUMBER,
		.has_max = true,
		.max = 100,
	};
	rig.profile.fields = rig.fields;
	rig.profile.field_count = 1;
	rig.profile.index = rig.index;
	rig.profile.required = rig.required;
	rig.config.profiles = &rig.profile;
	rig.config.profile_count = 1;
	return profile_compile(&rig.profile);
}

static int teardown(void **) {
	rig_stop(&rig);
	return 0;
}

static void send(const char *payload) {
	struct message m = rig_message(&rig, payload, TOKEN_NONE);

	rig_push(&rig, 0, &m);
	rig_complete(&rig, 0, RESULT_DELIVERED);
	rig.wall_ns += 1000000000;
}

static int list(const char *device) {
	return decision_list(rig.workers[0].p, view_of(device, (uint32_t)strlen(device)), shown);
}

static void the_same_again_only_counts(void **) {
	char text[64];

	for (int i = 1; i <= 300; i++) {
		snprintf(text, sizeof(text), "{\"dev\":\"d\",\"seq\":%d,\"temp\":1}", i);
		send(text);
	}
	assert_int_equal(list("d"), 1);
	assert_string_equal(shown[0].decision, "accepted");
	assert_int_equal(shown[0].times, UINT8_MAX); // and no further
	assert_string_equal(shown[0].profile, "p");
	assert_int_equal(list("e"), -ENOENT);
}

static void newest_first_with_reason_and_field(void **) {
	send("{\"dev\":\"d\",\"seq\":1,\"temp\":1}");
	send("{\"dev\":\"d\",\"seq\":2,\"temp\":9999}");
	send("{\"dev\":\"d\",\"seq\":2,\"temp\":9999}");
	assert_int_equal(list("d"), 3);
	assert_string_equal(shown[0].decision, "duplicate");
	assert_int_equal(shown[0].detail, 2);
	assert_string_equal(shown[1].decision, "quarantined");
	assert_string_equal(shown[1].reason, "out-of-range");
	assert_string_equal(shown[1].class, "malfunction");
	assert_string_equal(shown[1].field, "temp");
	assert_string_equal(shown[2].decision, "accepted");
	assert_true(shown[0].at_s > shown[1].at_s && shown[1].at_s > shown[2].at_s);
	// Accepted again: the old line, now the newest.
	send("{\"dev\":\"d\",\"seq\":3,\"temp\":1}");
	assert_int_equal(list("d"), 3);
	assert_string_equal(shown[0].decision, "accepted");
	assert_int_equal(shown[0].times, 2);
}

static void refused_says_why(void **) {
	rig.profile.on[FINDING_RANGE] = FINDING_REFUSE;
	send("{\"dev\":\"d\",\"seq\":1,\"temp\":9999}");
	assert_int_equal(list("d"), 1);
	assert_string_equal(shown[0].decision, "refused");
	assert_string_equal(shown[0].reason, "out-of-range");
}

// Numbers of fields and profiles mean something else in another configuration.
static void names_are_those_of_their_configuration(void **) {
	send("{\"dev\":\"d\",\"seq\":1,\"temp\":9999}");
	pipeline_use(rig.workers[0].p, &rig.config);
	assert_int_equal(list("d"), 1);
	assert_string_equal(shown[0].reason, "out-of-range");
	assert_string_equal(shown[0].field, "");
	assert_string_equal(shown[0].profile, "");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		CASE(the_same_again_only_counts),
		CASE(newest_first_with_reason_and_field),
		CASE(refused_says_why),
		CASE(names_are_those_of_their_configuration),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
