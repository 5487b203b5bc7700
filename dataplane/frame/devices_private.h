// SPDX-License-Identifier: Apache-2.0
// What devices.c, key_file.c, mark_file.c and window.c share. Not for anybody else.
#pragma once

#include "dataplane/frame/devices.h"

#define INDEX_NONE UINT32_MAX

struct mark_grant {
	struct frame_device *dev;
	struct frame_mark mark;
};

// The keys of one key file. Read-only once workers see them.
struct frame_keys {
	struct frame_key *keys; // out of core dumps
	uint32_t *first; // by device: its first key, INDEX_NONE without
	uint32_t count;
	size_t bytes;
	uint64_t id_base;
};

// Devices are only ever added: their windows outlive the keys, so that a key file can be loaded
// again while workers run.
struct frame_devices {
	struct frame_device *devices; // device_max of them
	// Open addressing: device + 1, 0 = free. The main thread adds, workers read.
	_Atomic(uint32_t) *index;
	uint32_t index_mask;
	uint32_t device_count; // [m]
	uint32_t started; // [m] devices below have their windows
	uint32_t device_max;
	size_t devices_bytes;
	_Atomic(const struct frame_keys *) keys; // [m>w] NULL: no key file
	struct registry_keys *registry;
	int marks_fd; // -1: in memory only
	uint32_t mark_slots; // records in the file
	uint32_t dirty_words;
	_Atomic(uint64_t) *dirty; // [x] bit per device whose `wanted` changed
	_Atomic(uint64_t) grants; // [m>w] flushes that granted something
	struct mark_grant batch[MARK_BATCH]; // [m]
	uint32_t batch_count;
};

static inline bool mark_after(struct frame_mark a, struct frame_mark b) {
	return a.epoch > b.epoch || (a.epoch == b.epoch && a.seq > b.seq);
}

// Adds a device or finds it; NULL if there are already as many as were reserved.
struct frame_device *frame_device_add(struct frame_devices *d, struct view id);

// Reads the marks of the devices added since the last time, starts their windows and lets the
// registry's keys for them be found. After -errno they accept nothing.
int frame_devices_start(struct frame_devices *d);

bool frame_key_len_valid(enum frame_algorithm algorithm, uint32_t len);

// registry_keys.c
int registry_keys_create(uint32_t devices, struct registry_keys **out);
void registry_keys_destroy(struct registry_keys *r); // accepts NULL; wipes the keys
// What was held back for devices from..to-1 is findable now.
void registry_keys_release(struct registry_keys *r, uint32_t from, uint32_t to);
// A consistent copy of a key of that device. Any thread.
bool registry_key_copy(
	const struct registry_keys *r,
	uint32_t device,
	uint8_t number,
	enum frame_algorithm algorithm,
	struct frame_key *out
);

// key_file.c: new keys in *out, their devices in `d`. 0 or -errno with `why`.
int key_file_load(
	struct frame_devices *d,
	const char *path,
	struct frame_keys **out,
	char *why,
	size_t why_len
);
const struct frame_key *frame_keys_find(
	const struct frame_keys *k,
	uint32_t device,
	uint8_t number,
	enum frame_algorithm algorithm
);

// mark_file.c
int mark_file_open(struct frame_devices *d, const char *path, char *why, size_t why_len);
// What the file knows of the devices from number `from` on.
int mark_file_read(struct frame_devices *d, uint32_t from);
int mark_file_write(struct frame_devices *d, struct frame_device *dev, struct frame_mark mark);
int mark_file_sync(struct frame_devices *d);

// window.c
void shared_mark_write(struct shared_mark *s, struct frame_mark m);
bool shared_mark_read(const struct shared_mark *s, struct frame_mark *out);
