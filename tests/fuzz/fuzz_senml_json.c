// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fuzz_payload.h"
#include "tests/support/json_agreement.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	static const struct payload_hints hints = {
		.device_key = VIEW_LITERAL("dev"),
		.time_key = VIEW_LITERAL("ts"),
		.seq_key = VIEW_LITERAL("seq"),
		.time_unit = TIME_MS,
		.now_ns = 1763712000000000000,
	};

	fuzz_payload(PAYLOAD_SENML_JSON, bytes, size);
	if (size <= PAYLOAD_MAX)
		CHECK(senml_agreement(fuzz_decoder(), view_of(bytes, (uint32_t)size), &hints)
		      != JSON_DIFFERENT);
	return 0;
}
