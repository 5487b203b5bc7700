// SPDX-License-Identifier: Apache-2.0
// Text form of addresses and prefixes ("10.77.0.1", "10.77.0.0/24", "fd77::1/64").
// Pure functions, any thread.
#pragma once

#include "config/config.h"

// "fe80:...:255.255.255.255/128" and the terminating 0.
#define IP_PREFIX_TEXT_MAX 64

// Accepts one address with or without "/length"; without it the length is 32 or 128. Host bits are
// kept: an interface's own address is one. 0 or -EINVAL with *out untouched.
int ip_prefix_parse(const char *text, struct ip_prefix *out);

// Writes "address/length", or the bare address if it is one host. Returns `out`.
const char *ip_prefix_format(const struct ip_prefix *p, char out[IP_PREFIX_TEXT_MAX]);

// The same network: family, length and the bits inside the length agree.
bool ip_prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b);
