// SPDX-License-Identifier: Apache-2.0
// CoAP messages (RFC 7252 section 3): bytes in, views out, and the way back.
//
//    0                   1                   2                   3
//   |Ver| T |  TKL  |      Code     |          Message ID           |
//   |   Token (if any, TKL bytes) ...
//   |   Options (if any) ...
//   |1 1 1 1 1 1 1 1|    Payload (if any) ...
//
// Pure: no allocation, clock or log. Views point into the datagram given to the decoder.
#pragma once

#include "parsers/rd.h"

#include <stdbool.h>
#include <stdint.h>

#define COAP_TOKEN_MAX 8
#define COAP_OPTIONS_MAX 64 // per message; more is an option bomb
#define COAP_HEADER_BYTES 4

// One list, three uses: return code, counter index, label.
#define COAP_RCS(X)                                                                                \
	X(COAP_OK, "ok")                                                                           \
	X(COAP_BAD_SHORT, "coap-short")                                                            \
	X(COAP_BAD_VERSION, "coap-version")                                                        \
	X(COAP_BAD_TOKEN, "coap-token-length")                                                     \
	X(COAP_BAD_EMPTY, "coap-empty-with-content")                                               \
	X(COAP_BAD_CLASS, "coap-code-class")                                                       \
	X(COAP_BAD_OPTION, "coap-option-nibble")                                                   \
	X(COAP_BAD_LENGTH, "coap-option-past-end")                                                 \
	X(COAP_BAD_NUMBER, "coap-option-number")                                                   \
	X(COAP_BAD_MARKER, "coap-marker-without-payload")                                          \
	X(COAP_TOO_MANY, "coap-too-many-options")

enum coap_rc : uint8_t {
#define X(id, label) id,
	COAP_RCS(X)
#undef X
		COAP_RC_COUNT
};
const char *coap_rc_label(enum coap_rc rc);

enum coap_type : uint8_t { COAP_CON, COAP_NON, COAP_ACK, COAP_RST };

// Class in the upper three bits, detail in the lower five: 0x45 is 2.05.
#define COAP_CODE(class, detail) ((class) << 5 | (detail))
enum coap_code : uint8_t {
	COAP_EMPTY = 0,
	COAP_GET = COAP_CODE(0, 1),
	COAP_POST = COAP_CODE(0, 2),
	COAP_PUT = COAP_CODE(0, 3),
	COAP_DELETE = COAP_CODE(0, 4),
	COAP_CHANGED = COAP_CODE(2, 4),
	COAP_CONTENT = COAP_CODE(2, 5),
	COAP_CONTINUE = COAP_CODE(2, 31),
	COAP_BAD_REQUEST = COAP_CODE(4, 0),
	COAP_UNAUTHORIZED = COAP_CODE(4, 1),
	COAP_BAD_OPTION_RESPONSE = COAP_CODE(4, 2),
	COAP_FORBIDDEN = COAP_CODE(4, 3),
	COAP_NOT_FOUND = COAP_CODE(4, 4),
	COAP_METHOD_NOT_ALLOWED = COAP_CODE(4, 5),
	COAP_NOT_ACCEPTABLE = COAP_CODE(4, 6),
	COAP_INCOMPLETE = COAP_CODE(4, 8),
	COAP_ENTITY_TOO_LARGE = COAP_CODE(4, 13),
	COAP_UNSUPPORTED_FORMAT = COAP_CODE(4, 15),
	COAP_INTERNAL_ERROR = COAP_CODE(5, 0),
	COAP_UNAVAILABLE = COAP_CODE(5, 3),
	COAP_NO_PROXY = COAP_CODE(5, 5),
};

static inline unsigned coap_code_class(uint8_t code) {
	return code >> 5;
}

struct coap_message {
	enum coap_type type;
	uint8_t code;
	uint16_t mid;
	struct view token; // at most COAP_TOKEN_MAX bytes
	struct view options; // encoded; every one of them has been checked
	struct view payload;
};

// Decode a whole datagram. On anything but COAP_OK, COAP_BAD_SHORT and COAP_BAD_VERSION, type, code
// and mid of *out are set, so that a Confirmable message can be rejected with a Reset
// (section 4.2); a datagram with one of those two is ignored in silence.
enum coap_rc coap_decode(struct view datagram, struct coap_message *out);

enum coap_option_number : uint16_t {
	COAP_IF_MATCH = 1,
	COAP_URI_HOST = 3,
	COAP_ETAG = 4,
	COAP_IF_NONE_MATCH = 5,
	COAP_OBSERVE = 6,
	COAP_URI_PORT = 7,
	COAP_URI_PATH = 11,
	COAP_CONTENT_FORMAT = 12,
	COAP_MAX_AGE = 14,
	COAP_URI_QUERY = 15,
	COAP_ACCEPT = 17,
	COAP_BLOCK2 = 23,
	COAP_BLOCK1 = 27,
	COAP_SIZE2 = 28,
	COAP_PROXY_URI = 35,
	COAP_PROXY_SCHEME = 39,
	COAP_SIZE1 = 60,
	COAP_ECHO = 252,
	COAP_NO_RESPONSE = 258,
	COAP_REQUEST_TAG = 292,
};

// Section 5.4.6: what the number alone says about an option nobody here knows.
static inline bool coap_option_critical(uint16_t number) {
	return (number & 1) != 0;
}

static inline bool coap_option_unsafe(uint16_t number) {
	return (number & 2) != 0;
}

static inline bool coap_option_no_cache_key(uint16_t number) {
	return (number & 0x1e) == 0x1c;
}

struct coap_option {
	uint16_t number;
	struct view value;
};

// Walks the options of a decoded message, in ascending order of number.
struct coap_options {
	struct rd rd;
	uint32_t number;
};

struct coap_options coap_options_of(const struct coap_message *m);
bool coap_option_next(struct coap_options *it, struct coap_option *out);

// The value as an unsigned integer (section 3.2); false if it is longer than `max_bytes` (<= 4).
bool coap_option_uint(struct view value, uint32_t max_bytes, uint32_t *out);

// Block1, Block2 (RFC 7959 section 2.2).
struct coap_block {
	uint32_t num; // < 2^20
	bool more;
	uint8_t szx; // 0..6: size = 16 << szx
};

static inline uint32_t coap_block_size(const struct coap_block *b) {
	return 16u << b->szx;
}

static inline uint32_t coap_block_offset(const struct coap_block *b) {
	return b->num << (b->szx + 4);
}

bool coap_block_decode(struct view value, struct coap_block *out); // false: too long or SZX 7

// Writes one message front to back into the caller's memory. Options must come in ascending order
// of number. Failure is sticky: coap_writer_len() is 0 if anything did not fit or was out of order.
struct coap_writer {
	uint8_t *start;
	uint8_t *p;
	uint8_t *end;
	uint16_t number; // of the last option
	bool failed;
};

struct coap_writer coap_write(
	uint8_t *out,
	uint32_t room,
	enum coap_type type,
	uint8_t code,
	uint16_t mid,
	struct view token
);
void coap_write_option(struct coap_writer *w, uint16_t number, struct view value);
void coap_write_uint(struct coap_writer *w, uint16_t number, uint32_t value);
void coap_write_block(struct coap_writer *w, uint16_t number, const struct coap_block *b);
void coap_write_payload(struct coap_writer *w, struct view payload); // nothing if empty
uint32_t coap_writer_len(const struct coap_writer *w);
