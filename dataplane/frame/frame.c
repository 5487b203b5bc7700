// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/crypto.h"
#include "dataplane/frame/frame.h"
#include "dataplane/frame/park.h"
#include "dataplane/frame/receipt.h"
#include "parsers/siphash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NANOS_PER_MS 1000000ull
#define RECEIPTS_PER_POLL 64
#define PUSHES_PER_POLL 512 // of frames that were parked
#define RECEIPT_FRAME_MAX                                                                          \
	(FRAME_HEADER_BYTES + FRAME_DEVICE_MAX + FRAME_RECEIPT_BYTES + FRAME_TAG_BYTES)

struct frame_adapter {
	struct frame_env env;
	struct park park;
	uint64_t grants; // as of the last look at what is parked
	bool park_again; // some of it was pushed: there may be more, and buffers to give back
	struct receipts receipts;
	uint64_t receipt_delay_ns;
	uint64_t now_ns; // of the latest input or poll
	struct frame_stats stats;
};

const char *frame_counter_label(enum frame_counter c) {
	static const char *const labels[FRAME_COUNTER_COUNT] = {
#define X(id, label) [id] = label,
		FRAME_COUNTERS(X)
#undef X
	};
	return c < FRAME_COUNTER_COUNT ? labels[c] : "?";
}

int frame_create(const struct frame_env *env, const struct config *c, struct frame_adapter **out) {
	struct frame_adapter *f = calloc(1, sizeof(*f));

	if (f == nullptr)
		return -ENOMEM;
	f->env = *env;
	int ret = park_init(&f->park);
	if (ret == 0)
		ret = receipts_init(&f->receipts, env->pending);
	if (ret < 0) {
		frame_destroy(f);
		return ret;
	}
	frame_use(f, c);
	*out = f;
	return 0;
}

void frame_destroy(struct frame_adapter *f) {
	if (f == nullptr)
		return;
	park_fini(&f->park);
	receipts_fini(&f->receipts);
	free(f);
}

static void count(struct frame_adapter *f, enum frame_counter c) {
	f->stats.count[c]++;
}

static void parked_shed(struct frame_adapter *f, struct parked *p) {
	adapter_shed(f->env.adapter.ledger, SHED_MARK);
	count(f, FRAME_PARK_EXPIRED);
	p->state = PARK_FREE;
}

void frame_use(struct frame_adapter *f, const struct config *c) {
	f->receipt_delay_ns = c->frame.receipt_delay_ms * NANOS_PER_MS;
	for (struct parked *p = park_next(&f->park, nullptr); p != nullptr;
	     p = park_next(&f->park, p))
		if (p->state == PARK_WAITING)
			parked_shed(f, p);
	park_release(&f->park);
}

uint16_t frame_owner(struct view datagram, uint16_t workers) {
	static const uint64_t key[2] = {0x6f776e6572206f66, 0x2061206465766963};

	if (datagram.len < FRAME_HEADER_BYTES)
		return 0;
	uint32_t id_len = datagram.p[3];
	if (id_len > datagram.len - FRAME_HEADER_BYTES)
		return 0;
	return (uint16_t)(siphash13(key, datagram.p + FRAME_HEADER_BYTES, id_len) % workers);
}

static struct crypto_key crypto_key_of(const struct frame_key *key) {
	return (struct crypto_key) {.id = key->id, .bytes = key->bytes, .len = key->len};
}

// Is the tag right? The payload is decrypted where it lies.
static bool authentic(
	struct frame_adapter *f,
	const struct datagram *d,
	const struct frame *fr,
	const struct frame_key *with
) {
	const struct crypto_key key = crypto_key_of(with);

	if (fr->algorithm == FRAME_HMAC_SHA_256) {
		uint8_t tag[SHA256_BYTES];
		return hmac_sha256(f->env.crypto, &key, fr->authenticated, tag)
			&& crypto_equal(tag, fr->tag.p, FRAME_TAG_BYTES);
	}
	uint8_t nonce[GCM_NONCE_BYTES];
	uint8_t *payload = d->bytes + (fr->payload.p - d->bytes);

	frame_nonce(fr, nonce);
	return gcm_open(f->env.crypto, &key, nonce, fr->header, fr->payload, payload, fr->tag.p);
}

static struct frame_mark mark_of(const struct frame *fr) {
	return (struct frame_mark) {fr->epoch, fr->seq};
}

static struct receipt_slot *receipt_for(
	struct frame_adapter *f,
	const struct datagram *d,
	const struct frame *fr,
	struct frame_device *dev
) {
	struct receipt_slot *s = nullptr;

	if ((fr->flags & FRAME_FLAG_RECEIPT) == 0)
		return nullptr;
	s = receipt_take(&f->receipts);
	if (s == nullptr) {
		count(f, FRAME_RECEIPT_NO_SLOT);
		return nullptr;
	}
	s->key = *d->key;
	s->path = d->path;
	s->dev = dev;
	s->algorithm = fr->algorithm;
	s->key_number = fr->key_number;
	s->at = mark_of(fr);
	s->request_len = d->len;
	return s;
}

// A frame of ours for the first time: to the pipeline, or just noted for its receipt.
static void frame_accepted(
	struct frame_adapter *f,
	const struct datagram *d,
	const struct frame *fr,
	struct frame_device *dev
) {
	struct receipt_slot *s = receipt_for(f, d, fr, dev);

	if ((fr->flags & FRAME_FLAG_QUERY) != 0) {
		count(f, FRAME_QUERY);
		if (s != nullptr)
			receipt_schedule(&f->receipts, s, f->now_ns + f->receipt_delay_ns);
		return;
	}
	struct message m = message_of(&f->env.adapter, TRANSPORT_FRAME, d);

	m.device = fr->device;
	m.payload = fr->payload;
	m.proven = true;
	m.authenticated = true;
	m.epoch = fr->epoch;
	m.seq = fr->seq;
	if (s != nullptr)
		m.token = receipt_index(&f->receipts, s);
	f->env.adapter.push(f->env.adapter.owner, &m);
}

static void frame_park(
	struct frame_adapter *f,
	const struct datagram *d,
	const struct frame *fr,
	struct frame_device *dev
) {
	if (park_add(&f->park, d, fr, dev)) {
		count(f, FRAME_PARKED);
		return;
	}
	count(f, FRAME_PARK_FULL);
	adapter_shed(f->env.adapter.ledger, SHED_MARK);
}

static void replayed(struct frame_adapter *f, enum frame_seen seen) {
	count(f, seen == FRAME_SEEN_BEFORE ? FRAME_SEEN : FRAME_OLD);
	adapter_refused(f->env.adapter.ledger, REFUSE_REPLAY);
}

static void frame_judge(
	struct frame_adapter *f,
	const struct datagram *d,
	const struct frame *fr,
	struct frame_device *dev
) {
	enum frame_seen seen = frame_window_accept(f->env.devices, dev, mark_of(fr));

	if (seen == FRAME_FRESH)
		frame_accepted(f, d, fr, dev);
	else if (seen == FRAME_BEYOND_GRANT)
		frame_park(f, d, fr, dev);
	else
		replayed(f, seen);
}

void frame_input(struct frame_adapter *f, const struct datagram *d) {
	struct ledger_messages *ledger = f->env.adapter.ledger;
	struct frame_key copy;
	struct frame fr;

	f->now_ns = d->now_ns;
	if (!listener_trusts(d->listener, d->key)) {
		adapter_refused(ledger, REFUSE_UNTRUSTED);
		return;
	}
	enum frame_rc rc = frame_decode(view_of(d->bytes, d->len), false, &fr);
	f->stats.decoded[rc]++;
	if (rc != FRAME_OK) {
		adapter_refused(ledger, REFUSE_MALFORMED);
		return;
	}
	struct frame_device *dev = frame_device_lookup(f->env.devices, fr.device);
	if (dev == nullptr) {
		adapter_refused(ledger, REFUSE_DEVICE_UNKNOWN);
		return;
	}
	const struct frame_key *with =
		frame_device_key(f->env.devices, dev, fr.key_number, fr.algorithm, &copy);
	bool good = with != nullptr && authentic(f, d, &fr, with);
	if (with == &copy)
		crypto_wipe(&copy, sizeof(copy));
	if (!good) {
		count(f, with == nullptr ? FRAME_UNKNOWN_KEY : FRAME_BAD_TAG);
		adapter_refused(ledger, REFUSE_PROTECTION);
		return;
	}
	count(f, FRAME_AUTHENTIC);
	frame_judge(f, d, &fr, dev);
}

void frame_done(void *adapter, uint32_t token, const struct verdict *v) {
	struct frame_adapter *f = adapter;
	struct receipt_slot *s = &f->receipts.slots[token];

	if (v->outcome != OUTCOME_ACKED) {
		receipt_give(&f->receipts, s);
		return;
	}
	frame_window_acked(s->dev, s->at);
	receipt_schedule(&f->receipts, s, f->now_ns + f->receipt_delay_ns);
}

static bool receipt_seal_with(
	struct frame_adapter *f,
	const struct receipt_slot *s,
	const struct frame_key *with,
	uint8_t *out,
	uint32_t *len
) {
	struct frame fr = {
		.algorithm = s->algorithm,
		.flags = FRAME_FLAG_REPLY,
		.key_number = s->key_number,
		.epoch = s->at.epoch,
		.seq = s->at.seq,
		.device = view_of(s->dev->id, s->dev->id_len),
	};
	struct frame_receipt r = {.highest = s->dev->acked_high, .bits = s->dev->acked_bits};
	const struct crypto_key key = crypto_key_of(with);
	uint32_t header = frame_header_encode(&fr, out, RECEIPT_FRAME_MAX);
	uint8_t *payload = out + header;
	uint8_t *tag = payload + FRAME_RECEIPT_BYTES;

	// Nothing of this epoch has been acknowledged yet.
	if (s->dev->acked_epoch != s->at.epoch)
		r = (struct frame_receipt) {0};
	frame_receipt_encode(&r, payload);
	*len = header + FRAME_RECEIPT_BYTES + FRAME_TAG_BYTES;
	if (fr.algorithm == FRAME_AES_128_GCM) {
		uint8_t nonce[GCM_NONCE_BYTES];
		frame_nonce(&fr, nonce);
		return gcm_seal(
			f->env.crypto,
			&key,
			nonce,
			view_of(out, header),
			view_of(payload, FRAME_RECEIPT_BYTES),
			payload,
			tag
		);
	}
	uint8_t digest[SHA256_BYTES];
	if (!hmac_sha256(f->env.crypto, &key, view_of(out, header + FRAME_RECEIPT_BYTES), digest))
		return false;
	memcpy(tag, digest, FRAME_TAG_BYTES);
	return true;
}

static bool
receipt_seal(struct frame_adapter *f, const struct receipt_slot *s, uint8_t *out, uint32_t *len) {
	struct frame_key copy;
	const struct frame_key *with =
		frame_device_key(f->env.devices, s->dev, s->key_number, s->algorithm, &copy);

	if (with == nullptr) { // taken away since: the device cannot check what we would send
		count(f, FRAME_RECEIPT_NO_KEY);
		return false;
	}
	bool sealed = receipt_seal_with(f, s, with, out, len);
	if (with == &copy)
		crypto_wipe(&copy, sizeof(copy));
	return sealed;
}

static void receipt_send(struct frame_adapter *f, const struct receipt_slot *s) {
	uint8_t out[RECEIPT_FRAME_MAX];
	uint32_t len = FRAME_HEADER_BYTES + s->dev->id_len + FRAME_RECEIPT_BYTES + FRAME_TAG_BYTES;

	if (len > s->request_len) {
		count(f, FRAME_RECEIPT_TOO_LONG);
		return;
	}
	if (!receipt_seal(f, s, out, &len))
		return;
	f->env.adapter.send(f->env.adapter.owner, &s->key, &s->path, out, len);
	count(f, FRAME_RECEIPT);
}

// True if it was pushed.
static bool parked_judge(struct frame_adapter *f, struct parked *p) {
	enum frame_seen seen = frame_window_accept(f->env.devices, p->dev, mark_of(&p->frame));

	if (seen == FRAME_FRESH) {
		p->state = PARK_PUSHED;
		frame_accepted(f, &p->d, &p->frame, p->dev);
		return true;
	}
	if (seen != FRAME_BEYOND_GRANT) {
		p->state = PARK_FREE;
		replayed(f, seen);
	} else if (f->now_ns - p->d.now_ns > PARK_TIME_NS) {
		parked_shed(f, p);
	}
	return false;
}

// Parked frames in order of arrival: those whose mark has been stored meanwhile go on, a bounded
// number at once.
static void park_poll(struct frame_adapter *f) {
	uint32_t pushed = 0;
	struct parked *p = park_next(&f->park, nullptr);

	for (; p != nullptr && pushed < PUSHES_PER_POLL; p = park_next(&f->park, p)) {
		if (p->state == PARK_PUSHED)
			p->state = PARK_FREE; // the pipeline has run since
		if (p->state == PARK_WAITING)
			pushed += parked_judge(f, p);
	}
	f->park_again = pushed > 0;
	park_release(&f->park);
}

// Looking at all of them is only worth while if something was granted since, or one is overdue.
static bool park_due(struct frame_adapter *f) {
	uint64_t grants = frame_devices_grants(f->env.devices);
	const struct parked *oldest = park_next(&f->park, nullptr);
	bool due = oldest != nullptr
		&& (f->park_again || grants != f->grants
		    || f->now_ns - oldest->d.now_ns > PARK_TIME_NS);

	f->grants = grants;
	return due;
}

uint64_t frame_poll(struct frame_adapter *f, uint64_t now_ns) {
	struct receipt_slot *s;

	f->now_ns = now_ns;
	if (park_due(f))
		park_poll(f);
	for (unsigned n = 0; n < RECEIPTS_PER_POLL; n++) {
		s = receipt_due(&f->receipts, now_ns);
		if (s == nullptr)
			break;
		receipt_send(f, s);
		receipt_give(&f->receipts, s);
	}
	uint64_t next = receipts_next_due(&f->receipts);
	// The main thread grants within tens of milliseconds; looking every one is often enough.
	uint64_t park = f->park_again ? now_ns
		: f->park.count > 0   ? now_ns + NANOS_PER_MS
				      : UINT64_MAX;
	return park < next ? park : next;
}

uint32_t frame_waiting(const struct frame_adapter *f) {
	return f->park.count + f->receipts.used;
}

const struct frame_stats *frame_stats(const struct frame_adapter *f) {
	return &f->stats;
}
