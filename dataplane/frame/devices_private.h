// SPDX-License-Identifier: Apache-2.0
// What devices.c, key_file.c, mark_file.c and window.c share. Not for anybody else.
#pragma once

#include "dataplane/frame/devices.h"

#define INDEX_NONE UINT32_MAX
#define MARK_BATCH 1024 // grants per flush

struct mark_grant {
	struct frame_device *dev;
	struct frame_mark mark;
};

struct frame_devices {
	struct frame_device *devices;
	struct frame_key *keys; // out of core dumps
	uint32_t *index; // open addressing: device + 1, 0 = free
	uint32_t index_mask;
	uint32_t device_count;
	uint32_t key_count;
	size_t devices_bytes;
	size_t keys_bytes;
	uint64_t key_id_base;
	int marks_fd; // -1: in memory only
	uint32_t mark_slots; // records in the file
	uint32_t dirty_words;
	_Atomic(uint64_t) *dirty; // [x] bit per device whose `wanted` changed
	struct mark_grant batch[MARK_BATCH]; // [m]
	uint32_t batch_count;
};

static inline bool mark_after(struct frame_mark a, struct frame_mark b) {
	return a.epoch > b.epoch || (a.epoch == b.epoch && a.seq > b.seq);
}

// Zeroed pages; `secret` keeps them out of core dumps and, if the limit allows, out of swap.
void *pages_reserve(size_t bytes, bool secret);
void pages_give(void *p, size_t bytes, bool secret); // accepts NULL

// Adds a device or finds it; NULL if there are already as many as were reserved.
struct frame_device *frame_device_add(struct frame_devices *d, struct view id, uint32_t max);

// key_file.c: fills devices and keys. 0 or -errno with `why`.
int key_file_load(
	struct frame_devices *d,
	const char *path,
	uint32_t max,
	char *why,
	size_t why_len
);

// mark_file.c
int mark_file_open(struct frame_devices *d, const char *path, char *why, size_t why_len);
int mark_file_write(struct frame_devices *d, struct frame_device *dev, struct frame_mark mark);
int mark_file_sync(struct frame_devices *d);

// window.c
void shared_mark_write(struct shared_mark *s, struct frame_mark m);
bool shared_mark_read(const struct shared_mark *s, struct frame_mark *out);
