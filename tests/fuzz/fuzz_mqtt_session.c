// SPDX-License-Identifier: Apache-2.0
// A script over an mqtt_server: up to four connections receive pieces of the input, time passes,
// the pipeline answers as it likes, peers hang up. Nothing may crash, be sent after a close, or be
// closed twice (the rig aborts on these); at the end every pool is back at its initial value.
#include "tests/support/mqtt_rig.h"

#include <stdlib.h>

#define CONNS 4

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static struct rig r;

static void pressure_and_outcome(uint8_t b) {
	r.pressure = b & 0x40 ? 100 : 0;
	r.hold = (b & 0x20) != 0;
	r.outcome = (b & 3) == 3 ? OUTCOME_ACKED : (enum outcome)(b & 3);
	r.refuse = (enum refuse_reason)((b >> 2 & 7) % REFUSE_REASON_COUNT);
}

static void step(struct rd *in) {
	uint8_t op = rd_u8(in);
	uint32_t conn = op & 3;

	switch (op >> 2 & 7) {
	case 0: // a connection takes this place
		if (r.conns[conn].open && !r.conns[conn].closed)
			rig_hang_up(&r, conn);
		r.conn_count = conn;
		rig_open_from(&r, 1 + (op >> 7), op >> 5 & 1 ? 2 : 0);
		break;
	case 1:
		if (r.conns[conn].open && !r.conns[conn].closed)
			rig_hang_up(&r, conn);
		break;
	case 2:
		rig_advance(&r, (uint64_t)rd_u8(in) * 100);
		break;
	case 3:
		pressure_and_outcome(rd_u8(in));
		rig_poll(&r);
		break;
	default: {
		struct view v = rd_take(in, rd_u8(in));
		if (r.conns[conn].open && r.conns[conn].left_len < 4096)
			rig_input(&r, conn, v.p, v.len);
		r.conns[conn].out_len = 0;
		break;
	}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
	struct rd in = rd_from(view_of(bytes, (uint32_t)n));

	if (n == 0 || n > 8192)
		return 0;
	rig_init(&r);
	r.config.sessions = 8;
	r.config.active = 4;
	r.config.in_flight = 16;
	r.config.inflight_max = 4;
	r.config.pool_bytes = 16384;
	r.config.will_bytes = 4096;
	r.config.session_expiry_max_s = 60;
	rig_start(&r);
	uint64_t pool = mqtt_server_stats(r.m)->pool_free;
	while (rd_left(&in) > 0)
		step(&in);

	// Everybody leaves, everything is answered, stored sessions expire.
	r.pressure = 0;
	r.hold = false;
	r.outcome = OUTCOME_ACKED;
	for (uint32_t c = 0; c < CONNS; c++)
		if (r.conns[c].open && !r.conns[c].closed)
			rig_hang_up(&r, c);
	rig_advance(&r, 1000);
	rig_advance(&r, 70000);
	const struct mqtt_stats *s = mqtt_server_stats(r.m);
	if (s->sessions != 0 || s->connections != 0 || s->stored != 0 || s->in_flight != 0
	    || s->pool_free != pool)
		abort();
	rig_stop(&r);
	return 0;
}
