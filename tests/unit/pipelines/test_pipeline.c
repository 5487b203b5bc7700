// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/headers.h"
#include "pipelines/partition.h"
#include "pipelines/pipeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include <cmocka.h>

#define BATCHES 8
#define BATCH_BYTES 8192
#define TOKENS 4096

// A worker without a network: sealed batches lie in `sealed` until the test completes them.
struct bench {
	struct config config;
	struct config_topic topics[3];
	struct config_route routes[3];
	struct profile profiles[4];
	struct ledger ledger;
	struct pipeline *p;
	struct batch *batches;
	struct batch *sealed[BATCHES];
	uint32_t sealed_count;
	uint32_t verdicts; // in all
	struct verdict last;
	uint8_t verdicts_of[TOKENS];
	uint8_t outcome_of[TOKENS];
	uint64_t now_ns;
};

enum { PROFILE_PAYLOAD, PROFILE_PATH, PROFILE_RECEIVED, PROFILE_ORIGINAL };

static void on_sealed(void *owner, struct batch *b) {
	struct bench *t = owner;

	assert_true(b->count > 0);
	assert_true(t->sealed_count < BATCHES);
	t->sealed[t->sealed_count++] = b;
}

static void on_done(void *adapter, uint32_t token, const struct verdict *v) {
	struct bench *t = adapter;

	t->verdicts++;
	t->last = *v;
	assert_true(token < TOKENS);
	t->verdicts_of[token]++;
	t->outcome_of[token] = v->outcome;
}

static void text_add(char *text, size_t size, const char *more) {
	size_t n = strlen(text);
	snprintf(text + n, size - n, "%s", more);
}

static void configure(struct bench *t) {
	struct config *c = &t->config;

	snprintf(c->appliance, sizeof(c->appliance), "sluice-1");
	for (uint16_t i = 0; i < 3; i++)
		t->topics[i].partitions = 12;
	snprintf(t->topics[0].name, sizeof(t->topics[0].name), "telemetry");
	snprintf(t->topics[1].name, sizeof(t->topics[1].name), "raw");
	snprintf(t->topics[2].name, sizeof(t->topics[2].name), "dead");
	c->topics = t->topics;
	c->topic_count = 3;
	c->kafka.dead_letter = 2;
	c->partition_map = 3;
	c->egress.linger_us = 2000;
	c->egress.batch_records = 16;
	t->routes[0] = (struct config_route) {.topic = 0, .ack = ACK_KAFKA};
	t->routes[1] = (struct config_route) {.topic = 0, .ack = ACK_RECEIVED};
	t->routes[2] =
		(struct config_route) {.topic = 1, .ack = ACK_KAFKA, .encoding = ENCODING_ORIGINAL};
	struct payload_hints hints = {
		.device_key = VIEW_LITERAL("dev"),
		.time_key = VIEW_LITERAL("ts"),
		.seq_key = VIEW_LITERAL("seq"),
		.time_unit = TIME_MS,
	};
	for (int i = 0; i < 4; i++) {
		t->profiles[i].hints = hints;
		t->profiles[i].route = &t->routes[0];
		snprintf(t->profiles[i].name, sizeof(t->profiles[i].name), "profile-%d", i);
	}
	t->profiles[PROFILE_PAYLOAD].device_from = DEVICE_FROM_PAYLOAD;
	t->profiles[PROFILE_PATH].device_from = DEVICE_FROM_PATH;
	t->profiles[PROFILE_PATH].device_segment = 1;
	t->profiles[PROFILE_RECEIVED].device_from = DEVICE_FROM_ADDRESS;
	t->profiles[PROFILE_RECEIVED].route = &t->routes[1];
	t->profiles[PROFILE_ORIGINAL].device_from = DEVICE_FROM_PAYLOAD;
	t->profiles[PROFILE_ORIGINAL].route = &t->routes[2];
}

static int setup(void **state) {
	struct bench *t = calloc(1, sizeof(*t));
	struct pipeline_env env = {
		.egress_count = 2,
		.batch_count = BATCHES,
		.ack_slots = 64,
		.in_flight_records_max = 100,
		.in_flight_bytes_max = 40000,
		.appliance_epoch = 7,
		.sealed = on_sealed,
	};

	configure(t);
	t->batches = calloc(BATCHES, sizeof(*t->batches));
	for (uint16_t i = 0; i < BATCHES; i++) {
		t->batches[i].index = i;
		t->batches[i].capacity = BATCH_BYTES;
		t->batches[i].buf = malloc(BATCH_BYTES);
	}
	env.batches = t->batches;
	env.ledger = &t->ledger;
	env.owner = t;
	for (int i = 0; i < TRANSPORT_COUNT; i++) {
		env.adapters[i].done = on_done;
		env.adapters[i].adapter = t;
	}
	t->now_ns = 1000000;
	*state = t;
	return pipeline_create(&env, &t->config, &t->p);
}

static int teardown(void **state) {
	struct bench *t = *state;

	pipeline_destroy(t->p);
	for (uint16_t i = 0; i < BATCHES; i++)
		free(t->batches[i].buf);
	free(t->batches);
	free(t);
	return 0;
}

static void balanced(const struct bench *t) {
	char why[256];

	if (!ledger_balanced(&t->ledger, why, sizeof(why)))
		fail_msg("%s", why);
}

static struct message message(const struct bench *t, int profile, const char *payload) {
	static const uint8_t peer[4] = {10, 77, 0, 2};

	return (struct message) {
		.transport = TRANSPORT_COAP,
		.format = PAYLOAD_JSON,
		.realm = 5,
		.profile = &t->profiles[profile],
		.path = VIEW_LITERAL("t/dev-9/env"),
		.payload = view_of(payload, (uint32_t)strlen(payload)),
		.peer = view_of(peer, 4),
		.peer_port = 4711,
		.rx_wall_ns = 1763712000123456789,
		.rx_ns = t->now_ns,
		.epoch = 99,
		.seq = 12,
		.token = 1,
	};
}

static void push_and_run(struct bench *t, const struct message *m) {
	pipeline_push(t->p, m);
	pipeline_run(t->p, t->now_ns, m->rx_wall_ns);
	balanced(t);
}

// Give entries [first, first + n) of a batch their results.
static void
complete(struct bench *t, struct batch *b, uint32_t first, uint32_t n, enum entry_result result) {
	for (uint32_t i = first; i < first + n; i++)
		atomic_store(&b->entries[i].result, result);
	pipeline_complete(
		t->p,
		(struct completion
		) {.batch = b->index, .first = (uint16_t)first, .count = (uint16_t)n},
		t->now_ns
	);
	balanced(t);
}

static struct batch *only_sealed(struct bench *t) {
	pipeline_seal_all(t->p);
	assert_int_equal(t->sealed_count, 1);
	t->sealed_count = 0;
	return t->sealed[0];
}

static yyjson_doc *parse(const struct batch *b, uint32_t i) {
	const struct batch_entry *e = &b->entries[i];
	yyjson_doc *doc = yyjson_read((const char *)b->buf + e->offset, e->len, 0);

	if (doc == NULL)
		fail_msg("not JSON: %.*s", (int)e->len, (const char *)b->buf + e->offset);
	return doc;
}

static const char *string_at(yyjson_doc *doc, const char *pointer) {
	return yyjson_get_str(yyjson_doc_ptr_get(doc, pointer));
}

static void acknowledged_only_when_kafka_has_it(void **state) {
	struct bench *t = *state;
	struct message m = message(t, PROFILE_PAYLOAD, "{\"dev\":\"dev-1\",\"temp\":21.4}");

	push_and_run(t, &m);
	assert_int_equal(t->verdicts, 0);
	struct batch *b = only_sealed(t);
	assert_int_equal(t->verdicts, 0);
	assert_int_equal(t->ledger.records[TRANSPORT_COAP].in_flight, 1);

	complete(t, b, 0, 1, RESULT_DELIVERED);
	assert_int_equal(t->verdicts, 1);
	assert_int_equal(t->last.outcome, OUTCOME_ACKED);
	assert_int_equal(t->ledger.messages[TRANSPORT_COAP].acked, 1);
	assert_int_equal(t->ledger.records[TRANSPORT_COAP].delivered, 1);
	assert_true(pipeline_idle(t->p));
}

static void received_is_acknowledged_at_the_end_of_the_burst(void **state) {
	struct bench *t = *state;
	struct message m = message(t, PROFILE_RECEIVED, "{\"temp\":21.4}");

	pipeline_push(t->p, &m);
	assert_int_equal(t->verdicts, 0);
	pipeline_run(t->p, t->now_ns, m.rx_wall_ns);
	assert_int_equal(t->last.outcome, OUTCOME_ACKED);
	assert_int_equal(t->verdicts, 1);
}

static void a_message_of_many_records_waits_for_the_last(void **state) {
	struct bench *t = *state;
	struct message m = message(
		t, PROFILE_PATH, "[{\"a\":1,\"ts\":1},{\"a\":2,\"ts\":2},{\"a\":3,\"ts\":3}]"
	);

	push_and_run(t, &m);
	struct batch *b = only_sealed(t);
	assert_int_equal(b->count, 3);
	complete(t, b, 2, 1, RESULT_DELIVERED);
	complete(t, b, 0, 1, RESULT_DELIVERED);
	assert_int_equal(t->verdicts, 0);
	complete(t, b, 1, 1, RESULT_DELIVERED_WEAK);
	assert_int_equal(t->verdicts, 1);
	assert_int_equal(t->ledger.records[TRANSPORT_COAP].delivered, 3);
	assert_int_equal(t->ledger.records[TRANSPORT_COAP].weak, 1);
}

static void the_envelope_says_everything(void **state) {
	struct bench *t = *state;
	struct property user[] = {{VIEW_LITERAL("site"), VIEW_LITERAL("a\"b")}};
	struct message m =
		message(t,
			PROFILE_PAYLOAD,
			"{\"dev\":\"dev-1\",\"ts\":1500,\"temp\":21.4,\"s\":\"x\\ny\",\"n\":null}");

	m.properties = user;
	m.property_count = 1;
	m.content_type = VIEW_LITERAL("application/json");
	m.proven = true;
	m.retained = true;
	pipeline_clock(t->p, CLOCK_SYNCED, 40);
	push_and_run(t, &m);
	struct batch *b = only_sealed(t);
	struct batch_entry *e = &b->entries[0];
	assert_int_equal(e->key_len, 5);
	assert_memory_equal(b->buf + e->key_offset, "dev-1", 5);
	assert_int_equal(e->partition, partition_of(VIEW_LITERAL("dev-1"), 12));
	assert_int_equal(b->egress, egress_of(0, e->partition, 2));
	assert_int_equal(e->kind, ENTRY_RECORD);
	assert_true(e->rx_wall_ns == m.rx_wall_ns);

	digits_patch(b->buf + e->seq_at, LEDGER_SEQ_DIGITS, 18446744073709551615u);
	yyjson_doc *doc = parse(b, 0);
	static const struct {
		const char *pointer;
		uint64_t v;
	} numbers[] = {
		{"/ledger_seq", 18446744073709551615u},
		{"/appliance_epoch", 7},
		{"/map", 3},
		{"/clock_error_us", 40},
		{"/realm", 5},
		{"/arrival_ns", 1763712000123456789},
		{"/time_ns", 1500000000},
		{"/epoch", 99},
		{"/seq", 12},
		{"/n", 0},
		{"/of", 1},
	};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (yyjson_get_uint(yyjson_doc_ptr_get(doc, numbers[i].pointer)) != numbers[i].v)
			fail_msg("%s", numbers[i].pointer);
	static const struct {
		const char *pointer;
		const char *text;
	} texts[] = {
		{"/type", "record"},
		{"/appliance", "sluice-1"},
		{"/clock", "synced"},
		{"/ack", "kafka"},
		{"/transport", "coap"},
		{"/id", "dev-1/99/12/0"},
		{"/device", "dev-1"},
		{"/path", "t/dev-9/env"},
		{"/content_type", "application/json"},
		{"/properties/0/0", "site"},
		{"/properties/0/1", "a\"b"},
		{"/flags/0", "proven"},
		{"/flags/1", "retained"},
		{"/fields/s", "x\ny"},
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_string_equal(string_at(doc, texts[i].pointer), texts[i].text);
	assert_true(yyjson_get_real(yyjson_doc_ptr_get(doc, "/fields/temp")) == 21.4);
	assert_true(yyjson_is_null(yyjson_doc_ptr_get(doc, "/fields/n")));
	assert_null(yyjson_doc_ptr_get(doc, "/fields/dev"));
	yyjson_doc_free(doc);
}

static void malformed_goes_to_the_dead_letters(void **state) {
	struct bench *t = *state;
	struct message m = message(t, PROFILE_PAYLOAD, "{\"dev\":\"dev-1\",");

	push_and_run(t, &m);
	assert_int_equal(t->last.outcome, OUTCOME_REFUSED);
	assert_int_equal(t->last.refuse, REFUSE_MALFORMED);
	assert_int_equal(t->last.payload, PAYLOAD_TRUNCATED);
	assert_int_equal(t->ledger.derived.made, 1);

	struct batch *b = only_sealed(t);
	assert_int_equal(b->topic, 2);
	assert_int_equal(b->entries[0].kind, ENTRY_DEAD_LETTER);
	yyjson_doc *doc = parse(b, 0);
	assert_string_equal(string_at(doc, "/type"), "dead-letter");
	assert_string_equal(string_at(doc, "/reason"), "malformed");
	assert_string_equal(string_at(doc, "/detail"), "truncated");
	assert_string_equal(string_at(doc, "/stage"), "decode");
	assert_string_equal(string_at(doc, "/peer"), "10.77.0.2");
	assert_string_equal(string_at(doc, "/original"), "eyJkZXYiOiJkZXYtMSIs");
	yyjson_doc_free(doc);
	complete(t, b, 0, 1, RESULT_DELIVERED);
	assert_int_equal(t->ledger.derived.delivered, 1);
}

// Nobody collects anything, and nothing but bad input comes: what it may not use is left for good.
static void a_flood_of_bad_input_leaves_room(void **state) {
	struct bench *t = *state;
	struct message bad = message(t, PROFILE_PAYLOAD, "{\"dev\":");
	struct message good = message(t, PROFILE_PAYLOAD, "{\"dev\":\"dev-1\",\"temp\":21.4}");

	bad.token = TOKEN_NONE;
	for (int i = 0; i < 1000; i++)
		push_and_run(t, &bad);
	pipeline_seal_all(t->p);
	assert_true(t->ledger.derived.shed > 0);
	assert_true(t->ledger.derived.in_flight > 0);
	assert_int_equal(t->ledger.messages[TRANSPORT_COAP].refused[REFUSE_MALFORMED], 1000);
	push_and_run(t, &good);
	assert_int_equal(t->ledger.messages[TRANSPORT_COAP].accepted, 1);
}

// The sink is away: the budget ends, what is beyond is shed, and flow resumes when results come.
static void beyond_the_budget_is_shed_until_results_come(void **state) {
	struct bench *t = *state;
	struct message m = message(t, PROFILE_PATH, "{\"a\":1}");

	m.token = TOKEN_NONE;
	for (int i = 0; i < 300; i++)
		push_and_run(t, &m);
	uint64_t accepted = t->ledger.messages[TRANSPORT_COAP].accepted;
	assert_true(accepted > 0 && accepted < 300);
	assert_true(pipeline_pressure(t->p) >= 50);
	pipeline_seal_all(t->p);
	uint32_t n = t->sealed_count;
	t->sealed_count = 0;
	for (uint32_t i = 0; i < n; i++)
		complete(t, t->sealed[i], 0, t->sealed[i]->count, RESULT_DELIVERED);
	assert_true(pipeline_idle(t->p));
	push_and_run(t, &m);
	assert_int_equal(t->ledger.messages[TRANSPORT_COAP].accepted, accepted + 1);
}

static void no_ack_slot_left_is_shed(void **state) {
	struct bench *t = *state;
	struct message m = message(t, PROFILE_PATH, "{\"a\":1}");

	for (int i = 0; i < 65; i++) // 64 slots
		push_and_run(t, &m);
	assert_int_equal(t->last.outcome, OUTCOME_SHED);
	assert_int_equal(t->last.shed, SHED_NO_TOKEN);
	assert_int_equal(t->verdicts, 1);
}

static void what_the_sink_refuses_is_dead_lettered_and_refused(void **state) {
	struct bench *t = *state;
	struct message m = message(t, PROFILE_PATH, "{\"a\":1}");

	push_and_run(t, &m);
	struct batch *b = only_sealed(t);
	complete(t, b, 0, 1, RESULT_REFUSED);
	assert_int_equal(t->last.outcome, OUTCOME_REFUSED);
	assert_int_equal(t->last.refuse, REFUSE_SINK);
	assert_int_equal(t->ledger.records[TRANSPORT_COAP].dead_lettered, 1);
	b = only_sealed(t);
	yyjson_doc *doc = parse(b, 0);
	assert_string_equal(string_at(doc, "/reason"), "sink-refused");
	assert_string_equal(string_at(doc, "/format"), "record");
	assert_string_equal(string_at(doc, "/device"), "dev-9");
	yyjson_doc_free(doc);
	complete(t, b, 0, 1, RESULT_REFUSED);
	assert_int_equal(t->ledger.derived.lost, 1);
	assert_true(pipeline_idle(t->p));
}

static void an_unknown_partition_count_sheds(void **state) {
	struct bench *t = *state;
	struct message m = message(t, PROFILE_PATH, "{\"a\":1}");

	t->topics[0].partitions = 0;
	push_and_run(t, &m);
	assert_int_equal(t->last.outcome, OUTCOME_SHED);
	assert_int_equal(t->last.shed, SHED_SINK_UNKNOWN);
}

static void the_identity_wins_and_other_claims_are_refused(void **state) {
	struct bench *t = *state;
	struct message m = message(t, PROFILE_PATH, "{\"a\":1}");

	m.device = VIEW_LITERAL("dev-8");
	push_and_run(t, &m);
	assert_int_equal(t->last.refuse, REFUSE_CLAIM);
	m.device = VIEW_LITERAL("dev-9");
	push_and_run(t, &m);
	assert_int_equal(t->ledger.messages[TRANSPORT_COAP].accepted, 1);
}

static void no_device_is_refused(void **state) {
	struct bench *t = *state;
	struct message m = message(t, PROFILE_PAYLOAD, "{\"a\":1}");

	push_and_run(t, &m);
	assert_int_equal(t->last.refuse, REFUSE_NO_DEVICE);
	assert_int_equal(t->last.payload, PAYLOAD_NO_DEVICE);
}

static void a_message_is_accepted_whole_or_not_at_all(void **state) {
	struct bench *t = *state;
	char payload[4096] = "[";
	struct message m;

	// More records than may ever be in flight: refused, and nothing of it remains.
	for (int i = 0; i < 60; i++)
		text_add(
			payload,
			sizeof(payload),
			"{\"dev\":\"a\",\"temp\":1},{\"dev\":\"b\",\"temp\":2},"
		);
	payload[strlen(payload) - 1] = ']';
	m = message(t, PROFILE_PAYLOAD, payload);
	push_and_run(t, &m);
	assert_int_equal(t->last.outcome, OUTCOME_REFUSED);
	assert_int_equal(t->last.refuse, REFUSE_TOO_LARGE);
	struct batch *b = only_sealed(t);
	assert_int_equal(b->topic, 2); // the dead letter, no record
	complete(t, b, 0, 1, RESULT_DELIVERED);
	assert_true(pipeline_idle(t->p));
}

static void partial_batches_roll_back(void **state) {
	struct bench *t = *state;
	char payload[4096] = "[";
	struct message m = message(t, PROFILE_PATH, "{\"a\":1}");

	// One small record first; then a message that needs more batches than there are.
	push_and_run(t, &m);
	t->config.egress.batch_records = 1;
	pipeline_use(t->p, &t->config);
	assert_int_equal(t->sealed_count, 1);
	for (int i = 0; i < 20; i++)
		text_add(
			payload,
			sizeof(payload),
			"{\"dev\":\"a\",\"temp\":1},{\"dev\":\"b\",\"temp\":2},"
		);
	payload[strlen(payload) - 1] = ']';
	struct message big = message(t, PROFILE_PAYLOAD, payload);
	push_and_run(t, &big);
	assert_int_equal(t->last.shed, SHED_NO_BATCH);
	pipeline_seal_all(t->p);
	assert_int_equal(t->sealed_count, 1);
	complete(t, t->sealed[0], 0, 1, RESULT_DELIVERED);
	assert_true(pipeline_idle(t->p));
}

static void lingering_batches_are_sealed(void **state) {
	struct bench *t = *state;
	struct message m = message(t, PROFILE_PATH, "{\"a\":1}");

	assert_true(pipeline_tick(t->p, t->now_ns) == UINT64_MAX);
	push_and_run(t, &m);
	assert_true(pipeline_tick(t->p, t->now_ns) == t->now_ns + 2000000);
	assert_int_equal(t->sealed_count, 0);
	assert_true(pipeline_tick(t->p, t->now_ns + 2000000) == UINT64_MAX);
	assert_int_equal(t->sealed_count, 1);
}

static void original_bytes_with_headers(void **state) {
	struct bench *t = *state;
	const char *payload = "[{\"dev\":\"d1\",\"a\":1},{\"dev\":\"d1\",\"a\":2}]";
	struct message m = message(t, PROFILE_ORIGINAL, payload);
	struct view name;
	struct view value;
	bool device_seen = false, profile_seen = false, schema_seen = false;

	t->profiles[PROFILE_ORIGINAL].schema_version = 12;
	push_and_run(t, &m);
	struct batch *b = only_sealed(t);
	assert_int_equal(b->count, 1); // one device: the payload is carried once
	struct batch_entry *e = &b->entries[0];
	assert_int_equal(e->len, strlen(payload));
	assert_memory_equal(b->buf + e->offset, payload, e->len);
	digits_patch(b->buf + e->seq_at, LEDGER_SEQ_DIGITS, 42);
	struct rd r = rd_from(view_of(b->buf + e->headers_offset, e->headers_len));
	assert_true(header_next(&r, &name, &value));
	assert_true(view_equal(name, VIEW_LITERAL("ledger_seq")));
	assert_true(view_equal(value, VIEW_LITERAL("                  42")));
	while (header_next(&r, &name, &value)) {
		if (view_equal(name, VIEW_LITERAL("device")))
			device_seen = view_equal(value, VIEW_LITERAL("d1"));
		if (view_equal(name, VIEW_LITERAL("profile")))
			profile_seen = view_equal(value, VIEW_LITERAL("profile-3"));
		if (view_equal(name, VIEW_LITERAL("schema")))
			schema_seen = view_equal(value, VIEW_LITERAL("12"));
	}
	assert_true(device_seen && profile_seen && schema_seen);
	assert_int_equal(rd_left(&r), 0);
}

// Random traffic, random results in random order and pieces: after every step the ledgers balance,
// and in the end every message with a token got exactly one verdict.
static void the_ledgers_balance_whatever_happens(void **state) {
	static const char *const payloads[] = {
		"{\"dev\":\"dev-1\",\"temp\":21.4}",
		"[{\"dev\":\"a\",\"x\":1},{\"dev\":\"b\",\"x\":2},{\"dev\":\"c\",\"x\":2}]",
		"{\"dev\":\"dev-2\",\"s\":\"a long text that fills batches, and then some\"}",
		"{\"dev\":",
		"{\"temp\":1}",
		"[]",
		"{\"dev\":\"bad/device\",\"x\":1}",
	};
	struct bench *t = *state;
	uint32_t next_token = 0;
	struct {
		struct batch *b;
		uint32_t from;
	} out[BATCHES];
	uint32_t out_count = 0;

	srand(1);
	for (int step = 0; step < 20000; step++) {
		int what = rand() % 10;
		t->now_ns += (uint64_t)(rand() % 1000000);
		if (what < 5) {
			for (int n = rand() % 100; n > 0 && next_token < TOKENS; n--) {
				struct message m = message(
					t,
					rand() % 4,
					payloads
						[rand()
						 % (int)(sizeof(payloads) / sizeof(*payloads))]
				);
				m.transport = (enum transport)(rand() % TRANSPORT_COUNT);
				m.token = rand() % 3 == 0 ? TOKEN_NONE : next_token++;
				pipeline_push(t->p, &m);
				balanced(t);
			}
			pipeline_run(t->p, t->now_ns, 1763712000123456789);
		} else if (what < 6) {
			pipeline_tick(t->p, t->now_ns);
		} else if (out_count > 0) {
			uint32_t i = (uint32_t)rand() % out_count;
			struct batch *b = out[i].b;
			uint32_t left = b->count - out[i].from;
			uint32_t n = 1 + (uint32_t)rand() % left;
			uint32_t first = out[i].from;
			if (n == left)
				out[i] = out[--out_count];
			else
				out[i].from += n;
			static const enum entry_result results[] = {
				RESULT_DELIVERED,
				RESULT_DELIVERED,
				RESULT_DELIVERED_WEAK,
				RESULT_REFUSED
			};
			complete(t, b, first, n, results[rand() % 4]);
		}
		for (uint32_t i = 0; i < t->sealed_count; i++) {
			out[out_count].b = t->sealed[i];
			out[out_count++].from = 0;
		}
		t->sealed_count = 0;
		balanced(t);
	}
	for (int round = 0; !pipeline_idle(t->p) && round < 100; round++) {
		pipeline_seal_all(t->p);
		for (uint32_t i = 0; i < out_count; i++)
			complete(
				t,
				out[i].b,
				out[i].from,
				out[i].b->count - out[i].from,
				RESULT_DELIVERED
			);
		out_count = 0;
		uint32_t n = t->sealed_count;
		t->sealed_count = 0;
		for (uint32_t i = 0; i < n; i++)
			complete(t, t->sealed[i], 0, t->sealed[i]->count, RESULT_DELIVERED);
	}
	assert_true(pipeline_idle(t->p));
	assert_int_equal(pipeline_pressure(t->p), 0);
	assert_true(next_token > 1000);
	for (uint32_t i = 0; i < next_token; i++)
		if (t->verdicts_of[i] != 1)
			fail_msg("token %u got %u verdicts", i, t->verdicts_of[i]);
	uint64_t dead_lettered = 0, shed = 0;
	for (int i = 0; i < TRANSPORT_COUNT; i++) {
		assert_int_equal(t->ledger.records[i].in_flight, 0);
		dead_lettered += t->ledger.records[i].dead_lettered;
		shed += t->ledger.messages[i].shed[SHED_IN_FLIGHT];
	}
	assert_int_equal(t->ledger.derived.in_flight, 0);
	// The run went through those doors; of which transport, is chance.
	assert_true(dead_lettered > 0);
	assert_true(shed > 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		CASE(acknowledged_only_when_kafka_has_it),
		CASE(received_is_acknowledged_at_the_end_of_the_burst),
		CASE(a_message_of_many_records_waits_for_the_last),
		CASE(the_envelope_says_everything),
		CASE(malformed_goes_to_the_dead_letters),
		CASE(a_flood_of_bad_input_leaves_room),
		CASE(beyond_the_budget_is_shed_until_results_come),
		CASE(no_ack_slot_left_is_shed),
		CASE(what_the_sink_refuses_is_dead_lettered_and_refused),
		CASE(an_unknown_partition_count_sheds),
		CASE(the_identity_wins_and_other_claims_are_refused),
		CASE(no_device_is_refused),
		CASE(a_message_is_accepted_whole_or_not_at_all),
		CASE(partial_batches_roll_back),
		CASE(lingering_batches_are_sealed),
		CASE(original_bytes_with_headers),
		CASE(the_ledgers_balance_whatever_happens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
