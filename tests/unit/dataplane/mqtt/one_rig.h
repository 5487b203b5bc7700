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
