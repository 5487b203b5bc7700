// SPDX-License-Identifier: Apache-2.0
// Devices that send protected frames: their keys, and how far each has come.
//
// Keys come from the device registry (registry_keys.h) and from a key file, one line per key
// (docs/protected-frame.md); the file wins:
//
//   device-id  aes-128-gcm|hmac-sha-256  key-number  key-in-hex
//
// They lie in memory that is left out of core dumps and is wiped before it is given back.
//
// Replay marks. The owner worker accepts a frame only up to the device's *granted* mark, which is
// on disk already: after a crash everything up to it counts as seen, so that no accepted frame is
// ever accepted twice. The worker asks for more before it needs it; the main thread stores and then
// grants. A clean stop stores the exact marks.
//
//   worker: wants (epoch, seq + reserve) ────► main: write, fdatasync ────► granted
//
// All that is wanted at one time is stored with one fdatasync, up to MARK_BATCH marks.
//
// What a crash costs: the sequences between a device's last frame and its granted mark, at most
// `reserve` of them, are refused as seen. The reserve grows only with the device's rate.
//
// Threads: load, flush, save, destroy on the main thread; lookup on any; a device's window on its
// owner worker.
#pragma once

#include "parsers/frame.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define REPLAY_WINDOW 1024
#define MARK_RESERVE_MIN 32 // sequences granted ahead of the highest seen
#define MARK_RESERVE_MAX 8192
#define MARK_BATCH 16384 // marks stored at once
#define FRAME_KEY_MAX 64 // bytes

struct frame_devices;
struct frame_keys;

// Ordered by epoch, then sequence: everything up to it has been seen or given up.
struct frame_mark {
	uint32_t epoch;
	uint64_t seq;
};

// A mark that one thread writes and another reads without waiting: the version is odd while the
// pair is being written, and the reader takes a pair only if the version stayed the same.
struct shared_mark {
	_Atomic(uint64_t) version;
	_Atomic(uint64_t) seq;
	_Atomic(uint32_t) epoch;
};

struct frame_device {
	// [fixed]
	uint8_t id[FRAME_DEVICE_MAX];
	uint32_t id_len;
	uint32_t index;
	// [m] main thread: where its mark is stored
	uint32_t mark_slot;
	uint32_t mark_version; // of the newest stored copy, 0 = none
	// [w] owner worker. Bit seq % REPLAY_WINDOW of `seen` is valid for
	// high.seq - REPLAY_WINDOW < seq <= high.seq
	alignas(64) struct frame_mark high;
	struct frame_mark granted; // as last read from granted_shared
	struct frame_mark asked;
	uint32_t reserve;
	bool running; // a frame moved high since the start
	uint32_t receipt; // slot of the scheduled receipt + 1, 0 = none
	uint32_t acked_epoch;
	uint64_t acked_high; // highest sequence of acked_epoch whose contract is met, 0 = none
	uint64_t acked_bits; // bit n: acked_high - 1 - n is acknowledged too
	uint64_t seen[REPLAY_WINDOW / 64];
	// [w>m]
	alignas(64) struct shared_mark wanted;
	// [m>w]
	alignas(64) struct shared_mark granted_shared;
};

// `keys_path` NULL: no key file. `marks_path` NULL: marks live in memory only and everything is
// granted (tests, replay). More than `max` devices are refused. 0 or -errno; `why` tells the
// operator what to do, without key bytes.
int frame_devices_load(
	const char *keys_path,
	const char *marks_path,
	uint32_t max,
	struct frame_devices **out,
	char *why,
	size_t why_len
);
void frame_devices_destroy(struct frame_devices *d); // accepts NULL; wipes the keys

// Load the key file again (NULL: none any more) while workers run: new keys hold at once, what
// every device has come to stays. *replaced are the keys before, to be given to
// frame_keys_destroy() once no worker can be reading them; after an error nothing has changed
// (except that places for new devices are taken).
int frame_devices_reload(
	struct frame_devices *d,
	const char *keys_path,
	struct frame_keys **replaced,
	char *why,
	size_t why_len
);
void frame_keys_destroy(struct frame_keys *k); // accepts NULL; wipes them

// Store what workers asked for, then grant it. Call every few tens of milliseconds. Returns how
// many devices were granted more, or -errno (nothing was granted; the next call tries again).
int frame_devices_flush(struct frame_devices *d);
// Goes up whenever something has been granted. Any thread.
uint64_t frame_devices_grants(const struct frame_devices *d);
// Once, after the workers have stopped: the exact marks. 0 or -errno.
int frame_devices_save(struct frame_devices *d);

struct frame_key {
	uint64_t id; // for struct crypto_key
	uint32_t device;
	uint32_t next; // of the same device
	enum frame_algorithm algorithm;
	uint8_t number;
	uint8_t len;
	uint8_t bytes[FRAME_KEY_MAX];
};

uint32_t frame_devices_count(const struct frame_devices *d);
// NULL if the device never had a key.
struct frame_device *frame_device_lookup(const struct frame_devices *d, struct view id);
// NULL if the device has no such key for that algorithm. One of the registry is copied to *copy,
// which the caller wipes; one of the file stays where it is as long as its generation is held.
const struct frame_key *frame_device_key(
	const struct frame_devices *d,
	const struct frame_device *dev,
	uint8_t number,
	enum frame_algorithm algorithm,
	struct frame_key *copy
);

enum frame_seen : uint8_t {
	FRAME_FRESH,
	FRAME_SEEN_BEFORE,
	FRAME_TOO_OLD,
	FRAME_BEYOND_GRANT, // a larger mark has been asked for: keep the frame, try again later
};

// Judge an authenticated frame; marks it as seen only if FRAME_FRESH. Owner worker only.
enum frame_seen
frame_window_accept(struct frame_devices *d, struct frame_device *dev, struct frame_mark at);
// The contract of `at` is met.
void frame_window_acked(struct frame_device *dev, struct frame_mark at);
