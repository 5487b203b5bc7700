// SPDX-License-Identifier: Apache-2.0
// The fixed inputs of the payload benches: about 100 bytes each, one reading.
#pragma once

#include "parsers/payload.h"

struct bench_payload {
	const char *name;
	enum payload_format format;
	struct view bytes;
};

extern const struct bench_payload bench_payloads[];
extern const uint32_t bench_payload_count;
extern const struct payload_hints bench_hints;
