// SPDX-License-Identifier: Apache-2.0
// The input is a datagram, decoded in both directions; then, if it is a frame, the device signs it
// and the adapter must accept it once and only once.
#include "dataplane/crypto/crypto.h"
#include "dataplane/frame/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static const uint8_t secret[16] = "0123456789abcdef";
static struct crypto *crypto;
static struct ledger_messages ledger;
static uint32_t pushed;

static void push(void *, const struct message *m) {
	ledger.received++;
	ledger.accepted++;
	pushed++;
	CHECK(m->proven && m->device.len > 0 && m->device.len <= FRAME_DEVICE_MAX);
}

static void
sent(void *, const struct flow_key *, const struct net_path *, const void *bytes, uint32_t len) {
	struct frame f;

	CHECK(frame_decode(view_of(bytes, len), true, &f) == FRAME_OK);
}

static void inside(struct view whole, struct view part) {
	CHECK(part.len == 0 || (part.p >= whole.p && part.p + part.len <= whole.p + whole.len));
}

static void decode(struct view datagram, bool replies) {
	struct frame f;
	uint8_t header[FRAME_HEADER_BYTES + FRAME_DEVICE_MAX];

	if (frame_decode(datagram, replies, &f) != FRAME_OK)
		return;
	inside(datagram, f.device);
	inside(datagram, f.payload);
	inside(datagram, f.tag);
	CHECK(f.header.len + f.payload.len + f.tag.len == datagram.len);
	CHECK(frame_header_encode(&f, header, sizeof(header)) == f.header.len);
	CHECK(memcmp(header, f.header.p, f.header.len) == 0);
}

static struct frame_devices *devices_make(void) {
	char path[] = "/tmp/fuzz-frame-XXXXXX";
	char why[128];
	struct frame_devices *d = NULL;
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");

	CHECK(f != NULL);
	fputs("d hmac-sha-256 0 30313233343536373839616263646566\n", f);
	fclose(f);
	CHECK(frame_devices_load(path, NULL, 4, &d, why, sizeof(why)) == 0);
	unlink(path);
	return d;
}

static struct frame_devices *devices;

static void adapter_run(const uint8_t *bytes, uint32_t n) {
	static const struct config c = {.frame.receipt_delay_ms = 1};
	const struct config_listener listener = {.auth = AUTH_NONE, .format = PAYLOAD_JSON};
	const struct flow_key key = {.family = 4};
	const struct frame_env env = {
		.adapter = {.ledger = &ledger, .push = push, .send = sent},
		.devices = devices,
		.crypto = crypto,
		.pending = 2,
	};
	struct frame_adapter *f;
	uint8_t *copy = malloc(n + 1);
	struct datagram d = {.bytes = copy, .len = n, .key = &key, .listener = &listener};

	ledger = (struct ledger_messages) {0};
	CHECK(frame_create(&env, &c, &f) == 0);
	for (int i = 0; i < 2; i++) {
		memcpy(copy, bytes, n);
		frame_input(f, &d);
		frame_poll(f, 1ull << 40);
	}
	free(copy);
	frame_destroy(f);
}

// The same bytes with the device, algorithm and tag that the key file knows.
static void signed_run(const uint8_t *bytes, uint32_t n) {
	struct frame f;
	uint8_t tag[SHA256_BYTES];
	uint8_t out[2048];
	const struct crypto_key key = {.id = 1, .bytes = secret, .len = 16};

	if (n > sizeof(out) || frame_decode(view_of(bytes, n), false, &f) != FRAME_OK)
		return;
	f.device = VIEW_LITERAL("d");
	f.algorithm = FRAME_HMAC_SHA_256;
	f.key_number = 0;
	uint32_t len = frame_header_encode(&f, out, sizeof(out));
	memcpy(out + len, f.payload.p, f.payload.len);
	len += f.payload.len;
	CHECK(hmac_sha256(crypto, &key, view_of(out, len), tag));
	memcpy(out + len, tag, FRAME_TAG_BYTES);
	struct frame_device *dev = frame_device_lookup(devices, VIEW_LITERAL("d"));
	bool newer =
		f.epoch > dev->high.epoch || (f.epoch == dev->high.epoch && f.seq > dev->high.seq);
	bool query = (f.flags & FRAME_FLAG_QUERY) != 0;
	pushed = 0;
	adapter_run(out, len + FRAME_TAG_BYTES);
	CHECK(!newer || pushed == (query ? 0 : 1));
	CHECK(pushed <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
	uint8_t *copy = malloc(n + 1);

	if (crypto == NULL) {
		CHECK(crypto_create(CRYPTO_MBEDTLS, 16, &crypto) == 0);
		devices = devices_make();
	}
	memcpy(copy, bytes, n);
	decode(view_of(copy, (uint32_t)n), false);
	decode(view_of(copy, (uint32_t)n), true);
	frame_owner(view_of(copy, (uint32_t)n), 3);
	free(copy);
	adapter_run(bytes, (uint32_t)n);
	signed_run(bytes, (uint32_t)n);
	return 0;
}
