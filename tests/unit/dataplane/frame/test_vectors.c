// SPDX-License-Identifier: Apache-2.0
// The test vectors of docs/protected-frame.md (argv[1]) against the decoder and both crypto
// backends: the other half of `frame_sender.py check`.
#include "dataplane/crypto/crypto.h"
#include "parsers/frame.h"
#include "tests/support/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *document;

struct vector {
	char name[32], algorithm[16], device[65];
	uint8_t key[64], payload[128], frame[256];
	uint32_t key_len, payload_len, frame_len;
	unsigned number, epoch, flags;
	unsigned long long seq;
};

// vector NAME ALGORITHM KEY-NUMBER KEY EPOCH SEQUENCE FLAGS DEVICE PAYLOAD FRAME
#define WORDS 11

static bool vector_read(char *line, struct vector *v) {
	char *words[WORDS];
	char *rest = NULL;
	uint32_t n = 0;

	for (char *w = strtok_r(line, " \n", &rest); w != NULL; w = strtok_r(NULL, " \n", &rest))
		if (n < WORDS)
			words[n++] = w;
	if (n != WORDS || strcmp(words[0], "vector") != 0)
		return false;
	snprintf(v->name, sizeof(v->name), "%s", words[1]);
	snprintf(v->algorithm, sizeof(v->algorithm), "%s", words[2]);
	v->number = (unsigned)strtoul(words[3], NULL, 10);
	v->key_len = unhex(words[4], v->key);
	v->epoch = (unsigned)strtoul(words[5], NULL, 10);
	v->seq = strtoull(words[6], NULL, 10);
	v->flags = (unsigned)strtoul(words[7], NULL, 16);
	snprintf(v->device, sizeof(v->device), "%s", words[8]);
	v->payload_len = unhex(words[9], v->payload);
	v->frame_len = unhex(words[10], v->frame);
	return true;
}

static void header_check(const struct vector *v, const struct frame *f) {
	bool hmac = strcmp(v->algorithm, "hmac-sha-256") == 0;

	assert_int_equal(f->algorithm, hmac ? FRAME_HMAC_SHA_256 : FRAME_AES_128_GCM);
	assert_int_equal(f->flags & ~FRAME_FLAG_HMAC, v->flags);
	assert_int_equal(f->key_number, v->number);
	assert_int_equal(f->epoch, v->epoch);
	assert_true(f->seq == v->seq);
	assert_true(view_equal(f->device, view_of(v->device, (uint32_t)strlen(v->device))));
}

static void payload_check(struct crypto *c, struct vector *v, const struct frame *f, uint64_t id) {
	const struct crypto_key key = {.id = id, .bytes = v->key, .len = (uint8_t)v->key_len};
	uint8_t out[128] = {0};

	if (f->algorithm == FRAME_HMAC_SHA_256) {
		uint8_t digest[SHA256_BYTES];
		assert_true(hmac_sha256(c, &key, f->authenticated, digest));
		assert_memory_equal(digest, f->tag.p, FRAME_TAG_BYTES);
		assert_true(view_equal(f->payload, view_of(v->payload, v->payload_len)));
		return;
	}
	uint8_t nonce[GCM_NONCE_BYTES];
	frame_nonce(f, nonce);
	assert_true(gcm_open(c, &key, nonce, f->header, f->payload, out, f->tag.p));
	assert_true(view_equal(view_of(out, f->payload.len), view_of(v->payload, v->payload_len)));
}

static void every_vector_of_the_document(void **) {
	FILE *in = fopen(document, "r");
	struct crypto *backends[2] = {NULL, NULL};
	char line[2048];
	uint64_t id = 0;

	assert_non_null(in);
	assert_int_equal(crypto_create(CRYPTO_IPSEC_MB, 64, &backends[0]), 0);
	assert_int_equal(crypto_create(CRYPTO_MBEDTLS, 64, &backends[1]), 0);
	while (fgets(line, sizeof(line), in) != NULL) {
		struct vector v;
		struct frame f;
		if (!vector_read(line, &v))
			continue;
		bool reply = (v.flags & FRAME_FLAG_REPLY) != 0;
		enum frame_rc rc = frame_decode(view_of(v.frame, v.frame_len), reply, &f);
		if (rc != FRAME_OK)
			fail_msg("%s: %s", v.name, frame_rc_label(rc));
		header_check(&v, &f);
		id++;
		payload_check(backends[0], &v, &f, id);
		payload_check(backends[1], &v, &f, id);
	}
	fclose(in);
	crypto_destroy(backends[0]);
	crypto_destroy(backends[1]);
	assert_int_equal(id, 8);
}

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_vector_of_the_document)};

	if (argc != 2)
		return 2;
	document = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
