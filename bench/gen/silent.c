// SPDX-License-Identifier: Apache-2.0
// Connections that say nothing: each is opened, and opened again as soon as it is refused or ended.
// A flood by peers that do answer SYN-ACKs, so that cookies do not stop it.
#include "bench/gen/gen.h"
#include "bench/gen/tcp_client.h"

#include <rte_cycles.h>

#include <inttypes.h>
#include <stdio.h>

struct silent {
	struct tcp_client *tcp;
	uint64_t opened, ended;
	uint32_t up;
};

static void on_established(void *owner, uint32_t conn) {
	struct silent *s = owner;

	// Without room in the port it is lost, as on a wire: the server never knows of this one.
	(void)tcp_client_acknowledge(s->tcp, conn);

	s->opened++;
	s->up++;
}

static uint32_t on_received(void *, uint32_t, const uint8_t *, uint32_t len) {
	return len;
}

static void on_acknowledged(void *, uint32_t, uint32_t) {}

static void on_closed(void *owner, uint32_t, enum tcp_client_state before) {
	struct silent *s = owner;

	s->ended++;
	s->up -= before == CLIENT_UP;
}

static void on_bytes(void *, uint32_t, uint32_t, uint8_t *, uint32_t) {}

int gen_silent_run(
	const struct gen_options *o,
	const struct gen_wire *wire,
	const volatile int *stopped
) {
	struct silent s = {0};
	const struct tcp_client_app app = {
		.owner = &s,
		.established = on_established,
		.received = on_received,
		.acknowledged = on_acknowledged,
		.closed = on_closed,
		.bytes = on_bytes,
	};
	uint64_t hz = rte_get_tsc_hz(), start = rte_rdtsc(), end = start + o->seconds * hz;
	uint64_t tried = 0;
	uint32_t next = 0, most = 0;
	int ret = tcp_client_create(o, wire, &app, &s.tcp);

	if (ret < 0)
		return ret;
	for (uint64_t now = start; now < end && !*stopped; now = rte_rdtsc()) {
		uint64_t due = o->rate > 0
			? (uint64_t)((unsigned __int128)(now - start) * o->rate / hz)
			: UINT64_MAX;
		for (unsigned n = 0; n < 32 && tried < due && tcp_client_ready(s.tcp); n++) {
			enum tcp_client_state state = tcp_client_state(s.tcp, next);
			if (state == CLIENT_IDLE || state == CLIENT_CLOSED)
				tried += tcp_client_connect(s.tcp, next);
			next = next + 1 < o->devices ? next + 1 : 0;
		}
		tcp_client_turn(s.tcp);
		most = s.up > most ? s.up : most;
	}
	printf("{\"traffic\":\"silent\",\"tried\":%" PRIu64 ",\"opened\":%" PRIu64
	       ",\"ended\":%" PRIu64 ",\"most_at_once\":%u}\n",
	       tried,
	       s.opened,
	       s.ended,
	       most);
	tcp_client_reset_all(s.tcp);
	tcp_client_destroy(s.tcp);
	return 0;
}
