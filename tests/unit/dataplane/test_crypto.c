// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/crypto.h"
#include "tests/support/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct crypto *mb;
static struct crypto *tls;

static int setup(void **) {
	return crypto_create(CRYPTO_IPSEC_MB, 16, &mb) | crypto_create(CRYPTO_MBEDTLS, 16, &tls);
}

static int teardown(void **) {
	crypto_destroy(mb);
	crypto_destroy(tls);
	return 0;
}

// McGrew and Viega, submission to NIST, test cases 1 to 4.
static const struct {
	const char *key, *nonce, *aad, *plain, *cipher, *tag;
} gcm[] = {
	{"00000000000000000000000000000000",
	 "000000000000000000000000",
	 "",
	 "",
	 "",
	 "58e2fccefa7e3061367f1d57a4e7455a"},
	{"00000000000000000000000000000000",
	 "000000000000000000000000",
	 "",
	 "00000000000000000000000000000000",
	 "0388dace60b6a392f328c2b971b2fe78",
	 "ab6e47d42cec13bdf53a67b21257bddf"},
	{"feffe9928665731c6d6a8f9467308308",
	 "cafebabefacedbaddecaf888",
	 "",
	 "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	 "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
	 "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
	 "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985",
	 "4d5c2af327cd64a62cf35abd2ba6fab4"},
	{"feffe9928665731c6d6a8f9467308308",
	 "cafebabefacedbaddecaf888",
	 "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	 "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	 "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
	 "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
	 "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
	 "5bc94fbc3221a5db94fae95ae7121a47"},
};

static void nist_gcm_with(struct crypto *c) {
	for (uint32_t i = 0; i < sizeof(gcm) / sizeof(gcm[0]); i++) {
		uint8_t key[16], nonce[12], aad[64], plain[64], cipher[64], tag[16];
		uint8_t out[64], got_tag[16];
		unhex(gcm[i].key, key);
		unhex(gcm[i].nonce, nonce);
		struct view a = view_of(aad, unhex(gcm[i].aad, aad));
		struct view p = view_of(plain, unhex(gcm[i].plain, plain));
		struct view e = view_of(cipher, unhex(gcm[i].cipher, cipher));
		unhex(gcm[i].tag, tag);
		const struct crypto_key k = {.id = i + 1, .bytes = key, .len = 16};

		assert_true(gcm_seal(c, &k, nonce, a, p, out, got_tag));
		assert_memory_equal(got_tag, tag, 16);
		assert_true(view_equal(view_of(out, p.len), e));
		assert_true(gcm_open(c, &k, nonce, a, view_of(out, e.len), out, tag));
		assert_true(view_equal(view_of(out, e.len), p));
	}
}

static void nist_gcm_vectors(void **) {
	nist_gcm_with(mb);
	nist_gcm_with(tls);
	assert_string_equal(crypto_name(mb), "ipsec-mb");
	assert_string_equal(crypto_name(tls), "mbedtls");
}

// RFC 4231 test cases 1, 2, 3 and 4.
static const struct {
	const char *key, *text, *digest;
} hmac[] = {
	{"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
	 "4869205468657265",
	 "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
	{"4a656665",
	 "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
	 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	 "dddddddddddddddddddddddddddddddddddddddddddddddddd"
	 "dddddddddddddddddddddddddddddddddddddddddddddddddd",
	 "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
	{"0102030405060708090a0b0c0d0e0f10111213141516171819",
	 "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
	 "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
	 "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
};

static void rfc4231_hmac_vectors(void **) {
	for (uint32_t i = 0; i < 2 * sizeof(hmac) / sizeof(hmac[0]); i++) {
		uint8_t key[64], text[64], digest[32], out[32];
		struct crypto_key k = {.id = 100 + i, .bytes = key};
		k.len = (uint8_t)unhex(hmac[i / 2].key, key);
		struct view in = view_of(text, unhex(hmac[i / 2].text, text));
		unhex(hmac[i / 2].digest, digest);
		assert_true(hmac_sha256(i % 2 == 0 ? mb : tls, &k, in, out));
		assert_memory_equal(out, digest, 32);
	}
}

static void fips180_sha256_vectors(void **) {
	uint8_t want[32], out[32];

	unhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", want);
	sha256(mb, VIEW_LITERAL(""), out);
	assert_memory_equal(out, want, 32);
	sha256(tls, VIEW_LITERAL(""), out);
	assert_memory_equal(out, want, 32);
	unhex("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1", want);
	struct view two_blocks =
		VIEW_LITERAL("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq");
	sha256(mb, two_blocks, out);
	assert_memory_equal(out, want, 32);
	sha256(tls, two_blocks, out);
	assert_memory_equal(out, want, 32);
}

static void a_changed_bit_anywhere_is_found_and_yields_no_plaintext(void **) {
	static const uint8_t key[16] = "0123456789abcdef";
	static const uint8_t nonce[12] = "nonce nonce";
	static const uint8_t zeros[24];
	struct crypto *both[] = {mb, tls};

	for (uint32_t b = 0; b < 2; b++) {
		const struct crypto_key k = {.id = 50, .bytes = key, .len = 16};
		// aad of 8, ciphertext of 24, tag of 16
		uint8_t frame[48] = "headerxx twenty-four bytes here!";
		assert_true(gcm_seal(
			both[b],
			&k,
			nonce,
			view_of(frame, 8),
			view_of(frame + 8, 24),
			frame + 8,
			frame + 32
		));
		for (uint32_t bit = 0; bit < 48 * 8; bit++) {
			uint8_t copy[48];
			memcpy(copy, frame, 48);
			copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(gcm_open(
				both[b],
				&k,
				nonce,
				view_of(copy, 8),
				view_of(copy + 8, 24),
				copy + 8,
				copy + 32
			));
			assert_memory_equal(copy + 8, zeros, 24);
		}
	}
}

// More keys than the cache holds, in random order, on both backends: the answers stay the same.
static void backends_agree_through_cache_evictions(void **) {
	uint8_t keys[100][32];

	srandom(3);
	for (uint32_t i = 0; i < sizeof(keys); i++)
		((uint8_t *)keys)[i] = (uint8_t)random();
	for (uint32_t step = 0; step < 5000; step++) {
		uint32_t i = (uint32_t)random() % 100;
		uint32_t len = (uint32_t)random() % 100;
		uint8_t in[100], a[116], b[116], nonce[12] = {(uint8_t)step};
		for (uint32_t n = 0; n < len; n++)
			in[n] = (uint8_t)random();
		struct crypto_key k = {.id = 1000 + i, .bytes = keys[i], .len = 16};
		if (i % 2 == 0) {
			struct view v = view_of(in, len);
			assert_true(gcm_seal(mb, &k, nonce, VIEW_LITERAL("aad"), v, a, a + len));
			assert_true(gcm_seal(tls, &k, nonce, VIEW_LITERAL("aad"), v, b, b + len));
			assert_memory_equal(a, b, len + 16);
		} else {
			k.len = 32;
			assert_int_equal(hmac_sha256(mb, &k, view_of(in, len), a), len > 0);
			assert_int_equal(hmac_sha256(tls, &k, view_of(in, len), b), len > 0);
			if (len > 0)
				assert_memory_equal(a, b, 32);
		}
	}
}

static void long_messages_agree_too(void **) {
	static uint8_t in[4000];
	const struct crypto_key k = {.id = 2000, .bytes = in, .len = 32};
	uint8_t a[32], b[32];

	for (uint32_t len = 1400; len < sizeof(in); len += 37) {
		in[len] = (uint8_t)len;
		assert_true(hmac_sha256(mb, &k, view_of(in, len), a));
		assert_true(hmac_sha256(tls, &k, view_of(in, len), b));
		assert_memory_equal(a, b, 32);
	}
}

static void equality_looks_at_every_byte(void **) {
	assert_true(crypto_equal("abc", "abc", 3));
	assert_true(crypto_equal("abc", "xyz", 0));
	assert_false(crypto_equal("abc", "abx", 3));
	assert_false(crypto_equal("xbc", "abc", 3));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nist_gcm_vectors),
		cmocka_unit_test(rfc4231_hmac_vectors),
		cmocka_unit_test(fips180_sha256_vectors),
		cmocka_unit_test(a_changed_bit_anywhere_is_found_and_yields_no_plaintext),
		cmocka_unit_test(backends_agree_through_cache_evictions),
		cmocka_unit_test(long_messages_agree_too),
		cmocka_unit_test(equality_looks_at_every_byte),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
