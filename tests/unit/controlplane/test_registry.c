// SPDX-License-Identifier: Apache-2.0
#include "controlplane/registry_certificates.h"
#include "controlplane/sql.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static char path[128];
static struct registry *r;
static const struct author op = {.name = "tester", .uid = 1000};
static char why[256];

static int setup(void **) {
	snprintf(dir, sizeof(dir), "/tmp/registry.XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/r.db", dir);
	return registry_open(path, &r, why, sizeof(why));
}

static int teardown(void **) {
	char command[128];

	registry_close(r);
	r = NULL;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void add(const char *name) {
	int ret = registry_device_add(r, &op, name, &DEVICE_CHANGE_NONE, false);

	if (ret != 0)
		fail_msg("%s: %s", name, registry_why(r));
}

static int set_state(const char *name, enum device_state s, bool readmit) {
	struct device_change c = DEVICE_CHANGE_NONE;

	c.state = s;
	c.reason = "test";
	return registry_device_change(r, &op, name, &c, readmit);
}

static void expect_in(char *json, const char *part) {
	assert_non_null(json);
	if (strstr(json, part) == NULL)
		fail_msg("'%s' is not in %s", part, json);
	free(json);
}

static void a_device_is_added_and_shown(void **) {
	struct device_change c = DEVICE_CHANGE_NONE;
	int error;

	c.profile = "meter";
	c.labels = "{\"site\":\"a\"}";
	c.claims = "{\"topic\":[\"t/%d/#\"]}";
	c.records_per_s = 10;
	assert_int_equal(registry_device_add(r, &op, "dev-1", &c, false), 0);
	expect_in(registry_device_show(r, "dev-1", &error), "\"profile\":\"meter\"");
	expect_in(registry_device_show(r, "dev-1", &error), "\"topic\":[\"t/%d/#\"]");
	expect_in(registry_device_show(r, "dev-1", &error), "\"records_per_s\":10");
	assert_null(registry_device_show(r, "dev-2", &error));
	assert_int_equal(error, -ENOENT);
}

static void a_device_added_twice_is_refused(void **) {
	add("dev-1");
	assert_int_equal(registry_device_add(r, &op, "dev-1", &DEVICE_CHANGE_NONE, false), -EEXIST);
	assert_int_equal(registry_version(r), 1);
}

static void names_a_topic_cannot_carry_are_refused(void **) {
	static const char *const bad[] = {"", "a/b", "a+b", "#", "a\nb", "\x7f"};
	char longest[CHANNEL_NAME_MAX + 2];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
			registry_device_add(r, &op, bad[i], &DEVICE_CHANGE_NONE, false), -EINVAL
		);
	memset(longest, 'a', sizeof(longest));
	longest[CHANNEL_NAME_MAX + 1] = '\0';
	assert_false(device_name_valid(longest));
	longest[CHANNEL_NAME_MAX] = '\0';
	add(longest);
}

static void revoked_is_for_good_unless_readmitted(void **) {
	add("dev-1");
	assert_int_equal(set_state("dev-1", DEVICE_REVOKED, false), 0);
	assert_int_equal(set_state("dev-1", DEVICE_ACTIVE, false), -EPERM);
	assert_non_null(strstr(registry_why(r), "revoked"));
	assert_int_equal(set_state("dev-1", DEVICE_ACTIVE, true), 0);
}

static void removed_leaves_a_tombstone_and_nothing_else(void **) {
	int error;

	add("very-personal-name");
	assert_int_equal(registry_device_remove(r, &op, "very-personal-name", "moved"), 0);
	assert_null(registry_device_show(r, "very-personal-name", &error));
	assert_int_equal(
		registry_device_add(r, &op, "very-personal-name", &DEVICE_CHANGE_NONE, false),
		-EPERM
	);
	assert_int_equal(
		registry_device_add(r, &op, "very-personal-name", &DEVICE_CHANGE_NONE, true), 0
	);
	assert_int_equal(registry_device_remove(r, &op, "nobody", ""), -ENOENT);
}

static void a_delta_carries_what_changed(void **) {
	struct channel_device d[8];
	int64_t cursor = 0;

	add("dev-1");
	add("dev-2");
	add("dev-3");
	uint64_t since = registry_version(r);
	assert_int_equal(set_state("dev-2", DEVICE_SUSPENDED, false), 0);
	assert_int_equal(registry_device_remove(r, &op, "dev-3", NULL), 0);
	assert_int_equal(registry_devices_since(r, since, &cursor, d, 8), 1);
	assert_memory_equal(d[0].name, "dev-2", 5);
	assert_int_equal(d[0].state, DEVICE_SUSPENDED);
	assert_int_equal(registry_devices_since(r, since, &cursor, d, 8), 0);
	cursor = 0;
	assert_int_equal(registry_removed_since(r, since, &cursor, d, 8), 1);
	assert_memory_equal(d[0].name, "dev-3", 5);
	assert_int_equal(registry_acknowledged(r, registry_version(r)), 0);
	assert_int_equal(registry_oldest(r), registry_version(r));
	cursor = 0;
	assert_int_equal(registry_devices_since(r, 0, &cursor, d, 1), 1);
	assert_int_equal(registry_devices_since(r, 0, &cursor, d, 8), 1);
}

static struct device_change labels_of(const char *json) {
	struct device_change c = DEVICE_CHANGE_NONE;

	c.labels = json;
	return c;
}

static int64_t sets(void) {
	int64_t n = -1;

	assert_int_equal(sql_number(registry_sql(r), &n, "SELECT count(*) FROM label_sets", ""), 0);
	return n;
}

static void labels_reach_the_channel_once_for_all_that_have_them(void **) {
	struct device_change one = labels_of("{\"site\":\"basel\",\"floor\":\"2\"}");
	struct device_change same = labels_of("{ \"floor\" : \"2\", \"site\":\"basel\"}");
	struct device_change other = labels_of("{\"site\":\"chur\"}"), none = labels_of("{}");
	struct channel_labels l[8];
	struct channel_device d[8];
	int64_t cursor = 0;

	assert_int_equal(registry_device_add(r, &op, "a", &one, false), 0);
	assert_int_equal(registry_device_add(r, &op, "b", &same, false), 0);
	assert_int_equal(registry_device_add(r, &op, "c", &other, false), 0);
	add("d");
	assert_int_equal(registry_labels_since(r, 0, &cursor, l, 1), 1);
	assert_int_equal(registry_labels_since(r, 0, &cursor, l + 1, 7), 1);
	assert_int_equal(registry_labels_since(r, 0, &cursor, l + 2, 6), 0);
	assert_int_equal(l[0].len, 19);
	assert_memory_equal(l[0].bytes, "\5\1floor2\4\5sitebasel", 19);
	cursor = 0;
	assert_int_equal(registry_devices_since(r, 0, &cursor, d, 8), 4);
	assert_int_equal(d[0].labels, l[0].set);
	assert_int_equal(d[1].labels, l[0].set);
	assert_int_equal(d[2].labels, l[1].set);
	assert_int_equal(d[3].labels, 0);
	// A delta brings the sets of its devices, whether they are new or not.
	uint64_t since = registry_version(r);
	assert_int_equal(registry_device_change(r, &op, "c", &one, false), 0);
	assert_int_equal(registry_device_change(r, &op, "a", &none, false), 0);
	cursor = 0;
	assert_int_equal(registry_labels_since(r, since, &cursor, l, 8), 1);
	cursor = 0;
	assert_int_equal(registry_devices_since(r, since, &cursor, d, 8), 2);
	assert_int_equal(d[0].labels, 0);
	assert_int_equal(d[1].labels, l[0].set);
	// A set goes with its last device.
	assert_int_equal(sets(), 1);
	assert_int_equal(registry_device_remove(r, &op, "b", NULL), 0);
	assert_int_equal(sets(), 1);
	assert_int_equal(set_state("c", DEVICE_SUSPENDED, false), 0);
	assert_int_equal(sets(), 1);
	assert_int_equal(registry_device_remove(r, &op, "c", NULL), 0);
	assert_int_equal(sets(), 0);
}

static void labels_out_of_bounds_are_refused(void **) {
	static const char *const bad[] = {
		"[]",
		"{\"a\":1}",
		"{\"\":\"x\"}",
		"{\"n234567890123456789012345678901234567890123456789\":\"49 bytes\"}",
		"{\"a\":\"\xff\"}",
		("{\"a\":\"1\",\"b\":\"1\",\"c\":\"1\",\"d\":\"1\",\"e\":\"1\",\"f\":\"1\","
		 "\"g\":\"1\",\"h\":\"1\",\"i\":\"1\",\"j\":\"1\",\"k\":\"1\",\"l\":\"1\","
		 "\"m\":\"1\",\"n\":\"1\",\"o\":\"1\",\"p\":\"1\",\"q\":\"1\"}"),
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct device_change c = labels_of(bad[i]);
		assert_int_equal(registry_device_add(r, &op, "a", &c, false), -EINVAL);
		assert_non_null(strstr(registry_why(r), "labels are"));
	}
	assert_int_equal(sets(), 0);
}

static void claims_and_credentials_reach_the_channel(void **) {
	struct channel_credential cred[4];
	struct channel_claim claim[4];
	struct device_change c = DEVICE_CHANGE_NONE;
	int64_t cursor = 0;
	int error;

	c.claims = "{\"id\":[\"x-*\"],\"topic\":[\"t/%d/#\",\"u\"]}";
	assert_int_equal(registry_device_add(r, &op, "dev-1", &c, false), 0);
	assert_int_equal(registry_claims_all(r, &cursor, claim, 4), 3);
	assert_int_equal(claim[0].kind, CLAIM_ID);
	assert_memory_equal(claim[1].pattern, "t/%d/#", 6);
	assert_int_equal(
		registry_credential_set(r, &op, "dev-1", CREDENTIAL_HMAC, 3, "topsecret", 9, 0), 0
	);
	cursor = 0;
	assert_int_equal(registry_credentials_since(r, 0, &cursor, cred, 4), 1);
	assert_int_equal(cred[0].number, 3);
	assert_memory_equal(cred[0].bytes, "topsecret", 9);
	// Nothing that answers an operator tells the secret.
	char *shown = registry_device_show(r, "dev-1", &error);
	char *log = registry_audit_list(r, 0, 100, &error);
	assert_null(strstr(shown, "topsecret"));
	assert_null(strstr(log, "topsecret"));
	assert_non_null(strstr(shown, "hmac-sha-256"));
	free(shown);
	free(log);
	assert_int_equal(registry_credential_remove(r, &op, "dev-1", CREDENTIAL_HMAC, 3), 0);
	assert_int_equal(registry_credential_remove(r, &op, "dev-1", CREDENTIAL_HMAC, 3), -ENOENT);
}

static void refusals_and_clones_stand_in_the_record(void **) {
	struct channel_event e[3] = {
		{.name = "dev-1", .name_len = 5, .kind = EVENT_SEEN, .wall_ns = 5, .records = 7},
		{.name = "dev-1", .name_len = 5, .kind = EVENT_REFUSED, .wall_ns = 9, .repeated = 4
		},
		{.name = "dev-9", .name_len = 5, .kind = EVENT_UNKNOWN, .reason = "pending"},
	};
	int error;

	add("dev-1");
	snprintf(e[1].reason, sizeof(e[1].reason), "device-not-active");
	e[0].peer = (struct channel_address) {.bytes = {10, 0, 0, 9}, .family = 4};
	assert_int_equal(registry_events(r, e, 3), 0);
	assert_int_equal(registry_events(r, e, 1), 0);
	expect_in(registry_device_show(r, "dev-1", &error), "\"reason\":\"device-not-active\"");
	expect_in(registry_device_show(r, "dev-1", &error), "\"count\":4");
	expect_in(registry_device_show(r, "dev-1", &error), "\"records\":14");
	expect_in(registry_device_show(r, "dev-1", &error), "\"address\":\"10.0.0.9\"");
	expect_in(registry_device_show(r, "dev-9", &error), "\"state\":\"pending\"");
}

struct bad_rows {
	unsigned count;
	uint64_t line[8];
	char text[8][160];
};

static void bad_row(void *owner, uint64_t line, const char *name, const char *reason) {
	struct bad_rows *b = owner;

	assert_true(b->count < 8);
	b->line[b->count] = line;
	snprintf(b->text[b->count++], sizeof(b->text[0]), "%s: %s", name, reason);
}

static int import(const char *csv, bool update, struct bad_rows *bad, struct import_result *out) {
	struct import_order o = {
		.csv = csv,
		.len = strlen(csv),
		.update = update,
		.refused = bad != NULL ? bad_row : NULL,
		.owner = bad,
	};
	return registry_import(r, &op, &o, out);
}

static void import_counts_good_and_bad_rows(void **) {
	static const char csv[] = "name,state,records_per_s,labels\r\n"
				  "a,active,5,site=x;floor=2\r\n"
				  "\"b \"\"q\"\"\",,,\n"
				  "bad/name,,,\n"
				  "c,nonsense,,\n"
				  "\n"
				  "a,active,,\n";
	struct import_result out;
	struct bad_rows bad = {0};
	int error;

	assert_int_equal(import(csv, false, &bad, &out), 0);
	assert_int_equal(out.rows, 5);
	assert_int_equal(out.added, 2);
	assert_int_equal(out.refused, 3);
	assert_int_equal(bad.count, 3);
	assert_int_equal(bad.line[0], 4);
	assert_int_equal(bad.line[1], 5);
	assert_int_equal(bad.line[2], 7);
	assert_non_null(strstr(bad.text[0], "bad/name: not a device name"));
	assert_non_null(strstr(bad.text[1], "c: not a state"));
	assert_non_null(strstr(bad.text[2], "a: known already"));
	expect_in(registry_device_show(r, "a", &error), "\"floor\":\"2\"");
	expect_in(registry_device_show(r, "b \"q\"", &error), "\"state\":\"active\"");
	assert_int_equal(import(csv, true, NULL, &out), 0);
	assert_int_equal(out.added, 0);
	assert_int_equal(out.changed, 3);
	assert_int_equal(sets(), 1);
	assert_int_equal(
		import("name,labels\na,site=y\nnew,site=z;=q\na,site=v\n", false, &bad, &out), 0
	);
	assert_int_equal(out.refused, 3);
	assert_int_equal(sets(), 1); // nothing is left of what was refused
	assert_int_equal(import("name,labels\na,{}\n", true, NULL, &out), 0);
	assert_int_equal(sets(), 0);
	assert_int_equal(import("name,colour\na,b\n", false, NULL, &out), -EINVAL);
	assert_int_equal(import("state\nactive\n", false, NULL, &out), -EINVAL);
}

// A set ends with its last device in the middle of an import, and comes back under another number.
static void import_keeps_labels_apart_that_come_and_go(void **) {
	static const char csv[] = "name,labels\n"
				  "a,site=x\nb,site=y\na,site=y\na,site=x\nb,site=x\nb,site=z\n"
				  "c,site=y\nd,site=x\na,{}\ne,site=y\n";
	static const char *const want[][2] = {
		{"a", "\"labels\":{}"},
		{"b", "\"site\":\"z\""},
		{"c", "\"site\":\"y\""},
		{"d", "\"site\":\"x\""},
		{"e", "\"site\":\"y\""},
	};
	struct import_result out;
	int error;

	for (int round = 0; round < 2; round++) {
		assert_int_equal(import(csv, true, NULL, &out), 0);
		assert_int_equal(out.refused, 0);
		for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
			expect_in(registry_device_show(r, want[i][0], &error), want[i][1]);
		assert_int_equal(sets(), 3);
	}
}

static void import_takes_labels_and_claims_as_json(void **) {
	static const char csv[] =
		"name,labels,claims\n"
		"a,\"{\"\"k\"\":\"\"x;y=z\"\"}\",\"{\"\"topic\"\":[\"\"t/%d\"\"]}\"\n"
		"b,\"{\"\"k\"\":7}\",\n"
		"c,,\"{\"\"colour\"\":[]}\"\n"
		"d,,\"{\"\"id\"\":[7]}\"\n"
		"e,\"{\",\n"
		"f,,{}\n";
	struct import_result out;
	struct bad_rows bad = {0};
	int error;

	assert_int_equal(import(csv, false, &bad, &out), 0);
	assert_int_equal(out.added, 2);
	assert_int_equal(bad.count, 4);
	expect_in(registry_device_show(r, "a", &error), "\"k\":\"x;y=z\"");
	expect_in(registry_device_show(r, "a", &error), "\"topic\":[\"t/%d\"]");
	expect_in(registry_device_show(r, "f", &error), "\"claims\":{}");
}

static void lists_filter_and_page(void **) {
	struct device_filter f = {.after = "", .state = -1, .limit = 2};
	struct device_change c = DEVICE_CHANGE_NONE;
	int error;

	add("a");
	add("b");
	add("c");
	c.labels = "{\"site\":\"x\"}";
	assert_int_equal(registry_device_change(r, &op, "c", &c, false), 0);
	expect_in(registry_device_list(r, &f, &error), "\"next\":\"b\"");
	f.after = "b";
	expect_in(registry_device_list(r, &f, &error), "\"next\":null");
	f = (struct device_filter) {.after = "", .state = -1, .limit = 9, .label = "site=x"};
	char *json = registry_device_list(r, &f, &error);
	assert_null(strstr(json, "\"name\":\"a\""));
	expect_in(json, "\"name\":\"c\"");
}

static void the_audit_chain_shows_tampering(void **) {
	uint64_t n = 0;

	add("dev-1");
	assert_int_equal(set_state("dev-1", DEVICE_SUSPENDED, false), 0);
	assert_int_equal(registry_audit_verify(r, &n), 0);
	assert_int_equal(n, 2);
	struct sql *s = registry_sql(r);
	assert_true(sql_script(s, "UPDATE audit SET who='other' WHERE id=1") < 0);
	assert_true(sql_script(s, "DELETE FROM audit WHERE id=2") < 0);
	assert_int_equal(sql_script(s, "DROP TRIGGER audit_no_update"), 0);
	assert_int_equal(sql_script(s, "UPDATE audit SET who='other' WHERE id=1"), 0);
	assert_int_equal(registry_audit_verify(r, &n), -EBADMSG);
	assert_int_equal(n, 1);
}

static void an_old_schema_is_upgraded_with_its_rows(void **) {
	struct sql s;
	char old[128];
	int error;

	for (int version = 1; version < REGISTRY_SCHEMA; version++) {
		snprintf(old, sizeof(old), "%s/old%d.db", dir, version);
		assert_int_equal(sql_open(&s, old), 0);
		assert_int_equal(registry_migrate(&s, version, why, sizeof(why)), 0);
		assert_int_equal(
			sql_script(
				&s,
				"INSERT INTO devices(name,state,created_s,version) "
				"VALUES('kept',2,1,1)"
			),
			0
		);
		sql_close(&s);
		registry_close(r);
		r = NULL;
		assert_int_equal(registry_open(old, &r, why, sizeof(why)), 0);
		expect_in(registry_device_show(r, "kept", &error), "\"state\":\"suspended\"");
		expect_in(registry_trust_list(r, &error), "[]");
	}
}

static char *file_text(const char *name) {
	FILE *f = fopen(name, "r");
	char *text = calloc(1, 65536);

	if (f == NULL || text == NULL || fread(text, 1, 65535, f) == 0)
		fail_msg("%s", name);
	fclose(f);
	return text;
}

// A file as an earlier release wrote it, and not as today's steps would make it.
static void a_registry_of_schema_3_keeps_everything(void **) {
	struct certificate_filter f = {.within_s = -1, .limit = 10};
	char old[128], *text = file_text(REGISTRY_V3);
	struct sql s;
	uint64_t n = 0;
	int error;

	snprintf(old, sizeof(old), "%s/v3.db", dir);
	assert_int_equal(sql_open(&s, old), 0);
	assert_int_equal(sql_script(&s, text), 0);
	free(text);
	sql_close(&s);
	registry_close(r);
	r = NULL;
	assert_int_equal(registry_open(old, &r, why, sizeof(why)), 0);
	assert_int_equal(registry_audit_verify(r, &n), 0);
	assert_int_equal(n, 13);
	expect_in(registry_device_show(r, "kept", &error), "\"topic\":[\"t/%d\"]");
	expect_in(registry_device_show(r, "kept", &error), "\"kind\":\"certificate\"");
	expect_in(registry_device_show(r, "kept", &error), "\"labels\":{\"site\":\"x\"}");
	assert_int_equal(sets(), 1);
	expect_in(
		registry_certificate_list(r, &f, &error),
		"\"serial\":\"6c6173dd03b6c358a8bba9e6693cae9a\",\"device\":\"kept\""
	);
	expect_in(registry_certificate_list(r, &f, &error), "\"state\":\"revoked\"");
	expect_in(registry_trust_list(r, &error), "\"anchor\":true");
	expect_in(registry_template_list(r, &error), "\"name\":\"%cn\"");
	assert_int_equal(registry_device_add(r, &op, "gone", &DEVICE_CHANGE_NONE, false), -EPERM);
	add("new");
	assert_int_equal(registry_audit_verify(r, &n), 0);
}

static void a_newer_schema_is_refused(void **) {
	struct registry *again = NULL;

	assert_int_equal(sql_script(registry_sql(r), "PRAGMA user_version=99"), 0);
	registry_close(r);
	r = NULL;
	assert_int_equal(registry_open(path, &again, why, sizeof(why)), -ENOTSUP);
	assert_non_null(strstr(why, "99"));
}

static void a_corrupt_file_is_told_and_a_backup_works(void **) {
	struct registry *again = NULL;
	char backup[128];
	int error;

	for (int i = 0; i < 200; i++) {
		char name[32];
		snprintf(name, sizeof(name), "device-number-%d", i);
		add(name);
	}
	snprintf(backup, sizeof(backup), "%s/backup.db", dir);
	assert_int_equal(registry_backup(r, "/nonexistent/backup.db"), -ENOENT);
	assert_non_null(strstr(registry_why(r), "/nonexistent/backup.db"));
	assert_int_equal(registry_backup(r, backup), 0);
	assert_int_equal(registry_check_file(backup, why, sizeof(why)), 0);
	registry_close(r);
	r = NULL;
	FILE *f = fopen(path, "r+");
	assert_non_null(f);
	char garbage[4096];
	memset(garbage, 0xa5, sizeof(garbage));
	fseek(f, 4096, SEEK_SET);
	for (int i = 0; i < 12; i++)
		fwrite(garbage, 1, sizeof(garbage), f);
	fclose(f);
	assert_int_equal(registry_open(path, &again, why, sizeof(why)), -EIO);
	assert_int_equal(rename(backup, path), 0);
	assert_int_equal(registry_open(path, &r, why, sizeof(why)), 0);
	expect_in(registry_device_show(r, "device-number-199", &error), "active");
}

static void a_full_disk_refuses_the_change_and_goes_on_serving(void **) {
	struct import_result out;
	static char csv[400000];
	size_t n = (size_t)snprintf(csv, sizeof(csv), "name\n");
	int error;

	add("dev-1");
	for (int i = 0; i < 20000; i++)
		n += (size_t)snprintf(csv + n, sizeof(csv) - n, "device-%d\n", i);
	assert_int_equal(sql_script(registry_sql(r), "PRAGMA max_page_count=60"), 0);
	assert_int_equal(import(csv, false, NULL, &out), -ENOSPC);
	assert_null(registry_device_show(r, "device-1", &error));
	expect_in(registry_device_show(r, "dev-1", &error), "active");
	assert_int_equal(sql_script(registry_sql(r), "PRAGMA max_page_count=1000000"), 0);
	assert_int_equal(import(csv, false, NULL, &out), 0);
	assert_int_equal(out.added, 20000);
}

static void configurations_are_versions(void **) {
	int64_t v = 0;
	int error;

	assert_int_equal(registry_config_current(r), 0);
	assert_int_equal(registry_config_add(r, &op, "first", "a: 1\n", &v), 0);
	assert_int_equal(registry_config_add(r, &op, "second", "a: 2\n", &v), 0);
	assert_int_equal(v, 2);
	char *text = registry_config_text(r, 1, &error);
	assert_string_equal(text, "a: 1\n");
	free(text);
	expect_in(registry_config_history(r, 10, &error), "\"comment\":\"second\"");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(a_device_is_added_and_shown),
		TEST(a_device_added_twice_is_refused),
		TEST(names_a_topic_cannot_carry_are_refused),
		TEST(revoked_is_for_good_unless_readmitted),
		TEST(removed_leaves_a_tombstone_and_nothing_else),
		TEST(a_delta_carries_what_changed),
		TEST(labels_reach_the_channel_once_for_all_that_have_them),
		TEST(labels_out_of_bounds_are_refused),
		TEST(claims_and_credentials_reach_the_channel),
		TEST(refusals_and_clones_stand_in_the_record),
		TEST(import_counts_good_and_bad_rows),
		TEST(import_keeps_labels_apart_that_come_and_go),
		TEST(import_takes_labels_and_claims_as_json),
		TEST(lists_filter_and_page),
		TEST(the_audit_chain_shows_tampering),
		TEST(an_old_schema_is_upgraded_with_its_rows),
		TEST(a_registry_of_schema_3_keeps_everything),
		TEST(a_newer_schema_is_refused),
		TEST(a_corrupt_file_is_told_and_a_backup_works),
		TEST(a_full_disk_refuses_the_change_and_goes_on_serving),
		TEST(configurations_are_versions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
