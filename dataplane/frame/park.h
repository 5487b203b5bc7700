// SPDX-License-Identifier: Apache-2.0
// Authenticated frames that are ahead of the device's stored mark: a bounded queue in order of
// arrival. They wait a few tens of milliseconds for the main thread, at most PARK_TIME_NS.
// Thread: one worker.
#pragma once

#include "dataplane/datagram.h"
#include "dataplane/frame/devices.h"

#define PARK_SLOTS 256
#define PARK_BYTES 2048 // a larger frame cannot be parked
#define PARK_TIME_NS 1000000000ull

enum park_state : uint8_t { PARK_FREE, PARK_WAITING, PARK_PUSHED };

// A frame out of its datagram: what accepting it needs.
struct parked {
	struct datagram d; // bytes and key point into this struct
	struct flow_key key;
	struct frame frame; // views into bytes; the payload is in the clear
	struct frame_device *dev;
	enum park_state state;
	uint8_t bytes[PARK_BYTES];
};

struct park {
	struct parked *slots; // ring
	uint32_t first;
	uint32_t count;
};

int park_init(struct park *p); // 0 or -ENOMEM
void park_fini(struct park *p); // wipes it

// False if it does not fit or the queue is full.
bool park_add(
	struct park *p,
	const struct datagram *d,
	const struct frame *f,
	struct frame_device *dev
);

static inline struct parked *park_at(struct park *p, uint32_t i) {
	return &p->slots[(p->first + i) % PARK_SLOTS];
}

// Give back the free slots at the front.
void park_release(struct park *p);
