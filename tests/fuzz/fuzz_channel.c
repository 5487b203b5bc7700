// SPDX-License-Identifier: Apache-2.0
// Every accepted packet can be walked: elements lie inside it and labels exist for its fields.
#include "controlplane/api/channel.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
	struct channel_message m;
	uint16_t theirs;
	// An own allocation is aligned and ends where the packet ends.
	uint8_t *packet = malloc(len > 0 ? len : 1);

	if (packet == NULL)
		return 0;
	if (len > 0)
		memcpy(packet, bytes, len);
	// Fuzzing would otherwise spend its time on three fixed fields.
	if (len >= sizeof(struct channel_header)) {
		struct channel_header *h = (struct channel_header *)(void *)packet;
		h->magic = CHANNEL_MAGIC;
		h->version = CHANNEL_VERSION;
		h->len = (uint32_t)len;
	}
	if (channel_decode(packet, len, &m, &theirs) == CHANNEL_OK) {
		size_t end = sizeof(*m.header) + m.count * channel_element_size(m.type);
		if (end != len || channel_type_label(m.type) == NULL)
			abort();
		for (uint16_t i = 0; m.type == CHANNEL_DEVICES && i < m.count; i++) {
			const struct channel_device *d =
				(const struct channel_device *)m.elements + i;
			if (device_state_label(d->state) == NULL || d->name_len > CHANNEL_NAME_MAX)
				abort();
		}
	}
	free(packet);
	return 0;
}
