// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fuzz_payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	fuzz_payload(PAYLOAD_JSON, bytes, size);
	return 0;
}
