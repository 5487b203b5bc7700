// SPDX-License-Identifier: Apache-2.0
// sluice-gen: simulated devices on a DPDK port, for bench and tests. One lcore; not hardened, it
// talks to our own sluiced only.
#pragma once

#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <stdbool.h>
#include <stdint.h>

#define GEN_TRAFFICS(X)                                                                            \
	X(GEN_LINE, "line", 8094)                                                                  \
	X(GEN_JSON, "json", 8095)                                                                  \
	X(GEN_SENML_JSON, "senml-json", 8097)                                                      \
	X(GEN_SENML_CBOR, "senml-cbor", 8098)                                                      \
	X(GEN_CBOR, "cbor", 8099)                                                                  \
	X(GEN_RAW, "raw", 8100)                                                                    \
	X(GEN_FRAME, "frame", 8101)                                                                \
	X(GEN_COAP_NON, "coap-non", 5683)                                                          \
	X(GEN_COAP_CON, "coap-con", 5683)                                                          \
	X(GEN_MQTT, "mqtt", 1883)                                                                  \
	X(GEN_SILENT, "silent", 1883)

enum gen_traffic {
#define X(id, label, port) id,
	GEN_TRAFFICS(X)
#undef X
		GEN_TRAFFIC_COUNT
};
const char *gen_traffic_label(enum gen_traffic t);
uint16_t gen_traffic_port(enum gen_traffic t);

struct gen_options {
	enum gen_traffic traffic;
	uint32_t devices;
	uint64_t rate; // frames per second, 0 = as fast as possible
	uint32_t seconds;
	uint32_t window; // unanswered CON requests at once
	uint32_t duplicate_percent;
	uint32_t malformed_percent;
	uint32_t payload_bytes; // about
	uint32_t target; // IPv4, host order
	uint32_t source; // IPv4 of device 0; device n has source + n % sources
	uint32_t sources;
	uint16_t port;
	bool blind; // send without knowing the peer's MAC address
	bool receive; // only count what comes
	bool stay; // after the report, until the other end has left
	// MQTT: `devices` connections, `window` messages or handshakes at once over all of them.
	uint32_t qos; // 0 or 1
	uint32_t inflight; // unanswered messages of a connection
	uint32_t coalesce; // publishes per segment
	uint32_t ack_delay_ms; // of TCP
	uint32_t hold_s; // idle time between connecting and publishing
};

// The port as a kind of traffic with an input of its own uses it.
struct gen_wire {
	uint16_t port;
	struct rte_mempool *pool;
	const struct rte_ether_addr *mac, *peer;
	void (*other)(void *owner, struct rte_mbuf *m); // frames that are not for it; borrowed
	void *owner;
};

// Protected frames (docs/protected-frame.md), AES-128-GCM under one key for all devices, which is
// GEN_FRAME_KEY in key files: the frame of a device around a payload, and sealing it with the next
// sequence. Both return the length, 0 without room.
#define GEN_FRAME_KEY "00112233445566778899aabbccddeeff"
uint32_t gen_frame_open(const char *device, uint8_t *out, uint32_t room); // before the payload
struct crypto;
uint32_t
gen_frame_seal(struct crypto *c, uint64_t seq, uint8_t *frame, uint32_t len, uint32_t room);

// Frames of N devices, made once; sending copies one and stamps what must differ.
struct gen_frames;
int gen_frames_create(const struct gen_options *o, struct gen_frames **out);
void gen_frames_destroy(struct gen_frames *f);
// The next frame into `m` (empty). `mid` is the CoAP message id and token.
void gen_frame_write(
	struct gen_frames *f,
	struct rte_mbuf *m,
	uint16_t mid,
	const uint8_t src[6],
	const uint8_t dst[6]
);

// Connects, publishes, prints one line of JSON after connecting, when publishing begins and at the
// end. 0, or -errno: -ETIMEDOUT if not all
// connections came about.
bool gen_mqtt_options_ok(const struct gen_options *o);
int gen_mqtt_run(
	const struct gen_options *o,
	const struct gen_wire *wire,
	const volatile int *stopped
);

// TCP connections that never say anything, for o->seconds; `rate` is connects per second.
int gen_silent_run(
	const struct gen_options *o,
	const struct gen_wire *wire,
	const volatile int *stopped
);
