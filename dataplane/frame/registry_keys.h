// SPDX-License-Identifier: Apache-2.0
// Frame keys of the device registry: beside those of the key file, which win where both have the
// same (device, algorithm, number). Changed in place by the main thread, read by workers without
// locks.
//
// A key lies in a slot that belongs to its device until the process ends. A worker copies the key
// out under the slot's sequence and keeps no pointer into it, so a removed key is wiped at once: a
// lookup that begins afterwards finds nothing, and one that was under way notices and looks again.
// Parked frames and receipts to come name their key by number. Every change gives the key a new id:
// what a worker's cache has expanded of the one before is never found again.
//
//   put() ...  ──► held, if its device is new ──► settle(): marks read, window started ──► findable
//
// Thread: all on the main thread, except registry_key_copy() (devices_private.h).
#pragma once

#include "dataplane/frame/devices.h"

// Slots reserved: so many per frame.devices, that a key can be replaced under a new number.
#define REGISTRY_KEYS_PER_DEVICE 2

// `key`: algorithm, number, len and bytes. Replaces the one of that number; in force after the next
// settle if the device is new, else at once. -EINVAL: no device id, or a length that the algorithm
// does not have. -ENOSPC: no place for another device or another key since the start.
int frame_registry_put(struct frame_devices *d, struct view device, const struct frame_key *key);
// False if there was none.
bool frame_registry_remove(
	struct frame_devices *d,
	struct view device,
	uint8_t number,
	enum frame_algorithm algorithm
);

// A transfer: doubt() what may have gone (one device's, or all), put() what is there, then settle()
// removes what is still in doubt and starts the windows of new devices. Returns how many keys were
// removed, or -errno if the replay marks of new devices could not be read: those accept nothing.
void frame_registry_doubt(struct frame_devices *d, struct view device);
void frame_registry_doubt_all(struct frame_devices *d);
int frame_registry_settle(struct frame_devices *d);

// For the snapshot: the next key from *at on (0 at first); false at the end. The caller wipes *key.
bool frame_registry_next(
	const struct frame_devices *d,
	uint32_t *at,
	struct view *device,
	struct frame_key *key
);
uint32_t frame_registry_count(const struct frame_devices *d);
