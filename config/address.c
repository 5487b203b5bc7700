// SPDX-License-Identifier: Apache-2.0
#include "config/address.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t family_bits(uint8_t family) {
	return family == 4 ? 32 : 128;
}

// At most three digits, no sign, no space: strtoul alone accepts both.
static int length_parse(const char *text, uint8_t max, uint8_t *out) {
	size_t n = strspn(text, "0123456789");

	if (n == 0 || n > 3 || text[n] != '\0')
		return -EINVAL;
	unsigned long v = strtoul(text, NULL, 10);
	if (v > max)
		return -EINVAL;
	*out = (uint8_t)v;
	return 0;
}

int ip_prefix_parse(const char *text, struct ip_prefix *out) {
	char host[INET6_ADDRSTRLEN];
	struct ip_prefix p = {};
	const char *slash = strchr(text, '/');
	size_t n = slash == NULL ? strlen(text) : (size_t)(slash - text);

	if (n == 0 || n >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, n);
	host[n] = '\0';

	p.family = strchr(host, ':') == NULL ? 4 : 6;
	if (inet_pton(p.family == 4 ? AF_INET : AF_INET6, host, p.addr) != 1)
		return -EINVAL;
	p.prefix_len = family_bits(p.family);
	if (slash != NULL && length_parse(slash + 1, p.prefix_len, &p.prefix_len) < 0)
		return -EINVAL;
	*out = p;
	return 0;
}

const char *ip_prefix_format(const struct ip_prefix *p, char out[IP_PREFIX_TEXT_MAX]) {
	if (inet_ntop(p->family == 4 ? AF_INET : AF_INET6, p->addr, out, IP_PREFIX_TEXT_MAX)
	    == NULL)
		out[0] = '\0';
	if (p->prefix_len != family_bits(p->family)) {
		size_t n = strlen(out);
		snprintf(out + n, IP_PREFIX_TEXT_MAX - n, "/%u", p->prefix_len);
	}
	return out;
}

bool ip_prefix_contains(const struct ip_prefix *p, uint8_t family, const uint8_t *addr) {
	if (p->family == 0 || p->family != family)
		return false;
	if (family == 4) {
		uint32_t wanted, got;
		memcpy(&wanted, p->addr, 4);
		memcpy(&got, addr, 4);
		uint32_t apart = be32toh(wanted ^ got);
		return p->prefix_len == 0 || apart >> (32 - p->prefix_len) == 0;
	}

	unsigned bytes = p->prefix_len / 8;
	unsigned bits = p->prefix_len % 8;
	if (memcmp(p->addr, addr, bytes) != 0)
		return false;
	return bits == 0 || ((p->addr[bytes] ^ addr[bytes]) >> (8 - bits)) == 0;
}

bool ip_prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b) {
	return a->prefix_len == b->prefix_len && ip_prefix_contains(a, b->family, b->addr);
}
