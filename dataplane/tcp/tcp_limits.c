// SPDX-License-Identifier: Apache-2.0
// Who may have what when things get tight: pressure levels, per-source shares of connections that
// have not proved who they are, budgets of answers to strangers, and addresses nobody has.
#include "dataplane/tcp/tcp_types.h"

#include <string.h>

#define TOKEN TCP_TICKS_PER_S // a connection's price: rate per second = tokens per tick
#define SHED_SCAN 64

void pressure_update(struct tcp *t) {
	static const uint8_t threshold[] = {70, 80, 85, 92, 97}; // % of connections or buffers
	uint32_t conns = (uint32_t)((uint64_t)t->conns * 100 / t->config.max_conns);
	uint32_t pages = (uint32_t)((uint64_t)t->slab.pages_used * 100 / t->slab.page_count);
	uint32_t used = max_u32(conns, pages);
	uint8_t level = 0;

	while (level < sizeof(threshold) && used >= threshold[level])
		level++;
	// Every class keeps one page that is not full: a tiny pool is not under pressure by that.
	if (used == pages && pages > conns && t->slab.pages_used <= SLAB_CLASSES)
		level = 0;
	t->pressure = (enum tcp_pressure_level)level;
}

// Some connections per call: early bytes go first (the peer has to send them again), then whoever
// holds buffers without having said who he is.
void pressure_shed(struct tcp *t) {
	for (unsigned n = 0; n < SHED_SCAN; n++) {
		if (++t->shed_at >= t->fresh)
			t->shed_at = 1;
		if (t->shed_at >= t->fresh)
			return;
		struct tcb *c = &t->tcbs[t->shed_at];
		if (c->state == TCP_FREE)
			continue;
		ooo_drop(t, c);
		if ((c->flags & F_UNAUTH) != 0 && (c->rx != 0 || c->tx_head != 0))
			tcb_reset(t, c, TCP_CLOSED_MEMORY);
	}
}

// An IPv4 address or an IPv6 /64 within its realm.
static uint64_t source_id(const struct tcp *t, const struct tcb *c) {
	const struct tcp_service *s = tcb_service(t, c);
	struct {
		uint8_t prefix[8];
		uint16_t realm;
		uint8_t family;
		uint8_t pad[5];
	} k = {.realm = s->realm, .family = s->family};

	memcpy(k.prefix, c->remote, s->family == 4 ? 4 : 8);
	uint64_t id = siphash13(t->config.seed, &k, sizeof(k));
	return id != 0 ? id : 1;
}

static struct source *source_find(struct tcp *t, uint64_t id) {
	struct source *set = &t->sources[1 + 4 * (id & (t->source_sets - 1))];
	struct source *idle = nullptr;

	for (unsigned i = 0; i < 4; i++) {
		if (set[i].id == id)
			return &set[i];
		if (set[i].unauthenticated == 0 && set[i].stalled == 0
		    && (idle == nullptr || seq_lt(set[i].stamp, idle->stamp)))
			idle = &set[i];
	}
	if (idle == nullptr)
		return nullptr;
	// Taking over an idle slot forgets its bucket; a source gains nothing by waiting for that.
	*idle = (struct source) {
		.id = id,
		.stamp = t->tick,
		.tokens = t->config.source_rate * TOKEN,
	};
	return idle;
}

static bool source_token(struct tcp *t, struct source *s) {
	uint64_t tokens = s->tokens + (uint64_t)(t->tick - s->stamp) * t->config.source_rate;
	uint64_t most = (uint64_t)t->config.source_rate * TOKEN;

	s->stamp = t->tick;
	s->tokens = (uint32_t)(tokens < most ? tokens : most);
	if (s->tokens < TOKEN)
		return false;
	s->tokens -= TOKEN;
	return true;
}

// A connection that is counted in its source's slot, for either reason, keeps the slot from being
// given away, so that the second reason finds the same one.
static struct source *source_of(struct tcp *t, struct tcb *c) {
	struct source *s = nullptr;

	if ((c->flags & F_SOURCE_SHARED) == 0)
		s = source_find(t, source_id(t, c));
	if (s != nullptr)
		return s;
	c->flags |= F_SOURCE_SHARED;
	return &t->sources[0];
}

static void source_leave(struct tcb *c, uint32_t flag) {
	c->flags &= ~flag;
	if ((c->flags & (F_COUNTED | F_STALLED)) == 0)
		c->flags &= ~F_SOURCE_SHARED;
}

static uint32_t source_share(const struct tcp *t) {
	uint64_t share = (uint64_t)t->config.max_conns * t->config.source_share_pct / 100;

	return max_u32((uint32_t)share, 1);
}

// Counting always, limiting under pressure only: thousands of devices share one carrier's address,
// and each of them counts here only until it has said who it is.
bool source_admit(struct tcp *t, struct tcb *c) {
	struct source *s = source_of(t, c);

	if (t->pressure >= TCP_PRESSURE_SHRINK
	    && (s->unauthenticated >= source_share(t) || !source_token(t, s)))
		return false;
	if (s->unauthenticated++ == 0)
		t->sources_used++;
	c->flags |= F_COUNTED;
	return true;
}

// The connection is authenticated (`proven`) or gone. A proven one gives its token back: the rate
// is that of connections which never say who they are.
void source_release(struct tcp *t, struct tcb *c, bool proven) {
	if ((c->flags & F_UNAUTH) == 0)
		return;
	t->unauthenticated--;
	if ((c->flags & F_COUNTED) != 0) {
		struct source *s = source_of(t, c);
		if (--s->unauthenticated == 0)
			t->sources_used--;
		if (proven)
			s->tokens = min_u32(s->tokens + TOKEN, t->config.source_rate * TOKEN);
	}
	source_leave(c, F_UNAUTH | F_COUNTED);
}

// Each holds bytes of ours for as long as zero_window_ms, whoever it says it is ("sockstress").
// Those counted before there was pressure are judged again at their next probe.
bool source_stall(struct tcp *t, struct tcb *c) {
	struct source *s = source_of(t, c);

	if ((c->flags & F_STALLED) == 0) {
		c->flags |= F_STALLED;
		s->stalled++;
		t->stalled++;
	}
	return t->pressure < TCP_PRESSURE_SHRINK || s->stalled <= source_share(t);
}

void source_unstall(struct tcp *t, struct tcb *c) {
	if ((c->flags & F_STALLED) == 0)
		return;
	source_of(t, c)->stalled--;
	t->stalled--;
	source_leave(c, F_STALLED);
}

static void budget_refill(struct tcp *t) {
	uint32_t second = t->tick / TCP_TICKS_PER_S;
	uint64_t draw = ++t->draws;

	if (t->budget_at == second)
		return;
	t->budget_at = second;
	t->reset_left = t->config.reset_rate;
	// Between half and all of it (RFC 5961 section 7; CVE-2016-5696: a budget that can be
	// counted from one connection tells about another).
	uint32_t half = t->config.challenge_rate / 2;
	uint64_t random = siphash13(t->config.seed, &draw, sizeof(draw));
	t->challenge_left = half + (uint32_t)(random % (half + 1));
}

bool budget_challenge(struct tcp *t) {
	budget_refill(t);
	if (t->challenge_left == 0)
		return false;
	t->challenge_left--;
	return true;
}

bool budget_reset(struct tcp *t) {
	budget_refill(t);
	if (t->reset_left == 0)
		return false;
	t->reset_left--;
	return true;
}

static bool v4_usable(const uint8_t *a) {
	// 0/8, loopback, multicast, reserved and broadcast
	return a[0] != 0 && a[0] != 127 && a[0] < 224;
}

static bool v6_usable(const uint8_t *a) {
	static const uint8_t zero[15];

	if (a[0] == 0xff)
		return false;
	return memcmp(a, zero, 15) != 0 || a[15] > 1; // :: and ::1
}

// RFC 9293 section 3.9.2.3, RFC 1122 section 3.2.1.3. Both ends; a peer with our own address is a
// loop or a forgery.
bool address_usable(const struct tcp *, const struct flow_key *key) {
	if (key->protocol != 6 || key->remote_port == 0)
		return false;
	if (memcmp(key->remote, key->local, 16) == 0)
		return false;
	if (key->family == 4)
		return v4_usable(key->remote) && v4_usable(key->local);
	return key->family == 6 && v6_usable(key->remote) && v6_usable(key->local);
}

bool is_balancer(const struct tcp *t, const struct flow_key *key) {
	for (uint32_t i = 0; i < t->config.balancer_count; i++) {
		const struct tcp_prefix *p = &t->config.balancers[i];
		unsigned whole = p->bits / 8;
		uint8_t mask = (uint8_t)(0xff00 >> p->bits % 8);
		if (p->family != key->family || p->realm != key->realm
		    || memcmp(p->address, key->remote, whole) != 0)
			continue;
		if (mask == 0 || ((p->address[whole] ^ key->remote[whole]) & mask) == 0)
			return true;
	}
	return false;
}
