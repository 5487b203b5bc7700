// SPDX-License-Identifier: Apache-2.0
// Authenticated frames that are ahead of the device's stored mark: a bounded queue in order of
// arrival. They wait a few tens of milliseconds for the main thread, at most PARK_TIME_NS. Bounded
// by bytes, a ring: when thousands of devices send for the first time at once, all of them wait for
// the same fdatasync.
// Thread: one worker.
#pragma once

#include "dataplane/datagram.h"
#include "dataplane/frame/devices.h"

#include <stdalign.h>

#define PARK_ARENA_BYTES (8u << 20) // 16,000 frames of 200 bytes; touched as far as it is used
#define PARK_TIME_NS 1000000000ull

enum park_state : uint8_t { PARK_FREE, PARK_WAITING, PARK_PUSHED };

// A frame out of its datagram: what accepting it needs.
struct parked {
	alignas(16) uint32_t size; // of this and its bytes
	enum park_state state;
	struct datagram d; // bytes and key point into this struct
	struct flow_key key;
	struct frame frame; // views into bytes; the payload is in the clear
	struct frame_device *dev;
	uint8_t bytes[];
};

struct park {
	uint8_t *arena; // owned
	uint32_t head, tail, used; // bytes
	uint32_t touched; // bytes from the start that ever held anything
	uint32_t count; // frames, those given back among others too
};

int park_init(struct park *p); // 0 or -ENOMEM
void park_fini(struct park *p); // wipes it

// False if the queue is full.
bool park_add(
	struct park *p,
	const struct datagram *d,
	const struct frame *f,
	struct frame_device *dev
);

// The one behind `k`, the oldest if that is nullptr; nullptr: there is none. Some may be free.
struct parked *park_next(struct park *p, const struct parked *k);

// Give back the free ones at the front.
void park_release(struct park *p);
