// SPDX-License-Identifier: Apache-2.0
// The per-thread scratch of the decoders; private to parsers/.
#pragma once

#include "parsers/payload.h"

#include <stdalign.h>

// yyjson's own bound for in-place reading is 12 bytes of values per byte of JSON; what does not fit
// is refused as PAYLOAD_TOO_LARGE.
#define JSON_POOL_BYTES (PAYLOAD_MAX * 12 + 1024)
#define JSON_PADDING 8

struct payload_decoder {
	uint32_t pool_used;
	uint32_t pool_last; // where the youngest allocation begins
	uint8_t copy[PAYLOAD_MAX + JSON_PADDING]; // yyjson unescapes in place
	alignas(16) uint8_t pool[JSON_POOL_BYTES];
};
