// SPDX-License-Identifier: Apache-2.0
// A rig per test, not yet started, and a packet to write into.
#pragma once

#include "tests/support/mqtt_rig.h"

static struct rig *r;
static struct packet p;

static int setup(void **) {
	static struct rig rig;

	r = &rig;
	rig_init(r);
	p.len = 0;
	return 0;
}

static int teardown(void **) {
	rig_stop(r);
	return 0;
}

static inline const struct mqtt_stats *stats(void) {
	return mqtt_server_stats(r->m);
}

static inline void publish(uint32_t c, const struct pk_publish *k) {
	pk_publish(&p, k);
	rig_send(r, c, &p);
}
