// SPDX-License-Identifier: Apache-2.0
// The segment and PROXY header parsers on any bytes, at the end of an allocation of their size.
#include "dataplane/tcp/proxy_v2.h"
#include "dataplane/tcp/tcp_segment.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	uint8_t *copy = malloc(size != 0 ? size : 1);
	struct proxy_v2 header;
	struct segment s;
	bool bad;

	if (copy == NULL)
		return 0;
	if (size > 0)
		memcpy(copy, data, size);
	if (segment_parse(copy, (uint32_t)size, &s, &bad) == TCP_RX_SEGMENTS) {
		uint32_t sum = 0;
		for (uint32_t i = 0; i < s.len; i++)
			sum += s.payload[i];
		if (s.sack_count > 4 || s.shift > 14 || s.len > size || sum > s.len * 255)
			abort();
	}
	if (proxy_v2_parse(view_of(copy, (uint32_t)size), &header) == PROXY_OK
	    && header.bytes > size)
		abort();
	struct flow_key key = {.family = size % 2 != 0 ? 4 : 6};
	(void)segment_checksum(&key, copy, (uint32_t)size);
	free(copy);
	return 0;
}
