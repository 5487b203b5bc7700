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

#include <cmocka.h>

#define ISSUER "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ANCHOR "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define OTHER "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static struct registry *r;
static const struct author op = {.name = "tester", .uid = 1000};

static int setup(void **) {
	char why[256];
	return registry_open(":memory:", &r, why, sizeof(why));
}

static int teardown(void **) {
	registry_close(r);
	r = NULL;
	return 0;
}

static void device(const char *name) {
	if (registry_device_add(r, &op, name, &DEVICE_CHANGE_NONE, false) != 0)
		fail_msg("%s: %s", name, registry_why(r));
}

// Certificate number n (its digest is n everywhere) of a device, below `issuer` and ANCHOR.
static int certificate(uint8_t n, const char *name, const char *issuer, int64_t from, int64_t to) {
	uint8_t sha[32];
	char serial[3];
	struct certificate_row c = {
		.serial = serial,
		.device = name,
		.issuer = "CN=issuing",
		.subject = "CN=x",
		.sha256 = sha,
		.pem = "PEM",
		.not_before_s = from,
		.not_after_s = to,
		.path = {issuer, ANCHOR},
		.path_len = 2,
	};

	memset(sha, n, sizeof(sha));
	snprintf(serial, sizeof(serial), "%02x", n);
	return registry_certificate_add(r, &op, "cert.issue", &c);
}

static unsigned credentials(const char *name) {
	struct channel_credential c[16];
	int64_t cursor = 0;
	unsigned count = 0;
	int n = registry_credentials_since(r, 0, &cursor, c, 16);

	for (int i = 0; i < n; i++)
		count += c[i].kind == CREDENTIAL_CERTIFICATE && c[i].name_len == strlen(name)
			&& memcmp(c[i].name, name, c[i].name_len) == 0;
	return count;
}

static void expect_in(char *json, const char *part) {
	if (json == NULL)
		fail_msg("no answer: %s", registry_why(r));
	if (strstr(json, part) == NULL)
		fail_msg("'%s' is not in %s", part, json);
	free(json);
}

static void expect_list(int64_t now, int64_t within, const char *name, const char *part) {
	struct certificate_filter f = {
		.now_s = now, .within_s = within, .device = name, .limit = 10
	};
	int error;

	expect_in(registry_certificate_list(r, &f, &error), part);
}

static void trust(const char *name, const char *sha256, bool anchor) {
	uint8_t sha[32];
	struct trust_row t = {
		.name = name, .subject = name, .sha256 = sha, .pem = "PEM", .anchor = anchor
	};

	memset(sha, sha256[0] == 'a' ? 0xaa : sha256[0] == 'b' ? 0xbb : 0xcc, sizeof(sha));
	assert_int_equal(registry_trust_add(r, &op, &t), 0);
}

static void certificates_of_a_device_overlap(void **) {
	device("dev-1");
	// Both digests begin alike: numbers do not come from them.
	assert_int_equal(certificate(1, "dev-1", ISSUER, 0, 1000), 0);
	assert_int_equal(certificate(2, "dev-1", ISSUER, 0, 2000), 0);
	assert_int_equal(credentials("dev-1"), 2);
	assert_int_equal(certificate(2, "dev-1", ISSUER, 0, 2000), -EEXIST);
	assert_int_equal(certificate(3, "dev-2", ISSUER, 0, 2000), -ENOENT);
	assert_int_equal(credentials("dev-1"), 2);
}

static void a_revoked_certificate_is_no_credential_any_more(void **) {
	uint64_t version;
	struct channel_device d[4];
	int64_t cursor = 0;

	device("dev-1");
	assert_int_equal(certificate(1, "dev-1", ISSUER, 0, 1000), 0);
	assert_int_equal(certificate(2, "dev-1", ISSUER, 0, 2000), 0);
	version = registry_version(r);
	assert_int_equal(registry_certificate_revoke(r, &op, "01", "lost"), 0);
	assert_int_equal(registry_certificate_revoke(r, &op, "01", "lost"), -ENOENT);
	assert_int_equal(credentials("dev-1"), 1);
	// The data plane hears of the device anew.
	assert_int_equal(registry_devices_since(r, version, &cursor, d, 4), 1);
	expect_list(500, -1, NULL, "\"state\":\"revoked\",\"reason\":\"lost\"");
	// By its digest too.
	assert_int_equal(
		registry_certificate_revoke(
			r,
			&op,
			"0202020202020202020202020202020202020202020202020202020202020202",
			NULL
		),
		0
	);
	assert_int_equal(credentials("dev-1"), 0);
}

static void a_serial_of_two_issuers_must_be_named_by_digest(void **) {
	uint8_t sha[32];
	struct certificate_row c = {
		.serial = "01",
		.device = "dev-1",
		.issuer = "CN=other",
		.subject = "CN=x",
		.sha256 = sha,
		.pem = "PEM",
		.not_after_s = 1000,
		.path = {OTHER},
		.path_len = 1,
	};
	int error;

	device("dev-1");
	assert_int_equal(certificate(1, "dev-1", ISSUER, 0, 1000), 0);
	memset(sha, 9, sizeof(sha));
	assert_int_equal(registry_certificate_add(r, &op, "cert.add", &c), 0);
	assert_int_equal(registry_certificate_revoke(r, &op, "01", NULL), -EEXIST);
	assert_non_null(strstr(registry_why(r), "sha256"));
	assert_null(registry_certificate_show(r, "01", 0, &error));
	assert_int_equal(error, -EEXIST);
}

static void the_list_pages_by_expiry(void **) {
	struct certificate_filter f = {.now_s = 0, .within_s = -1, .limit = 2};
	int error;

	device("dev-1");
	for (uint8_t n = 1; n <= 5; n++)
		assert_int_equal(certificate(n, "dev-1", ISSUER, 0, n < 4 ? 1000 : 2000), 0);
	for (unsigned seen = 0; seen < 5;) {
		char *json = registry_certificate_list(r, &f, &error), serial[16];
		assert_non_null(json);
		for (unsigned k = 0; k < 2 && seen < 5; k++) {
			snprintf(serial, sizeof(serial), "\"serial\":\"%02x\"", ++seen);
			assert_non_null(strstr(json, serial));
		}
		char *next = strstr(json, "\"next\":\"");
		static char after[100];
		if (next != NULL) {
			snprintf(after, sizeof(after), "%s", next + 8);
			*strchr(after, '"') = '\0';
			f.after = after;
		} else {
			assert_int_equal(seen, 5);
		}
		free(json);
	}
}

static void only_what_has_no_successor_is_expiring(void **) {
	int64_t n = -1;

	device("dev-1");
	device("dev-2");
	assert_int_equal(certificate(1, "dev-1", ISSUER, 0, 900), 0);
	assert_int_equal(certificate(2, "dev-1", ISSUER, 0, 9000), 0);
	assert_int_equal(certificate(3, "dev-2", ISSUER, 0, 900), 0);
	assert_int_equal(registry_certificate_expiring(r, 500, 600, &n), 0);
	assert_int_equal(n, 1);
	expect_list(500, 600, "dev-1", "\"renew\":\"superseded\"");
	expect_list(500, 600, "dev-2", "\"renew\":\"none\"");
	expect_list(600, 600, "dev-2", "\"renew\":\"open\""); // the last third
	assert_int_equal(registry_certificate_revoke(r, &op, "02", "lost"), 0);
	assert_int_equal(registry_certificate_expiring(r, 500, 600, &n), 0);
	assert_int_equal(n, 2);
}

static void without_an_issuer_devices_with_another_go_on(void **) {
	int error;

	trust("root", ANCHOR, true);
	trust("issuing", ISSUER, false);
	device("dev-1");
	device("dev-2");
	assert_int_equal(certificate(1, "dev-1", ISSUER, 0, 1000), 0);
	assert_int_equal(certificate(2, "dev-2", ISSUER, 0, 1000), 0);
	assert_int_equal(certificate(3, "dev-2", OTHER, 0, 1000), 0);
	expect_in(
		registry_trust_affected(r, "issuing", 500, &error),
		"{\"devices\":[\"dev-1\"],\"count\":1}"
	);
	expect_in(
		registry_trust_affected(r, "root", 500, &error),
		"{\"devices\":[\"dev-1\",\"dev-2\"],\"count\":2}"
	);
	expect_in(registry_trust_affected(r, "issuing", 1500, &error), "\"count\":0");
	assert_null(registry_trust_affected(r, "nobody", 500, &error));
	assert_int_equal(error, -ENOENT);
	assert_int_equal(registry_trust_remove(r, &op, "issuing"), 0);
	assert_int_equal(registry_trust_remove(r, &op, "issuing"), -ENOENT);
}

struct entries {
	const char *const *serials;
	const char *reason;
};

static bool entry(void *owner, struct crl_entry *out) {
	struct entries *e = owner;

	if (*e->serials == NULL)
		return false;
	snprintf(out->serial, sizeof(out->serial), "%s", *e->serials++);
	out->at_s = 7;
	out->reason = e->reason;
	return true;
}

static int
list(const char *number,
     int64_t this_s,
     const char *digest,
     const char *reason,
     const char *const serials[],
     struct crl_result *out) {
	struct crl_head h = {
		.authority = ISSUER,
		.number = number,
		.this_s = this_s,
		.next_s = this_s + 100,
		.sha256 = digest,
	};
	struct entries e = {serials, reason};
	return registry_crl_import(r, &op, &h, entry, &e, out);
}

static void a_list_ends_certificates_and_only_counts_up(void **) {
	static const char *const one[] = {"01", NULL}, *const two[] = {"01", "02", NULL};
	struct crl_result out;
	int error;

	trust("issuing", ISSUER, true);
	device("dev-1");
	assert_int_equal(certificate(1, "dev-1", ISSUER, 0, 1000), 0);
	assert_int_equal(certificate(2, "dev-1", ISSUER, 0, 1000), 0);
	assert_int_equal(certificate(3, "dev-1", OTHER, 0, 1000), 0);
	assert_int_equal(list("9", 100, "d1", "keyCompromise", one, &out), 0);
	assert_int_equal(out.entries, 1);
	assert_int_equal(out.revoked, 1);
	assert_int_equal(credentials("dev-1"), 2);
	expect_list(500, -1, NULL, "\"reason\":\"crl: keyCompromise\"");
	assert_int_equal(registry_revoked(r, ISSUER, "01"), 1);
	assert_int_equal(registry_revoked(r, OTHER, "01"), 0);
	// The same list again, one with an older number, one that is older by its time.
	assert_int_equal(list("9", 100, "d1", "keyCompromise", one, &out), 0);
	assert_true(out.unchanged);
	assert_int_equal(list("8", 101, "d2", "keyCompromise", two, &out), -EPERM);
	assert_int_equal(list("a", 99, "d2", "keyCompromise", two, &out), -EPERM);
	assert_int_equal(list("9", 101, "d2", "keyCompromise", two, &out), -EPERM);
	assert_int_equal(registry_revoked(r, ISSUER, "02"), 0);
	// 0x10 is more than 0x9 although it sorts before it.
	assert_int_equal(list("10", 101, "d3", "keyCompromise", two, &out), 0);
	assert_int_equal(out.revoked, 1);
	assert_int_equal(credentials("dev-1"), 1);
	expect_in(registry_crl_overdue(r, 200, &error), "[]");
	expect_in(registry_crl_overdue(r, 201, &error), "\"name\":\"issuing\"");
	// What it revoked for good does not come back when it is no longer listed.
	static const char *const none[] = {NULL};
	assert_int_equal(list("11", 102, "d4", "keyCompromise", none, &out), 0);
	assert_int_equal(out.released, 0);
	assert_int_equal(credentials("dev-1"), 1);
}

static void a_certificate_on_hold_comes_back(void **) {
	static const char *const one[] = {"01", NULL}, *const none[] = {NULL};
	struct crl_result out;

	trust("issuing", ISSUER, true);
	device("dev-1");
	assert_int_equal(certificate(1, "dev-1", ISSUER, 0, 1000), 0);
	assert_int_equal(list("1", 100, "d1", "certificateHold", one, &out), 0);
	assert_int_equal(credentials("dev-1"), 0);
	assert_int_equal(list("2", 101, "d2", "certificateHold", none, &out), 0);
	assert_int_equal(out.released, 1);
	assert_int_equal(credentials("dev-1"), 1);
	expect_list(500, -1, NULL, "\"state\":\"valid\"");
}

static void the_list_goes_with_the_trust(void **) {
	static const char *const one[] = {"01", NULL};
	struct crl_result out;
	int error;

	trust("issuing", ISSUER, true);
	assert_int_equal(list("1", 100, "d1", "unspecified", one, &out), 0);
	expect_in(registry_trust_list(r, &error), "\"crl\":{\"number\":\"1\"");
	assert_int_equal(registry_trust_remove(r, &op, "issuing"), 0);
	assert_int_equal(registry_revoked(r, ISSUER, "01"), 0);
}

static void templates_hang_on_a_trusted_issuer(void **) {
	struct template_row t = {
		.profile = "meter", .name = "%cn", .pattern = "pump-*", .state = DEVICE_ACTIVE
	};
	struct template_row found;
	int error;

	assert_int_equal(registry_template_set(r, &op, "factory", &t), -ENOENT);
	trust("factory", ISSUER, true);
	assert_int_equal(registry_template_set(r, &op, "factory", &t), 0);
	expect_in(registry_template_list(r, &error), "\"pattern\":\"pump-*\"");
	assert_int_equal(registry_template_at(r, ISSUER, 0, &found), 0);
	assert_string_equal(found.profile, "meter");
	assert_int_equal(found.state, DEVICE_ACTIVE);
	assert_int_equal(registry_template_at(r, ISSUER, 1, &found), -ENOENT);
	assert_int_equal(registry_template_at(r, OTHER, 0, &found), -ENOENT);
	assert_int_equal(registry_template_remove(r, &op, "factory", "x"), -ENOENT);
	assert_int_equal(registry_template_remove(r, &op, "factory", "pump-*"), 0);
	assert_int_equal(registry_template_at(r, ISSUER, 0, &found), -ENOENT);
}

static void a_provisioned_device_and_its_certificate_are_one_change(void **) {
	uint8_t sha[32] = {1};
	struct certificate_row c = {
		.serial = "01",
		.device = "dev-1",
		.issuer = "CN=i",
		.subject = "CN=dev-1",
		.sha256 = sha,
		.pem = "PEM",
		.not_after_s = 1000,
		.path = {ISSUER, ANCHOR},
		.path_len = 2,
	};
	struct device_change d = DEVICE_CHANGE_NONE;
	char name[CHANNEL_NAME_MAX + 1];
	int error;

	d.state = DEVICE_PENDING;
	assert_int_equal(registry_provision(r, &op, &d, &c), 0);
	assert_int_equal(credentials("dev-1"), 1);
	assert_int_equal(registry_certificate_bound(r, "dev-1", ANCHOR), 1);
	assert_int_equal(registry_certificate_bound(r, "dev-1", ISSUER), 0);
	assert_int_equal(
		registry_certificate_device(
			r, "0100000000000000000000000000000000000000000000000000000000000000", name
		),
		0
	);
	assert_string_equal(name, "dev-1");
	// The same certificate for another name: neither of the two.
	c.device = "dev-2";
	assert_int_equal(registry_provision(r, &op, &d, &c), -EEXIST);
	assert_null(registry_device_show(r, "dev-2", &error));
	assert_int_equal(registry_device_remove(r, &op, "dev-1", "gone"), 0);
	c.device = "dev-1";
	sha[0] = 2;
	assert_int_equal(registry_provision(r, &op, &d, &c), -EPERM);
}

static void own_lists_count_up_and_hold_what_has_not_ended(void **) {
	int64_t a = 0, b = 0;
	int error;

	device("dev-1");
	assert_int_equal(certificate(1, "dev-1", ISSUER, 0, 1000), 0);
	assert_int_equal(certificate(2, "dev-1", ISSUER, 0, 3000), 0);
	assert_int_equal(certificate(3, "dev-1", OTHER, 0, 3000), 0);
	assert_int_equal(registry_certificate_revoke(r, &op, "01", NULL), 0);
	assert_int_equal(registry_certificate_revoke(r, &op, "02", NULL), 0);
	assert_int_equal(registry_certificate_revoke(r, &op, "03", NULL), 0);
	char *json = registry_own_revoked(r, ISSUER, 2000, &error);
	assert_null(strstr(json, "\"01\""));
	assert_null(strstr(json, "\"03\""));
	expect_in(json, "\"serial\":\"02\"");
	assert_int_equal(registry_crl_number(r, &a), 0);
	assert_int_equal(registry_crl_number(r, &b), 0);
	assert_true(b > a);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(certificates_of_a_device_overlap),
		TEST(a_revoked_certificate_is_no_credential_any_more),
		TEST(a_serial_of_two_issuers_must_be_named_by_digest),
		TEST(the_list_pages_by_expiry),
		TEST(only_what_has_no_successor_is_expiring),
		TEST(without_an_issuer_devices_with_another_go_on),
		TEST(a_list_ends_certificates_and_only_counts_up),
		TEST(a_certificate_on_hold_comes_back),
		TEST(the_list_goes_with_the_trust),
		TEST(templates_hang_on_a_trusted_issuer),
		TEST(a_provisioned_device_and_its_certificate_are_one_change),
		TEST(own_lists_count_up_and_hold_what_has_not_ended),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
