// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "parsers/siphash.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

// Who owns a flow, and where TCP's table has it. What is always zero with IPv4 is left out.
static inline uint64_t flow_key_hash(const uint64_t secret[2], const struct flow_key *key) {
	uint32_t remote, local;
	uint64_t words[2];

	static_assert(sizeof(*key) - offsetof(struct flow_key, remote_port) == sizeof(words[1]));
	if (key->family != 4)
		return siphash13(secret, key, sizeof(*key));
	memcpy(&remote, key->remote, sizeof(remote));
	memcpy(&local, key->local, sizeof(local));
	words[0] = (uint64_t)local << 32 | remote;
	memcpy(&words[1], &key->remote_port, sizeof(words[1]));
	return siphash13(secret, words, sizeof(words));
}
