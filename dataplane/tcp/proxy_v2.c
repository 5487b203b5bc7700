// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/proxy_v2.h"

enum proxy_command { PROXY_LOCAL = 0, PROXY_PROXY = 1 };
enum proxy_transport { PROXY_TCP4 = 0x11, PROXY_TCP6 = 0x21 };

static void read_addresses(struct rd *r, uint8_t family, struct proxy_v2 *out) {
	uint32_t n = family == 4 ? 4 : 16;
	struct view source = rd_take(r, n);
	struct view destination = rd_take(r, n);

	out->source_port = rd_be16(r);
	out->destination_port = rd_be16(r);
	if (r->failed)
		return;
	out->family = family;
	memcpy(out->source, source.p, n);
	memcpy(out->destination, destination.p, n);
}

enum proxy_rc proxy_v2_parse(struct view in, struct proxy_v2 *out) {
	static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";
	struct proxy_v2 h = {0};
	uint32_t known = in.len < sizeof(signature) ? in.len : (uint32_t)sizeof(signature);

	// Judge what is there: a client that is no balancer is refused at its first byte.
	if (memcmp(in.p, signature, known) != 0)
		return PROXY_BAD;
	if (in.len < 16)
		return PROXY_MORE;
	uint8_t version = in.p[12] >> 4;
	uint8_t command = in.p[12] & 15;
	h.bytes = 16 + (uint32_t)(in.p[14] << 8 | in.p[15]);
	if (version != 2 || command > PROXY_PROXY || h.bytes > PROXY_V2_BYTES_MAX)
		return PROXY_BAD;
	if (in.len < h.bytes)
		return PROXY_MORE;

	struct rd r = rd_from(view_of(in.p + 16, h.bytes - 16));
	if (command == PROXY_PROXY && (in.p[13] == PROXY_TCP4 || in.p[13] == PROXY_TCP6)) {
		read_addresses(&r, in.p[13] == PROXY_TCP4 ? 4 : 6, &h);
		if (r.failed)
			return PROXY_BAD;
	}
	*out = h;
	return PROXY_OK;
}
