// SPDX-License-Identifier: Apache-2.0
// A message of the dead-letter topic: whoever may write to the topic may write anything.
#include "dataplane/letters/letter.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	static struct letter_slot slot;
	struct letter l;

	if (size > UINT32_MAX || !letter_parse(view_of(bytes, (uint32_t)size), &l))
		return 0;
	if (letter_to_slot(&l, &slot) == NULL
	    && (slot.payload_len > sizeof(slot.payload) || slot.path_len > sizeof(slot.path)
		|| slot.device_len > sizeof(slot.device)))
		abort();
	letter_free(&l);
	return 0;
}
