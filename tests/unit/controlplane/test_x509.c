// SPDX-License-Identifier: Apache-2.0
// Chains, names and revocation lists, with certificates made here; what OpenSSL says of them is
// tests/functional/control_certificates.sh.
#include "controlplane/ca/ca.h"
#include "controlplane/ca/crl.h"
#include "controlplane/ca/digest.h"
#include "controlplane/ca/verify.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define DAY 86400

static char why[256];
static char root[CA_PEM_MAX], root_key[CA_KEY_MAX];
static char issuing[CA_PEM_MAX], issuing_key[CA_KEY_MAX];
static char leaf[CA_PEM_MAX], leaf_key[CA_KEY_MAX];
static int64_t now;

static void
sign(enum ca_kind kind,
     const char *subject,
     int64_t from,
     int64_t to,
     const char *key,
     const char *issuer,
     const char *issuer_key,
     char *out) {
	struct ca_order o = {
		.kind = kind,
		.subject = subject,
		.not_before_s = from,
		.not_after_s = to,
		.key = key,
		.issuer_certificate = issuer,
		.issuer_key = issuer_key,
	};
	if (ca_sign(&o, out, why, sizeof(why)) != 0)
		fail_msg("%s: %s", subject, why);
}

static int setup(void **) {
	now = (int64_t)time(NULL);
	if (ca_key_make(root_key, why, sizeof(why)) < 0
	    || ca_key_make(issuing_key, why, sizeof(why)) < 0
	    || ca_key_make(leaf_key, why, sizeof(why)) < 0)
		return -1;
	sign(CA_ROOT, "O=T,CN=root", now - DAY, now + DAY, root_key, NULL, root_key, root);
	sign(CA_ISSUING, "O=T,CN=is", now - DAY, now + DAY, issuing_key, root, root_key, issuing);
	sign(CA_DEVICE, "CN=dev-1", now - DAY, now + DAY, leaf_key, issuing, issuing_key, leaf);
	return 0;
}

static enum ca_verdict verdict(const char *pem, const char *anchor, const char *helper) {
	struct ca_chain chain;
	struct ca_trust *t;

	assert_int_equal(ca_trust_create(&t), 0);
	if (anchor != NULL)
		assert_int_equal(ca_trust_add(t, anchor, true), 0);
	if (helper != NULL)
		assert_int_equal(ca_trust_add(t, helper, false), 0);
	enum ca_verdict v = ca_trust_verify(t, pem, true, &chain);
	ca_trust_destroy(t);
	return v;
}

static void a_chain_leads_to_an_anchor(void **) {
	char both[2 * CA_PEM_MAX];
	struct ca_chain chain;
	struct ca_trust *t;

	snprintf(both, sizeof(both), "%s%s", leaf, issuing);
	assert_int_equal(verdict(leaf, root, issuing), CA_TRUSTED);
	assert_int_equal(verdict(both, root, NULL), CA_TRUSTED);
	assert_int_equal(verdict(leaf, issuing, NULL), CA_TRUSTED); // an anchor needs no root
	assert_int_equal(verdict(leaf, root, NULL), CA_UNTRUSTED);
	assert_int_equal(verdict(leaf, NULL, issuing), CA_UNTRUSTED);
	assert_int_equal(verdict(leaf, NULL, NULL), CA_UNTRUSTED);
	assert_int_equal(verdict("nonsense", root, NULL), CA_MALFORMED);
	assert_int_equal(verdict("", root, NULL), CA_MALFORMED);
	assert_int_equal(ca_trust_create(&t), 0);
	assert_int_equal(ca_trust_add(t, root, true), 0);
	assert_int_equal(ca_trust_add(t, "nonsense", true), -EINVAL);
	assert_int_equal(ca_trust_verify(t, both, true, &chain), CA_TRUSTED);
	assert_int_equal(chain.count, 3);
	assert_string_equal(chain.certificate[0].cn, "dev-1");
	assert_string_equal(chain.certificate[2].cn, "root");
	assert_true(chain.certificate[2].self_issued && chain.certificate[2].is_ca);
	assert_false(chain.certificate[0].is_ca);
	ca_trust_destroy(t);
}

static void time_and_use_count(void **) {
	char pem[CA_PEM_MAX];

	sign(CA_DEVICE, "CN=a", now - 2 * DAY, now - DAY, leaf_key, issuing, issuing_key, pem);
	assert_int_equal(verdict(pem, root, issuing), CA_EXPIRED);
	sign(CA_DEVICE, "CN=a", now + DAY, now + 2 * DAY, leaf_key, issuing, issuing_key, pem);
	assert_int_equal(verdict(pem, root, issuing), CA_NOT_YET);
	// A CA is no client.
	assert_int_equal(verdict(issuing, root, NULL), CA_WRONG_USE);
	// Signed by a device: it is no CA, whatever its key can do.
	sign(CA_DEVICE, "CN=a", now - DAY, now + DAY, leaf_key, leaf, leaf_key, pem);
	assert_int_equal(verdict(pem, root, issuing), CA_UNTRUSTED);
	// The path length of the issuing CA is 0: a CA below it is none.
	sign(CA_ISSUING, "CN=sub", now - DAY, now + DAY, leaf_key, issuing, issuing_key, pem);
	char sub[CA_PEM_MAX], both[2 * CA_PEM_MAX];
	sign(CA_DEVICE, "CN=a", now - DAY, now + DAY, leaf_key, pem, leaf_key, sub);
	snprintf(both, sizeof(both), "%s%s", sub, pem);
	assert_int_equal(verdict(both, root, issuing), CA_UNTRUSTED);
}

static void the_issuers_name_is_spelled_as_its_owner_did(void **) {
	struct ca_certificate a, b;

	assert_int_equal(ca_inspect(leaf, &a), 0);
	assert_int_equal(ca_inspect(issuing, &b), 0);
	assert_string_equal(a.issuer, b.subject);
}

static void keys_fit_or_do_not(void **) {
	assert_int_equal(ca_key_fits(leaf_key, leaf, why, sizeof(why)), 0);
	assert_int_equal(ca_key_fits(root_key, leaf, why, sizeof(why)), -EINVAL);
	assert_int_equal(ca_key_fits("nonsense", leaf, why, sizeof(why)), -EINVAL);
}

static void names_follow_the_rule(void **) {
	static const struct ca_certificate c = {
		.cn = "pump-17", .san = "pump-17.plant.example", .serial = "4f01"
	};
	static const struct ca_certificate bare = {.serial = "01"};
	static const struct {
		const char *rule, *name;
	} good[] = {
		{"%cn", "pump-17"},
		{"%san", "pump-17.plant.example"},
		{"m-%serial", "m-4f01"},
		{"%cn.%serial", "pump-17.4f01"},
		{"100%%-%cn", "100%-pump-17"},
	};
	char out[64];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(ca_device_name(&c, good[i].rule, out, sizeof(out)), 0);
		assert_string_equal(out, good[i].name);
	}
	assert_int_equal(ca_device_name(&c, "%nonsense", out, sizeof(out)), -EINVAL);
	assert_int_equal(ca_device_name(&c, "%", out, sizeof(out)), -EINVAL);
	assert_int_equal(ca_device_name(&c, "", out, sizeof(out)), -EINVAL);
	assert_int_equal(ca_device_name(&bare, "%cn", out, sizeof(out)), -EINVAL);
	assert_int_equal(ca_device_name(&bare, "x%san", out, sizeof(out)), -EINVAL);
	assert_int_equal(ca_device_name(&c, "%san%san%san%san", out, sizeof(out)), -EINVAL);
}

// --- revocation lists

static uint8_t der[65536];

static int
list_write(int64_t number, uint32_t count, const char *pem, const char *key, size_t room) {
	static struct ca_crl_entry entries[64];
	struct ca_crl_order o = {
		.issuer_certificate = pem,
		.issuer_key = key,
		.number = number,
		.this_s = now,
		.next_s = now + DAY,
		.entries = entries,
		.count = count,
	};

	for (uint32_t i = 0; i < count; i++) {
		entries[i] = (struct ca_crl_entry) {.serial_len = 2, .at_s = now - 7};
		entries[i].serial[0] = 0x80; // needs a zero before it
		entries[i].serial[1] = (uint8_t)i;
	}
	return ca_crl_write(&o, der, room, why, sizeof(why));
}

static struct ca_crl_list *list_open(int len) {
	struct ca_crl_list *l = NULL;

	if (ca_crl_open(der, (size_t)len, &l, why, sizeof(why)) != 0)
		fail_msg("%s", why);
	return l;
}

static void a_list_reads_as_it_was_written(void **) {
	struct ca_revoked e;
	unsigned n = 0;
	int len = list_write(0x123456, 3, issuing, issuing_key, sizeof(der));

	assert_true(len > 0);
	struct ca_crl_list *l = list_open(len);
	assert_string_equal(ca_crl_head(l)->number, "123456");
	assert_int_equal(ca_crl_head(l)->this_s, now);
	assert_int_equal(ca_crl_head(l)->next_s, now + DAY);
	assert_int_equal(ca_crl_signed_by(l, issuing, why, sizeof(why)), 0);
	assert_int_equal(ca_crl_signed_by(l, root, why, sizeof(why)), -EBADMSG);
	assert_int_equal(ca_crl_signed_by(l, leaf, why, sizeof(why)), -EBADMSG);
	while (ca_crl_next(l, &e)) {
		char serial[8];
		snprintf(serial, sizeof(serial), "80%02x", n++);
		assert_string_equal(e.serial, serial);
		assert_int_equal(e.at_s, now - 7);
		assert_string_equal(e.reason, "unspecified");
	}
	assert_int_equal(n, 3);
	ca_crl_close(l);
}

static void an_empty_list_is_one(void **) {
	struct ca_revoked e;
	struct ca_crl_list *l = list_open(list_write(1, 0, issuing, issuing_key, sizeof(der)));

	assert_string_equal(ca_crl_head(l)->number, "1");
	assert_false(ca_crl_next(l, &e));
	ca_crl_close(l);
}

static void a_number_is_never_negative(void **) {
	struct ca_crl_list *l = list_open(list_write(0x80, 0, issuing, issuing_key, sizeof(der)));

	assert_string_equal(ca_crl_head(l)->number, "80");
	ca_crl_close(l);
}

// Signed by a key that is not the issuer's, under its name.
static void a_forged_list_is_told(void **) {
	struct ca_crl_list *l = list_open(list_write(1, 1, issuing, leaf_key, sizeof(der)));

	assert_int_equal(ca_crl_signed_by(l, issuing, why, sizeof(why)), -EBADMSG);
	ca_crl_close(l);
	int len = list_write(1, 1, issuing, issuing_key, sizeof(der));
	der[len - 1] ^= 1;
	l = NULL;
	if (ca_crl_open(der, (size_t)len, &l, why, sizeof(why)) == 0)
		assert_int_equal(ca_crl_signed_by(l, issuing, why, sizeof(why)), -EBADMSG);
	ca_crl_close(l);
}

static void every_truncation_of_a_list_is_refused(void **) {
	int len = list_write(7, 3, issuing, issuing_key, sizeof(der));

	for (int n = 0; n < len; n++) {
		struct ca_crl_list *l = NULL;
		uint8_t *exact = malloc((size_t)n + 1);
		memcpy(exact, der, (size_t)n);
		assert_int_equal(ca_crl_open(exact, (size_t)n, &l, why, sizeof(why)), -EINVAL);
		free(exact);
	}
}

static void a_list_without_room_is_refused(void **) {
	int len = list_write(7, 60, issuing, issuing_key, sizeof(der));

	assert_true(len > 0);
	for (int room = 0; room < len; room += 13)
		assert_int_equal(list_write(7, 60, issuing, issuing_key, (size_t)room), -ENOSPC);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_leads_to_an_anchor),
		cmocka_unit_test(time_and_use_count),
		cmocka_unit_test(the_issuers_name_is_spelled_as_its_owner_did),
		cmocka_unit_test(keys_fit_or_do_not),
		cmocka_unit_test(names_follow_the_rule),
		cmocka_unit_test(a_list_reads_as_it_was_written),
		cmocka_unit_test(an_empty_list_is_one),
		cmocka_unit_test(a_number_is_never_negative),
		cmocka_unit_test(a_forged_list_is_told),
		cmocka_unit_test(every_truncation_of_a_list_is_refused),
		cmocka_unit_test(a_list_without_room_is_refused),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
