// SPDX-License-Identifier: Apache-2.0
// What device_table.c (workers), device_change.c and device_report.c (main thread) share.
#pragma once

#include "dataplane/device_index.h"
#include "dataplane/device_table.h"
#include "dataplane/label_sets.h"

#include <stdalign.h>
#include <stdatomic.h>

#define PROFILES_MAX 1025
#define CLONE_FLIPS 3 // A-B-A-B within the window: two places, not one that moved

// Two cache lines. A lookup reads the first; a message that is taken or refused writes the second,
// and the first if the device has a quota.
struct slot {
	// [c>w] `sequence` guards who the slot belongs to: odd while that changes, which is never
	// for a device that stays. Its limits change word by word, so that no reader ever has to
	// wait. The hash stands for the name: 128 bits of a SipHash with a secret key.
	_Atomic uint32_t sequence;
	uint32_t name; // [c] where its name lies; of a free slot the next free one + 1
	_Atomic uint64_t hash[2];
	_Atomic uint64_t standing; // claims << 32 | connections << 16 | state
	_Atomic uint64_t rates; // bytes_per_s << 32 | records_per_s
	// [x] any worker, relaxed: theoretical arrival time of the next record and byte
	_Atomic uint64_t records_due_ns;
	_Atomic uint64_t bytes_due_ns;
	// [c>w]
	_Atomic uint16_t profile; // index into profiles, whose names never change
	uint8_t name_len; // [c] 0: the slot is free
	uint8_t reserved;
	_Atomic uint32_t labels; // set of `labels`, 0 none

	// [x] any worker, relaxed: counters add up; of the last contact the last writer wins, and
	// all fields are only ever shown
	alignas(64) _Atomic uint64_t records; // since the last report
	_Atomic uint64_t bytes;
	_Atomic int64_t seen_ns;
	_Atomic uint64_t peer[2]; // address
	_Atomic uint32_t peer_rest; // port << 16 | realm
	_Atomic uint8_t family;
	_Atomic uint8_t transport; // SLOT_HEARD
	_Atomic uint8_t refused_reason;
	_Atomic uint8_t flips; // to CLONE_FLIPS
	_Atomic uint16_t peer_hash; // 0: none yet
	_Atomic uint16_t peer_before;
	_Atomic uint16_t connects; // since the last report, to SLOT_COUNT16_MAX
	_Atomic uint16_t disconnects;
	_Atomic uint32_t refusals;
	_Atomic uint32_t live; // connections
};
static_assert(sizeof(struct slot) == 128);
static_assert(offsetof(struct slot, records) == 64);

#define SLOT_HEARD 0x80 // in `transport`: a message of the device has been taken
#define SLOT_COUNT16_MAX 65000 // then it stays: workers that pass it at once do not make it wrap

// Names lie apart, for the main thread alone: each class has room for every device, of which only
// what is used takes memory.
#define NAME_CLASSES(X) X(16) X(24) X(32) X(64)
#define NAME_CLASS_COUNT 4
#define NAME_BYTES 24 // what a full table is said to take, per name

struct name_class {
	uint8_t *at;
	uint32_t high; // places ever used
	uint32_t free; // the first free one + 1, each holds the next
};

struct device_table {
	// [fixed]
	uint32_t capacity;
	uint64_t secret[2];
	struct slot *slots;
	struct device_index index;
	// [c>w]
	alignas(64) _Atomic uint32_t generation; // of the index
	_Atomic uint32_t standing;
	// [c]
	alignas(64) uint32_t count;
	uint32_t high; // slots ever used
	uint32_t free; // the first free one + 1
	struct name_class names[NAME_CLASS_COUNT];
	uint64_t *mentioned; // bit per slot: by the whole transfer that is going on
	uint64_t registry_id;
	uint64_t version;
	struct label_sets *labels; // owned
	char profiles[PROFILES_MAX][32]; // [0] is none; workers read those that a slot names
	uint16_t profile_count;
	uint64_t report_word; // where the next report begins
	// [x] bit per slot: something to report
	alignas(64) _Atomic uint64_t *dirty;
};

// Main thread; lives until the device is removed.
const char *device_name(const struct device_table *t, const struct slot *s);

static inline void device_limits_read(const struct slot *s, struct device_entry *out) {
	uint64_t standing = atomic_load_explicit(&s->standing, memory_order_relaxed);
	uint64_t rates = atomic_load_explicit(&s->rates, memory_order_relaxed);

	out->state = (enum device_state)(standing & 0xff);
	out->connections = (uint16_t)(standing >> 16);
	out->claims = (uint32_t)(standing >> 32);
	out->records_per_s = (uint32_t)rates;
	out->bytes_per_s = (uint32_t)(rates >> 32);
	out->profile = atomic_load_explicit(&s->profile, memory_order_acquire);
	out->labels = atomic_load_explicit(&s->labels, memory_order_acquire);
}
