// SPDX-License-Identifier: Apache-2.0
// Header of the PROXY protocol, version 2 (HAProxy's specification, section 2.2), that a load
// balancer sends before the client's bytes. Pure, any thread.
#pragma once

#include "parsers/rd.h"

#include <stdint.h>

#define PROXY_V2_BYTES_MAX 1024u // header, addresses and TLVs; real ones stay below 300

enum proxy_rc {
	PROXY_OK,
	PROXY_MORE, // a good beginning
	PROXY_BAD,
};

struct proxy_v2 {
	uint32_t bytes; // length of the whole header
	uint8_t family; // 4, 6; 0: the balancer speaks for itself or names no TCP peer
	uint16_t source_port;
	uint16_t destination_port;
	uint8_t source[16]; // IPv4 in the first 4 bytes
	uint8_t destination[16];
};

// *out is set for PROXY_OK only.
enum proxy_rc proxy_v2_parse(struct view in, struct proxy_v2 *out);
