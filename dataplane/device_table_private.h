// SPDX-License-Identifier: Apache-2.0
// What device_table.c and device_report.c share.
#pragma once

#include "dataplane/device_table.h"

#include <stdalign.h>
#include <stdatomic.h>

#define PROFILES_MAX 1025
#define CLONE_FLIPS 3 // A-B-A-B within the window: two places, not one that moved

struct slot {
	// [c>w] `sequence` guards who the slot belongs to: odd while that changes, which is never
	// for a device that stays. Its limits change word by word, so that no reader ever has to
	// wait.
	_Atomic uint32_t sequence;
	uint32_t mark; // [c] whole transfer that mentioned it last
	uint64_t hash;
	_Atomic uint64_t standing; // claims << 32 | connections << 16 | state
	_Atomic uint64_t rates; // bytes_per_s << 32 | records_per_s
	uint8_t used;
	uint8_t name_len;
	_Atomic uint16_t profile; // index into profiles, whose names never change
	char name[CHANNEL_NAME_MAX];

	// [x] any worker, relaxed: counters add up; of the last contact the last writer wins, and
	// all fields are only ever shown
	alignas(64) _Atomic uint64_t records;
	_Atomic uint64_t bytes;
	_Atomic uint64_t records_due_ns; // theoretical arrival time of the next record
	_Atomic uint64_t bytes_due_ns;
	_Atomic uint64_t records_total;
	_Atomic uint64_t bytes_total;
	_Atomic int64_t seen_ns;
	_Atomic uint32_t refusals;
	_Atomic uint32_t peer_hash;
	_Atomic uint32_t peer_before;
	_Atomic uint32_t flips;
	_Atomic uint32_t drops_total;
	_Atomic uint8_t refused_reason;
	_Atomic uint8_t transport;
	uint8_t reserved3[2];
	struct channel_address peer;
	_Atomic uint32_t live; // connections
	_Atomic uint32_t connects; // since the last report
	_Atomic uint32_t disconnects;
};
static_assert(sizeof(struct slot) == 256);

struct device_table {
	// [fixed]
	uint32_t capacity;
	uint64_t bucket_mask;
	uint64_t secret[2];
	struct slot *slots;
	_Atomic uint64_t *index[2];
	size_t bytes;
	// [c>w]
	alignas(64) _Atomic uint32_t generation;
	_Atomic uint32_t standing;
	// [c]
	alignas(64) uint32_t count;
	uint32_t high; // slots ever used
	uint32_t deleted; // buckets of the current index
	uint32_t *free;
	uint32_t free_count;
	uint32_t mark;
	uint64_t registry_id;
	uint64_t version;
	char profiles[PROFILES_MAX][32]; // [0] is none; workers read those that a slot names
	uint16_t profile_count;
	uint64_t report_word; // where the next report begins
	// [x] bit per slot: something to report
	alignas(64) _Atomic uint64_t *dirty;
};

static inline void device_limits_read(const struct slot *s, struct device_entry *out) {
	uint64_t standing = atomic_load_explicit(&s->standing, memory_order_relaxed);
	uint64_t rates = atomic_load_explicit(&s->rates, memory_order_relaxed);

	out->state = (enum device_state)(standing & 0xff);
	out->connections = (uint16_t)(standing >> 16);
	out->claims = (uint32_t)(standing >> 32);
	out->records_per_s = (uint32_t)rates;
	out->bytes_per_s = (uint32_t)(rates >> 32);
	out->profile = atomic_load_explicit(&s->profile, memory_order_acquire);
}
