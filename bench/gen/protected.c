// SPDX-License-Identifier: Apache-2.0
#include "bench/gen/gen.h"
#include "dataplane/crypto/crypto.h"
#include "parsers/frame.h"

#include <string.h>

#define EPOCH 1

uint32_t gen_frame_open(const char *device, uint8_t *out, uint32_t room) {
	const struct frame f = {
		.algorithm = FRAME_AES_128_GCM,
		.epoch = EPOCH,
		.seq = 1,
		.device = view_of(device, (uint32_t)strlen(device)),
	};

	return frame_header_encode(&f, out, room);
}

uint32_t
gen_frame_seal(struct crypto *c, uint64_t seq, uint8_t *frame, uint32_t len, uint32_t room) {
	static const uint8_t secret[GCM_KEY_BYTES] = {
		0x00,
		0x11,
		0x22,
		0x33,
		0x44,
		0x55,
		0x66,
		0x77,
		0x88,
		0x99,
		0xaa,
		0xbb,
		0xcc,
		0xdd,
		0xee,
		0xff,
	};
	const struct crypto_key key = {.id = 1, .bytes = secret, .len = sizeof(secret)};
	const uint32_t header = FRAME_HEADER_BYTES + frame[3];
	const struct frame f = {.epoch = EPOCH, .seq = seq};
	uint8_t nonce[GCM_NONCE_BYTES];

	if (len < header || room - len < FRAME_TAG_BYTES)
		return 0;
	for (int i = 0; i < 8; i++)
		frame[8 + i] = (uint8_t)(seq >> 8 * (7 - i));
	frame_nonce(&f, nonce);
	if (!gcm_seal(
		    c,
		    &key,
		    nonce,
		    view_of(frame, header),
		    view_of(frame + header, len - header),
		    frame + header,
		    frame + len
	    ))
		return 0;
	return len + FRAME_TAG_BYTES;
}
