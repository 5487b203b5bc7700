// SPDX-License-Identifier: Apache-2.0
#include "bench/gen/gen.h"
#include "dataplane/crypto/crypto.h"

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_BYTES 1500
#define SLOTS_MAX 4096
#define HEADERS                                                                                    \
	(sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_udp_hdr))

struct slot {
	uint64_t seq; // of the device's latest protected frame
	uint16_t len;
	uint8_t bytes[FRAME_BYTES];
};

struct gen_frames {
	const struct gen_options *options;
	uint32_t count;
	uint32_t next;
	uint32_t last;
	uint32_t random;
	struct crypto *crypto; // for protected frames
	struct slot slots[];
};

const char *gen_traffic_label(enum gen_traffic t) {
	static const char *const labels[] = {
#define X(id, label, port) [id] = label,
		GEN_TRAFFICS(X)
#undef X
	};
	return labels[t];
}

uint16_t gen_traffic_port(enum gen_traffic t) {
	static const uint16_t ports[] = {
#define X(id, label, port) [id] = port,
		GEN_TRAFFICS(X)
#undef X
	};
	return ports[t];
}

// CBOR text string or unsigned head, enough for what we send.
static uint8_t *cbor_text(uint8_t *p, const char *text) {
	size_t n = strlen(text);

	if (n < 24) {
		*p++ = (uint8_t)(0x60 | n);
	} else {
		*p++ = 0x78;
		*p++ = (uint8_t)n;
	}
	memcpy(p, text, n);
	return p + n;
}

static uint8_t *cbor_double(uint8_t *p, double v) {
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	bits = rte_cpu_to_be_64(bits);
	*p++ = 0xfb;
	memcpy(p, &bits, sizeof(bits));
	return p + sizeof(bits);
}

static int cbor_payload(uint8_t *out, const char *device, double temp) {
	uint8_t *p = out;

	*p++ = 0xa4;
	p = cbor_text(cbor_text(p, "device"), device);
	p = cbor_double(cbor_text(p, "temperature"), temp);
	p = cbor_double(cbor_text(p, "humidity"), 55.25);
	p = cbor_double(cbor_text(p, "battery"), 3.61);
	return (int)(p - out);
}

static int senml_cbor_payload(uint8_t *out, const char *device, double temp) {
	char name[64];
	uint8_t *p = out;

	snprintf(name, sizeof(name), "%s/", device);
	*p++ = 0x82; // array of two records
	*p++ = 0xa4;
	*p++ = 0x21; // bn
	p = cbor_text(p, name);
	*p++ = 0x00; // n
	p = cbor_text(p, "temperature");
	*p++ = 0x01; // u
	p = cbor_text(p, "Cel");
	*p++ = 0x02; // v
	p = cbor_double(p, temp);
	*p++ = 0xa3;
	*p++ = 0x00;
	p = cbor_text(p, "humidity");
	*p++ = 0x01;
	p = cbor_text(p, "%RH");
	*p++ = 0x02;
	p = cbor_double(p, 55.25);
	return (int)(p - out);
}

// A reading of about 100 bytes in the format asked for.
static int payload(const struct gen_options *o, uint32_t device, uint8_t *out, size_t room) {
	char name[32];
	double temp = 15 + device % 200 / 10.0;
	int n;

	snprintf(name, sizeof(name), "gen-%06u", device);
	switch (o->traffic) {
	case GEN_LINE:
		n = snprintf(
			(char *)out,
			room,
			"climate,device=%s temperature=%.2f,humidity=55.25,battery=3.61,rssi=-%ui",
			name,
			temp,
			40 + device % 50
		);
		break;
	case GEN_JSON:
		n = snprintf(
			(char *)out,
			room,
			"{\"device\":\"%s\",\"temperature\":%.2f,\"humidity\":55.25,\"battery\":3."
			"61,\"rssi\":-%u}",
			name,
			temp,
			40 + device % 50
		);
		break;
	case GEN_SENML_JSON:
		n = snprintf(
			(char *)out,
			room,
			"[{\"bn\":\"%s/"
			"\",\"n\":\"temperature\",\"u\":\"Cel\",\"v\":%.2f},{\"n\":\"humidity\","
			"\"u\":\"%%RH\",\"v\":55.25}]",
			name,
			temp
		);
		break;
	case GEN_SENML_CBOR:
		n = senml_cbor_payload(out, name, temp);
		break;
	case GEN_CBOR:
		n = cbor_payload(out, name, temp);
		break;
	case GEN_RAW:
		n = (int)(o->payload_bytes < room ? o->payload_bytes : room);
		memset(out, 0x5a, (size_t)n);
		break;
	default: // CoAP and protected frames name the device themselves
		n = snprintf(
			(char *)out,
			room,
			"{\"temperature\":%.2f,\"humidity\":55.25,\"battery\":3.61,\"rssi\":-%u}",
			temp,
			40 + device % 50
		);
	}
	return n;
}

// Header with token = message id (stamped later), Uri-Path t/{device}/env, Content-Format 50.
static int coap_request(const struct gen_options *o, uint32_t device, uint8_t *out, size_t room) {
	char name[16];
	uint8_t *p = out;

	int n = snprintf(name, sizeof(name), "gen-%06u", device);
	*p++ = (uint8_t)(0x42 | (o->traffic == GEN_COAP_NON ? 1 << 4 : 0));
	*p++ = 0x02; // POST
	p += 4; // message id, token
	*p++ = 0xb1;
	*p++ = 't';
	*p++ = (uint8_t)n;
	memcpy(p, name, (size_t)n);
	p += n;
	*p++ = 0x03;
	memcpy(p, "env", 3);
	p += 3;
	*p++ = 0x11;
	*p++ = 50;
	*p++ = 0xff;
	return (int)(p - out) + payload(o, device, p, room - (size_t)(p - out));
}

// Its tag is there already, to be written over when it is sealed.
static int
protected_frame(const struct gen_options *o, uint32_t device, uint8_t *out, size_t room) {
	char name[16];

	snprintf(name, sizeof(name), "gen-%06u", device);
	int n = (int)gen_frame_open(name, out, (uint32_t)room);
	n += payload(o, device, out + n, room - (size_t)n - GCM_TAG_BYTES);
	memset(out + n, 0, GCM_TAG_BYTES);
	return n + GCM_TAG_BYTES;
}

static int body_make(const struct gen_options *o, uint32_t device, uint8_t *out, size_t room) {
	switch (o->traffic) {
	case GEN_COAP_CON:
	case GEN_COAP_NON:
		return coap_request(o, device, out, room);
	case GEN_FRAME:
		return protected_frame(o, device, out, room);
	default:
		return payload(o, device, out, room);
	}
}

static bool is_stamped(enum gen_traffic t) {
	return t == GEN_COAP_CON || t == GEN_COAP_NON || t == GEN_FRAME;
}

static void slot_make(const struct gen_options *o, uint32_t index, bool malformed, struct slot *s) {
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)s->bytes;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(eth + 1);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);
	uint8_t *body = (uint8_t *)(udp + 1);
	int n = body_make(o, index, body, FRAME_BYTES - HEADERS);

	if (malformed && n > 8)
		n -= 8;
	memset(s->bytes, 0, HEADERS);
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	ip->version_ihl = 0x45;
	ip->total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + sizeof(*udp) + (size_t)n));
	ip->time_to_live = 64;
	ip->next_proto_id = IPPROTO_UDP;
	ip->src_addr = rte_cpu_to_be_32(o->source + index % o->sources);
	ip->dst_addr = rte_cpu_to_be_32(o->target);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	udp->src_port = rte_cpu_to_be_16((uint16_t)(10000 + index % 50000));
	udp->dst_port = rte_cpu_to_be_16(o->port);
	udp->dgram_len = rte_cpu_to_be_16((uint16_t)(sizeof(*udp) + (size_t)n));
	s->len = (uint16_t)(HEADERS + (size_t)n);
	// What is stamped later differs per frame: those go without a checksum, as IPv4 allows.
	if (!is_stamped(o->traffic))
		udp->dgram_cksum = rte_ipv4_udptcp_cksum(ip, udp);
}

int gen_frames_create(const struct gen_options *o, struct gen_frames **out) {
	uint32_t count = o->devices < SLOTS_MAX ? o->devices : SLOTS_MAX;
	struct gen_frames *f = calloc(1, sizeof(*f) + count * sizeof(f->slots[0]));

	if (f == nullptr)
		return -ENOMEM;
	if (o->traffic == GEN_FRAME && crypto_create(CRYPTO_AUTO, 1, &f->crypto) != 0) {
		free(f);
		return -ENOTSUP;
	}
	f->options = o;
	f->count = count;
	f->random = 1;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t device = (uint32_t)((uint64_t)i * o->devices / count);
		slot_make(o, device, i % 100 < o->malformed_percent, &f->slots[i]);
	}
	*out = f;
	return 0;
}

void gen_frames_destroy(struct gen_frames *f) {
	if (f != nullptr)
		crypto_destroy(f->crypto);
	free(f);
}

void gen_frame_write(
	struct gen_frames *f,
	struct rte_mbuf *m,
	uint16_t mid,
	const uint8_t src[6],
	const uint8_t dst[6]
) {
	bool coap = f->options->traffic == GEN_COAP_CON || f->options->traffic == GEN_COAP_NON;

	f->random = f->random * 1664525 + 1013904223;
	if (f->options->duplicate_percent == 0
	    || (f->random >> 8) % 100 >= f->options->duplicate_percent)
		f->last = f->next++ % f->count;
	struct slot *s = &f->slots[f->last];
	uint8_t *p = (uint8_t *)rte_pktmbuf_append(m, s->len);
	if (p == nullptr)
		return;
	memcpy(p, s->bytes, s->len);
	memcpy(p, dst, 6);
	memcpy(p + 6, src, 6);
	if (coap) {
		uint8_t *id = p + HEADERS + 2;
		id[0] = id[2] = (uint8_t)(mid >> 8);
		id[1] = id[3] = (uint8_t)mid;
	}
	if (f->crypto != nullptr)
		gen_frame_seal(
			f->crypto,
			++s->seq,
			p + HEADERS,
			(uint32_t)(s->len - HEADERS - GCM_TAG_BYTES),
			(uint32_t)(s->len - HEADERS)
		);
}
