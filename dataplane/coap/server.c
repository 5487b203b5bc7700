// SPDX-License-Identifier: Apache-2.0
#include "dataplane/coap/server.h"
#include "dataplane/coap/state.h"

#include <errno.h>
#include <stdlib.h>

#define TIMERS_PER_POLL 256
#define EXPIRIES_PER_POLL 256

const char *coap_counter_label(enum coap_counter c) {
	static const char *const labels[COAP_COUNTER_COUNT] = {
#define X(id, label) [id] = label,
		COAP_COUNTERS(X)
#undef X
	};
	return c < COAP_COUNTER_COUNT ? labels[c] : "?";
}

int coap_create(const struct coap_env *env, const struct config *c, struct coap_server **out) {
	struct coap_server *s = calloc(1, sizeof(*s));
	// Pending entries are never evicted, so they must not be able to fill the table.
	uint32_t exchanges = c->coap.exchanges;

	if (s == nullptr)
		return -ENOMEM;
	s->env = *env;
	if (exchanges < 2 * c->coap.pending)
		exchanges = 2 * c->coap.pending;
	int ret = exchange_table_init(&s->exchanges, exchanges);
	if (ret == 0)
		ret = pending_init(&s->pending, c->coap.pending);
	if (ret == 0)
		ret = uploads_init(
			&s->uploads,
			c->coap.uploads,
			c->coap.upload_bytes,
			c->coap.upload_timeout_ms * NANOS_PER_MS
		);
	if (ret < 0) {
		coap_destroy(s);
		return ret;
	}
	coap_use(s, c);
	*out = s;
	return 0;
}

void coap_destroy(struct coap_server *s) {
	if (s == nullptr)
		return;
	exchange_table_fini(&s->exchanges);
	pending_fini(&s->pending);
	uploads_fini(&s->uploads);
	free(s);
}

void coap_use(struct coap_server *s, const struct config *c) {
	s->ack_delay_ns = c->coap.ack_delay_ms * NANOS_PER_MS;
	s->max_age_s = c->coap.max_age_s;
	s->echo = c->coap.echo;
	s->uploads.timeout_ns = c->coap.upload_timeout_ms * NANOS_PER_MS;
}

void coap_ahead_begin(struct coap_server *s) {
	s->ahead_count = 0;
	s->ahead_next = 0;
}

void coap_ahead(struct coap_server *s, const struct flow_key *key, struct view datagram) {
	struct coap_ahead *a = &s->ahead[s->ahead_count];

	if (s->ahead_count == COAP_AHEAD_MAX || datagram.len < COAP_HEADER_BYTES)
		return;
	a->key = key;
	a->mid = (uint16_t)(datagram.p[2] << 8 | datagram.p[3]);
	a->endpoint = coap_endpoint(s, key);
	a->exchange = exchange_key(s, a->endpoint, a->mid);
	exchange_prefetch_head(&s->exchanges, a->exchange);
	s->ahead_count++;
}

void coap_ahead_end(struct coap_server *s) {
	for (uint32_t i = 0; i < s->ahead_count; i++)
		exchange_prefetch_entry(&s->exchanges, s->ahead[i].exchange);
}

// Endpoint and exchange of a request, announced or not.
static void exchange_name(struct coap_server *s, struct coap_exchange *x) {
	for (; s->ahead_next < s->ahead_count; s->ahead_next++) {
		const struct coap_ahead *a = &s->ahead[s->ahead_next];
		if (a->key != x->d->key || a->mid != x->m.mid)
			continue;
		s->ahead_next++;
		x->endpoint = a->endpoint;
		x->key = a->exchange;
		return;
	}
	x->endpoint = coap_endpoint(s, x->d->key);
	x->key = exchange_key(s, x->endpoint, x->m.mid);
}

// Section 4.2 and 4.5: what a copy of a message gets.
static void
copy_input(struct coap_server *s, const struct coap_exchange *x, const struct exchange *e) {
	// Blocks but the last are no messages of the ledger, and neither are their copies.
	if (e->code != COAP_CONTINUE)
		adapter_duplicate(s->env.adapter.ledger);
	if (x->m.type != COAP_CON || e->state == EXCHANGE_PENDING)
		return;
	coap_count(s, COAP_COPY_ANSWERED);
	if (e->state != EXCHANGE_DONE) {
		coap_send_empty(s, x->d->key, &x->d->path, COAP_ACK, x->m.mid);
		return;
	}
	struct coap_request r;
	struct coap_answer a = {.code = e->code};
	struct coap_target to = coap_first_target(x);

	coap_request_decode(&x->m, &r);
	if (coap_code_class(e->code) == 2) {
		a.has_block1 = r.has_block1;
		a.block1 = r.block1;
	}
	coap_send_answer(s, &to, &a);
}

static void
request_input(struct coap_server *s, const struct datagram *d, const struct coap_message *m) {
	struct coap_exchange x = {.d = d, .m = *m};

	// Section 8.1: a group is never asked for a confirmation.
	if (d->multicast) {
		coap_count(s, COAP_MULTICAST);
		if (m->type == COAP_CON) {
			adapter_refused(s->env.adapter.ledger, REFUSE_PROTOCOL);
			return;
		}
	}
	exchange_name(s, &x);
	// Everything behind the first byte: code, message id, token, options, payload.
	x.seq = siphash13(s->env.adapter.identity, d->bytes + 1, d->len - 1);
	const struct exchange *e = exchange_lookup(&s->exchanges, x.key, seconds_of(s->now_ns));
	if (e != nullptr && e->fingerprint == (uint32_t)x.seq) {
		copy_input(s, &x, e);
		return;
	}
	if (e != nullptr)
		coap_count(s, COAP_MID_REUSED);
	coap_request_input(s, &x);
}

static void retransmission_end(struct coap_server *s, struct pending *p) {
	s->waiting.answers--;
	pending_give(&s->pending, p);
}

// An ACK or RST for a separate response ends its retransmission.
static void
reply_input(struct coap_server *s, const struct datagram *d, const struct coap_message *m) {
	uint64_t endpoint = coap_endpoint(s, d->key);
	uint64_t key = exchange_key(s, endpoint, mirrored_mid(endpoint, m->mid));
	struct pending *p = pending_lookup(&s->pending, key);

	coap_count(s, m->type == COAP_ACK ? COAP_ACK_RECEIVED : COAP_RESET_RECEIVED);
	if (m->code != COAP_EMPTY || p == nullptr || p->state != PENDING_RETRANSMIT)
		coap_count(s, COAP_STRAY);
	else
		retransmission_end(s, p);
}

static void
ping_input(struct coap_server *s, const struct datagram *d, const struct coap_message *m) {
	coap_count(s, COAP_PING);
	if (m->type == COAP_CON && !d->multicast)
		coap_send_empty(s, d->key, &d->path, COAP_RST, m->mid);
}

void coap_input(struct coap_server *s, const struct datagram *d) {
	struct coap_message m;

	s->now_ns = d->now_ns;
	if (!listener_trusts(d->listener, d->key)) {
		adapter_refused(s->env.adapter.ledger, REFUSE_UNTRUSTED);
		return;
	}
	enum coap_rc rc = coap_decode(view_of(d->bytes, d->len), &m);
	s->stats.decoded[rc]++;
	if (rc != COAP_OK) {
		adapter_refused(s->env.adapter.ledger, REFUSE_PROTOCOL);
		bool silent = rc == COAP_BAD_SHORT || rc == COAP_BAD_VERSION || d->multicast;
		if (m.type == COAP_CON && !silent)
			coap_send_empty(s, d->key, &d->path, COAP_RST, m.mid);
		return;
	}
	if (m.type == COAP_ACK || m.type == COAP_RST)
		reply_input(s, d, &m);
	else if (m.code == COAP_EMPTY)
		ping_input(s, d, &m);
	else if (coap_code_class(m.code) == 0)
		request_input(s, d, &m);
	else {
		// A response to a request that we never made.
		coap_count(s, COAP_STRAY);
		if (m.type == COAP_CON && !d->multicast)
			coap_send_empty(s, d->key, &d->path, COAP_RST, m.mid);
	}
}

// NULL if the entry had to make room meanwhile, or names another message by now.
static struct exchange *exchange_of(struct coap_server *s, const struct pending *p) {
	struct exchange *e = exchange_at(&s->exchanges, p->exchange_place, p->exchange);

	if (e == nullptr)
		e = exchange_lookup(&s->exchanges, p->exchange, seconds_of(s->now_ns));
	return e != nullptr && e->fingerprint == p->fingerprint ? e : nullptr;
}

static void exchange_set(
	struct coap_server *s,
	const struct pending *p,
	enum exchange_state state,
	uint8_t code
) {
	struct exchange *e = exchange_of(s, p);

	if (e == nullptr)
		return;
	e->state = state;
	e->code = code;
}

static void pending_answer(struct coap_server *s, const struct pending *p, bool separate) {
	struct coap_target to = coap_pending_target(p, separate);
	struct coap_answer a = {
		.code = p->code,
		.diagnostic = p->diagnostic,
		.has_block1 = p->has_block1 && coap_code_class(p->code) == 2,
		.block1 = p->block1,
	};

	coap_send_answer(s, &to, &a);
}

static struct view diagnostic_of(const struct verdict *v) {
	const char *text = "";

	if (v->outcome == OUTCOME_SHED)
		text = shed_reason_label(v->shed);
	else if (v->outcome == OUTCOME_REFUSED)
		text = v->refuse == REFUSE_MALFORMED ? payload_rc_label(v->payload)
						     : refuse_reason_label(v->refuse);
	return view_of(text, (uint32_t)strlen(text));
}

static bool unwanted(const struct pending *p) {
	// To a Confirmable request an empty ACK in place of 5.03 would say that the message was
	// accepted; No-Response is elective, so the truth is sent (RFC 7967 section 2).
	if (p->type == COAP_CON && p->code == COAP_UNAVAILABLE)
		return false;
	return (p->no_response & 1u << (coap_code_class(p->code) - 1)) != 0;
}

static void retransmission_start(struct coap_server *s, struct pending *p) {
	// ACK_TIMEOUT x [1, ACK_RANDOM_FACTOR)
	p->timeout_ms = ACK_TIMEOUT_MS
		+ (uint32_t)(s->env.random(s->env.adapter.owner) % (ACK_TIMEOUT_MS / 2));
	p->tries = 0;
	p->state = PENDING_RETRANSMIT;
	s->waiting.answers++;
	pending_timer_set(&s->pending, p, s->now_ns, s->now_ns + p->timeout_ms * NANOS_PER_MS);
}

static void first_answer(struct coap_server *s, const struct pending *p) {
	if (!unwanted(p)) {
		exchange_set(s, p, EXCHANGE_DONE, p->code);
		pending_answer(s, p, false);
		coap_count(s, p->type == COAP_CON ? COAP_PIGGYBACKED : COAP_NON_RESPONSE);
		return;
	}
	exchange_set(s, p, EXCHANGE_DONE_ACKED, p->code);
	coap_count(s, COAP_SUPPRESSED);
	if (p->type == COAP_CON)
		coap_send_empty(s, &p->key, &p->path, COAP_ACK, p->mid);
}

void coap_done(void *server, uint32_t token, const struct verdict *v) {
	struct coap_server *s = server;
	struct pending *p = &s->pending.slots[token];
	enum pending_state state = p->state;

	if (state != PENDING_WAIT && state != PENDING_ACKED && state != PENDING_ANSWERED)
		return;
	s->waiting.requests--;
	pending_timer_stop(&s->pending, p);
	p->code = coap_code_of(v);
	p->diagnostic = diagnostic_of(v);
	switch (state) {
	case PENDING_WAIT:
		first_answer(s, p);
		break;
	case PENDING_ACKED:
		exchange_set(s, p, EXCHANGE_DONE_ACKED, p->code);
		if (unwanted(p)) {
			coap_count(s, COAP_SUPPRESSED);
			break;
		}
		pending_answer(s, p, true);
		coap_count(s, COAP_SEPARATE);
		retransmission_start(s, p);
		return;
	case PENDING_ANSWERED:
		// The device was told 5.03; a copy of its request now gets the outcome.
		exchange_set(s, p, EXCHANGE_DONE, p->code);
		break;
	default:
		break;
	}
	pending_give(&s->pending, p);
}

static void ack_delay_due(struct coap_server *s, struct pending *p) {
	if (p->separate) {
		coap_send_empty(s, &p->key, &p->path, COAP_ACK, p->mid);
		exchange_set(s, p, EXCHANGE_PENDING_ACKED, 0);
		p->state = PENDING_ACKED;
		return;
	}
	p->code = COAP_UNAVAILABLE;
	p->state = PENDING_ANSWERED;
	exchange_set(s, p, EXCHANGE_DONE, p->code);
	pending_answer(s, p, false);
	coap_count(s, COAP_PIGGYBACKED);
}

static void retransmission_due(struct coap_server *s, struct pending *p) {
	if (p->tries == MAX_RETRANSMIT) {
		coap_count(s, COAP_GAVE_UP);
		retransmission_end(s, p);
		return;
	}
	p->tries++;
	p->timeout_ms *= 2;
	pending_answer(s, p, true);
	coap_count(s, COAP_RETRANSMITTED);
	pending_timer_set(&s->pending, p, s->now_ns, s->now_ns + p->timeout_ms * NANOS_PER_MS);
}

static void timer_due(struct coap_server *s, struct pending *p) {
	switch (p->state) {
	case PENDING_WAIT:
		ack_delay_due(s, p);
		break;
	case PENDING_RETRANSMIT:
		retransmission_due(s, p);
		break;
	case PENDING_LEISURE:
		coap_discovery_due(s, p);
		pending_give(&s->pending, p);
		break;
	default:
		break;
	}
}

// An upload that ends before its body is whole was a message all the same.
static void uploads_poll(struct coap_server *s) {
	uploads_release(&s->uploads);
	for (; s->uploads.ended_early > 0; s->uploads.ended_early--)
		adapter_shed(s->env.adapter.ledger, SHED_UPLOAD_LIMIT);
	s->stats.count[COAP_UPLOAD_REPLACED] = s->uploads.replaced;
	s->stats.count[COAP_UPLOAD_EXPIRED] = s->uploads.expired;
	s->stats.count[COAP_EVICTED] = s->exchanges.evicted;
}

uint64_t coap_poll(struct coap_server *s, uint64_t now_ns) {
	struct pending *p;

	s->now_ns = now_ns;
	for (unsigned n = 0; n < TIMERS_PER_POLL; n++) {
		p = pending_due(&s->pending, now_ns);
		if (p == nullptr)
			break;
		timer_due(s, p);
	}
	uint64_t next = pending_next_due(&s->pending);
	uint64_t upload = uploads_expire(&s->uploads, now_ns);
	uploads_poll(s);
	uint32_t exchange_s = exchange_expire(&s->exchanges, seconds_of(now_ns), EXPIRIES_PER_POLL);
	uint64_t exchange = exchange_s == UINT32_MAX ? UINT64_MAX : exchange_s * NANOS_PER_S;

	if (upload < next)
		next = upload;
	return exchange < next ? exchange : next;
}

const struct coap_stats *coap_stats(const struct coap_server *s) {
	return &s->stats;
}

uint32_t coap_pending(const struct coap_server *s) {
	return s->pending.used;
}

struct coap_waiting coap_waiting(const struct coap_server *s) {
	return s->waiting;
}
