// SPDX-License-Identifier: Apache-2.0
#include "config/profile.h"
#include "pipelines/claim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct view text(const char *s) {
	return view_of(s, (uint32_t)strlen(s));
}

static const struct {
	const char *pattern;
	const char *device;
	const char *other;
	bool may;
} devices[] = {
	{"%d-*", "gw", "gw-1", true},
	{"%d-*", "gw", "gw-", true},
	{"%d-*", "gw", "gw2-1", false},
	{"%d-*", "gw", "xgw-1", false},
	{"*", "gw", "anything", true},
	{"meter-*-of-%d", "gw", "meter-17-of-gw", true},
	{"meter-*-of-%d", "gw", "meter-17-of-gw2", false},
	{"*-*-a", "gw", "1-2-3-a", true},
	{"*-*-a", "gw", "1-2-3-b", false},
	{"fixed", "gw", "fixed", true},
	{"fixed", "gw", "fixd", false},
	{"%d", "a*b", "a*b", true},
	{"%d", "a*b", "axb", false}, // a device's name is no pattern
	{"100%", "gw", "100%", true},
	{"a**b", "gw", "ab", true},
	{"+", "gw", "x", false}, // wildcards of topics are none here
};

static const struct {
	const char *pattern;
	const char *device;
	const char *path;
	bool may;
} paths[] = {
	{"t/%d/#", "dev", "t/dev/env", true},
	{"t/%d/#", "dev", "/t/dev/env", true},
	{"t/%d/#", "dev", "t/dev", true},
	{"t/%d/#", "dev", "t/dev2/env", false},
	{"t/%d/#", "dev", "t/de", false},
	{"t/+/%d", "dev", "t/x/dev", true},
	{"t/+/%d", "dev", "t/x/y/dev", false},
	{"t/+/%d", "dev", "t//dev", true},
	{"+/+", "dev", "a/b", true},
	{"+/+", "dev", "a/b/c", false},
	{"+", "dev", "a", true},
	{"#", "dev", "a/b/c", true},
	{"/t/+", "dev", "t/x", true},
	{"t/*", "dev", "t/x", false},
	{"t/+/a/+/b", "dev", "t/a/a/a/b", true},
	{"t/+/a/+/b", "dev", "t/a/b/a/b", false},
};

static void devices_it_may_send_for(void **) {
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		struct profile p = {.claim.device_count = 1};
		char pattern[64];
		snprintf(pattern, sizeof(pattern), "%s", devices[i].pattern);
		p.claim.devices[0] = pattern;
		if (claim_device(&p, text(devices[i].device), text(devices[i].other))
		    != devices[i].may)
			fail_msg(
				"%s %s %s", devices[i].pattern, devices[i].device, devices[i].other
			);
	}
}

static void paths_it_may_use(void **) {
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct profile p = {.claim.path_count = 1};
		char pattern[64];
		snprintf(pattern, sizeof(pattern), "%s", paths[i].pattern);
		p.claim.paths[0] = pattern;
		if (claim_path(&p, text(paths[i].device), text(paths[i].path)) != paths[i].may)
			fail_msg("%s %s %s", paths[i].pattern, paths[i].device, paths[i].path);
	}
}

static void nothing_given(void **) {
	struct profile p = {0};

	assert_false(claim_device(&p, text("a"), text("b")));
	assert_true(claim_path(&p, text("a"), text("any/where")));
}

static void long_patterns_fit_nothing_and_end(void **) {
	struct profile p = {.claim.device_count = 1};
	char pattern[256], name[65];

	memset(pattern, 'a', sizeof(pattern));
	for (int i = 0; i + 1 < 255; i += 2)
		memcpy(pattern + i, "*a", 2);
	pattern[254] = 'b';
	pattern[255] = '\0';
	memset(name, 'a', 64);
	name[64] = '\0';
	p.claim.devices[0] = pattern;
	assert_false(claim_device(&p, text("x"), text(name)));
	for (int i = 0; i + 1 < 254; i += 2)
		memcpy(pattern + i, "%d", 2);
	pattern[254] = '\0';
	assert_false(claim_device(&p, text(name), text(name)));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_it_may_send_for),
		cmocka_unit_test(paths_it_may_use),
		cmocka_unit_test(nothing_given),
		cmocka_unit_test(long_patterns_fit_nothing_and_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
