// SPDX-License-Identifier: Apache-2.0
// With tinycbor as the second opinion: what we accept is well-formed and wholly consumed for it
// too.
#include "tests/support/fuzz_payload.h"
#include "tests/support/json_agreement.h"

#include <tinycbor/cbor.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	static const struct payload_hints hints = {
		.device_key = VIEW_LITERAL("dev"),
		.time_key = VIEW_LITERAL("ts"),
		.seq_key = VIEW_LITERAL("seq"),
		.time_unit = TIME_MS,
	};
	CborParser parser;
	CborValue it;

	if (size <= PAYLOAD_MAX)
		CHECK(cbor_agreement(view_of(bytes, (uint32_t)size), &hints) != JSON_DIFFERENT);
	if (fuzz_payload(PAYLOAD_CBOR, bytes, size) != PAYLOAD_OK)
		return 0;
	CHECK(cbor_parser_init(bytes, size, 0, &parser, &it) == CborNoError);
	CHECK(cbor_value_advance(&it) == CborNoError || cbor_value_is_tag(&it));
	return 0;
}
