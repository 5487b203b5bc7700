// SPDX-License-Identifier: Apache-2.0
#include "dataplane/coap/block.h"

#include <errno.h>
#include <stdlib.h>

int uploads_init(struct uploads *u, uint32_t count, uint32_t bytes, uint64_t timeout_ns) {
	*u = (struct uploads) {
		.count = count,
		.bytes = bytes,
		.timeout_ns = timeout_ns,
		.next_expiry_ns = UINT64_MAX,
	};
	if (count == 0)
		return 0;
	u->keys = calloc(count, sizeof(*u->keys));
	u->slots = calloc(count, sizeof(*u->slots));
	u->bodies = malloc((size_t)count * bytes + 1);
	if (u->keys == nullptr || u->slots == nullptr || u->bodies == nullptr) {
		uploads_fini(u);
		return -ENOMEM;
	}
	return 0;
}

void uploads_fini(struct uploads *u) {
	free(u->keys);
	free(u->slots);
	free(u->bodies);
	*u = (struct uploads) {.next_expiry_ns = UINT64_MAX};
}

static uint8_t *body_of(const struct uploads *u, uint32_t i) {
	return u->bodies + (size_t)i * u->bytes;
}

// Index of the open upload with that key, u->count if there is none.
static uint32_t upload_find(const struct uploads *u, uint64_t key) {
	uint32_t i = 0;

	while (i < u->count && !(u->keys[i] == key && u->slots[i].state == UPLOAD_OPEN))
		i++;
	return i;
}

static uint32_t upload_start(struct uploads *u, uint64_t key, uint64_t now_ns) {
	uint32_t i = 0;

	while (i < u->count && u->slots[i].state != UPLOAD_FREE)
		i++;
	if (i == u->count)
		return i;
	u->keys[i] = key;
	u->slots[i] = (struct upload) {
		.started_ns = now_ns,
		.latest_ns = now_ns,
		.state = UPLOAD_OPEN,
	};
	if (now_ns + u->timeout_ns < u->next_expiry_ns)
		u->next_expiry_ns = now_ns + u->timeout_ns;
	return i;
}

static void upload_free(struct uploads *u, uint32_t i) {
	if (i < u->count)
		u->slots[i].state = UPLOAD_FREE;
}

static bool block_size_right(const struct coap_block *b, struct view payload) {
	return b->more ? payload.len == coap_block_size(b) : payload.len <= coap_block_size(b);
}

// A sender that has not seen our answer may send the latest block again under a new message id.
static bool repeats_latest(
	const struct uploads *u,
	uint32_t i,
	const struct coap_block *b,
	struct view payload
) {
	const struct upload *up = &u->slots[i];
	uint32_t offset = coap_block_offset(b);

	return b->more && up->len > 0 && payload.len == up->last_len
		&& offset == up->len - up->last_len
		&& memcmp(body_of(u, i) + offset, payload.p, payload.len) == 0;
}

enum upload_rc upload_add(
	struct uploads *u,
	uint64_t key,
	const struct coap_block *block,
	struct view payload,
	uint32_t announced,
	uint64_t now_ns,
	struct view *body
) {
	uint32_t i = upload_find(u, key);
	uint64_t offset = coap_block_offset(block);

	if (!block_size_right(block, payload)) {
		upload_free(u, i);
		return UPLOAD_BAD_SIZE;
	}
	if (offset + payload.len > u->bytes || announced > u->bytes) {
		upload_free(u, i);
		return UPLOAD_TOO_LARGE;
	}
	if (i < u->count && repeats_latest(u, i, block, payload)) {
		u->slots[i].latest_ns = now_ns;
		return UPLOAD_MORE;
	}
	if (block->num == 0) {
		if (i < u->count) {
			u->replaced++;
			u->ended_early++;
			upload_free(u, i);
		}
		i = upload_start(u, key, now_ns);
		if (i == u->count)
			return UPLOAD_FULL;
	}
	if (i == u->count || offset != u->slots[i].len) {
		upload_free(u, i);
		return UPLOAD_GAP;
	}

	struct upload *up = &u->slots[i];
	if (payload.len > 0)
		memcpy(body_of(u, i) + offset, payload.p, payload.len);
	up->latest_ns = now_ns;
	up->len += payload.len;
	up->last_len = payload.len;
	if (block->more)
		return UPLOAD_MORE;
	up->state = UPLOAD_HANDED_OVER;
	u->handed_over++;
	*body = view_of(body_of(u, i), up->len);
	return UPLOAD_COMPLETE;
}

void uploads_release(struct uploads *u) {
	for (uint32_t i = 0; u->handed_over > 0 && i < u->count; i++) {
		if (u->slots[i].state != UPLOAD_HANDED_OVER)
			continue;
		u->slots[i].state = UPLOAD_FREE;
		u->handed_over--;
	}
}

static uint64_t upload_due(const struct uploads *u, const struct upload *up) {
	uint64_t idle = up->latest_ns + u->timeout_ns;
	uint64_t old = up->started_ns + UPLOAD_AGE_MAX * u->timeout_ns;

	return idle < old ? idle : old;
}

uint64_t uploads_expire(struct uploads *u, uint64_t now_ns) {
	if (now_ns < u->next_expiry_ns)
		return u->next_expiry_ns;
	u->next_expiry_ns = UINT64_MAX;
	for (uint32_t i = 0; i < u->count; i++) {
		struct upload *up = &u->slots[i];
		if (up->state != UPLOAD_OPEN)
			continue;
		uint64_t due = upload_due(u, up);
		if (due <= now_ns) {
			up->state = UPLOAD_FREE;
			u->expired++;
			u->ended_early++;
		} else if (due < u->next_expiry_ns) {
			u->next_expiry_ns = due;
		}
	}
	return u->next_expiry_ns;
}
