// SPDX-License-Identifier: Apache-2.0
// One session, one connection: on one worker, and between two and three.
#include "tests/support/mqtt_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define RIGS 3

static struct rig rigs[RIGS];
static struct rig *const all[RIGS] = {&rigs[0], &rigs[1], &rigs[2]};
static struct packet p;

static int setup(void **) {
	p.len = 0;
	for (unsigned i = 0; i < RIGS; i++)
		rig_init(&rigs[i]);
	return 0;
}

static int teardown(void **) {
	for (unsigned i = 0; i < RIGS; i++)
		rig_stop(&rigs[i]);
	return 0;
}

static void start(unsigned workers) {
	for (unsigned i = 0; i < RIGS; i++) {
		rigs[i].config.worker = (uint16_t)i;
		rigs[i].config.workers = (uint16_t)workers;
		for (unsigned k = 0; k < RIGS; k++)
			rigs[i].others[k] = &rigs[k];
		rig_start(&rigs[i]);
	}
}

static void start_one(void) {
	for (unsigned i = 0; i < RIGS; i++)
		rig_start(&rigs[i]);
}

static uint32_t connect_from(
	struct rig *r,
	uint8_t version,
	bool clean,
	const char *id,
	uint8_t octet,
	uint16_t l
) {
	struct pk_connect k = {.version = version, .clean = clean, .id = id, .keep_alive = 60};
	uint32_t c = rig_open_from(r, octet, l);

	if (version == MQTT_V5 && !clean)
		pp_number(&k.props, MQTT_PROP_SESSION_EXPIRY, 4, 3600);
	p.len = 0;
	pk_connect(&p, &k);
	rig_send(r, c, &p);
	return c;
}

static bool accepted(struct rig *r, uint32_t c) {
	return r->conns[c].out_len >= 4 && r->conns[c].out[0] == 0x20 && r->conns[c].out[3] == 0;
}

static bool present(struct rig *r, uint32_t c) {
	return accepted(r, c) && r->conns[c].out[2] == 1;
}

static void mqtt_3_1_4_3_the_existing_client_is_disconnected(void **) {
	struct rig *r = all[0];

	start_one();
	uint32_t a = rig_connect(r, MQTT_V5, true, "dev", 60);
	uint32_t b = rig_connect(r, MQTT_V311, true, "dev", 60);
	assert_true(RIG_GOT(r, a, "\xe0\x01\x8e"));
	assert_true(r->conns[a].closed);
	uint32_t c = rig_connect(r, MQTT_V311, true, "dev", 60);
	assert_true(r->conns[b].closed); // mqtt_3_1_4_2 of 3.1.1
	assert_int_equal(r->conns[b].out_len, 0);
	rig_publish(r, c, MQTT_V311, 1, 1, "x");
	assert_true(RIG_GOT(r, c, "\x40\x02\x00\x01"));
	assert_int_equal(mqtt_server_stats(r->m)->sessions, 1);
	assert_int_equal(mqtt_server_stats(r->m)->ended[MQTT_END_TAKEN_OVER], 2);
}

static void takeover_publishes_the_will(void **) {
	struct rig *r = all[0];

	start_one();
	uint32_t a = rig_open(r);
	pk_connect(
		&p,
		&(struct pk_connect) {.version = MQTT_V311,
				      .clean = true,
				      .id = "dev",
				      .will_topic = "w",
				      .will_payload = "x"}
	);
	rig_send(r, a, &p);
	rig_connect(r, MQTT_V311, true, "dev", 60);
	assert_int_equal(r->message_count, 1);
}

static void another_identity_is_refused_and_the_owner_untouched(void **) {
	struct rig *r = all[0];

	start_one();
	uint32_t owner = rig_connect(r, MQTT_V5, false, "dev", 60);
	uint32_t c = connect_from(r, MQTT_V5, true, "dev", 2, 0);
	assert_true(RIG_GOT(r, c, "\x20\x03\x00\x85\x00"));
	assert_true(r->conns[c].closed);
	c = connect_from(r, MQTT_V311, true, "dev", 3, 0);
	assert_true(RIG_GOT(r, c, "\x20\x02\x00\x02"));
	assert_int_equal(mqtt_server_stats(r->m)->refused[MQTT_REFUSED_OTHER_IDENTITY], 2);
	rig_publish(r, owner, MQTT_V5, 1, 1, "x");
	assert_true(RIG_GOT(r, owner, "\x40\x02\x00\x01"));
	// stored as well as live
	rig_hang_up(r, owner);
	c = connect_from(r, MQTT_V5, true, "dev", 2, 0);
	assert_true(RIG_GOT(r, c, "\x20\x03\x00\x85\x00"));
	// the same source address may come back
	c = connect_from(r, MQTT_V5, false, "dev", 1, 0);
	assert_true(present(r, c));
}

static void tenants_do_not_meet(void **) {
	struct rig *r = all[0];

	start_one();
	uint32_t a = rig_connect(r, MQTT_V5, false, "dev", 60);
	uint32_t b = connect_from(r, MQTT_V5, false, "dev", 9, 2);
	assert_true(accepted(r, b));
	assert_false(present(r, b));
	assert_false(r->conns[a].closed);
}

// Every pair of workers as previous holder and claimant, whatever worker has the shard.
static void a_session_moves_to_any_worker(void **) {
	start(RIGS);
	for (unsigned from = 0; from < RIGS; from++) {
		for (unsigned to = 0; to < RIGS; to++) {
			for (unsigned k = 0; k < 6; k++) {
				char id[32];
				snprintf(id, sizeof(id), "dev-%u-%u-%u", from, to, k);
				struct rig *a = all[from], *b = all[to];
				uint32_t ca = connect_from(a, MQTT_V5, false, id, 1, 0);
				rig_letters(all, RIGS);
				assert_true(accepted(a, ca));
				assert_false(present(a, ca));
				rig_flush_out(a, ca);
				uint32_t seen = a->message_count;
				rig_publish(a, ca, MQTT_V5, 2, 9, "x");
				rig_letters(all, RIGS);
				uint64_t epoch = a->messages[seen % RIG_MESSAGES].epoch;
				rig_flush_out(a, ca);

				uint32_t cb = connect_from(b, MQTT_V5, false, id, 1, 0);
				rig_letters(all, RIGS);
				assert_true(RIG_GOT(a, ca, "\xe0\x01\x8e"));
				assert_true(a->conns[ca].closed);
				assert_true(present(b, cb));
				rig_flush_out(b, cb);
				// the QoS 2 id has moved with it
				seen = b->message_count;
				rig_publish(b, cb, MQTT_V5, 2, 9, "x");
				assert_true(RIG_GOT(b, cb, "\x50\x02\x00\x09"));
				assert_int_equal(b->message_count, seen);
				pk_ack(&p, MQTT_PUBREL, 9);
				rig_send(b, cb, &p);
				assert_true(RIG_GOT(b, cb, "\x70\x02\x00\x09"));
				rig_publish(b, cb, MQTT_V5, 2, 10, "y");
				assert_int_equal(b->messages[seen % RIG_MESSAGES].epoch, epoch);
				rig_input(b, cb, "\xe0\x07\x00\x05\x11\x00\x00\x00\x00", 9);
				rig_letters(all, RIGS);
				assert_int_equal(mqtt_server_stats(a->m)->sessions, 0);
				assert_int_equal(mqtt_server_stats(b->m)->sessions, 0);
			}
		}
	}
}

static void another_identity_is_refused_on_every_worker(void **) {
	start(2);
	for (unsigned k = 0; k < 8; k++) {
		char id[16];
		snprintf(id, sizeof(id), "dev-%u", k);
		uint32_t a = connect_from(all[0], MQTT_V5, true, id, 1, 0);
		rig_letters(all, 2);
		assert_true(accepted(all[0], a));
		rig_flush_out(all[0], a);
		uint32_t b = connect_from(all[1], MQTT_V5, true, id, 2, 0);
		rig_letters(all, 2);
		assert_true(RIG_GOT(all[1], b, "\x20\x03\x00\x85\x00"));
		assert_false(all[0]->conns[a].closed);
		assert_int_equal(all[0]->conns[a].out_len, 0);
	}
}

static void a_pending_message_is_answered_where_its_session_is_now(void **) {
	start(2);
	all[0]->hold = true;
	uint32_t a = connect_from(all[0], MQTT_V5, false, "dev", 1, 0);
	rig_letters(all, 2);
	rig_publish(all[0], a, MQTT_V5, 2, 4, "x");
	uint32_t b = connect_from(all[1], MQTT_V5, false, "dev", 1, 0);
	rig_letters(all, 2);
	assert_true(present(all[1], b));
	rig_flush_out(all[1], b);
	pk_publish(
		&p,
		&(struct pk_publish) {.version = MQTT_V5,
				      .qos = 2,
				      .id = 4,
				      .dup = true,
				      .topic = "t/x",
				      .payload = "x"}
	);
	rig_send(all[1], b, &p);
	assert_int_equal(all[1]->message_count, 0);
	assert_int_equal(all[1]->conns[b].out_len, 0);
	rig_answer(all[0], 0, OUTCOME_ACKED);
	rig_letters(all, 2);
	assert_true(RIG_GOT(all[1], b, "\x50\x02\x00\x04"));
	assert_int_equal(mqtt_server_stats(all[0]->m)->in_flight, 0);
}

static void clean_start_takes_nothing_along(void **) {
	start(2);
	uint32_t a = connect_from(all[0], MQTT_V5, false, "dev", 1, 0);
	rig_letters(all, 2);
	rig_publish(all[0], a, MQTT_V5, 2, 4, "x");
	uint32_t b = connect_from(all[1], MQTT_V5, true, "dev", 1, 0);
	rig_letters(all, 2);
	assert_true(accepted(all[1], b));
	assert_false(present(all[1], b));
	rig_publish(all[1], b, MQTT_V5, 2, 4, "x");
	assert_int_equal(all[1]->message_count, 1);
}

// Three connections of one device at the same time, letters under way: one stays, nothing leaks.
static void crossing_claims_leave_one_holder(void **) {
	start(RIGS);
	for (unsigned k = 0; k < 20; k++) {
		char id[16];
		uint32_t c[6];
		snprintf(id, sizeof(id), "dev-%u", k);
		for (unsigned i = 0; i < 6; i++)
			c[i] = connect_from(all[i % RIGS], MQTT_V5, i % 2 != 0, id, 1, 0);
		rig_letters(all, RIGS);
		unsigned live = 0;
		for (unsigned i = 0; i < 6; i++)
			live += !all[i % RIGS]->conns[c[i]].closed;
		assert_int_equal(live, 1);
		for (unsigned i = 0; i < 6; i++)
			if (!all[i % RIGS]->conns[c[i]].closed)
				rig_input(
					all[i % RIGS],
					c[i],
					"\xe0\x07\x00\x05\x11\x00\x00\x00\x00",
					9
				);
		rig_letters(all, RIGS);
	}
	for (unsigned i = 0; i < RIGS; i++) {
		rig_advance(all[i], 12000);
		rig_letters(all, RIGS);
	}
	for (unsigned i = 0; i < RIGS; i++)
		assert_int_equal(mqtt_server_stats(all[i]->m)->sessions, 0);
}

static void a_client_that_leaves_while_its_claim_is_under_way(void **) {
	start(2);
	for (unsigned k = 0; k < 8; k++) {
		char id[16];
		snprintf(id, sizeof(id), "dev-%u", k);
		uint32_t a = connect_from(all[0], MQTT_V5, false, id, 1, 0);
		rig_letters(all, 2);
		rig_publish(all[0], a, MQTT_V5, 2, 4, "x");
		uint32_t b = connect_from(all[1], MQTT_V5, false, id, 1, 0);
		rig_hang_up(all[1], b);
		rig_letters(all, 2);
		// its session is stored and can be resumed, here or there
		uint32_t c = connect_from(all[k % 2], MQTT_V5, false, id, 1, 0);
		rig_letters(all, 2);
		assert_true(present(all[k % 2], c));
		rig_input(all[k % 2], c, "\xe0\x07\x00\x05\x11\x00\x00\x00\x00", 9);
		rig_letters(all, 2);
	}
	assert_int_equal(mqtt_server_stats(all[0]->m)->sessions, 0);
	assert_int_equal(mqtt_server_stats(all[1]->m)->sessions, 0);
	assert_int_equal(mqtt_server_stats(all[0]->m)->connections, 0);
	assert_int_equal(mqtt_server_stats(all[1]->m)->connections, 0);
}

static void letters_that_find_no_room_are_sent_later(void **) {
	start(2);
	for (unsigned i = 0; i < 2; i++)
		all[i]->letters_blocked = true;
	uint32_t c[8];
	for (unsigned k = 0; k < 8; k++) {
		char id[16];
		snprintf(id, sizeof(id), "dev-%u", k);
		c[k] = connect_from(all[0], MQTT_V5, false, id, 1, 0);
	}
	for (unsigned i = 0; i < 2; i++)
		all[i]->letters_blocked = false;
	for (unsigned i = 0; i < 4; i++) {
		rig_poll(all[0]);
		rig_poll(all[1]);
		rig_letters(all, 2);
	}
	for (unsigned k = 0; k < 8; k++)
		assert_true(accepted(all[0], c[k]));
}

static void a_claim_without_an_answer_ends(void **) {
	start(2);
	uint32_t waiting = 0;
	for (unsigned k = 0; k < 8; k++) {
		char id[16];
		snprintf(id, sizeof(id), "dev-%u", k);
		uint32_t c = connect_from(all[0], MQTT_V5, false, id, 1, 0);
		waiting += !accepted(all[0], c);
	}
	assert_true(waiting > 0);
	all[1]->letter_count = 0; // lost
	rig_advance(all[0], 12000);
	assert_int_equal(mqtt_server_stats(all[0]->m)->refused[MQTT_REFUSED_TIMEOUT], waiting);
	assert_int_equal(mqtt_server_stats(all[0]->m)->sessions, 8 - waiting);
}

static void bytes_behind_a_connect_that_waits_are_kept(void **) {
	start(2);
	for (unsigned k = 0; k < 8; k++) {
		char id[16];
		snprintf(id, sizeof(id), "dev-%u", k);
		uint32_t c = rig_open(all[0]);
		pk_connect(
			&p, &(struct pk_connect) {.version = MQTT_V311, .clean = true, .id = id}
		);
		pk_publish(
			&p,
			&(struct pk_publish
			) {.version = MQTT_V311, .qos = 1, .id = 1, .topic = "t", .payload = "x"}
		);
		rig_send(all[0], c, &p);
		rig_letters(all, 2);
		assert_true(RIG_GOT(all[0], c, "\x20\x02\x00\x00\x40\x02\x00\x01"));
	}
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(mqtt_3_1_4_3_the_existing_client_is_disconnected),
		T(takeover_publishes_the_will),
		T(another_identity_is_refused_and_the_owner_untouched),
		T(tenants_do_not_meet),
		T(a_session_moves_to_any_worker),
		T(another_identity_is_refused_on_every_worker),
		T(a_pending_message_is_answered_where_its_session_is_now),
		T(clean_start_takes_nothing_along),
		T(crossing_claims_leave_one_holder),
		T(a_client_that_leaves_while_its_claim_is_under_way),
		T(letters_that_find_no_room_are_sent_later),
		T(a_claim_without_an_answer_ends),
		T(bytes_behind_a_connect_that_waits_are_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
