// SPDX-License-Identifier: Apache-2.0
#include "dataplane/coap/state.h"

#define ANSWER_MAX 256

void coap_send_empty(
	struct coap_server *s,
	const struct flow_key *key,
	const struct net_path *path,
	enum coap_type type,
	uint16_t mid
) {
	uint8_t out[COAP_HEADER_BYTES];
	struct coap_writer w =
		coap_write(out, sizeof(out), type, COAP_EMPTY, mid, (struct view) {0});

	s->env.adapter.send(s->env.adapter.owner, key, path, out, coap_writer_len(&w));
	coap_count(s, type == COAP_ACK ? COAP_EMPTY_ACK : COAP_RESET_SENT);
}

void coap_send_answer(
	struct coap_server *s,
	const struct coap_target *to,
	const struct coap_answer *a
) {
	uint8_t out[ANSWER_MAX];
	struct coap_writer w = coap_write(out, sizeof(out), to->type, a->code, to->mid, to->token);

	if (a->code == COAP_UNAVAILABLE)
		coap_write_uint(&w, COAP_MAX_AGE, s->max_age_s);
	if (a->has_block1)
		coap_write_block(&w, COAP_BLOCK1, &a->block1);
	if (a->size1 > 0)
		coap_write_uint(&w, COAP_SIZE1, a->size1);

	// Words for people are worth no amplification (RFC 9175 section 2.4).
	uint32_t with_text = coap_writer_len(&w) + 1 + a->diagnostic.len;
	if (to->proven || !s->echo || with_text <= to->request_len)
		coap_write_payload(&w, a->diagnostic);
	s->env.adapter.send(s->env.adapter.owner, to->key, to->path, out, coap_writer_len(&w));
}

struct coap_target coap_first_target(const struct coap_exchange *x) {
	bool con = x->m.type == COAP_CON;

	return (struct coap_target) {
		.key = x->d->key,
		.path = &x->d->path,
		.token = x->m.token,
		.type = con ? COAP_ACK : COAP_NON,
		.mid = con ? x->m.mid : mirrored_mid(x->endpoint, x->m.mid),
		.request_len = x->d->len,
		.proven = x->proven,
	};
}

struct coap_target coap_pending_target(const struct pending *p, bool separate) {
	struct coap_target to = {
		.key = &p->key,
		.path = &p->path,
		.token = view_of(p->token, p->token_len),
		.type = COAP_ACK,
		.mid = p->mid,
		.request_len = p->request_len,
		.proven = p->proven,
	};

	if (separate || p->type == COAP_NON) {
		to.type = p->type;
		to.mid = p->own_mid;
	}
	return to;
}

uint64_t coap_endpoint(const struct coap_server *s, const struct flow_key *key) {
	return siphash13(s->env.adapter.identity, key, sizeof(*key));
}

static uint64_t echo_mac(const struct coap_server *s, uint64_t endpoint, uint32_t made_s) {
	uint64_t words[2] = {endpoint, (uint64_t)made_s << 32 | 0x4563686f};

	return siphash13(s->env.adapter.secret, words, sizeof(words));
}

void coap_echo_make(const struct coap_server *s, uint64_t endpoint, uint8_t out[ECHO_BYTES]) {
	uint32_t made_s = seconds_of(s->now_ns);
	uint64_t mac = echo_mac(s, endpoint, made_s);

	memcpy(out, &made_s, 4);
	memcpy(out + 4, &mac, 8);
}

bool coap_echo_fresh(const struct coap_server *s, uint64_t endpoint, struct view value) {
	uint32_t made_s;
	uint64_t mac;

	if (value.len != ECHO_BYTES)
		return false;
	memcpy(&made_s, value.p, 4);
	memcpy(&mac, value.p + 4, 8);
	return seconds_of(s->now_ns) - made_s <= ECHO_LIFETIME_S
		&& mac == echo_mac(s, endpoint, made_s);
}
