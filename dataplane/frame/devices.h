// SPDX-License-Identifier: Apache-2.0
// Devices that send protected frames: their keys, and how far each has come.
//
// Keys come from a key file, one line per key (docs/protected-frame.md):
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
//   worker   wants (epoch, seq + reserve) ----> main: write, fdatasync ----> granted
//
// Threads: load, flush, save, destroy on the main thread; lookup on any; the window of a device on
// its owner worker.
#pragma once

#include "parsers/frame.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define REPLAY_WINDOW 1024
#define MARK_RESERVE 256 // sequences granted ahead of the highest seen

struct frame_devices;

// A mark orders (epoch, seq) as one number.
struct frame_mark {
	uint32_t epoch;
	uint64_t seq;
};

// One device; memory order of the array is the order of the key file.
struct frame_device {
	// [fixed]
	uint8_t id[FRAME_DEVICE_MAX];
	uint8_t id_len;
	uint32_t index;
	// [w] the owner's window: bit (seq % REPLAY_WINDOW) is set if seq was seen, for
	// high.seq - REPLAY_WINDOW < seq <= high.seq
	alignas(64) struct frame_mark high;
	bool started; // high is valid
	bool receipt_due; // receipt_slot is scheduled
	uint32_t receipt_slot;
	uint64_t seen[REPLAY_WINDOW / 64];
	uint32_t acked_epoch; // of acked_high
	uint64_t acked_high; // highest sequence whose contract is met
	uint64_t acked_bits; // bit n: acked_high - 1 - n is acknowledged too
	struct frame_mark granted_copy; // the grant as last read
	// [x] the mark protocol. `want_*` and `want_version` are written by the owner, `granted_*`
	// by the main thread; a version is odd while its pair is being written, so that neither
	// side uses half a mark.
	alignas(64) _Atomic uint64_t want_version;
	_Atomic uint64_t want_seq;
	_Atomic uint32_t want_epoch;
	alignas(64) _Atomic uint64_t granted_version;
	_Atomic uint64_t granted_seq;
	_Atomic uint32_t granted_epoch;
};

// `marks_path` NULL: marks live in memory only and are granted at once (tests, replay). `max`
// bounds the number of devices. 0 or -errno; `why` tells the operator what to do, without key
// bytes.
int frame_devices_load(
	const char *keys_path,
	const char *marks_path,
	uint32_t max,
	struct frame_devices **out,
	char *why,
	size_t why_len
);
void frame_devices_destroy(struct frame_devices *d); // accepts NULL; wipes the keys

// Store what workers asked for, then grant it. Call every few tens of milliseconds. Returns how
// many devices were granted more, or -errno (nothing was granted; try again).
int frame_devices_flush(struct frame_devices *d);
// After the workers have stopped: the exact marks.
int frame_devices_save(struct frame_devices *d);

struct frame_key {
	uint64_t id; // for struct crypto_key
	enum frame_algorithm algorithm;
	uint8_t number;
	uint8_t len;
	const uint8_t *bytes;
};

// NULL if the device is not in the key file.
struct frame_device *frame_device_lookup(struct frame_devices *d, struct view id);
// False if the device has no such key for that algorithm.
bool frame_device_key(
	const struct frame_devices *d,
	const struct frame_device *dev,
	uint8_t number,
	enum frame_algorithm algorithm,
	struct frame_key *out
);
uint32_t frame_devices_count(const struct frame_devices *d);

enum frame_seen : uint8_t {
	FRAME_FRESH,
	FRAME_SEEN_BEFORE,
	FRAME_TOO_OLD,
	FRAME_BEYOND_GRANT, // a larger mark was asked for: park the frame, try again later
};

// Judge an authenticated frame; marks it as seen only if FRAME_FRESH. Owner worker only.
enum frame_seen frame_window_accept(struct frame_device *dev, struct frame_mark at);
// The contract of `at` is met.
void frame_window_acked(struct frame_device *dev, struct frame_mark at);
