// SPDX-License-Identifier: Apache-2.0
// Stage: payload bytes to records, each with the device it belongs to.
#pragma once

#include "pipelines/burst.h"

// Segment `n` of "/a/b/c" or "a/b/c", counted from 0; empty if there is none.
struct view path_segment(struct view path, uint32_t n);

// The device as the transport, the path or the address name it, before the payload is looked at;
// empty if the payload has to say.
struct view message_device(struct item *it);

// Decode items [from, b->item_count) until b->readings is full; returns the index of the first
// item not decoded (at least from + 1). Items end as REFUSE_MALFORMED or
// REFUSE_NO_DEVICE.
uint16_t decode_burst(struct payload_decoder *d, struct burst *b, uint16_t from);

// Text of an IPv4 or IPv6 address (RFC 5952) into `out`; returns its length, 0 if `address` is
// neither 4 nor 16 bytes long.
uint32_t address_text(struct view address, uint8_t out[ADDRESS_TEXT_MAX]);
