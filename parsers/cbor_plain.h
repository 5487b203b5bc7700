// SPDX-License-Identifier: Apache-2.0
// CBOR as devices write it, in one pass. Pure; any thread.
#pragma once

#include "parsers/readings.h"

// True: the readings of `payload` are in `f`, the very ones that cbor_document_decode() would have
// given. False: it is more than this reads, or wrong, and what is in `f` has to be taken back;
// nothing is known of the payload then. Linear in its length.
bool cbor_plain(struct view payload, struct readings_filler *f);
