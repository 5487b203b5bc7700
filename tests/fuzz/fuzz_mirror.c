// SPDX-License-Identifier: Apache-2.0
// A script over the mirror: segments of up to four clients, raw or cut from a stream of MQTT that
// the script writes, in any order and with any holes; time passes. Every message is pushed with
// views that hold until the pipeline runs, read there to the last byte, and nothing is ever kept
// beyond the limits.
#include "dataplane/mirror/mqtt.h"

#include <stdlib.h>
#include <string.h>

#define CLIENTS 4
#define STREAM_MAX 4096
#define WAITING_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

struct client {
	uint8_t stream[STREAM_MAX]; // what it will have sent, from its first byte
	uint32_t len;
	uint32_t isn;
};

static struct client clients[CLIENTS];
static struct message waiting[WAITING_MAX];
static uint32_t waiting_count;
static struct ledger_messages ledger;
static struct profile profile;
static struct config_listener listener;
static volatile uint8_t sink;

static void read_all(struct view v) {
	for (uint32_t i = 0; i < v.len; i++)
		sink ^= v.p[i];
}

static void flush(void *) {
	for (uint32_t i = 0; i < waiting_count; i++) {
		const struct message *x = &waiting[i];
		read_all(x->device);
		read_all(x->path);
		read_all(x->payload);
		for (uint32_t k = 0; k < x->property_count; k++) {
			read_all(x->properties[k].name);
			read_all(x->properties[k].value);
		}
		if (x->token != TOKEN_NONE)
			abort(); // nobody is answered
	}
	waiting_count = 0;
}

static void push(void *, const struct message *m) {
	waiting[waiting_count++] = *m;
	if (waiting_count == WAITING_MAX)
		flush(nullptr);
}

static const struct config_listener *listens(void *, const struct flow_key *) {
	return &listener;
}

// More of what a client has to say.
static void write_stream(struct client *c, struct view v) {
	uint32_t n = STREAM_MAX - c->len < v.len ? STREAM_MAX - c->len : v.len;

	if (n > 0)
		memcpy(c->stream + c->len, v.p, n);
	c->len += n;
}

static void
segment(struct mirror_mqtt *m, uint32_t who, uint8_t flags, uint32_t at, struct view v, uint64_t now
) {
	const struct flow_key key = {
		.remote = {10, (uint8_t)who},
		.remote_port = (uint16_t)(9 + who),
		.local_port = 1883,
		.family = 4,
	};
	uint8_t *tcp = malloc(20 + v.len); // its end is the end: over-reads are found
	uint32_t seq = clients[who].isn + at;

	if (tcp == nullptr)
		abort();
	memset(tcp, 0, 20);
	for (int i = 0; i < 4; i++)
		tcp[4 + i] = (uint8_t)(seq >> (24 - 8 * i));
	tcp[12] = 5 << 4;
	tcp[13] = flags;
	if (v.len > 0)
		memcpy(tcp + 20, v.p, v.len);
	mirror_mqtt_input(m, &key, view_of(tcp, 20 + v.len), now, 0);
	free(tcp);
	if (waiting_count != 0)
		abort(); // views into the segment would outlive it
}

static void step(struct mirror_mqtt *m, struct rd *in, uint64_t *now) {
	uint8_t op = rd_u8(in);
	uint32_t who = op & 3;
	struct client *c = &clients[who];

	switch (op >> 2 & 7) {
	case 0: // a new connection
		c->isn += STREAM_MAX + rd_u8(in);
		c->len = 0;
		segment(m, who, 2, (uint32_t)-1, (struct view) {0}, *now);
		break;
	case 1: // FIN or RST somewhere
		segment(m, who, op & 0x20 ? 1 : 4, rd_be16(in), (struct view) {0}, *now);
		break;
	case 2:
		*now += (uint64_t)rd_u8(in) * 100000000;
		break;
	case 3: { // any bytes as a whole segment, header included
		const struct flow_key key = {.remote_port = 9, .local_port = 1883, .family = 4};
		struct view v = rd_take(in, rd_u8(in));
		mirror_mqtt_input(m, &key, v, *now, 0);
		break;
	}
	case 4: // the client says more and sends it in order
	case 5: {
		struct view v = rd_take(in, rd_u8(in));
		uint32_t before = c->len;
		write_stream(c, v);
		segment(m, who, 16, before, view_of(c->stream + before, c->len - before), *now);
		break;
	}
	case 6: // says more, sends nothing yet
		write_stream(c, rd_take(in, rd_u8(in)));
		break;
	default: { // any part of what it has said, again or early
		uint32_t at = rd_be16(in) % (c->len + 1), n = rd_u8(in);
		n = n < c->len - at ? n : c->len - at;
		segment(m, who, 16, at, view_of(c->stream + at, n), *now);
		break;
	}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
	struct rd in = rd_from(view_of(bytes, (uint32_t)n));
	struct mirror_mqtt_env env = {
		.adapter = {.ledger = &ledger, .push = push},
		.flush = flush,
		.listener = listens,
		.streams = 2, // fewer than clients
		.packet_max = 1024,
		.alias_max = 2,
	};
	struct mirror_mqtt *m;
	uint64_t now = 1000000000;

	if (n < 2 || n > 8192)
		return 0;
	uint8_t how = rd_u8(&in);
	profile =
		(struct profile) {.device_from = how & 1 ? DEVICE_FROM_IDENTITY : DEVICE_FROM_PATH};
	listener = (struct config_listener) {.auth = how & 2 ? AUTH_PASSWORD : AUTH_NONE,
					     .profile = &profile};
	ledger = (struct ledger_messages) {0};
	memset(clients, 0, sizeof(clients));
	if (mirror_mqtt_create(&env, &m) != 0)
		abort();
	while (rd_left(&in) > 0)
		step(m, &in, &now);
	const struct mirror_stats *s = mirror_mqtt_stats(m);
	if (ledger.received != s->count[MIRROR_NOT_MQTT] + s->count[MIRROR_ALIAS_UNKNOWN])
		abort(); // every refusal has its reason
	mirror_mqtt_destroy(m);
	return 0;
}
