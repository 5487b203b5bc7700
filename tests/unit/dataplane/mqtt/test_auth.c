// SPDX-License-Identifier: Apache-2.0
#include "dataplane/mqtt/auth.h"
#include "dataplane/mqtt/auth_thread.h"
#include "tests/support/mqtt_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

// All for the password "correct horse"; made by Python's hashlib, in passlib's format, by its
// bcrypt module, by openssl passwd and by libargon2.
#define SECRET_SHA256                                                                              \
	"$sluice-sha256$000102030405060708090a0b0c0d0e0f$"                                         \
	"4ac7628e73d357ef4e766280d83143f038aca73ee89a1c8a6bf9b0acd607e0fa"
#define SECRET_PBKDF2_256                                                                          \
	"$pbkdf2-sha256$1000$AAECAwQFBgcICQoLDA0ODw$yRTMTwbMbo9G0VfjobWqerzuuxe7BETNTErBbKKumGQ"
#define SECRET_PBKDF2_512                                                                          \
	"$pbkdf2-sha512$1000$AAECAwQFBgcICQoLDA0ODw$"                                              \
	"Xpx07WjVx4vCIvrmBRj8uOoVVtGqJqtUv2J5bhizSQs7osCteF7W4A61dZDqSIqQjO.dxO6p5FT/Uy7QRBXSXA"
#define SECRET_PBKDF2_1                                                                            \
	"$pbkdf2$1000$000102030405060708090a0b0c0d0e0f$9dd856c376b8b2b713b6be074054cb88a46556e0"
#define SECRET_BCRYPT "$2b$04$1j5rHQ7mogbudoRqxcTR5u1zEca1Tl4b9salR8IgfePl9QSa7qiEK"
#define SECRET_SHA512CRYPT                                                                         \
	"$6$saltsalt$"                                                                             \
	"hRM5XZ86KXEw9UOmjigeVqFgULtFB2sgpC9lXQDfMib3Zgw7mEiUvBJI2EplzfAqxL5Vvwp2scFtv/uamSo5z0"
#define SECRET_ARGON2                                                                              \
	"$argon2id$v=19$m=256,t=2,p=1$c2FsdHNhbHRzYWx0$pwZ7sGME81TL89Hs/ia4qXIxzecJdXvdtALit/"     \
	"lGF0w"

static const char *const secrets[] = {
	SECRET_SHA256,
	SECRET_PBKDF2_256,
	SECRET_PBKDF2_512,
	SECRET_PBKDF2_1,
	SECRET_BCRYPT,
	SECRET_SHA512CRYPT,
	SECRET_ARGON2,
};
#define SECRETS (sizeof(secrets) / sizeof(secrets[0]))

static const uint64_t key[2] = {1, 2};
static const struct view right = VIEW_LITERAL("correct horse");
static const struct view wrong = VIEW_LITERAL("correct hors");

static struct view text(const char *s) {
	return view_of(s, (uint32_t)strlen(s));
}

static struct auth_table *table(void) {
	static char names[SECRETS][8];
	struct auth_user users[SECRETS];
	struct auth_table *t;
	uint32_t bad;

	for (unsigned i = 0; i < SECRETS; i++) {
		snprintf(names[i], sizeof(names[i]), "u%u", i);
		users[i] = (struct auth_user) {text(names[i]), text(secrets[i])};
	}
	assert_int_equal(auth_table_create(users, SECRETS, key, &t, &bad), 0);
	return t;
}

static void every_method_knows_its_password(void **) {
	struct auth_table *t = table();
	uint32_t version;

	for (uint32_t i = 0; i < SECRETS; i++) {
		if (!auth_verify(t, i, right, &version))
			fail_msg("right password denied: %s", secrets[i]);
		if (auth_verify(t, i, wrong, &version))
			fail_msg("wrong password accepted: %s", secrets[i]);
	}
	assert_false(auth_verify(t, SECRETS, right, &version));
	auth_table_destroy(t);
}

static void a_worker_judges_only_what_is_cheap_or_remembered(void **) {
	struct auth_table *t = table();
	struct auth_memory *m;
	uint32_t user;

	assert_int_equal(auth_memory_create(t, &m), 0);
	assert_int_equal(auth_check(t, m, text("u0"), right, &user), AUTH_ACCEPTED);
	assert_int_equal(user, 0);
	assert_int_equal(auth_check(t, m, text("u0"), wrong, &user), AUTH_DENIED);
	assert_int_equal(auth_check(t, m, text("nobody"), right, &user), AUTH_DENIED);
	assert_int_equal(auth_check(t, m, text(""), right, &user), AUTH_DENIED);
	assert_int_equal(auth_check(t, m, text("u0"), text(""), &user), AUTH_DENIED);
	assert_int_equal(auth_check(t, m, text("u4"), right, &user), AUTH_LATER);
	assert_int_equal(user, 4);
	auth_remember(t, m, 4, 0, right);
	assert_int_equal(auth_check(t, m, text("u4"), right, &user), AUTH_ACCEPTED);
	// another password is asked about again, and does not spoil what is remembered
	assert_int_equal(auth_check(t, m, text("u4"), wrong, &user), AUTH_LATER);
	assert_int_equal(auth_check(t, m, text("u4"), right, &user), AUTH_ACCEPTED);
	assert_int_equal(auth_check(t, m, text("u5"), right, &user), AUTH_LATER);
	auth_memory_destroy(m);
	auth_table_destroy(t);
}

static void passwords_have_a_greatest_length(void **) {
	struct auth_table *t = table();
	struct auth_memory *m;
	uint8_t long_one[AUTH_PASSWORD_MAX + 1] = {1};
	uint32_t user;

	assert_int_equal(auth_memory_create(t, &m), 0);
	assert_int_equal(
		auth_check(t, m, text("u4"), view_of(long_one, AUTH_PASSWORD_MAX), &user),
		AUTH_LATER
	);
	assert_int_equal(
		auth_check(t, m, text("u4"), view_of(long_one, AUTH_PASSWORD_MAX + 1), &user),
		AUTH_DENIED
	);
	auth_memory_destroy(m);
	auth_table_destroy(t);
}

static void bad_users_are_named(void **) {
	static const char *const bad_secrets[] = {
		"",
		"plain text",
		"$",
		"$sluice-sha256$00$00",
		"$sluice-sha256$000102030405060708090a0b0c0d0e0f$12",
		"$pbkdf2-sha256$0$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$pbkdf2-sha256$99999999$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$pbkdf2-sha256$1000$!!!$AAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=99999999,t=3,p=1$c2FsdHNhbHQ$AAAA",
		"$argon2id$",
	};
	struct auth_user users[2] = {{VIEW_LITERAL("a"), text(SECRET_SHA256)}};
	struct auth_table *t;
	uint32_t bad = 99;

	for (unsigned i = 0; i < sizeof(bad_secrets) / sizeof(bad_secrets[0]); i++) {
		users[1] = (struct auth_user) {VIEW_LITERAL("b"), text(bad_secrets[i])};
		if (auth_table_create(users, 2, key, &t, &bad) != -EINVAL || bad != 1)
			fail_msg("accepted: %s", bad_secrets[i]);
	}
	users[1] = users[0]; // the same name again
	assert_int_equal(auth_table_create(users, 2, key, &t, &bad), -EINVAL);
}

static bool wait_answer(struct auth_thread *a, uint16_t worker, struct auth_answer *out) {
	for (unsigned i = 0; i < 5000; i++) {
		if (auth_thread_answer(a, worker, out))
			return true;
		nanosleep(&(struct timespec) {.tv_nsec = 1000000}, NULL);
	}
	return false;
}

static struct auth_request request(uint16_t worker, uint32_t user, struct view password) {
	struct auth_request q = {
		.user = user,
		.session = 100 + user,
		.worker = worker,
		.generation = 7,
		.password_len = (uint8_t)password.len,
	};

	memcpy(q.password, password.p, password.len);
	return q;
}

static void the_thread_answers_each_worker(void **) {
	struct auth_table *t = table();
	struct auth_thread *a;
	struct auth_answer answer;

	assert_int_equal(auth_thread_create(t, 2, 4, &a), 0);
	struct auth_request q = request(0, 6, right);
	assert_true(auth_thread_ask(a, &q));
	q = request(1, 5, wrong);
	assert_true(auth_thread_ask(a, &q));
	assert_true(wait_answer(a, 0, &answer));
	assert_true(answer.accepted && answer.session == 106 && answer.generation == 7);
	assert_true(wait_answer(a, 1, &answer));
	assert_true(!answer.accepted && answer.user == 5);
	auth_thread_destroy(a);
	auth_table_destroy(t);
}

static void the_queue_is_bounded_and_takes_one_request_per_user(void **) {
	struct auth_table *t = table();
	struct auth_thread *a;
	struct auth_answer answer;

	assert_int_equal(auth_thread_create(t, 1, 2, &a), 0);
	struct auth_request q = request(0, 4, wrong);
	assert_true(auth_thread_ask(a, &q));
	assert_false(auth_thread_ask(a, &q));
	q = request(0, 5, wrong);
	assert_true(auth_thread_ask(a, &q));
	q = request(0, 6, wrong);
	assert_false(auth_thread_ask(a, &q));
	assert_true(wait_answer(a, 0, &answer));
	assert_true(auth_thread_ask(a, &q));
	assert_true(wait_answer(a, 0, &answer));
	assert_true(wait_answer(a, 0, &answer));
	assert_int_equal(auth_thread_create(t, 1, 3, &a), -EINVAL);
	auth_thread_destroy(a);
	auth_table_destroy(t);
}

static struct rig rig;
static struct packet p;

static uint32_t login(struct rig *r, uint8_t version, const char *user, const char *password) {
	uint32_t c = rig_open_from(r, 1, 1);

	p.len = 0;
	pk_connect(
		&p,
		&(struct pk_connect) {
			.version = version,
			.clean = true,
			.id = "dev",
			.keep_alive = 60,
			.user = user,
			.password = password,
		}
	);
	rig_send(r, c, &p);
	return c;
}

static struct rig *rig_with(struct auth_table *t) {
	rig_init(&rig);
	rig.config.credentials = t;
	rig_start(&rig);
	return &rig;
}

static void a_listener_with_passwords_lets_in_who_knows_one(void **) {
	struct auth_table *t = table();
	struct rig *r = rig_with(t);

	uint32_t c = login(r, MQTT_V311, "u0", "correct horse");
	assert_true(RIG_GOT(r, c, "\x20\x02\x00\x00"));
	rig_publish(r, c, MQTT_V311, 0, 0, "x");
	assert_string_equal(r->messages[0].device, "u0"); // the credential, not the client id
	c = login(r, MQTT_V311, "u0", "wrong");
	assert_true(RIG_GOT(r, c, "\x20\x02\x00\x04"));
	c = login(r, MQTT_V5, "nobody", "wrong");
	assert_true(RIG_GOT(r, c, "\x20\x03\x00\x86\x00"));
	c = login(r, MQTT_V5, NULL, NULL);
	assert_true(RIG_GOT(r, c, "\x20\x03\x00\x86\x00"));
	c = login(r, MQTT_V5, "u0", NULL);
	assert_true(RIG_GOT(r, c, "\x20\x03\x00\x86\x00"));
	assert_int_equal(mqtt_server_stats(r->m)->refused[MQTT_REFUSED_CREDENTIALS], 4);
	rig_stop(r);
	auth_table_destroy(t);
}

static void the_same_client_id_with_another_user_is_refused(void **) {
	struct auth_table *t = table();
	struct rig *r = rig_with(t);
	struct auth_answer yes = {.accepted = true};

	login(r, MQTT_V5, "u0", "correct horse");
	uint32_t c = login(r, MQTT_V5, "u4", "correct horse");
	yes.user = 4;
	yes.session = r->requests[0].session;
	yes.generation = r->requests[0].generation;
	mqtt_auth_done(r->m, &yes);
	assert_true(RIG_GOT(r, c, "\x20\x03\x00\x85\x00"));
	rig_stop(r);
	auth_table_destroy(t);
}

static void connect_waits_for_the_thread_and_its_bytes_with_it(void **) {
	struct auth_table *t = table();
	struct rig *r = rig_with(t);
	uint64_t pool = mqtt_server_stats(r->m)->pool_free;
	uint32_t c = login(r, MQTT_V311, "u4", "correct horse");

	assert_int_equal(r->request_count, 1);
	assert_int_equal(r->requests[0].user, 4);
	assert_memory_equal(r->requests[0].password, "correct horse", 13);
	rig_publish(r, c, MQTT_V311, 1, 3, "x");
	assert_int_equal(r->conns[c].out_len, 0);
	assert_int_equal(r->message_count, 0);
	struct auth_answer a = {
		.user = 4,
		.session = r->requests[0].session,
		.accepted = true,
		.generation = (uint8_t)(r->requests[0].generation + 1),
	};
	mqtt_auth_done(r->m, &a); // of an earlier tenant of the slot
	assert_int_equal(r->conns[c].out_len, 0);
	a.generation--;
	mqtt_auth_done(r->m, &a);
	rig_poll(r);
	assert_true(RIG_GOT(r, c, "\x20\x02\x00\x00\x40\x02\x00\x03"));
	assert_int_equal(mqtt_server_stats(r->m)->pool_free, pool);

	// remembered: the next one does not wait
	c = login(r, MQTT_V311, "u4", "correct horse");
	assert_true(RIG_GOT(r, c, "\x20\x02\x00\x00"));
	c = login(r, MQTT_V311, "u4", "wrong");
	assert_int_equal(r->request_count, 2);
	a.session = r->requests[1].session;
	a.generation = r->requests[1].generation;
	a.accepted = false;
	mqtt_auth_done(r->m, &a);
	assert_true(RIG_GOT(r, c, "\x20\x02\x00\x04"));
	assert_true(r->conns[c].closed);
	rig_stop(r);
	auth_table_destroy(t);
}

static void a_full_queue_means_later(void **) {
	struct auth_table *t = table();
	struct rig *r = rig_with(t);

	r->verify_full = true;
	uint32_t c = login(r, MQTT_V5, "u4", "correct horse");
	assert_true(RIG_GOT(r, c, "\x20\x03\x00\x89\x00"));
	c = login(r, MQTT_V311, "u4", "correct horse");
	assert_true(RIG_GOT(r, c, "\x20\x02\x00\x03"));
	assert_int_equal(mqtt_server_stats(r->m)->refused[MQTT_REFUSED_AUTH_BUSY], 2);
	rig_stop(r);
	auth_table_destroy(t);
}

static void who_leaves_while_the_thread_looks_is_forgotten(void **) {
	struct auth_table *t = table();
	struct rig *r = rig_with(t);
	uint32_t c = login(r, MQTT_V5, "u4", "correct horse");

	rig_hang_up(r, c);
	assert_int_equal(mqtt_server_stats(r->m)->sessions, 0);
	struct auth_answer a = {
		.user = 4,
		.session = r->requests[0].session,
		.accepted = true,
		.generation = r->requests[0].generation,
	};
	mqtt_auth_done(r->m, &a);
	c = login(r, MQTT_V5, "u4", "correct horse");
	rig_advance(r, 11500);
	assert_true(RIG_GOT(r, c, "\x20\x03\x00\x89\x00")); // the thread never answered
	assert_int_equal(mqtt_server_stats(r->m)->sessions, 0);
	rig_stop(r);
	auth_table_destroy(t);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_method_knows_its_password),
		cmocka_unit_test(a_worker_judges_only_what_is_cheap_or_remembered),
		cmocka_unit_test(passwords_have_a_greatest_length),
		cmocka_unit_test(bad_users_are_named),
		cmocka_unit_test(the_thread_answers_each_worker),
		cmocka_unit_test(the_queue_is_bounded_and_takes_one_request_per_user),
		cmocka_unit_test(a_listener_with_passwords_lets_in_who_knows_one),
		cmocka_unit_test(the_same_client_id_with_another_user_is_refused),
		cmocka_unit_test(connect_waits_for_the_thread_and_its_bytes_with_it),
		cmocka_unit_test(a_full_queue_means_later),
		cmocka_unit_test(who_leaves_while_the_thread_looks_is_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
