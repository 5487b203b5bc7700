// SPDX-License-Identifier: Apache-2.0
// MQTT 3.1.1 devices: each connects, then they publish in turn. Every answer of the server is four
// bytes: CONNACK, PUBACK. The stream of a connection is one CONNECT and then publishes of one size,
// the n-th of which has the packet identifier 1 + n mod a multiple of the messages in flight.
#include "bench/gen/gen.h"
#include "bench/gen/tcp_client.h"

#include <rte_cycles.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_BYTES 4
#define NAME_BYTES 11 // gen-NNNNNNN
#define IDS_PER_SLOT 128
#define SLOTS_MAX 255
#define HISTOGRAM_US (1u << 18)
#define SKIP_MAX 256 // connections looked at per turn
#define LINGER_S 2
#define SPEED_MIN 2000 // connections per second; slower is a failure
#define PACKET_MAX 128

struct device {
	uint32_t sent;
	uint32_t answered; // PUBACKs, or with QoS 0 what TCP has acknowledged
	bool connected;
};

struct mqtt_load {
	const struct gen_options *o;
	const volatile int *stopped;
	struct tcp_client *tcp;
	struct device *devices;
	uint64_t *sent_at; // inflight entries per device
	uint32_t *histogram; // of microseconds from PUBLISH to PUBACK
	uint64_t cycles_per_us;
	uint8_t connect[PACKET_MAX], publish[PACKET_MAX];
	uint32_t connect_bytes, publish_bytes;
	uint32_t topic_at, id_at; // in `publish`
	uint32_t ids; // packet identifiers in use, a multiple of inflight
	uint32_t next; // whose turn it is
	uint32_t started, connected, lost;
	uint64_t published, answered, wrong, open;
};

static uint8_t *put_text(uint8_t *p, const char *text) {
	size_t n = strlen(text);

	p[0] = (uint8_t)(n >> 8);
	p[1] = (uint8_t)n;
	memcpy(p + 2, text, n);
	return p + 2 + n;
}

static void packets_make(struct mqtt_load *l) {
	static const char reading[] =
		"{\"temperature\":21.40,\"humidity\":55.25,\"battery\":3.61,\"rssi\":-45}";
	uint8_t *p = put_text(l->connect + 2, "MQTT");

	*p++ = 4; // 3.1.1
	*p++ = 2; // clean session
	*p++ = 3600 >> 8;
	*p++ = 3600 & 0xff;
	p = put_text(p, "gen-0000000");
	l->connect_bytes = (uint32_t)(p - l->connect);
	l->connect[0] = 0x10;
	l->connect[1] = (uint8_t)(l->connect_bytes - 2);

	p = put_text(l->publish + 2, "t/gen-0000000/env");
	l->topic_at = 2 + 2 + 2;
	l->id_at = (uint32_t)(p - l->publish);
	if (l->o->qos > 0)
		p += 2;
	memcpy(p, reading, sizeof(reading) - 1);
	l->publish_bytes = (uint32_t)(p - l->publish + sizeof(reading) - 1);
	l->publish[0] = (uint8_t)(0x30 | l->o->qos << 1);
	l->publish[1] = (uint8_t)(l->publish_bytes - 2);
	static_assert(sizeof(reading) + 32 < PACKET_MAX);
}

static void digits_put(uint8_t *name, uint32_t n) {
	for (int i = NAME_BYTES - 1; i >= 4; i--, n /= 10)
		name[i] = (uint8_t)('0' + n % 10);
}

static uint32_t id_of(const struct mqtt_load *l, uint32_t message) {
	return 1 + message % l->ids;
}

static void
packet_write(const struct mqtt_load *l, uint32_t device, uint32_t message, uint8_t *out) {
	memcpy(out, l->publish, l->publish_bytes);
	digits_put(out + l->topic_at, device);
	if (l->o->qos > 0) {
		out[l->id_at] = (uint8_t)(id_of(l, message) >> 8);
		out[l->id_at + 1] = (uint8_t)id_of(l, message);
	}
}

static void on_bytes(void *owner, uint32_t device, uint32_t offset, uint8_t *out, uint32_t len) {
	struct mqtt_load *l = owner;

	while (len > 0) {
		uint8_t packet[PACKET_MAX];
		uint32_t bytes = l->connect_bytes, at = offset;
		if (offset < l->connect_bytes) {
			memcpy(packet, l->connect, bytes);
			digits_put(packet + bytes - NAME_BYTES, device);
		} else {
			bytes = l->publish_bytes;
			at = (offset - l->connect_bytes) % bytes;
			packet_write(l, device, (offset - l->connect_bytes) / bytes, packet);
		}
		uint32_t n = bytes - at < len ? bytes - at : len;
		memcpy(out, packet + at, n);
		out += n;
		offset += n;
		len -= n;
	}
}

static void on_established(void *owner, uint32_t device) {
	struct mqtt_load *l = owner;

	if (!tcp_client_push(l->tcp, device, l->connect_bytes))
		l->wrong++;
}

static void puback_input(struct mqtt_load *l, uint32_t device, const uint8_t *p) {
	struct device *d = &l->devices[device];

	// In the order of the publishes [MQTT-4.6.0-2].
	if (p[0] != 0x40 || p[1] != 2 || d->answered == d->sent
	    || (uint32_t)(p[2] << 8 | p[3]) != id_of(l, d->answered)) {
		l->wrong++;
		return;
	}
	uint64_t *at = &l->sent_at[(size_t)device * l->o->inflight + d->answered % l->o->inflight];
	uint64_t us = (rte_rdtsc() - *at) / l->cycles_per_us;
	l->histogram[us < HISTOGRAM_US ? us : HISTOGRAM_US - 1]++;
	d->answered++;
	l->answered++;
	l->open--;
}

static uint32_t on_received(void *owner, uint32_t device, const uint8_t *bytes, uint32_t len) {
	struct mqtt_load *l = owner;
	struct device *d = &l->devices[device];
	uint32_t taken = 0;

	for (; len - taken >= ANSWER_BYTES; taken += ANSWER_BYTES) {
		const uint8_t *p = bytes + taken;
		if (d->connected) {
			puback_input(l, device, p);
		} else if (p[0] == 0x20 && p[1] == 2 && p[3] == 0) {
			d->connected = true;
			l->connected++;
			l->open--;
		} else {
			l->wrong++;
		}
	}
	return taken;
}

// What QoS 0 knows of its messages is that TCP delivered them.
static void on_acknowledged(void *owner, uint32_t device, uint32_t offset) {
	struct mqtt_load *l = owner;
	struct device *d = &l->devices[device];

	if (l->o->qos > 0 || offset < l->connect_bytes)
		return;
	uint32_t messages = (offset - l->connect_bytes) / l->publish_bytes;
	l->answered += messages - d->answered;
	d->answered = messages;
}

static void on_closed(void *owner, uint32_t device, enum tcp_client_state before) {
	struct mqtt_load *l = owner;
	struct device *d = &l->devices[device];

	(void)before;
	l->lost++;
	if (!d->connected)
		l->open--;
	else if (l->o->qos > 0)
		l->open -= d->sent - d->answered;
}

static void connect_some(struct mqtt_load *l) {
	for (unsigned n = 0; n < 32 && l->started < l->o->devices && l->open < l->o->window; n++) {
		if (!tcp_client_connect(l->tcp, l->started))
			return;
		l->started++;
		l->open++;
	}
}

// One segment of the device whose turn it is: `coalesce` publishes.
static bool publish_one(struct mqtt_load *l, uint32_t device) {
	struct device *d = &l->devices[device];
	uint32_t count = l->o->coalesce;

	if (!d->connected || d->sent - d->answered + count > l->o->inflight
	    || !tcp_client_push(l->tcp, device, count * l->publish_bytes))
		return false;
	uint64_t now = rte_rdtsc();
	for (uint32_t i = 0; i < count; i++)
		l->sent_at[(size_t)device * l->o->inflight + d->sent++ % l->o->inflight] = now;
	l->published += count;
	if (l->o->qos > 0)
		l->open += count;
	return true;
}

static void publish_some(struct mqtt_load *l, uint64_t budget) {
	for (unsigned looked = 0; looked < SKIP_MAX && budget >= l->o->coalesce; looked++) {
		if (l->o->qos > 0 && l->open + l->o->coalesce > l->o->window)
			return;
		if (publish_one(l, l->next))
			budget -= l->o->coalesce;
		l->next = l->next + 1 < l->o->devices ? l->next + 1 : 0;
	}
}

static double seconds_since(uint64_t start) {
	return (double)(rte_rdtsc() - start) / (double)rte_get_tsc_hz();
}

static bool connect_all(struct mqtt_load *l) {
	uint64_t start = rte_rdtsc();
	double limit = 30 + l->o->devices / (double)SPEED_MIN;

	while (l->connected + l->lost < l->o->devices && !*l->stopped
	       && seconds_since(start) < limit) {
		if (tcp_client_ready(l->tcp))
			connect_some(l);
		tcp_client_turn(l->tcp);
	}
	double seconds = seconds_since(start);
	printf("{\"phase\":\"connected\",\"connections\":%u,\"connected\":%u,\"lost\":%u,"
	       "\"connect_seconds\":%.3f,\"connects_per_s\":%.0f,\"retransmits\":%" PRIu64 "}\n",
	       l->o->devices,
	       l->connected,
	       l->lost,
	       seconds,
	       l->connected / seconds,
	       tcp_client_stats(l->tcp)->retransmits);
	fflush(stdout);
	return l->connected == l->o->devices;
}

static void idle_for(struct mqtt_load *l, double seconds) {
	uint64_t start = rte_rdtsc();

	while (!*l->stopped && seconds_since(start) < seconds)
		tcp_client_turn(l->tcp);
}

static double publish_all(struct mqtt_load *l) {
	puts("{\"phase\":\"publishing\"}");
	fflush(stdout);
	uint64_t start = rte_rdtsc(), hz = rte_get_tsc_hz(), end = start + l->o->seconds * hz;

	for (uint64_t now = start; now < end && !*l->stopped; now = rte_rdtsc()) {
		uint64_t budget = 32;
		if (l->o->rate > 0) {
			uint64_t due =
				(uint64_t)((unsigned __int128)(now - start) * l->o->rate / hz);
			budget = due > l->published ? due - l->published : 0;
		}
		if (tcp_client_ready(l->tcp))
			publish_some(l, budget < 32 ? budget : 32);
		tcp_client_turn(l->tcp);
	}
	return seconds_since(start);
}

static uint32_t percentile(const struct mqtt_load *l, uint64_t per_thousand) {
	uint64_t below = 0, wanted = l->answered * per_thousand / 1000;

	for (uint32_t us = 0; us < HISTOGRAM_US; us++) {
		below += l->histogram[us];
		if (below > wanted)
			return us;
	}
	return HISTOGRAM_US - 1;
}

static void report(const struct mqtt_load *l, double seconds, uint64_t answered) {
	const struct tcp_client_stats *t = tcp_client_stats(l->tcp);

	printf("{\"traffic\":\"mqtt\",\"qos\":%u,\"connections\":%u,\"seconds\":%.2f,"
	       "\"published\":%" PRIu64 ",\"published_per_s\":%.0f,\"answered\":%" PRIu64
	       ",\"answered_per_s\":%.0f,\"wrong_answers\":%" PRIu64 ",\"lost_connections\":%u,"
	       "\"retransmits\":%" PRIu64 ",\"out_of_order\":%" PRIu64 ",\"bare_acks\":%" PRIu64
	       ",\"tx_frames\":%" PRIu64 ",\"rx_frames\":%" PRIu64 ",\"tx_bytes\":%" PRIu64
	       ",\"rx_bytes\":%" PRIu64,
	       l->o->qos,
	       l->o->devices,
	       seconds,
	       l->published,
	       (double)l->published / seconds,
	       l->answered,
	       (double)answered / seconds,
	       l->wrong,
	       l->lost,
	       t->retransmits,
	       t->out_of_order,
	       t->acks,
	       t->tx_frames,
	       t->rx_frames,
	       t->tx_bytes,
	       t->rx_bytes);
	if (l->o->qos > 0 && l->answered > 0)
		printf(",\"p50_us\":%u,\"p99_us\":%u,\"p999_us\":%u",
		       percentile(l, 500),
		       percentile(l, 990),
		       percentile(l, 999));
	printf("}\n");
}

static int load_init(struct mqtt_load *l, const struct gen_wire *wire) {
	struct tcp_client_app app = {
		.owner = l,
		.established = on_established,
		.received = on_received,
		.acknowledged = on_acknowledged,
		.closed = on_closed,
		.bytes = on_bytes,
	};

	packets_make(l);
	l->ids = l->o->inflight * IDS_PER_SLOT;
	l->cycles_per_us = rte_get_tsc_hz() / 1000000;
	l->devices = calloc(l->o->devices, sizeof(*l->devices));
	l->sent_at = calloc((size_t)l->o->devices * l->o->inflight, sizeof(*l->sent_at));
	l->histogram = calloc(HISTOGRAM_US, sizeof(*l->histogram));
	if (l->devices == nullptr || l->sent_at == nullptr || l->histogram == nullptr)
		return -ENOMEM;
	return tcp_client_create(l->o, wire, &app, &l->tcp);
}

bool gen_mqtt_options_ok(const struct gen_options *o) {
	return o->qos <= 1 && o->coalesce >= 1 && o->coalesce <= 14 && o->inflight >= o->coalesce
		&& o->inflight <= SLOTS_MAX && o->devices < 10000000;
}

int gen_mqtt_run(
	const struct gen_options *o,
	const struct gen_wire *wire,
	const volatile int *stopped
) {
	struct mqtt_load l = {.o = o, .stopped = stopped};
	int ret = load_init(&l, wire);

	if (ret == 0) {
		if (!connect_all(&l))
			ret = -ETIMEDOUT;
		idle_for(&l, o->hold_s);
		double seconds = publish_all(&l);
		uint64_t answered = l.answered;
		idle_for(&l, LINGER_S);
		report(&l, seconds, answered);
		tcp_client_reset_all(l.tcp);
	}
	tcp_client_destroy(l.tcp);
	free(l.histogram);
	free(l.sent_at);
	free(l.devices);
	return ret;
}
