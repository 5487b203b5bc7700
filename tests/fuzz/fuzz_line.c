// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fuzz_payload.h"
#include "tests/support/json_agreement.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	static const struct payload_hints hints = {
		.device_key = VIEW_LITERAL("dev"),
		.time_unit = TIME_NS,
	};

	fuzz_payload(PAYLOAD_LINE, bytes, size);
	if (size <= PAYLOAD_MAX)
		CHECK(line_agreement(view_of(bytes, (uint32_t)size), &hints));
	return 0;
}
