// SPDX-License-Identifier: Apache-2.0
// Bodies that arrive in blocks (RFC 7959 Block1): bounded in number, size and age, reserved at
// start.
//
// An upload is named by (endpoint, path, Request-Tag). Blocks come in order; the previous block may
// come again. A body that is complete stays in its buffer until uploads_release(), so that the
// pipeline can read it.
// Thread: one worker.
#pragma once

#include "parsers/coap.h"

#include <stdint.h>

#define UPLOAD_AGE_MAX 16 // times the timeout, however often a block comes

enum upload_rc : uint8_t {
	UPLOAD_MORE, // 2.31: kept, send the next
	UPLOAD_COMPLETE, // the body is whole
	UPLOAD_GAP, // 4.08: not the block that was due; the upload, if any, is gone
	UPLOAD_TOO_LARGE, // 4.13: as above
	UPLOAD_BAD_SIZE, // 4.00: a block shorter or longer than it says
	UPLOAD_FULL, // 5.03: all buffers are in use
};

enum upload_state : uint8_t { UPLOAD_FREE, UPLOAD_OPEN, UPLOAD_HANDED_OVER };

struct upload {
	uint64_t started_ns;
	uint64_t latest_ns; // of the latest block
	uint32_t len;
	uint32_t last_len; // of the latest block
	enum upload_state state;
};

struct uploads {
	uint64_t *keys; // apart, because every block searches them
	struct upload *slots;
	uint8_t *bodies; // count x bytes
	uint32_t count;
	uint32_t bytes; // largest body
	uint64_t timeout_ns;
	uint64_t next_expiry_ns;
	uint32_t handed_over;
	uint64_t replaced; // started again from block 0 before they were complete
	uint64_t expired;
	uint64_t ended_early; // replaced + expired since the owner last took it
};

int uploads_init(struct uploads *u, uint32_t count, uint32_t bytes, uint64_t timeout_ns);
void uploads_fini(struct uploads *u);

// `announced` is Size1, 0 if unknown. UPLOAD_COMPLETE fills *body.
enum upload_rc upload_add(
	struct uploads *u,
	uint64_t key,
	const struct coap_block *block,
	struct view payload,
	uint32_t announced,
	uint64_t now_ns,
	struct view *body
);

// The pipeline has read what was handed over.
void uploads_release(struct uploads *u);
// Drop uploads without a new block for the timeout, and those that are too old altogether. Returns
// when the next one will be, UINT64_MAX if none is open.
uint64_t uploads_expire(struct uploads *u, uint64_t now_ns);
