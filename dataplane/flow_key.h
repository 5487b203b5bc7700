// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <assert.h>
#include <stdint.h>

// Who talks to whom. Zero-padded, no holes: it is hashed and compared as bytes.
struct flow_key {
	uint8_t remote[16]; // IPv4 in the first 4 bytes
	uint8_t local[16];
	uint16_t remote_port; // host order
	uint16_t local_port;
	uint16_t realm;
	uint8_t family; // 4 or 6
	uint8_t protocol; // IP protocol number
};
static_assert(sizeof(struct flow_key) == 40);
