// SPDX-License-Identifier: Apache-2.0
#include "rig.h"

#include <rte_eal.h>
#include <rte_mempool.h>

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

const uint8_t rig_mac[6] = {0x02, 0, 0, 0, 0, 0x01};
const uint8_t device_mac[6] = {0x02, 0, 0, 0, 0, 0xd1};

static struct rte_mempool *pool;

struct rte_mempool *rig_pool(void) {
	return pool;
}

int rig_eal(const char *prefix) {
	char name[64];
	const char *argv[] = {
		"test",
		"--no-huge",
		"--no-pci",
		"--no-shconf",
		"-m",
		"64",
		"--no-telemetry",
		"-l",
		"0",
		"--log-level=4",
		name,
	};

	snprintf(name, sizeof(name), "--file-prefix=%s%d", prefix, (int)getpid());
	if (rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])), (char **)argv) < 0)
		return -1;
	pool = rte_pktmbuf_pool_create("rig", RIG_POOL, 0, PACKET_PRIV_SIZE, 2048 + 128, 0);
	return pool != NULL ? 0 : -1;
}

static void push(struct rig_list *l, uint16_t to, struct rte_mbuf *m) {
	assert_true(l->count < RIG_LIST_MAX);
	l->to[l->count] = to;
	l->frames[l->count++] = m;
}

static void on_transmit(void *owner, uint16_t port, struct rte_mbuf *m) {
	push(&((struct rig *)owner)->sent, port, m);
}

static void on_punt(void *owner, uint16_t port, struct rte_mbuf *m) {
	((struct rig *)owner)->frames.punted++;
	push(&((struct rig *)owner)->punted, port, m);
}

static void on_handover(void *owner, uint16_t to, struct rte_mbuf *m) {
	((struct rig *)owner)->frames.handed_over++;
	push(&((struct rig *)owner)->handed, to, m);
}

static struct ip_prefix prefix(const char *text, uint8_t len) {
	struct ip_prefix p = {.family = strchr(text, ':') != NULL ? 6 : 4, .prefix_len = len};

	assert_int_equal(inet_pton(p.family == 6 ? AF_INET6 : AF_INET, text, p.addr), 1);
	return p;
}

static struct net_env env_of(struct rig *r, uint16_t worker, uint16_t workers) {
	return (struct net_env) {
		.config = &r->config,
		.worker = worker,
		.workers = workers,
		.ports = r->ports,
		.pool = pool,
		.secret = {0x0123456789abcdef, 0xfedcba9876543210},
		.frames = &r->frames,
		.transmit = on_transmit,
		.punt = on_punt,
		.handover = on_handover,
		.owner = r,
	};
}

static struct net_env envs[8];
static uint32_t env_next;
static struct net_env *pending;

struct rig *rig_new(uint16_t worker, uint16_t workers) {
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->now_ns = 1000 * SECOND;
	for (uint32_t i = 0; i < 3; i++) {
		r->addresses[i][0] = prefix("10.77.0.1", 24);
		r->addresses[i][1] = prefix("fd77::1", 64);
		r->interfaces[i] = (struct config_interface) {
			.port = 0,
			.vlan = (uint16_t)(i == 0 ? 0 : 6 + i),
			.realm = (uint16_t)(i == 0 ? 0 : 6 + i),
			.addresses = r->addresses[i],
			.address_count = i == 2 ? 1 : 2,
		};
	}
	r->interfaces[0].gateway4 = prefix("10.77.0.254", 32);
	r->interfaces[3] = (struct config_interface) {.port = 1};
	r->groups[0] = prefix("224.0.1.187", 32);
	r->groups[1] = prefix("ff02::fd", 128);
	r->listeners[0] = (struct config_listener) {.addresses = r->groups, .address_count = 2};
	r->config.port_count = 2;
	r->config.interfaces = r->interfaces;
	r->config.interface_count = 4;
	r->config.listeners = r->listeners;
	r->config.listener_count = 1;
	r->config.net.neighbours = 64;
	r->config.net.fragments = 16;
	r->config.net.fragment_timeout_ms = 2000;
	r->config.net.icmp_rate_pps = 100;
	r->ports[0] = (struct net_port) {.mtu = 1500, .transmits = true};
	memcpy(r->ports[0].mac.addr_bytes, rig_mac, 6);
	r->ports[1] = (struct net_port) {.mtu = 1500};
	pending = &envs[env_next++ % 8];
	*pending = env_of(r, worker, workers);
	return r;
}

void rig_start(struct rig *r) {
	assert_int_equal(net_create(pending, &r->net), 0);
}

static void list_free(struct rig_list *l) {
	for (uint32_t i = 0; i < l->count; i++)
		rte_pktmbuf_free(l->frames[i]);
	l->count = 0;
}

void rig_clear(struct rig *r) {
	r->frames.consumed += r->delivered.count;
	list_free(&r->sent);
	list_free(&r->punted);
	list_free(&r->handed);
	list_free(&r->delivered);
}

uint64_t rig_dropped(const struct rig *r) {
	uint64_t sum = 0;

	for (uint32_t i = 0; i < DROP_REASON_COUNT; i++)
		sum += r->frames.dropped[i];
	return sum;
}

void rig_end(struct rig *r) {
	struct ledger *l = calloc(1, sizeof(*l));
	char why[128];

	check_all(r);
	rig_clear(r);
	l->frames = r->frames;
	if (!ledger_balanced(l, why, sizeof(why)))
		fail_msg("%s", why);
	net_destroy(r->net);
	assert_int_equal(rte_mempool_avail_count(pool), RIG_POOL);
	free(l);
	free(r);
}

void add(struct frame *f, const void *bytes, uint32_t len) {
	assert_true(f->len + len <= sizeof(f->bytes));
	if (len > 0)
		memcpy(f->bytes + f->len, bytes, len);
	f->len += len;
}

void add16(struct frame *f, uint16_t v) {
	add(f, (uint8_t[]) {(uint8_t)(v >> 8), (uint8_t)v}, 2);
}

void add32(struct frame *f, uint32_t v) {
	add16(f, (uint16_t)(v >> 16));
	add16(f, (uint16_t)v);
}

struct frame eth(const uint8_t *to, const uint8_t *from, uint16_t vlan, uint16_t type) {
	struct frame f = {.len = 0};

	add(&f, to, 6);
	add(&f, from, 6);
	if (vlan != 0) {
		add16(&f, 0x8100);
		add16(&f, vlan);
	}
	add16(&f, type);
	return f;
}

static uint32_t address(const char *text, uint8_t *out) {
	int family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;

	assert_int_equal(inet_pton(family, text, out), 1);
	return family == AF_INET6 ? 16 : 4;
}

struct frame arp(uint16_t vlan, uint16_t op, const char *sender, const char *target) {
	static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};
	struct frame f = eth(op == 1 ? broadcast : rig_mac, device_mac, vlan, 0x0806);
	uint8_t a[16];

	add(&f, "\x00\x01\x08\x00\x06\x04", 6);
	add16(&f, op);
	add(&f, device_mac, 6);
	add(&f, a, address(sender, a));
	add(&f, op == 1 ? (const uint8_t[6]) {0} : rig_mac, 6);
	add(&f, a, address(target, a));
	return f;
}

uint32_t l3_of(const struct frame *f) {
	return f->bytes[12] == 0x81 ? 18 : 14;
}

uint16_t sum16(const void *bytes, uint32_t len, uint32_t start) {
	const uint8_t *p = bytes;
	uint32_t sum = start;

	for (uint32_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

void ip4_reseal(struct frame *f) {
	uint8_t *h = f->bytes + l3_of(f);

	h[10] = h[11] = 0;
	uint16_t sum = (uint16_t)~sum16(h, (h[0] & 15) * 4u, 0);
	h[10] = (uint8_t)(sum >> 8);
	h[11] = (uint8_t)sum;
}

static void ethernet_group(const char *to, uint8_t *mac) {
	uint8_t a[16];
	uint32_t len = address(to, a);

	memcpy(mac, rig_mac, 6);
	if (len == 16 && a[0] == 0xff)
		memcpy(mac, (uint8_t[]) {0x33, 0x33, a[12], a[13], a[14], a[15]}, 6);
	else if (len == 4 && (a[0] & 0xf0) == 0xe0)
		memcpy(mac, (uint8_t[]) {1, 0, 0x5e, a[1] & 0x7f, a[2], a[3]}, 6);
	else if (len == 4 && a[0] == 255)
		memset(mac, 255, 6);
}

// Where the checksum stands in the transport header; -1 = there is none to fill in.
static int checksum_at(uint8_t protocol) {
	switch (protocol) {
	case 1:
	case 58:
		return 2;
	case 17:
		return 6;
	case 6:
		return 16;
	default:
		return -1;
	}
}

static void
seal(struct frame *f,
     const uint8_t *pseudo,
     uint32_t pseudo_len,
     uint8_t protocol,
     uint32_t l4,
     uint32_t len) {
	int at = checksum_at(protocol);
	uint32_t start = protocol == 1 ? 0 : sum16(pseudo, pseudo_len, protocol + len);

	if (at < 0 || len < (uint32_t)at + 2)
		return;
	f->bytes[l4 + (uint32_t)at] = f->bytes[l4 + (uint32_t)at + 1] = 0;
	uint16_t sum = (uint16_t)~sum16(f->bytes + l4, len, start);
	if (sum == 0 && protocol == 17)
		sum = 0xffff;
	f->bytes[l4 + (uint32_t)at] = (uint8_t)(sum >> 8);
	f->bytes[l4 + (uint32_t)at + 1] = (uint8_t)sum;
}

struct frame
ip(uint16_t vlan, const char *from, const char *to, uint8_t protocol, const void *l4, uint32_t len
) {
	uint8_t mac[6], a[32];
	uint32_t alen = address(from, a);
	struct frame f;

	ethernet_group(to, mac);
	assert_int_equal(address(to, a + alen), alen);
	f = eth(mac, device_mac, vlan, alen == 4 ? 0x0800 : 0x86dd);
	if (alen == 4) {
		add(&f, "\x45\x00", 2);
		add16(&f, (uint16_t)(20 + len));
		add32(&f, 0x12340000);
		add(&f, (uint8_t[]) {64, protocol, 0, 0}, 4);
		add(&f, a, 8);
		ip4_reseal(&f);
	} else {
		add32(&f, 0x60000000);
		add16(&f, (uint16_t)len);
		add(&f, (uint8_t[]) {protocol, protocol == 58 ? 255 : 64}, 2);
		add(&f, a, 32);
	}
	uint32_t at = f.len;
	add(&f, l4, len);
	seal(&f, a, 2 * alen, protocol, at, len);
	return f;
}

struct frame
udp(uint16_t vlan,
    const char *from,
    uint16_t from_port,
    const char *to,
    uint16_t to_port,
    const void *payload,
    uint32_t len) {
	struct frame f = {.len = 0};

	add16(&f, from_port);
	add16(&f, to_port);
	add16(&f, (uint16_t)(8 + len));
	add16(&f, 0);
	add(&f, payload, len);
	return ip(vlan, from, to, 17, f.bytes, f.len);
}

struct rte_mbuf *rig_mbuf(const struct frame *f) {
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	char *to;

	assert_non_null(m);
	to = rte_pktmbuf_append(m, (uint16_t)f->len);
	assert_non_null(to);
	memcpy(to, f->bytes, f->len);
	return m;
}

unsigned rig_in_mbuf(struct rig *r, uint16_t port, struct rte_mbuf *m) {
	struct rte_mbuf *out[1];
	unsigned got = net_input(r->net, port, &m, 1, r->now_ns, out);

	if (got > 0)
		push(&r->delivered, port, out[0]);
	return got;
}

unsigned rig_in(struct rig *r, uint16_t port, const struct frame *f) {
	return rig_in_mbuf(r, port, rig_mbuf(f));
}

struct frame rig_bytes(const struct rte_mbuf *m) {
	struct frame f = {.len = m->pkt_len};
	const void *p;

	assert_true(m->pkt_len <= sizeof(f.bytes));
	p = rte_pktmbuf_read(m, 0, m->pkt_len, f.bytes);
	assert_non_null(p);
	if (p != f.bytes)
		memcpy(f.bytes, p, f.len);
	return f;
}

static void check_l4(
	const uint8_t *pseudo,
	uint32_t pseudo_len,
	uint8_t protocol,
	const uint8_t *l4,
	uint32_t len
) {
	int at = checksum_at(protocol);

	if (at < 0)
		return;
	assert_true(len >= (uint32_t)at + 2);
	if (protocol == 17) {
		assert_int_equal(l4[4] << 8 | l4[5], len);
		assert_true((l4[6] << 8 | l4[7]) != 0);
	}
	uint32_t start = protocol == 1 ? 0 : sum16(pseudo, pseudo_len, protocol + len);
	assert_int_equal(sum16(l4, len, start), 0xffff);
}

static void check_ip4(const uint8_t *h, uint32_t len, uint32_t mtu) {
	uint32_t fragment = (uint32_t)h[6] << 8 | h[7];

	assert_true(len >= 20 && len <= mtu);
	assert_int_equal(h[0], 0x45);
	assert_int_equal(h[2] << 8 | h[3], len);
	assert_int_equal(sum16(h, 20, 0), 0xffff);
	assert_int_equal(h[8], 64);
	if (fragment & 0x3fff) { // one of several
		assert_false(fragment & 0x4000);
		assert_true((len - 20) % 8 == 0 || !(fragment & 0x2000));
		return;
	}
	// RFC 6864: an atomic datagram has DF set and any identification, here 0.
	assert_int_equal(fragment, 0x4000);
	assert_int_equal(h[4] << 8 | h[5], 0);
	check_l4(h + 12, 8, h[9], h + 20, len - 20);
}

static void check_ip6(const uint8_t *h, uint32_t len, uint32_t mtu) {
	assert_true(len >= 40 && len <= mtu);
	assert_int_equal(h[0] >> 4, 6);
	assert_int_equal(h[4] << 8 | h[5], len - 40);
	assert_true(h[7] == 64 || (h[6] == 58 && h[7] == 255));
	if (h[6] == 44) {
		assert_true((len - 48) % 8 == 0 || !(h[43] & 1));
		return;
	}
	check_l4(h + 8, 32, h[6], h + 40, len - 40);
}

void check_frame(const struct frame *f, uint32_t mtu) {
	uint32_t l3 = l3_of(f);
	uint16_t type = (uint16_t)(f->bytes[l3 - 2] << 8 | f->bytes[l3 - 1]);

	assert_memory_equal(f->bytes + 6, rig_mac, 6);
	switch (type) {
	case 0x0800:
		check_ip4(f->bytes + l3, f->len - l3, mtu);
		break;
	case 0x86dd:
		check_ip6(f->bytes + l3, f->len - l3, mtu);
		break;
	case 0x0806:
		assert_int_equal(f->len, l3 + 28);
		assert_memory_equal(f->bytes + l3 + 8, rig_mac, 6);
		break;
	default:
		fail_msg("sent ethertype %04x", type);
	}
}

void check_all(const struct rig *r) {
	for (uint32_t i = 0; i < r->sent.count; i++) {
		struct frame f = rig_bytes(r->sent.frames[i]);
		check_frame(&f, r->ports[r->sent.to[i]].mtu);
		assert_true(r->ports[r->sent.to[i]].transmits);
	}
}

void expect_drop(struct rig *r, const char *name, const struct frame *f, enum drop_reason why) {
	uint64_t before = rig_dropped(r), counted = r->frames.dropped[why];
	uint32_t sent = r->sent.count;

	if (rig_in(r, 0, f) != 0)
		fail_msg("%s: delivered", name);
	if (r->frames.dropped[why] != counted + 1 || rig_dropped(r) != before + 1) {
		for (uint32_t i = 0; i < DROP_REASON_COUNT; i++)
			if (r->frames.dropped[i] > 0)
				print_message(
					"%s %lu\n", drop_reason_label(i), r->frames.dropped[i]
				);
		fail_msg("%s: not dropped as %s", name, drop_reason_label(why));
	}
	if (r->sent.count != sent)
		fail_msg("%s: answered", name);
}

struct frame rig_last(const struct rig *r) {
	assert_true(r->sent.count > 0);
	return rig_bytes(r->sent.frames[r->sent.count - 1]);
}

static struct frame cut4(const struct frame *f, uint32_t at, uint32_t len, bool more, uint16_t id) {
	uint32_t l3 = l3_of(f), header = (f->bytes[l3] & 15) * 4u;
	uint32_t field = at / 8 | (more ? 0x2000 : 0);
	struct frame o = {.len = 0};

	add(&o, f->bytes, l3 + header);
	add(&o, f->bytes + l3 + header + at, len);
	o.bytes[l3 + 2] = (uint8_t)((header + len) >> 8);
	o.bytes[l3 + 3] = (uint8_t)(header + len);
	o.bytes[l3 + 4] = (uint8_t)(id >> 8);
	o.bytes[l3 + 5] = (uint8_t)id;
	o.bytes[l3 + 6] = (uint8_t)(field >> 8);
	o.bytes[l3 + 7] = (uint8_t)field;
	ip4_reseal(&o);
	return o;
}

static struct frame cut6(const struct frame *f, uint32_t at, uint32_t len, bool more, uint16_t id) {
	uint32_t l3 = l3_of(f);
	struct frame o = {.len = 0};

	add(&o, f->bytes, l3 + 40);
	add(&o, (uint8_t[]) {f->bytes[l3 + 6], 0}, 2);
	add16(&o, (uint16_t)(at | more));
	add32(&o, id);
	add(&o, f->bytes + l3 + 40 + at, len);
	o.bytes[l3 + 4] = (uint8_t)((8 + len) >> 8);
	o.bytes[l3 + 5] = (uint8_t)(8 + len);
	o.bytes[l3 + 6] = 44;
	return o;
}

unsigned cut(const struct frame *f, uint32_t size, uint16_t id, struct frame *out, unsigned max) {
	uint32_t l3 = l3_of(f);
	bool v6 = f->bytes[l3] >> 4 == 6;
	uint32_t total = f->len - l3 - (v6 ? 40 : (f->bytes[l3] & 15) * 4u);
	unsigned n = 0;

	for (uint32_t at = 0; at < total; at += size) {
		uint32_t len = total - at < size ? total - at : size;
		assert_true(n < max);
		out[n++] = (v6 ? cut6 : cut4)(f, at, len, at + len < total, id);
	}
	return n;
}
