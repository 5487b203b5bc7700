// SPDX-License-Identifier: Apache-2.0
// The options of a CoAP request that this server understands (RFC 7252 section 5.10, 7959, 7967,
// 9175), taken out of a decoded message in one pass.
#pragma once

#include "parsers/coap.h"

#define COAP_SEGMENTS_MAX 8
#define COAP_SEGMENT_MAX 255
#define COAP_NO_FORMAT (-1)

enum coap_request_rc : uint8_t {
	COAP_REQUEST_OK,
	COAP_REQUEST_BAD_OPTION, // critical and unknown, repeated or of a bad length: 4.02
	COAP_REQUEST_PROXY, // Proxy-Uri, Proxy-Scheme: 5.05
	COAP_REQUEST_PATH, // more or longer segments than any resource here has: 4.04
	COAP_REQUEST_BLOCK, // reserved block size: 4.00
};

struct coap_request {
	struct view segments[COAP_SEGMENTS_MAX]; // Uri-Path
	uint8_t segment_count;
	uint16_t query_count; // Uri-Query options
	uint16_t bad_option; // with COAP_REQUEST_BAD_OPTION
	int32_t content_format; // COAP_NO_FORMAT if absent
	int32_t accept;
	bool has_block1;
	bool has_block2;
	bool has_size1;
	bool has_no_response;
	struct coap_block block1;
	struct coap_block block2;
	uint32_t size1;
	uint8_t no_response; // 0x02: no 2.xx, 0x08: no 4.xx, 0x10: no 5.xx
	struct view echo;
	struct view request_tag;
};

// Elective options of a bad length, or repeated where they may not be, are ignored (section 5.4).
enum coap_request_rc coap_request_decode(const struct coap_message *m, struct coap_request *out);
