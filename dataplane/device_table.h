// SPDX-License-Identifier: Apache-2.0
// The registry as workers see it: who may send, and what each device sent.
//
// All memory is reserved at create. The main thread changes entries in place; workers look names up
// in bursts and never wait. Nothing is freed while workers run, so that no quiescence is needed:
//
//   index    sets of twelve, a cache line each (device_index.h): tag and slot
//     |
//     v
//   slots[]  128 bytes. A sequence number around the hash of the name, which stands for the name: a
//            slot that was given to another name is simply not found. Limits change word by word
//   names    apart, in four sizes; only the main thread reads them
//
// Removed slots may therefore be used again at once.
#pragma once

#include "controlplane/api/channel.h"
#include "parsers/rd.h"

#include <stdbool.h>
#include <stdint.h>

struct device_table;
struct label_sets;

#define DEVICE_NONE UINT32_MAX
#define DEVICE_BURST 64

// A consistent copy of what a lookup found. slot == DEVICE_NONE: not registered.
struct device_entry {
	uint32_t slot;
	enum device_state state;
	uint16_t connections;
	uint32_t records_per_s;
	uint32_t bytes_per_s;
	uint32_t claims;
	uint16_t profile; // for device_table_profile()
	uint32_t labels; // for label_sets_at()
};

// 0 or -ENOMEM; at most 1 << 26 devices. `secret` keys the SipHash of names.
int device_table_create(uint32_t capacity, const uint64_t secret[2], struct device_table **out);
void device_table_destroy(struct device_table *t); // accepts NULL; no worker uses it any more

// --- workers

// Look up n <= DEVICE_BURST names. Bounded: two sets per name. Fetches what device_table_seen() and
// its like will touch.
void device_table_lookup(
	const struct device_table *t,
	const struct view *names,
	uint32_t n,
	struct device_entry *out
);
// The same for whoever has the names' SipHashes under the table's secret.
void device_table_find(
	const struct device_table *t,
	const uint64_t (*hash)[2],
	uint32_t n,
	struct device_entry *out
);

// Name of the profile that the registry gives a device; empty if none. Lives as long as the table.
struct view device_table_profile(const struct device_table *t, uint16_t profile);

// Of the devices. The main thread defines a transfer's sets before it applies the devices that have
// them, and settles them after.
struct label_sets *device_table_labels(const struct device_table *t);

// Is there room in the device's rates for these? Counts them if so. Any worker; a race between two
// workers may let one message too many through.
bool device_quota_take(
	struct device_table *t,
	const struct device_entry *e,
	uint32_t records,
	uint32_t bytes,
	uint64_t now_ns
);

struct device_contact {
	uint32_t peer_hash; // of address and realm
	uint8_t transport;
	struct channel_address peer;
	int64_t wall_ns;
};

// A message was taken, or refused with a reason (enum refuse_reason). For device_table_report().
void device_table_seen(
	struct device_table *t,
	uint32_t slot,
	const struct device_contact *c,
	uint32_t records,
	uint32_t bytes
);
void device_table_refused(
	struct device_table *t,
	uint32_t slot,
	const struct device_contact *c,
	uint8_t reason
);

// A connection of the device has been accepted or has ended. device_connect() says no, and counts
// nothing, if the device has as many as it may have (0: any number); a race between two workers may
// let one too many through. Ends are told with the slot's sequence that connect gave: a slot that
// has changed hands since is left alone.
bool device_connect(
	struct device_table *t,
	const struct device_entry *e,
	const struct device_contact *c,
	uint32_t *sequence
);
void device_disconnect(struct device_table *t, uint32_t slot, uint32_t sequence, int64_t wall_ns);

// Counted up whenever a device that might send may not any more: live connections have to be looked
// at again.
uint32_t device_table_standing(const struct device_table *t);

// --- main thread

// Something else than a device's state speaks against it now: a credential has gone.
void device_table_standing_bump(struct device_table *t);

// Apply in place. -ENOSPC: the table is full (the first that did not fit and all after it are
// missing). `whole` brackets: begin, apply..., end drops what was not mentioned.
int device_table_apply(struct device_table *t, const struct channel_device *d, uint32_t count);
void device_table_whole_begin(struct device_table *t);
uint32_t device_table_whole_end(struct device_table *t); // number dropped

uint32_t device_table_count(const struct device_table *t);
uint32_t device_table_capacity(const struct device_table *t);
// Of a full table with names of up to 24 bytes. Longer ones take 8 (32) or 40 more (64), those of
// up to 16 take 8 less. Memory comes with the devices, only the index (6.4 of 159) is touched at
// random.
size_t device_table_bytes(const struct device_table *t);
void device_table_at(struct device_table *t, uint64_t registry_id, uint64_t version);
uint64_t device_table_version(const struct device_table *t);
uint64_t device_table_registry(const struct device_table *t);

// What devices did since the last report: at most `max` events, EVENT_SEEN with counters,
// EVENT_REFUSED with how often and the last reason's number, EVENT_CONNECTED and EVENT_DISCONNECTED
// with how often and how many connections there are now, EVENT_CLONED. Returns the number; `max`
// means there is more.
#define DEVICE_REPORT_MIN (5 * 64) // five kinds of 64 devices: `max` is at least this
struct device_report {
	struct channel_event event;
	uint8_t transport;
	uint8_t reason;
};
uint32_t device_table_report(struct device_table *t, struct device_report *out, uint32_t max);

// Active devices that were heard from this very address last; stops counting at `enough`. Main
// thread, a pass over the table.
uint32_t device_table_behind(
	const struct device_table *t,
	const struct channel_address *peer,
	uint32_t enough
);

// The next device from *at on (0 at first) as a message element; false at the end.
bool device_table_next(const struct device_table *t, uint32_t *at, struct channel_device *out);

// Snapshot file (device_snapshot.c): written aside, flushed, renamed. Load checks magic, size and
// CRCs and changes nothing unless all of it is good: -EBADMSG. A million devices take longer to
// write than a change may wait: `stop` is asked every 512 devices, and if true the file stays as it
// was: -ECANCELED. NULL: to the end.
int device_table_save(
	struct device_table *t,
	const char *path,
	bool (*stop)(void *context),
	void *context
);
int device_table_load(struct device_table *t, const char *path);
