// SPDX-License-Identifier: Apache-2.0
#include "parsers/frame.h"
#define FLAGS_UP (FRAME_FLAG_HMAC | FRAME_FLAG_RECEIPT | FRAME_FLAG_QUERY)
#define FLAGS_DOWN (FRAME_FLAG_HMAC | FRAME_FLAG_REPLY)
#define DIRECTION_BIT 0x80000000u

const char *frame_rc_label(enum frame_rc rc) {
	static const char *const labels[FRAME_RC_COUNT] = {
#define X(id, label) [id] = label,
		FRAME_RCS(X)
#undef X
	};
	return rc < FRAME_RC_COUNT ? labels[rc] : "?";
}

static bool flags_valid(uint8_t flags, bool replies) {
	if (replies)
		return (flags & FRAME_FLAG_REPLY) != 0 && (flags & ~FLAGS_DOWN) == 0;
	// Asking without wanting the answer is a mistake of the sender.
	if ((flags & FRAME_FLAG_QUERY) != 0 && (flags & FRAME_FLAG_RECEIPT) == 0)
		return false;
	return (flags & ~FLAGS_UP) == 0;
}

enum frame_rc frame_decode(struct view datagram, bool replies, struct frame *out) {
	struct rd r = rd_from(datagram);
	uint8_t version = rd_u8(&r);

	*out = (struct frame) {.flags = rd_u8(&r), .key_number = rd_u8(&r)};
	uint8_t device_len = rd_u8(&r);
	out->epoch = rd_be32(&r);
	out->seq = rd_be64(&r);
	if (r.failed)
		return FRAME_BAD_SHORT;
	if (version != FRAME_VERSION)
		return FRAME_BAD_VERSION;
	if (!flags_valid(out->flags, replies))
		return FRAME_BAD_FLAGS;
	if (device_len == 0 || device_len > FRAME_DEVICE_MAX)
		return FRAME_BAD_DEVICE;

	out->algorithm =
		(out->flags & FRAME_FLAG_HMAC) != 0 ? FRAME_HMAC_SHA_256 : FRAME_AES_128_GCM;
	out->device = rd_take(&r, device_len);
	if (r.failed || rd_left(&r) < FRAME_TAG_BYTES)
		return FRAME_BAD_SHORT;
	if (out->epoch > FRAME_EPOCH_MAX)
		return FRAME_BAD_EPOCH;
	if (out->seq == 0)
		return FRAME_BAD_SEQUENCE;

	out->header = view_of(datagram.p, FRAME_HEADER_BYTES + device_len);
	out->payload = rd_take(&r, rd_left(&r) - FRAME_TAG_BYTES);
	out->authenticated = view_of(datagram.p, datagram.len - FRAME_TAG_BYTES);
	out->tag = rd_rest(&r);
	return FRAME_OK;
}

static void be32_write(uint8_t *p, uint32_t v) {
	for (int i = 3; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

static void be64_write(uint8_t *p, uint64_t v) {
	be32_write(p, (uint32_t)(v >> 32));
	be32_write(p + 4, (uint32_t)v);
}

void frame_nonce(const struct frame *f, uint8_t nonce[12]) {
	be32_write(nonce, f->epoch | ((f->flags & FRAME_FLAG_REPLY) != 0 ? DIRECTION_BIT : 0));
	be64_write(nonce + 4, f->seq);
}

uint32_t frame_header_encode(const struct frame *f, uint8_t *out, uint32_t room) {
	uint32_t len = FRAME_HEADER_BYTES + f->device.len;

	if (f->device.len == 0 || f->device.len > FRAME_DEVICE_MAX || len > room)
		return 0;
	if (f->epoch > FRAME_EPOCH_MAX || f->seq == 0)
		return 0;
	out[0] = FRAME_VERSION;
	out[1] = (uint8_t)(f->flags & ~FRAME_FLAG_HMAC);
	if (f->algorithm == FRAME_HMAC_SHA_256)
		out[1] |= FRAME_FLAG_HMAC;
	out[2] = f->key_number;
	out[3] = (uint8_t)f->device.len;
	be32_write(out + 4, f->epoch);
	be64_write(out + 8, f->seq);
	memcpy(out + FRAME_HEADER_BYTES, f->device.p, f->device.len);
	return len;
}

void frame_receipt_encode(const struct frame_receipt *r, uint8_t out[FRAME_RECEIPT_BYTES]) {
	be64_write(out, r->highest);
	be64_write(out + 8, r->bits);
}

enum frame_rc frame_receipt_decode(struct view payload, struct frame_receipt *out) {
	struct rd r = rd_from(payload);

	if (payload.len != FRAME_RECEIPT_BYTES)
		return FRAME_BAD_RECEIPT;
	out->highest = rd_be64(&r);
	out->bits = rd_be64(&r);
	return FRAME_OK;
}
