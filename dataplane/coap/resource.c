// SPDX-License-Identifier: Apache-2.0
#include "dataplane/coap/state.h"

// The resources: /.well-known/core and /t/{device}/{stream}.

#define FORMAT_TEXT 0
#define FORMAT_LINK 40
#define FORMAT_OCTETS 42
#define FORMAT_JSON 50
#define FORMAT_CBOR 60
#define FORMAT_SENML_JSON 110
#define FORMAT_SENML_CBOR 112

#define TELEMETRY_SEGMENTS 3

static const char links[] = "</t>;rt=\"sluice.telemetry\";title=\"POST /t/{device}/{stream}\""
			    ";ct=\"42 50 60 110 112\"";
#define LINKS ((struct view) {(const uint8_t *)links, sizeof(links) - 1})

static struct view text_of(const char *s) {
	return view_of(s, (uint32_t)strlen(s));
}

uint8_t coap_code_of(const struct verdict *v) {
	static const uint8_t refused[REFUSE_REASON_COUNT] = {
		[REFUSE_MALFORMED] = COAP_BAD_REQUEST,
		[REFUSE_FORMAT] = COAP_UNSUPPORTED_FORMAT,
		[REFUSE_TOO_LARGE] = COAP_ENTITY_TOO_LARGE,
		[REFUSE_NO_DEVICE] = COAP_BAD_REQUEST,
		[REFUSE_DEVICE_UNKNOWN] = COAP_FORBIDDEN,
		[REFUSE_DEVICE_STATE] = COAP_FORBIDDEN,
		[REFUSE_BLOCKED] = COAP_FORBIDDEN,
		[REFUSE_CLAIM] = COAP_FORBIDDEN,
		[REFUSE_UNTRUSTED] = COAP_FORBIDDEN,
		[REFUSE_PROTECTION] = COAP_UNAUTHORIZED,
		[REFUSE_REPLAY] = COAP_FORBIDDEN,
		[REFUSE_PROTOCOL] = COAP_BAD_REQUEST,
		[REFUSE_PATH] = COAP_NOT_FOUND,
		[REFUSE_METHOD] = COAP_METHOD_NOT_ALLOWED,
		[REFUSE_VALIDATION] = COAP_BAD_REQUEST,
		[REFUSE_SIGNATURE] = COAP_FORBIDDEN,
		[REFUSE_SINK] = COAP_INTERNAL_ERROR,
	};

	if (v->outcome == OUTCOME_ACKED)
		return COAP_CHANGED;
	if (v->outcome == OUTCOME_SHED)
		return COAP_UNAVAILABLE;
	uint8_t code = v->refuse < REFUSE_REASON_COUNT ? refused[v->refuse] : 0;
	return code != 0 ? code : COAP_BAD_REQUEST;
}

static bool suppressed(const struct coap_exchange *x, uint8_t code) {
	if (x->d->multicast)
		return true;
	if (!x->r.has_no_response || x->m.type == COAP_CON)
		return false;
	return (x->r.no_response & 1u << (coap_code_class(code) - 1)) != 0;
}

// Answer at once and remember the answer for copies.
static void answer(struct coap_server *s, struct coap_exchange *x, const struct coap_answer *a) {
	struct exchange *e = exchange_insert(
		&s->exchanges,
		x->key,
		(uint32_t)x->seq,
		x->m.type == COAP_CON,
		seconds_of(s->now_ns)
	);

	e->state = EXCHANGE_DONE;
	e->code = a->code;
	if (suppressed(x, a->code)) {
		coap_count(s, COAP_SUPPRESSED);
		return;
	}
	struct coap_target to = coap_first_target(x);
	coap_send_answer(s, &to, a);
	coap_count(s, x->m.type == COAP_CON ? COAP_PIGGYBACKED : COAP_NON_RESPONSE);
}

static void
refuse(struct coap_server *s,
       struct coap_exchange *x,
       enum refuse_reason why,
       uint8_t code,
       const char *text) {
	struct coap_answer a = {.code = code, .diagnostic = text_of(text)};

	adapter_refused(s->env.adapter.ledger, why);
	answer(s, x, &a);
}

static void shed(struct coap_server *s, struct coap_exchange *x, enum shed_reason why) {
	struct coap_answer a = {
		.code = COAP_UNAVAILABLE,
		.diagnostic = text_of(shed_reason_label(why)),
	};

	adapter_shed(s->env.adapter.ledger, why);
	answer(s, x, &a);
}

// Writes the link list, or the block of it that the request asks for.
static void
links_send(struct coap_server *s, const struct coap_target *to, const struct coap_request *r) {
	uint8_t out[256];
	struct coap_writer w =
		coap_write(out, sizeof(out), to->type, COAP_CONTENT, to->mid, to->token);
	struct view body = LINKS;

	coap_write_uint(&w, COAP_CONTENT_FORMAT, FORMAT_LINK);
	if (r->has_block2) {
		struct coap_block b = r->block2;
		uint32_t offset = coap_block_offset(&b);
		body.p += offset;
		body.len -= offset;
		b.more = body.len > coap_block_size(&b);
		if (b.more)
			body.len = coap_block_size(&b);
		coap_write_block(&w, COAP_BLOCK2, &b);
	}
	coap_write_payload(&w, body);
	s->env.adapter.send(s->env.adapter.owner, to->key, to->path, out, coap_writer_len(&w));
}

static void echo_challenge(struct coap_server *s, struct coap_exchange *x) {
	struct coap_target to = coap_first_target(x);
	uint8_t echo[ECHO_BYTES];
	uint8_t out[64];
	struct coap_writer w =
		coap_write(out, sizeof(out), to.type, COAP_UNAUTHORIZED, to.mid, to.token);

	coap_echo_make(s, x->endpoint, echo);
	coap_write_option(&w, COAP_ECHO, view_of(echo, sizeof(echo)));
	s->env.adapter.send(s->env.adapter.owner, to.key, to.path, out, coap_writer_len(&w));
	coap_count(s, COAP_ECHO_ASKED);
}

// Section 8.2: an answer to a group comes after a random part of the leisure time, from an address
// of ours. A challenge would say nothing useful to a group, so an unproven asker gets no answer
// that is larger than its question; it may ask us by unicast.
static void discovery_multicast(struct coap_server *s, struct coap_exchange *x) {
	struct flow_key key = *x->d->key;

	if (s->env.unicast_local == nullptr || (s->echo && !x->proven)
	    || !s->env.unicast_local(s->env.adapter.owner, &key, &x->d->path))
		return;
	struct pending *p = pending_take(&s->pending, x->key);
	if (p == nullptr)
		return;
	p->state = PENDING_LEISURE;
	p->key = key;
	p->path = x->d->path;
	p->type = COAP_NON;
	p->mid = x->m.mid;
	// By the address of ours that the answer comes from, not by the group.
	p->own_mid = mirrored_mid(coap_endpoint(s, &key), x->m.mid);
	p->proven = x->proven;
	p->token_len = (uint8_t)x->m.token.len;
	if (x->m.token.len > 0)
		memcpy(p->token, x->m.token.p, x->m.token.len);
	uint64_t leisure_ms = s->env.random(s->env.adapter.owner) % DEFAULT_LEISURE_MS;
	pending_timer_set(&s->pending, p, s->now_ns, s->now_ns + leisure_ms * NANOS_PER_MS);
}

void coap_discovery_due(struct coap_server *s, const struct pending *p) {
	struct coap_target to = coap_pending_target(p, false);

	links_send(s, &to, &(struct coap_request) {0});
}

// A GET is idempotent: its copies are simply answered again (section 4.5), and it is no message of
// the ledger.
static void discovery(struct coap_server *s, struct coap_exchange *x) {
	bool block_exists = !x->r.has_block2 || coap_block_offset(&x->r.block2) < sizeof(links) - 1;

	coap_count(s, COAP_DISCOVERY);
	if (x->d->multicast) {
		discovery_multicast(s, x);
		return;
	}
	struct coap_target to = coap_first_target(x);
	struct coap_answer a = {0};
	if (!block_exists)
		a.code = COAP_BAD_REQUEST;
	else if (x->r.accept != COAP_NO_FORMAT && x->r.accept != FORMAT_LINK)
		a.code = COAP_NOT_ACCEPTABLE;
	if (a.code != 0)
		coap_send_answer(s, &to, &a);
	else if (s->echo && !x->proven)
		echo_challenge(s, x); // the list is longer than any request for it
	else
		links_send(s, &to, &x->r);
}

// Content-Format, or the listener's own. text/plain is whatever text the listener expects.
static bool format_of(const struct coap_exchange *x, enum payload_format *out) {
	switch (x->r.content_format) {
	case FORMAT_TEXT:
		return *out == PAYLOAD_LINE || *out == PAYLOAD_JSON;
	case FORMAT_OCTETS:
		*out = PAYLOAD_RAW;
		break;
	case FORMAT_JSON:
		*out = PAYLOAD_JSON;
		break;
	case FORMAT_CBOR:
		*out = PAYLOAD_CBOR;
		break;
	case FORMAT_SENML_JSON:
		*out = PAYLOAD_SENML_JSON;
		break;
	case FORMAT_SENML_CBOR:
		*out = PAYLOAD_SENML_CBOR;
		break;
	default:
		return x->r.content_format == COAP_NO_FORMAT;
	}
	return true;
}

// Joins the path segments with '/' where they lie: each had an option header of at least one byte
// in front of it, so the path is never longer than what it replaces. False if a segment is empty
// or holds a '/' of its own.
static bool path_join(const struct coap_exchange *x, struct view *out) {
	const struct coap_request *r = &x->r;
	uint8_t *start = x->d->bytes + (r->segments[0].p - x->d->bytes);
	uint8_t *p = start;

	for (uint32_t i = 0; i < r->segment_count; i++) {
		struct view s = r->segments[i];
		if (s.len == 0 || memchr(s.p, '/', s.len) != nullptr)
			return false;
		if (i > 0)
			*p++ = '/';
		memmove(p, s.p, s.len);
		p += s.len;
	}
	*out = view_of(start, (uint32_t)(p - start));
	return true;
}

static uint64_t
upload_key(const struct coap_server *s, const struct coap_exchange *x, struct view path) {
	uint64_t words[4] = {
		x->endpoint,
		siphash13(s->env.adapter.secret, path.p, path.len),
		x->r.request_tag.p != nullptr ? x->r.request_tag.len + 1 : 0,
	};

	if (x->r.request_tag.len > 0)
		memcpy(&words[3], x->r.request_tag.p, x->r.request_tag.len);
	return siphash13(s->env.adapter.secret, words, sizeof(words));
}

// False: the block is answered, there is no body yet.
static bool block_input(struct coap_server *s, struct coap_exchange *x, struct message *m) {
	struct coap_answer a = {
		.code = COAP_CONTINUE,
		.has_block1 = true,
		.block1 = x->r.block1,
	};

	coap_count(s, COAP_BLOCK);
	enum upload_rc rc = upload_add(
		&s->uploads,
		upload_key(s, x, m->path),
		&x->r.block1,
		x->m.payload,
		x->r.has_size1 ? x->r.size1 : 0,
		s->now_ns,
		&m->payload
	);
	switch (rc) {
	case UPLOAD_COMPLETE:
		return true;
	case UPLOAD_MORE:
		if (x->r.block1.num == 0)
			coap_count(s, COAP_UPLOAD_STARTED);
		answer(s, x, &a);
		break;
	case UPLOAD_GAP:
		coap_count(s, COAP_BLOCK_LOST);
		refuse(s, x, REFUSE_PROTOCOL, COAP_INCOMPLETE, "block out of sequence");
		break;
	case UPLOAD_TOO_LARGE:
		a = (struct coap_answer) {
			.code = COAP_ENTITY_TOO_LARGE,
			.size1 = s->uploads.bytes,
		};
		adapter_refused(s->env.adapter.ledger, REFUSE_TOO_LARGE);
		answer(s, x, &a);
		break;
	case UPLOAD_BAD_SIZE:
		refuse(s, x, REFUSE_PROTOCOL, COAP_BAD_REQUEST, "block size");
		break;
	case UPLOAD_FULL:
		shed(s, x, SHED_UPLOAD_LIMIT);
		break;
	}
	return false;
}

static bool nobody_listens(const struct coap_exchange *x) {
	const uint8_t all = NO_RESPONSE_2XX | NO_RESPONSE_4XX | NO_RESPONSE_5XX;

	return x->d->multicast || (x->m.type == COAP_NON && (x->r.no_response & all) == all);
}

static void pending_fill(
	struct coap_server *s,
	struct pending *p,
	const struct coap_exchange *x,
	bool separate
) {
	p->state = PENDING_WAIT;
	p->key = *x->d->key;
	p->path = x->d->path;
	p->fingerprint = (uint32_t)x->seq;
	p->mid = x->m.mid;
	p->own_mid = mirrored_mid(x->endpoint, x->m.mid);
	p->type = x->m.type;
	p->request_len = x->d->len;
	p->proven = x->proven;
	p->separate = separate;
	p->no_response = x->r.has_no_response ? x->r.no_response : 0;
	p->has_block1 = x->r.has_block1;
	p->block1 = x->r.block1;
	p->token_len = (uint8_t)x->m.token.len;
	if (x->m.token.len > 0)
		memcpy(p->token, x->m.token.p, x->m.token.len);

	// Where 2.xx is suppressed the empty ACK is all that says "accepted", so it waits for the
	// contract; copies that come meanwhile are attached.
	bool may_ack_early = (p->no_response & NO_RESPONSE_2XX) == 0;
	if (p->type == COAP_CON && may_ack_early)
		pending_timer_set(&s->pending, p, s->now_ns, s->now_ns + s->ack_delay_ns);
}

static void hand_over(struct coap_server *s, struct coap_exchange *x, struct message *m) {
	bool con = x->m.type == COAP_CON;
	struct pending *p = nullptr;

	if (!nobody_listens(x)) {
		p = pending_take(&s->pending, x->key);
		if (p == nullptr && con) {
			shed(s, x, SHED_NO_TOKEN);
			return;
		}
		if (p == nullptr)
			coap_count(s, COAP_UNANSWERED);
	}
	struct exchange *e = exchange_insert(
		&s->exchanges, x->key, (uint32_t)x->seq, con, seconds_of(s->now_ns)
	);
	if (p != nullptr) {
		bool separate = m->profile == nullptr || m->profile->separate;
		pending_fill(s, p, x, separate);
		p->exchange_place = exchange_place(&s->exchanges, e);
		m->token = pending_index(&s->pending, p);
		s->waiting.requests++;
	} else {
		e->state = EXCHANGE_DONE;
	}
	s->env.adapter.push(s->env.adapter.owner, m);
}

static void telemetry(struct coap_server *s, struct coap_exchange *x) {
	struct message m = message_of(&s->env.adapter, TRANSPORT_COAP, x->d);

	if (x->m.code != COAP_POST && x->m.code != COAP_PUT) {
		refuse(s, x, REFUSE_METHOD, COAP_METHOD_NOT_ALLOWED, "POST or PUT");
		return;
	}
	if (!format_of(x, &m.format)) {
		refuse(s, x, REFUSE_FORMAT, COAP_UNSUPPORTED_FORMAT, "content format");
		return;
	}
	if (x->r.query_count > 0) {
		refuse(s, x, REFUSE_PROTOCOL, COAP_BAD_REQUEST, "no query here");
		return;
	}
	if (!path_join(x, &m.path)) {
		refuse(s, x, REFUSE_PATH, COAP_NOT_FOUND, "path segment");
		return;
	}
	m.payload = x->m.payload;
	m.epoch = x->endpoint;
	m.seq = x->seq;
	m.proven = x->proven;
	bool whole = x->r.block1.num == 0 && !x->r.block1.more;
	if (x->r.has_block1 && !whole && !block_input(s, x, &m))
		return;
	hand_over(s, x, &m);
}

static bool segment_is(const struct coap_request *r, uint32_t i, struct view name) {
	return view_equal(r->segments[i], name);
}

void coap_request_input(struct coap_server *s, struct coap_exchange *x) {
	const struct coap_request *r = &x->r;

	switch (coap_request_decode(&x->m, &x->r)) {
	case COAP_REQUEST_OK:
		break;
	case COAP_REQUEST_BAD_OPTION:
		refuse(s, x, REFUSE_PROTOCOL, COAP_BAD_OPTION_RESPONSE, "critical option");
		return;
	case COAP_REQUEST_PROXY:
		refuse(s, x, REFUSE_PROTOCOL, COAP_NO_PROXY, "no proxy");
		return;
	case COAP_REQUEST_PATH:
		refuse(s, x, REFUSE_PATH, COAP_NOT_FOUND, "path");
		return;
	case COAP_REQUEST_BLOCK:
		refuse(s, x, REFUSE_PROTOCOL, COAP_BAD_REQUEST, "block size");
		return;
	}
	if (r->echo.len > 0) {
		x->proven = coap_echo_fresh(s, x->endpoint, r->echo);
		if (!x->proven)
			coap_count(s, COAP_ECHO_BAD);
	}

	if (r->segment_count == TELEMETRY_SEGMENTS && segment_is(r, 0, VIEW_LITERAL("t")))
		telemetry(s, x);
	else if (r->segment_count != 2 || !segment_is(r, 0, VIEW_LITERAL(".well-known"))
		 || !segment_is(r, 1, VIEW_LITERAL("core")))
		refuse(s, x, REFUSE_PATH, COAP_NOT_FOUND, "path");
	else if (x->m.code != COAP_GET)
		refuse(s, x, REFUSE_METHOD, COAP_METHOD_NOT_ALLOWED, "GET");
	else
		discovery(s, x);
}
