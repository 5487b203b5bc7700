// SPDX-License-Identifier: Apache-2.0
// Cycles per protected frame of 100 payload bytes, from datagram to message: both algorithms, with
// the key in the worker's cache, and with more devices than the cache has room for.
#include "bench/cycles.h"
#include "dataplane/crypto/crypto.h"
#include "dataplane/frame/frame.h"

#include <string.h>
#include <unistd.h>

#define FRAMES 10000
#define DEVICES_MANY 100000
#define CACHE_KEYS 1024

struct load {
	enum frame_algorithm algorithm;
	uint32_t devices;
	uint8_t (*frames)[192];
	uint32_t len;
};

static const uint8_t secret[16] = {0x11, 0x22, 0x33};
static struct ledger_messages ledger;
static struct crypto *crypto;
static struct frame_adapter *adapter;
static uint64_t seq;
static uint64_t pushed;

static void push(void *, const struct message *) {
	pushed++;
}

static void sent(void *, const struct flow_key *, const struct net_path *, const void *, uint32_t) {
}

static void frame_make(struct load *l, uint32_t i) {
	char id[16];
	uint8_t *out = l->frames[i];
	struct frame f = {.algorithm = l->algorithm, .epoch = 1, .seq = ++seq};
	const struct crypto_key key = {.id = 1ull << 60, .bytes = secret, .len = 16};

	snprintf(
		id,
		sizeof(id),
		"%s%06u",
		l->algorithm == FRAME_AES_128_GCM ? "g" : "h",
		(unsigned)(i % l->devices)
	);
	f.device = view_of(id, (uint32_t)strlen(id));
	uint32_t header = frame_header_encode(&f, out, 192);
	uint8_t *payload = out + header;
	memset(payload, 'x', 100);
	l->len = header + 100 + FRAME_TAG_BYTES;
	if (l->algorithm == FRAME_AES_128_GCM) {
		uint8_t nonce[GCM_NONCE_BYTES];
		frame_nonce(&f, nonce);
		gcm_seal(
			crypto,
			&key,
			nonce,
			view_of(out, header),
			view_of(payload, 100),
			payload,
			payload + 100
		);
	} else {
		uint8_t digest[SHA256_BYTES];
		hmac_sha256(crypto, &key, view_of(out, header + 100), digest);
		memcpy(payload + 100, digest, FRAME_TAG_BYTES);
	}
}

static void serve(void *input) {
	static const struct config_listener listener = {.auth = AUTH_NONE, .format = PAYLOAD_RAW};
	static const struct flow_key key = {.family = 4};
	struct load *l = input;

	for (uint32_t i = 0; i < FRAMES; i++) {
		const struct datagram d = {
			.bytes = l->frames[i], .len = l->len, .key = &key, .listener = &listener
		};
		frame_input(adapter, &d);
	}
}

// Frames are good for one acceptance, so each round has its own.
static double measure(struct load *l) {
	double rounds[CYCLES_ROUNDS];

	for (int r = 0; r < CYCLES_ROUNDS; r++) {
		for (uint32_t i = 0; i < FRAMES; i++)
			frame_make(l, i);
		uint64_t from = __rdtsc();
		serve(l);
		rounds[r] = (double)(__rdtsc() - from) / FRAMES;
	}
	qsort(rounds, CYCLES_ROUNDS, sizeof(rounds[0]), cycles_order);
	return rounds[CYCLES_ROUNDS / 2];
}

static struct frame_devices *devices_make(void) {
	char path[] = "/tmp/bench-frame-XXXXXX";
	char why[256];
	struct frame_devices *d = NULL;
	int fd = mkstemp(path);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (f == NULL)
		exit(1);
	for (unsigned i = 0; i < DEVICES_MANY; i++)
		fprintf(f,
			"g%06u aes-128-gcm 0 11223300000000000000000000000000\n"
			"h%06u hmac-sha-256 0 11223300000000000000000000000000\n",
			i,
			i);
	fclose(f);
	if (frame_devices_load(path, NULL, 2 * DEVICES_MANY, &d, why, sizeof(why)) != 0) {
		fprintf(stderr, "%s\n", why);
		exit(1);
	}
	unlink(path);
	return d;
}

int main(void) {
	static const struct config c;
	struct frame_env env = {
		.adapter = {.ledger = &ledger, .push = push, .send = sent},
		.pending = 16,
	};
	static struct load l;

	l.frames = malloc(FRAMES * sizeof(*l.frames));
	env.devices = devices_make();
	if (crypto_create(CRYPTO_AUTO, CACHE_KEYS, &crypto) != 0)
		return 1;
	env.crypto = crypto;
	if (frame_create(&env, &c, &adapter) != 0)
		return 1;
	for (l.algorithm = 0; l.algorithm < FRAME_ALGORITHM_COUNT; l.algorithm++) {
		const char *what = l.algorithm == FRAME_AES_128_GCM ? "frame gcm" : "frame hmac";
		l.devices = 100;
		cycles_print(what, "100-devices", measure(&l));
		l.devices = FRAMES;
		cycles_print(what, "10000-devices", measure(&l));
	}
	if (pushed != 4ull * CYCLES_ROUNDS * FRAMES)
		fprintf(stderr, "only %llu frames accepted\n", (unsigned long long)pushed);
	frame_destroy(adapter);
	frame_devices_destroy(env.devices);
	crypto_destroy(crypto);
	free(l.frames);
	return pushed == 4ull * CYCLES_ROUNDS * FRAMES ? 0 : 1;
}
