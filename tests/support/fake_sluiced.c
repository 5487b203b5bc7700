// SPDX-License-Identifier: Apache-2.0
// A data plane for tests of the control plane: speaks the channel, acknowledges what it is told and
// reports figures that are always the same.
//
//   fake_sluiced CHANNEL_SOCKET [--hang | --slow]
//
// --hang: greets, then never reads again. --slow: what takes long (dead letters, topics,
// signatures) is held until somebody asks `why`; each is said on standard error.
#include "controlplane/api/channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static _Alignas(8) uint8_t in[CHANNEL_MESSAGE_MAX], out[CHANNEL_MESSAGE_MAX];
static int fd;

static void *element(void) {
	return out + sizeof(struct channel_header);
}

static void say(enum channel_type type, uint16_t count, uint16_t flags, uint64_t seq, uint64_t v) {
	size_t len = channel_seal((struct channel_header *)(void *)out, type, count, flags, seq, v);

	if (send(fd, out, len, MSG_NOSIGNAL) != (ssize_t)len)
		exit(0);
}

static void acknowledge(const struct channel_message *m, uint64_t number) {
	struct channel_ack *a = element();

	*a = (struct channel_ack
	) {.type = m->type, .workers = 2, .apply_ns = 1500000, .number = number};
	say(CHANNEL_ACK, 1, 0, m->header->seq, m->header->registry_version);
}

static void counters(void) {
	static const struct {
		const char *name;
		uint64_t value;
		bool gauge;
	} known[] = {
		{"ledger_balanced", 1, true},
		{"uptime_seconds", 4711, true},
		{"frames_received_total", 1000, false},
		{"frames_dropped_total{reason=\"no-listener\"}", 3, false},
		{"messages_received_total{transport=\"udp\"}", 900, false},
		{"messages_received_total{transport=\"mqtt\"}", 50, false},
		{"records_accepted_total{transport=\"udp\"}", 890, false},
		{"records_delivered_total{transport=\"udp\"}", 880, false},
		{"messages_refused_total{transport=\"udp\",reason=\"device-not-active\"}", 7, false
		},
		{"stage_total{stage=\"decode\",event=\"decoded\"}", 890, false},
		{"topic_delivered_total{topic=\"telemetry\"}", 870, false},
		{"egress_oldest_unacknowledged_milliseconds", 12, true},
		{"egress_in_flight", 10, true},
		{"egress_errors_total", 0, false},
	};
	const uint16_t n = sizeof(known) / sizeof(known[0]);
	struct channel_counter *c = element();

	memset(c, 0, n * sizeof(*c));
	for (uint16_t i = 0; i < n; i++) {
		c[i].value = known[i].value;
		c[i].gauge = known[i].gauge;
		snprintf(c[i].name, sizeof(c[i].name), "%s", known[i].name);
	}
	say(CHANNEL_COUNTERS, n, CHANNEL_FLAG_FIRST | CHANNEL_FLAG_LAST, 100, 0);
}

static const struct channel_address peer = {.bytes = {10, 1, 2, 3}, .family = 4, .port = 5683};

static void events(void) {
	struct channel_event *e = element();

	memset(e, 0, 2 * sizeof(*e));
	for (int i = 0; i < 2; i++) {
		e[i].wall_ns = 1790000000000000000 + i;
		e[i].name_len = (uint8_t)snprintf(e[i].name, sizeof(e[i].name), "pump-%d", i + 1);
		e[i].kind = i == 0 ? EVENT_SEEN : EVENT_REFUSED;
		e[i].peer = peer;
		e[i].records = 5;
		e[i].bytes = 500;
		snprintf(e[i].transport, sizeof(e[i].transport), "coap");
		snprintf(e[i].listener, sizeof(e[i].listener), "lab");
	}
	snprintf(e[1].reason, sizeof(e[1].reason), "device-not-active");
	say(CHANNEL_EVENTS, 2, 0, 101, 0);
}

static void flows(const struct channel_message *m) {
	const struct channel_flow_query *q = m->elements;
	struct channel_flow *f = element();
	uint16_t n = 0;

	for (int i = 1; i <= 2; i++) {
		char name[16];
		int len = snprintf(name, sizeof(name), "pump-%d", i);
		if (q->device_len > 0
		    && (q->device_len != len || memcmp(q->device, name, (size_t)len) != 0))
			continue;
		f[n] = (struct channel_flow) {
			.device_len = (uint8_t)len,
			.worker = (uint16_t)i,
			.idle_ms = 1000,
			.peer = peer,
			.transport = "coap",
			.bytes = 2048,
			.records = 20,
			.drops = (uint64_t)i - 1,
			.seen_ns = 1790000000000000000,
		};
		memcpy(f[n++].device, name, (size_t)len);
	}
	say(CHANNEL_FLOWS, n, CHANNEL_FLAG_LAST, m->header->seq, 0);
}

static void letters(const struct channel_message *m) {
	static const char *const answers[LETTERS_OP_COUNT] = {
		[LETTERS_LIST] =
			("{\"letters\":[{\"id\":\"0/42\",\"arrival_ns\":1790000000000000000,"
			 "\"device\":\"pump-1\",\"reason\":\"malformed\",\"bytes\":12,"
			 "\"transport\":\"udp\",\"replays\":0,\"replayed\":false}],\"scanned\":7}"),
		[LETTERS_SHOW] =
			("{\"letters\":[{\"id\":\"0/42\",\"arrival_ns\":1790000000000000000,"
			 "\"bytes\":12,\"replays\":0,\"replayed\":false,"
			 "\"letter\":{\"original\":\"eA==\"}}],\"scanned\":1}"),
		[LETTERS_REPLAY] =
			("{\"scanned\":7,\"sent\":1,\"accepted\":1,\"refused\":0,\"shed\":0,"
			 "\"skipped\":0,\"waiting\":0}"),
	};
	const struct channel_letters *q = m->elements;
	struct channel_text *t = element();

	memset(t, 0, sizeof(*t));
	t->len = (uint32_t)snprintf(t->bytes, sizeof(t->bytes), "%s", answers[q->op]);
	say(CHANNEL_TEXT, 1, CHANNEL_FLAG_LAST, m->header->seq, 0);
}

// The topic of alerts is missing until it is created.
static void topics(const struct channel_message *m) {
	static const char fit[] =
		"\"verdict\":\"fit\",\"pinned\":64,\"partitions\":64,\"replicas\":3,"
		"\"min_insync_replicas\":2,\"unclean_election\":false,"
		"\"message_bytes_max\":1048588,\"may_describe\":true,\"may_write\":true";
	static const char missing[] = "\"verdict\":\"missing\",\"pinned\":4,"
				      "\"what_to_do\":\"create it: sluicectl topic create alerts\"";
	static bool made;
	const struct channel_topics *q = m->elements;
	struct channel_text *t = element();

	memset(t, 0, sizeof(*t));
	if (q->op == TOPICS_CREATE)
		t->len = (uint32_t)snprintf(
			t->bytes,
			sizeof(t->bytes),
			"{\"name\":\"alerts\",\"partitions\":4,\"replicas\":3,"
			"\"min_insync_replicas\":2}"
		);
	else
		t->len = (uint32_t)snprintf(
			t->bytes,
			sizeof(t->bytes),
			"{\"topics\":[{\"name\":\"telemetry\",%s},{\"name\":\"alerts\",%s}]}",
			fit,
			made ? fit : missing
		);
	made |= q->op == TOPICS_CREATE;
	say(CHANNEL_TEXT, 1, CHANNEL_FLAG_LAST, m->header->seq, 0);
}

static void why(const struct channel_message *m) {
	const struct channel_why *q = m->elements;
	struct channel_text *t = element();

	memset(t, 0, sizeof(*t));
	t->len = (uint32_t)snprintf(
		t->bytes,
		sizeof(t->bytes),
		"{\"device\":\"%.*s\",\"remembered\":true,\"decisions\":[{\"at_s\":1790000000,"
		"\"decision\":\"quarantined\",\"reason\":\"out-of-range\",\"class\":"
		"\"malfunction\","
		"\"field\":\"temp\",\"profile\":\"workshop\",\"transport\":\"mqtt\",\"times\":3,"
		"\"worker\":0},{\"at_s\":1789999999,\"decision\":\"accepted\",\"profile\":"
		"\"workshop\","
		"\"transport\":\"mqtt\",\"times\":40,\"worker\":0}]}",
		(int)q->device_len,
		q->device
	);
	say(CHANNEL_TEXT, 1, CHANNEL_FLAG_LAST, m->header->seq, 0);
}

// --- --slow

#define HELD_MAX 8

static bool slow;
static struct {
	uint8_t *bytes; // owned
	size_t len;
} held[HELD_MAX];
static unsigned held_count;

static void take(const struct channel_message *m);

static bool hold(const struct channel_message *m, size_t len) {
	const struct channel_generation *g = m->elements;
	bool takes_long = m->type == CHANNEL_LETTERS || m->type == CHANNEL_TOPICS
		|| (m->type == CHANNEL_GENERATION && g->kind == GENERATION_SIGNATURES);

	if (!slow || !takes_long || held_count == HELD_MAX)
		return false;
	held[held_count].bytes = aligned_alloc(8, (len + 7) & ~(size_t)7);
	if (held[held_count].bytes == NULL)
		return false;
	memcpy(held[held_count].bytes, in, len);
	held[held_count++].len = len;
	fprintf(stderr, "held %d\n", m->type);
	return true;
}

static void release(void) {
	for (unsigned i = 0; i < held_count; i++) {
		struct channel_message m;
		uint16_t theirs;
		if (channel_decode(held[i].bytes, held[i].len, &m, &theirs) == CHANNEL_OK)
			take(&m);
		free(held[i].bytes);
	}
	held_count = 0;
}

static void take(const struct channel_message *m) {
	switch (m->type) {
	case CHANNEL_HELLO:
		counters();
		events();
		break;
	case CHANNEL_DEVICES:
		if (m->header->flags & CHANNEL_FLAG_LAST)
			acknowledge(m, 0);
		break;
	case CHANNEL_GENERATION:
		acknowledge(m, ((const struct channel_generation *)m->elements)->number);
		break;
	case CHANNEL_FLOW_LIST:
		flows(m);
		break;
	case CHANNEL_LETTERS:
		letters(m);
		break;
	case CHANNEL_TOPICS:
		topics(m);
		break;
	case CHANNEL_WHY:
		release();
		why(m);
		break;
	case CHANNEL_FLOW_ACTION:
		acknowledge(m, 1);
		break;
	default:
		break;
	}
}

int main(int argc, char **argv) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct channel_hello *h = element();

	if (argc < 2 || strlen(argv[1]) >= sizeof(a.sun_path))
		return 2;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", argv[1]);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return 1;
	*h = (struct channel_hello) {.epoch = 3, .pid = (uint32_t)getpid(), .workers = 2};
	snprintf(h->build, sizeof(h->build), "%s", SLUICE_VERSION);
	say(CHANNEL_HELLO, 1, 0, 1, 0);
	if (argc > 2 && strcmp(argv[2], "--hang") == 0) {
		pause();
		return 0;
	}
	slow = argc > 2 && strcmp(argv[2], "--slow") == 0;
	for (;;) {
		struct channel_message m;
		uint16_t theirs;
		ssize_t n = recv(fd, in, sizeof(in), 0);
		if (n <= 0)
			return 0;
		if (channel_decode(in, (size_t)n, &m, &theirs) != CHANNEL_OK)
			return 3;
		if (!hold(&m, (size_t)n))
			take(&m);
	}
}
