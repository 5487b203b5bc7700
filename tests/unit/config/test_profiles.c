// SPDX-License-Identifier: Apache-2.0
// Shipped profiles load and say what their comments say; defaults are those of the finding list.
#include "config/config.h"
#include "config/select.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#ifndef SOURCE_DIR
#error "SOURCE_DIR is the top of the checkout"
#endif

static struct config *config;

static int setup(void **) {
	struct config_error errors[16];
	uint32_t count = 0;

	int ret = config_load(SOURCE_DIR "/config/sluice.yaml", &config, errors, 16, &count);
	for (uint32_t i = 0; i < count; i++)
		print_error("%s:%u: %s\n", errors[i].file, errors[i].line, errors[i].text);
	return ret;
}

static int teardown(void **) {
	config_free(config);
	return 0;
}

static const struct profile *profile(const char *name) {
	for (uint32_t i = 0; i < config->profile_count; i++)
		if (strcmp(config->profiles[i].name, name) == 0)
			return &config->profiles[i];
	fail_msg("no profile %s", name);
	return NULL;
}

static const struct profile_field *field(const struct profile *p, const char *name) {
	const struct profile_field *f =
		profile_field_find(p, view_of(name, (uint32_t)strlen(name)));

	if (f == NULL)
		fail_msg("%s has no field %s", p->name, name);
	return f;
}

static void files_come_behind_the_list_by_name(void **) {
	static const char *const names[] = {
		"by-path",
		"line",
		"by-field",
		"by-identity",
		"environment",
		"line-machine",
		"raw",
		"senml-meter",
		"tracker",
		"workshop",
	};

	assert_int_equal(config->profile_count, sizeof(names) / sizeof(names[0]));
	for (uint32_t i = 0; i < config->profile_count; i++)
		assert_string_equal(config->profiles[i].name, names[i]);
}

static void fields_are_as_written(void **) {
	const struct profile_field *f = field(profile("environment"), "temperature");

	assert_int_equal(f->type, FIELD_NUMBER);
	assert_true(view_equal(f->unit, VIEW_LITERAL("Cel")));
	assert_true(f->required && !f->nullable && f->has_min && f->has_max);
	assert_true(f->min == -40 && f->max == 85 && f->rate_max == 1);
	assert_int_equal(f->stuck_after_s, 6 * 3600);
	assert_true(f->alert.above && f->alert.below && f->alert.unusual);
	assert_true(f->alert.raise_above == 60 && f->alert.clear_below == 55);
	assert_true(f->alert.raise_below == -20 && f->alert.clear_above == -18);
	assert_int_equal(f->alert.for_ms, 30000);
	assert_true(f->alert.z_raise == 6 && f->alert.z_clear == 3);
	assert_int_equal(f->alert.warmup, 200);
	assert_true(f->alert.smoothing == 0.02);
	f = field(profile("environment"), "humidity");
	assert_true(!f->required && !f->alert.above && !f->alert.below && !f->alert.unusual);
	assert_true(f->alert.warmup == 100 && f->alert.smoothing == 0.05);
	f = field(profile("line-machine"), "vibration");
	assert_true(f->alert.z_raise == 5 && f->alert.z_clear == 2.5);
	f = field(profile("tracker"), "altitude");
	assert_true(f->nullable && f->state == PROFILE_STATE_NONE);
	assert_null(profile_field_find(profile("tracker"), VIEW_LITERAL("colour")));
}

static void state_is_numbered_and_required_listed(void **) {
	const struct profile *p = profile("environment");

	assert_int_equal(p->state_count, 4);
	assert_int_equal(p->required_count, 1);
	assert_ptr_equal(&p->fields[p->required[0]], field(p, "temperature"));
	for (uint32_t i = 0; i < p->field_count; i++)
		assert_in_range(p->fields[i].state, 0, 3);
}

static void actions_are_the_lists_unless_given(void **) {
	const struct profile *p = profile("by-path");

	for (enum finding f = 0; f < FINDING_COUNT; f++)
		assert_int_equal(p->on[f], finding_default(f));
	p = profile("tracker");
	assert_int_equal(p->on[FINDING_MISSING], FINDING_FLAG);
	assert_int_equal(p->on[FINDING_ORDER], FINDING_IGNORE);
	assert_int_equal(p->on[FINDING_NULL], finding_default(FINDING_NULL));
}

static void times_and_dedup(void **) {
	const struct profile *p = profile("by-path");

	assert_int_equal(p->past_max_s, 30 * 86400);
	assert_int_equal(p->future_max_s, 300);
	assert_int_equal(p->late_after_s, 600);
	assert_int_equal(p->dedup, DEDUP_TIME_SEQ);
	assert_int_equal(p->dedup_window_s, 600);
	assert_int_equal(p->format, 0);
	assert_false(p->partial);
	p = profile("raw");
	assert_int_equal(p->past_max_s, 0);
	assert_int_equal(p->late_after_s, 0);
	assert_int_equal(p->dedup, DEDUP_OFF);
	assert_int_equal(p->format, PAYLOAD_RAW + 1);
	assert_true(profile("line-machine")->partial);
	assert_int_equal(profile("tracker")->schema_version, 2);
}

static void programs_are_compiled(void **) {
	const struct profile *p = profile("environment");

	assert_int_equal(p->step_count, 9);
	assert_int_equal(p->steps[0].op, STEP_FIRST_OF);
	assert_int_equal(p->steps[0].first_of.count, 2);
	assert_int_equal(p->steps[2].op, STEP_CONVERT);
	assert_non_null(p->steps[2].convert.from);
	assert_int_equal(p->need.fields, 3);
	assert_int_equal(p->need.text, 0);
	p = profile("line-machine");
	assert_int_equal(p->need.masks, 1);
	assert_int_equal(p->need.text, STEP_TEXT_MAX);
	assert_int_equal(profile("by-path")->step_count, 0);
}

static void paths_select(void **) {
	static const struct {
		const char *path;
		const char *profile;
	} cases[] = {
		{"sensors/env-7/environment", "environment"},
		{"/sensors/env-7/environment", "environment"},
		{"sensors/env-7/other", NULL},
		{"meters/9", "senml-meter"},
		{"machines/cnc-4/metrics", "line-machine"},
		{"t/4711/position", "tracker"},
		{"/t/dev-1/environment", "environment"},
		{"raw/x", "raw"},
		{"raw/x/y/z", "raw"},
		{"raw", NULL},
		{"t/dev-1/env", NULL},
		{"", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct profile *p = profile_select(
			config->selector,
			0,
			view_of(cases[i].path, (uint32_t)strlen(cases[i].path)),
			(struct view) {0}
		);
		if (p != (cases[i].profile == NULL ? NULL : profile(cases[i].profile)))
			fail_msg("%s: %s", cases[i].path, p == NULL ? "none" : p->name);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_come_behind_the_list_by_name),
		cmocka_unit_test(fields_are_as_written),
		cmocka_unit_test(state_is_numbered_and_required_listed),
		cmocka_unit_test(actions_are_the_lists_unless_given),
		cmocka_unit_test(times_and_dedup),
		cmocka_unit_test(programs_are_compiled),
		cmocka_unit_test(paths_select),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
