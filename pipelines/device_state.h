// SPDX-License-Identifier: Apache-2.0
// What is remembered of each device between its messages: dedup window, field states, order, and a
// few last decisions. One array for all workers, sized by the configuration, reserved at start.
//
//   words[]   one per place: tag, owner        sets of 16 places, one cache line of words
//   slots[]   header | dedup entries | field states | decisions, slot_bytes each
//
// A device may stand in either of two sets, which its hash names; so a full table stays as fast as
// an empty one, and nothing is ever moved. Its name is a 128-bit SipHash with a secret key: long
// enough to stand for the name itself, which would take four times the room.
//
// Ownership. The hash also names a *home* worker: only that one enters devices into the array and
// takes them out again. A slot is read and written by its *owner* only, at first the home; the
// owner gives a slot away with device_give(), and the new owner may use it once it has been
// told so (pipelines/handover.h). `promised` is the home's: who the owner will be when all letters
// on their way have arrived. `hash` never changes while a place is taken, so that the home may
// compare it whoever owns the slot.
//
// A place is taken from the unregistered device that was heard of least recently; from a registered
// one only for a registered one; never from one with a message in flight, one that another worker
// owns, or one heard of within this second.
#pragma once

#include "parsers/rd.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEVICE_WAYS 16
#define DEVICE_DECISIONS 8
#define DEVICE_DECISION_BYTES 16
#define DEVICE_ENTRIES_MAX 255
#define DEVICE_HOMES_MAX 32

// Name, and what order and repetition are judged by.
struct device_head {
	uint64_t hash[2];
	int64_t newest_ns; // latest time of a live record; only with DEVICE_HAS_TIME, _ARRIVAL
	uint64_t newest_seq; // only with DEVICE_HAS_SEQ
	uint32_t used_s; // monotonic second of the last message
	uint32_t swept_s; // when the dedup entries were last looked at
	uint32_t gaps; // sequence numbers that did not come, in all
	uint32_t print; // profile the field states belong to (profile.state_print)
	uint16_t pending; // dedup entries whose record is not durable yet
	uint16_t packet_id; // of the last MQTT message that was no copy
	uint8_t packet_run; // how often it was the one before plus one
	uint8_t flags; // DEVICE_*
	uint8_t decision; // number of the last decision, modulo 256 (`why`)
	uint16_t commits; // dedup entries committed so far, modulo 2^16
	uint8_t reserved[3];
};
static_assert(sizeof(struct device_head) == 64);

enum {
	DEVICE_REGISTERED = 1,
	DEVICE_HAS_TIME = 2,
	DEVICE_HAS_ARRIVAL = 4, // newest_ns is a time of arrival: the device gives none
	DEVICE_HAS_SEQ = 8,
};

// A message that was taken, or is on its way (pipelines/dedup.h).
struct dedup_entry {
	uint64_t key; // hash << 16 | monotonic tick of 4 s, both truncated; 0: free
	uint32_t payload; // hash
	uint32_t pending; // who knows what becomes of it, or when it was committed
};
static_assert(sizeof(struct dedup_entry) == 16);

// One field (pipelines/field_alert.h). Times are in ms, all of one clock: the device's or, of a
// device that gives none, ours. A field that was silent for longer than FIELD_SPAN_MS starts anew.
#define FIELD_SPAN_MS 0x7fffffff // 24 days
struct field_state {
	uint64_t last; // bits of a double, or hash of a text
	uint32_t at_ms; // of `last`, modulo 2^32; at_high has eight bits more
	uint32_t same_ms; // since when it is that very value, modulo 2^32
	uint32_t held_ms; // since when the condition of `waiting` holds, modulo 2^32
	float mean;
	float deviation;
	uint16_t samples; // in mean and deviation
	uint8_t seen : 1;
	uint8_t raised : 3; // enum alert_kind
	uint8_t waiting : 3; // enum alert_kind: to be raised when it has held long enough
	uint8_t number : 1; // `last` is one
	uint8_t at_high;
};
static_assert(sizeof(struct field_state) == 32);

// What the home keeps of a place.
struct device_home_note {
	uint8_t promised; // worker that owns it when all letters have arrived
	uint8_t moves; // in second `moved_s`, modulo 2^16
	uint16_t moved_s;
	uint16_t pinned_s; // it stays where it is until then
};

struct config;

struct device_states {
	// [fixed]
	uint64_t secret[2];
	uint16_t homes; // workers
	uint16_t entries; // dedup entries per device
	uint16_t fields; // field states per device
	uint32_t sets; // per home
	uint32_t slot_bytes;
	uint32_t fields_at, decisions_at; // offsets in a slot
	size_t bytes; // of everything
	size_t words_bytes, slots_bytes;
	// [x] a word has one writer: the owner of the place, the home while it is free
	_Atomic uint32_t *words;
	uint8_t *slots;
	struct device_home_note *notes; // [w] the home's
};

// `devices` in all, over `homes` workers. 0, -ENOMEM or -EINVAL. Memory is reserved, and faulted in
// as devices come.
int device_states_create(
	uint32_t devices,
	uint16_t homes,
	uint16_t entries,
	uint16_t fields,
	const uint64_t secret[2],
	struct device_states **out
);
// As the configuration says; *out is NULL if it wants none.
int device_states_configure(
	const struct config *c,
	uint16_t homes,
	const uint64_t secret[2],
	struct device_states **out
);
void device_states_destroy(struct device_states *s); // accepts NULL; no worker uses it any more

static inline struct device_head *device_at(const struct device_states *s, uint32_t place) {
	return (void *)(s->slots + (size_t)place * s->slot_bytes);
}
static inline struct dedup_entry *device_entries(const struct device_states *s, uint32_t place) {
	return (void *)(s->slots + (size_t)place * s->slot_bytes + sizeof(struct device_head));
}
static inline struct field_state *device_fields(const struct device_states *s, uint32_t place) {
	return (void *)(s->slots + (size_t)place * s->slot_bytes + s->fields_at);
}
// DEVICE_DECISIONS times DEVICE_DECISION_BYTES, zero at first.
static inline void *device_decisions(const struct device_states *s, uint32_t place) {
	return s->slots + (size_t)place * s->slot_bytes + s->decisions_at;
}

void device_hash(const struct device_states *s, struct view name, uint64_t hash[2]);
uint16_t device_home(const struct device_states *s, const uint64_t hash[2]);
// For a burst: first the words of all, then the headers of all, then device_find(), so that the
// misses of different devices overlap. The place that device_prefetch_head() returns is probably
// the device's, and tells device_find() where to look first.
#define DEVICE_PLACE_NONE UINT32_MAX
void device_prefetch_words(const struct device_states *s, const uint64_t hash[2]);
uint32_t device_prefetch_head(const struct device_states *s, const uint64_t hash[2]);

enum device_rc : uint8_t {
	DEVICE_HERE, // *place is the caller's
	DEVICE_NEW, // the same, and it was not there before
	DEVICE_NEW_EVICTED, // the same, and another device had to go
	DEVICE_AWAY, // somebody else owns it (home: *place), or the home has to be asked (others)
	DEVICE_NO_ROOM, // nobody may be evicted for it
};

// Find the device for `worker`, and enter it if it is new and the worker its home. `likely`:
// DEVICE_PLACE_NONE if nothing is known.
enum device_rc device_find(
	struct device_states *s,
	uint16_t worker,
	const uint64_t hash[2],
	uint32_t likely,
	uint32_t now_s,
	bool registered,
	uint32_t *place
);

// Only look: does `worker` own the device's state? Then *place is it.
bool device_own(
	const struct device_states *s,
	uint16_t worker,
	const uint64_t hash[2],
	uint32_t *place
);

uint16_t device_owner(const struct device_states *s, uint32_t place);
// The caller owns it and touches it no more.
void device_give(struct device_states *s, uint32_t place, uint16_t to);
