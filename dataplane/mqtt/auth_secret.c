// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/digest.h"
#include "dataplane/mqtt/auth_secret.h"

#include <stdlib.h>

static int hex_value(uint8_t c) {
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_decode(struct view in, uint8_t *out, uint32_t max, uint8_t *len) {
	if (in.len == 0 || in.len % 2 != 0 || in.len / 2 > max)
		return false;
	for (uint32_t i = 0; i < in.len / 2; i++) {
		int hi = hex_value(in.p[2 * i]);
		int lo = hex_value(in.p[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return false;
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	*len = (uint8_t)(in.len / 2);
	return true;
}

// passlib's alphabet: '.' where base64 has '+'.
static int base64_value(uint8_t c) {
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '.' || c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool base64_decode(struct view in, uint8_t *out, uint32_t max, uint8_t *len) {
	uint32_t bits = 0, n = 0, have = 0;

	while (in.len > 0 && in.p[in.len - 1] == '=')
		in.len--;
	for (uint32_t i = 0; i < in.len; i++) {
		int v = base64_value(in.p[i]);
		if (v < 0)
			return false;
		bits = (bits << 6 | (uint32_t)v) & 0xffffff;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		if (n == max)
			return false;
		out[n++] = (uint8_t)(bits >> have);
	}
	*len = (uint8_t)n;
	return n > 0;
}

// Cut off what stands before the next '$'.
static struct view part(struct view *rest) {
	uint32_t n = 0;

	while (n < rest->len && rest->p[n] != '$')
		n++;
	struct view v = view_of(rest->p, n);
	uint32_t skip = n < rest->len ? n + 1 : n;
	*rest = view_of(rest->p + skip, rest->len - skip);
	return v;
}

static bool number(struct view v, uint32_t max, uint32_t *out) {
	uint64_t n = 0;

	if (v.len == 0 || v.len > 9)
		return false;
	for (uint32_t i = 0; i < v.len; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return false;
		n = n * 10 + (v.p[i] - '0');
	}
	*out = (uint32_t)n;
	return n > 0 && n <= max;
}

#define PBKDF2_ROUNDS_MAX 10000000
#define ARGON2_KIB_MAX (256 * 1024)

static bool pbkdf2_parse(struct view rest, bool hex, uint32_t digest_len, struct auth_secret *out) {
	struct view rounds = part(&rest);
	struct view salt = part(&rest);

	if (!number(rounds, PBKDF2_ROUNDS_MAX, &out->rounds))
		return false;
	bool ok = hex ? hex_decode(salt, out->salt, AUTH_SALT_MAX, &out->salt_len)
			&& hex_decode(rest, out->digest, AUTH_DIGEST_MAX, &out->digest_len)
		      : base64_decode(salt, out->salt, AUTH_SALT_MAX, &out->salt_len)
			&& base64_decode(rest, out->digest, AUTH_DIGEST_MAX, &out->digest_len);
	return ok && out->digest_len >= 16 && out->digest_len <= digest_len;
}

// "$argon2id$v=19$m=65536,t=3,p=4$salt$digest": the memory it would take must be bearable.
static bool argon2_parse(struct view rest) {
	struct view v = part(&rest);

	if (v.len > 2 && v.p[0] == 'v')
		v = part(&rest);
	uint32_t n = 0;
	while (n < v.len && v.p[n] != ',')
		n++;
	uint32_t kib;
	return n > 2 && v.p[0] == 'm' && v.p[1] == '='
		&& number(view_of(v.p + 2, n - 2), ARGON2_KIB_MAX, &kib) && rest.len > 0;
}

bool auth_secret_parse(struct view text, struct auth_secret *out) {
	struct view rest = text;

	*out = (struct auth_secret) {0};
	if (text.len < 4 || text.len >= AUTH_ENCODED_MAX || text.p[0] != '$'
	    || memchr(text.p, 0, text.len) != nullptr)
		return false;
	memcpy(out->encoded, text.p, text.len);
	rest = view_of(rest.p + 1, rest.len - 1);
	struct view name = part(&rest);

	if (view_equal(name, VIEW_LITERAL("sluice-sha256"))) {
		struct view salt = part(&rest);
		out->method = AUTH_METHOD_SHA256;
		return hex_decode(salt, out->salt, AUTH_SALT_MAX, &out->salt_len)
			&& hex_decode(rest, out->digest, AUTH_DIGEST_MAX, &out->digest_len)
			&& out->salt_len == 16 && out->digest_len == 32;
	}
	if (view_equal(name, VIEW_LITERAL("pbkdf2"))) {
		out->method = AUTH_METHOD_PBKDF2_SHA1;
		return pbkdf2_parse(rest, true, 20, out);
	}
	if (view_equal(name, VIEW_LITERAL("pbkdf2-sha256"))) {
		out->method = AUTH_METHOD_PBKDF2_SHA256;
		return pbkdf2_parse(rest, false, 32, out);
	}
	if (view_equal(name, VIEW_LITERAL("pbkdf2-sha512"))) {
		out->method = AUTH_METHOD_PBKDF2_SHA512;
		return pbkdf2_parse(rest, false, 64, out);
	}
	if (name.len >= 6 && memcmp(name.p, "argon2", 6) == 0) {
		out->method = AUTH_METHOD_ARGON2;
		return argon2_parse(rest);
	}
	out->method = AUTH_METHOD_CRYPT;
	return name.len > 0 && rest.len > 0;
}

bool auth_secret_sha256(const struct auth_secret *s, struct view password) {
	uint8_t in[AUTH_SALT_MAX + AUTH_PASSWORD_MAX];
	uint8_t digest[32];

	if (s->method != AUTH_METHOD_SHA256 || password.len > AUTH_PASSWORD_MAX)
		return false;
	memcpy(in, s->salt, s->salt_len);
	memcpy(in + s->salt_len, password.p, password.len);
	digest_sha256(view_of(in, s->salt_len + password.len), digest);
	digest_wipe(in, sizeof(in));
	return digest_equal(digest, s->digest, sizeof(digest));
}
