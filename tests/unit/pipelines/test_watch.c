// SPDX-License-Identifier: Apache-2.0
// Who sends, and how: devices that flap, come from two places or send far more, peers that scan,
// bans that would hit a crowd. Raised once, cleared when it is over.
#include "pipelines/watch.h"
#include "tests/unit/pipelines/remember_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <yyjson.h>

#include <cmocka.h>

static struct rig rig;

static struct {
	uint32_t raised, cleared;
	char kind[32], peer[46];
	uint64_t count, signature;
} watched;

static int setup(void **) {
	rig_start(&rig, 1);
	memset(&watched, 0, sizeof(watched));
	return 0;
}

static int teardown(void **) {
	rig_stop(&rig);
	return 0;
}

static void
look_watched(struct rig *, uint16_t, const struct batch *b, const struct batch_entry *e) {
	if (e->kind != ENTRY_ALERT)
		return;
	yyjson_doc *doc = yyjson_read((const char *)b->buf + e->offset, e->len, 0);
	assert_non_null(doc);
	yyjson_val *root = yyjson_doc_get_root(doc);
	const char *kind = yyjson_get_str(yyjson_obj_get(root, "kind"));
	const char *what = yyjson_get_str(yyjson_obj_get(root, "alert"));
	assert_true(kind != NULL && what != NULL);
	memccpy(watched.kind, kind, '\0', sizeof(watched.kind) - 1);
	watched.raised += strcmp(what, "raise") == 0;
	watched.cleared += strcmp(what, "clear") == 0;
	assert_true(yyjson_is_uint(yyjson_obj_get(root, "count")));
	watched.count = yyjson_get_uint(yyjson_obj_get(root, "count"));
	watched.signature = yyjson_get_uint(yyjson_obj_get(root, "signature"));
	memccpy(watched.peer,
		yyjson_get_str(yyjson_obj_get(root, "peer")),
		'\0',
		sizeof(watched.peer) - 1);
	yyjson_doc_free(doc);
}

static void from(uint8_t last, uint16_t port, uint64_t later_ms) {
	uint8_t peer[4] = {10, 77, 0, last};
	struct message m = rig_message(&rig, "{\"dev\":\"d\",\"x\":1}", TOKEN_NONE);

	rig.now_ns += later_ms * 1000000;
	m.rx_ns = rig.now_ns;
	m.peer = view_of(peer, 4);
	m.peer_port = port;
	rig_push(&rig, 0, &m);
	rig.delivered = look_watched;
	rig_complete(&rig, 0, RESULT_DELIVERED);
}

static void quiet_for(uint64_t s) {
	rig.now_ns += s * 1000000000;
	pipeline_run(rig.workers[0].p, rig.now_ns, rig.wall_ns);
	pipeline_tick(rig.workers[0].p, rig.now_ns);
	rig.delivered = look_watched;
	rig_complete(&rig, 0, RESULT_DELIVERED);
}

static void raised_once_and_cleared_when_over(const char *kind) {
	assert_int_equal(watched.raised, 1);
	assert_string_equal(watched.kind, kind);
	assert_int_equal(watched.cleared, 0);
	quiet_for(rig.config.watch.quiet_s - 1);
	assert_int_equal(watched.cleared, 0);
	quiet_for(1);
	assert_int_equal(watched.cleared, 1);
	quiet_for(100);
	assert_int_equal(watched.raised + watched.cleared, 2);
}

static void a_device_that_reconnects_for_ever(void **) {
	for (uint16_t n = 0; n < 11; n++)
		from(2, 1000 + n, 1000);
	assert_int_equal(watched.raised, 0);
	for (uint16_t n = 11; n < 20; n++)
		from(2, 1000 + n, 1000);
	raised_once_and_cleared_when_over("flapping-connections");
}

static void a_device_in_two_places(void **) {
	from(2, 1000, 1000);
	from(3, 1000, 1000); // it moved
	from(3, 1000, 1000);
	from(2, 1000, 1000); // and back
	assert_int_equal(watched.raised, 0);
	from(3, 1000, 1000);
	raised_once_and_cleared_when_over("cloned-identity");
}

static void a_device_that_sends_ten_times_as_much(void **) {
	for (uint32_t n = 0; n < 100; n++)
		from(2, 1000, 1000); // ten in a window
	for (uint32_t n = 0; n < 90; n++)
		from(2, 1000, 10);
	assert_int_equal(watched.raised, 0);
	for (uint32_t n = 0; n < 100; n++)
		from(2, 1000, 10);
	raised_once_and_cleared_when_over("rate");
}

static struct pipeline_peer stranger(void) {
	static const uint8_t address[4] = {10, 77, 0, 66};

	return (struct pipeline_peer) {
		.address = view_of(address, 4),
		.transport = TRANSPORT_UDP,
		.now_ns = rig.now_ns,
		.wall_ns = rig.wall_ns,
	};
}

static void try_port(uint16_t port) {
	struct pipeline_peer s = stranger();

	pipeline_unheard(rig.workers[0].p, &s, port);
}

static void a_peer_that_looks_for_open_ports(void **) {
	for (uint32_t n = 0; n < 100; n++) // one port tried for ever is no scan
		try_port(9999);
	quiet_for(0);
	assert_int_equal(watched.raised, 0);
	for (uint16_t port = 1; port < 200; port++)
		try_port(port);
	quiet_for(0);
	raised_once_and_cleared_when_over("port-scan");
}

// Nothing came for minutes: the scan is of now, and its alert no older.
static void a_scan_that_wakes_an_idle_worker(void **) {
	rig.now_ns += 600ull * 1000000000;
	for (uint16_t port = 1; port < 200; port++)
		try_port(port);
	quiet_for(0);
	raised_once_and_cleared_when_over("port-scan");
}

static void decline(uint32_t signature, uint32_t devices) {
	struct pipeline_peer s = stranger();

	pipeline_ban_declined(rig.workers[0].p, &s, signature, devices);
}

static void a_ban_that_would_hit_a_crowd(void **) {
	decline(5, 41);
	quiet_for(0);
	assert_int_equal(watched.raised, 1);
	assert_int_equal(watched.count, 41);
	assert_int_equal(watched.signature, 5);
	assert_string_equal(watched.peer, "10.77.0.66");
	for (uint32_t n = 0; n < 100; n++) { // it goes on, with others in between
		quiet_for(59);
		decline(5 + n % 3, 40 + n);
	}
	quiet_for(0);
	raised_once_and_cleared_when_over("ban-declined");
	assert_int_equal(watched.signature, 5);
	assert_int_equal(watched.count, 0);
	assert_true(pipeline_tick(rig.workers[0].p, rig.now_ns) == UINT64_MAX);
}

// A worker with nothing else to do has to come back for it.
static void an_alert_that_finds_no_room_is_told_within_a_second(void **) {
	rig.topics[2].partitions = 0; // not known yet
	decline(5, 41);
	assert_int_equal(rig_counter(&rig, STAGE_ALERTS_HELD), 1);
	uint64_t due = pipeline_tick(rig.workers[0].p, rig.now_ns);
	assert_in_range(due, rig.now_ns + 1, rig.now_ns + 1000000000);
	rig.topics[2].partitions = 1;
	quiet_for(1);
	decline(5, 41);
	raised_once_and_cleared_when_over("ban-declined");
	// And one that nobody was told of in its time goes without a word.
	rig.topics[2].partitions = 0;
	decline(5, 41);
	for (uint32_t s = 0; s < 70; s++)
		quiet_for(1);
	rig.topics[2].partitions = 1;
	for (uint32_t s = 0; s < 70; s++)
		quiet_for(1);
	assert_int_equal(watched.raised + watched.cleared, 2);
}

static void limits_are_the_configurations(void **) {
	rig.config.watch.connections = 0;
	rig.config.watch.returns = 3;
	rig.config.watch.rate_factor = 0;
	rig.config.watch.ports = 40;
	for (uint16_t n = 0; n < 300; n++) // reconnects and floods, which nobody is to be told of
		from(2, 1000 + n, n < 100 ? 1000 : 1);
	for (uint16_t port = 1; port < 31; port++)
		try_port(port);
	quiet_for(60);
	for (uint8_t n = 0; n < 4; n++)
		from(2 + n % 2, 1000, 1000);
	assert_int_equal(watched.raised, 0);
	from(2, 1000, 1000);
	assert_int_equal(watched.raised, 1);
	assert_string_equal(watched.kind, "cloned-identity");
	for (uint16_t port = 1; port < 200; port++)
		try_port(port);
	quiet_for(0);
	assert_int_equal(watched.raised, 2);
	assert_string_equal(watched.kind, "port-scan");
	// Longer quiet, changed while they are raised.
	rig.config.watch.quiet_s = 300;
	quiet_for(299);
	assert_int_equal(watched.cleared, 0);
	quiet_for(2);
	assert_int_equal(watched.cleared, 2);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		CASE(a_device_that_reconnects_for_ever),
		CASE(a_device_in_two_places),
		CASE(a_device_that_sends_ten_times_as_much),
		CASE(a_peer_that_looks_for_open_ports),
		CASE(a_scan_that_wakes_an_idle_worker),
		CASE(a_ban_that_would_hit_a_crowd),
		CASE(an_alert_that_finds_no_room_is_told_within_a_second),
		CASE(limits_are_the_configurations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
