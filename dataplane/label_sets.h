// SPDX-License-Identifier: Apache-2.0
// The labels of the devices in the device table, each different set of them once: a device holds a
// number of 4 bytes, so a million devices with the same few labels cost those 4 bytes each.
//
//   main thread                               worker, within one turn
//   define, take ... give                     label_sets_at(): a view of the set
//     the last device lets go: the set waits
//   every worker has been between two turns
//     label_sets_passed(): now it is freed    no view of it is left
//
// So a view that a worker got lives to the end of its turn, whatever the main thread changes
// meanwhile, and needs no copy. A set's bytes never change; parsers/labels.h has their form.
#pragma once

#include "parsers/labels.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct label_set {
	// [fixed] once it is in the table
	uint32_t len;
	uint8_t *bytes; // behind this
	// [c]
	uint32_t number; // 0: another set has it now
	uint32_t devices; // that have it, and the transfer that brought it
	uint32_t next; // of the same bucket of numbers, or of those that wait; 0: the last
	uint32_t brought; // by the same transfer; 0: the last
};

struct label_sets {
	// [fixed]
	uint32_t max;
	uint32_t bucket_mask;
	_Atomic(struct label_set *) *sets; // [1..max], NULL: free. [c>w]
	// [c]
	uint32_t *buckets; // number -> set
	uint32_t *free; // places below `high` that may be used again
	uint32_t free_count;
	uint32_t high; // places ever used
	uint32_t waiting, brought; // lists
	uint32_t count;
	size_t bytes; // of the sets themselves
};

// Room for that many different sets, those waiting included. 0 or -ENOMEM.
int label_sets_create(uint32_t max, struct label_sets **out);
void label_sets_destroy(struct label_sets *s); // accepts NULL; no worker uses it any more

// --- workers

// The set of a device_entry.labels; empty for 0.
static inline struct view label_sets_at(const struct label_sets *s, uint32_t set) {
	const struct label_set *l =
		set != 0 ? atomic_load_explicit(&s->sets[set], memory_order_acquire) : nullptr;

	return l != nullptr ? view_of(l->bytes, l->len) : (struct view) {0};
}

// --- main thread

// What `number` means from now on in label_sets_find(): a registry's number of a set. Devices that
// have the set it meant before keep that. The set stays until label_sets_settle() at least. 0,
// -ENOSPC or -ENOMEM: then it means none; -EINVAL: the bytes are no set, or no UTF-8.
int label_sets_define(struct label_sets *s, uint32_t number, struct view bytes);
// The set of that number, 0 if none.
uint32_t label_sets_find(const struct label_sets *s, uint32_t number);
// One more device, one less, has the set; 0 is ignored.
void label_sets_take(struct label_sets *s, uint32_t set);
void label_sets_give(struct label_sets *s, uint32_t set);
// At the end of a transfer: sets that no device took go.
void label_sets_settle(struct label_sets *s);
// Every worker has been between two turns since the last set was given.
void label_sets_passed(struct label_sets *s);

// The next set from *at on (0 at first) that devices have; 0 at the end.
uint32_t label_sets_next(const struct label_sets *s, uint32_t *at, struct view *bytes);
uint32_t label_sets_count(const struct label_sets *s); // defined, those waiting not included
// Of the sets, not of the room for more, which takes memory when it is used.
size_t label_sets_bytes(const struct label_sets *s);
