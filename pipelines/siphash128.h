// SPDX-License-Identifier: Apache-2.0
// SipHash-2-4 with 128 bits (Aumasson, Bernstein 2012): the pseudonyms that `map` makes. Without
// the key nobody finds the value behind one, nor whether two of them come from one value. Pure.
#pragma once

#include "parsers/rd.h"

#include <stdint.h>

struct siphash128 {
	uint64_t lo, hi; // little-endian, lo first
};

struct siphash128 siphash128(const uint64_t key[2], struct view text);
