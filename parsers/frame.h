// SPDX-License-Identifier: Apache-2.0
// The protected frame (docs/protected-frame.md): cuts a datagram into its parts and writes headers.
// Pure; verifying the tag and judging the sequence is the caller's business.
//
//   0        1        2        3        4            8                 16        16+n
//   +--------+--------+--------+--------+------------+-----------------+---------+---------+-----+
//   | version| flags  | key no.| id len | epoch      | sequence        | id      | payload | tag |
//   +--------+--------+--------+--------+------------+-----------------+---------+---------+-----+
//
// Integers are big-endian. The tag covers everything before it.
#pragma once

#include "parsers/rd.h"

#include <stdint.h>

#define FRAME_VERSION 1
#define FRAME_HEADER_BYTES 16 // before the device id
#define FRAME_TAG_BYTES 16
#define FRAME_DEVICE_MAX 64
#define FRAME_EPOCH_MAX 0x7fffffffu // the top bit of the nonce is the direction
#define FRAME_RECEIPT_BYTES 16 // payload of a receipt

#define FRAME_RCS(X)                                                                               \
	X(FRAME_OK, "ok")                                                                          \
	X(FRAME_BAD_SHORT, "frame-short")                                                          \
	X(FRAME_BAD_VERSION, "frame-version")                                                      \
	X(FRAME_BAD_FLAGS, "frame-flags")                                                          \
	X(FRAME_BAD_DEVICE, "frame-device-id")                                                     \
	X(FRAME_BAD_EPOCH, "frame-epoch")                                                          \
	X(FRAME_BAD_SEQUENCE, "frame-sequence")                                                    \
	X(FRAME_BAD_RECEIPT, "frame-receipt-length")

enum frame_rc : uint8_t {
#define X(id, label) id,
	FRAME_RCS(X)
#undef X
		FRAME_RC_COUNT
};
const char *frame_rc_label(enum frame_rc rc);

enum frame_algorithm : uint8_t { FRAME_AES_128_GCM, FRAME_HMAC_SHA_256, FRAME_ALGORITHM_COUNT };

enum frame_flag : uint8_t {
	FRAME_FLAG_HMAC = 1 << 0, // else AES-128-GCM
	FRAME_FLAG_RECEIPT = 1 << 1, // the sender wants a receipt
	FRAME_FLAG_QUERY = 1 << 2, // no telemetry: the payload is padding
	FRAME_FLAG_REPLY = 1 << 7, // a receipt, from the appliance
};

struct frame {
	enum frame_algorithm algorithm;
	uint8_t flags;
	uint8_t key_number;
	uint32_t epoch;
	uint64_t seq;
	struct view device; // 1..FRAME_DEVICE_MAX bytes; only the key file knows which are devices
	struct view header; // device id included: the associated data of AES-GCM
	struct view payload; // ciphertext under AES-GCM
	struct view authenticated; // header and payload: the input of HMAC
	struct view tag;
};

// Views point into `datagram`. `replies` says which direction is expected.
enum frame_rc frame_decode(struct view datagram, bool replies, struct frame *out);

// Nonce of AES-GCM: direction bit and epoch, then sequence.
void frame_nonce(const struct frame *f, uint8_t nonce[12]);

// Write the header of `f` (device, flags, key_number, epoch, seq; algorithm sets its flag). Returns
// its length, or 0 if it does not fit `room` or a field is out of range.
uint32_t frame_header_encode(const struct frame *f, uint8_t *out, uint32_t room);

// The payload of a receipt: the highest acknowledged sequence of the frame's epoch, and bit n for
// sequence highest - 1 - n. Nothing acknowledged yet is 0, 0; sequences start at 1.
struct frame_receipt {
	uint64_t highest;
	uint64_t bits;
};
void frame_receipt_encode(const struct frame_receipt *r, uint8_t out[FRAME_RECEIPT_BYTES]);
enum frame_rc frame_receipt_decode(struct view payload, struct frame_receipt *out);
