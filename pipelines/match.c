// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/match.h"
#include "pipelines/match_set.h"

#include <string.h>

#define STAGE "match"

// What the scans of one message have found so far.
struct looking {
	struct matcher *matcher;
	const struct message *message;
	uint8_t protocol; // bit
	uint8_t kept_count;
	uint32_t kept[MATCH_KEPT]; // gravest first
};

// Single writer: a plain load and store is as correct as a locked add, and cheaper.
static void add(_Atomic(uint64_t) *c, uint64_t n) {
	atomic_store_explicit(
		c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed
	);
}

static uint8_t protocol_bit(enum transport t) {
	switch (t) {
	case TRANSPORT_UDP:
		return 1u << LISTEN_UDP;
	case TRANSPORT_FRAME:
		return 1u << LISTEN_FRAME;
	case TRANSPORT_COAP:
		return 1u << LISTEN_COAP;
	case TRANSPORT_MQTT:
		return 1u << LISTEN_MQTT;
	default:
		return 0;
	}
}

static bool profile_meant(const struct signature *s, const char *profile) {
	for (uint32_t i = 0; i < s->profile_count; i++)
		if (strcmp(s->profiles[i], profile) == 0)
			return true;
	return s->profile_count == 0;
}

static bool graver(const struct signature *a, const struct signature *b) {
	return a->action != b->action ? a->action > b->action : a->severity > b->severity;
}

static void keep(struct looking *l, const struct signature *all, uint32_t index) {
	uint32_t at = l->kept_count;

	while (at > 0 && graver(&all[index], &all[l->kept[at - 1]]))
		at--;
	if (at == MATCH_KEPT)
		return;
	if (l->kept_count < MATCH_KEPT)
		l->kept_count++;
	for (uint32_t i = l->kept_count - 1u; i > at; i--)
		l->kept[i] = l->kept[i - 1];
	l->kept[at] = index;
}

static bool kept_already(const struct looking *l, uint32_t index) {
	for (uint32_t i = 0; i < l->kept_count; i++)
		if (l->kept[i] == index)
			return true;
	return false;
}

// Scopes that no database can know: protocol and profile. Called once per signature and scan
// (HS_FLAG_SINGLEMATCH). Never ends the scan: the gravest hit may be the last.
static int on_hit(unsigned id, unsigned long long, unsigned long long, unsigned, void *looking) {
	struct looking *l = looking;
	const struct signature *all = l->matcher->set->signatures;
	const struct signature *s = &all[id];

	if ((s->protocols & l->protocol) == 0 || !profile_meant(s, l->message->profile->name)
	    || kept_already(l, id))
		return 0;
	add(&l->matcher->counts[id].hits, 1);
	keep(l, all, id);
	return 0;
}

// Looks at every n-th byte, and at more only where digits are: a window that ends in k digits can
// hold a run only from behind what stands before them.
static bool has_digits(struct view text, uint32_t n) {
	for (uint64_t last = n - 1ull; last < text.len;) {
		uint32_t k = 0;
		while (k < n && (uint8_t)(text.p[last - k] - '0') < 10)
			k++;
		if (k == n)
			return true;
		last += n - k;
	}
	return false;
}

bool match_worth_a_scan(const struct match_set *m, enum match_place place, struct view text) {
	if (m->databases[place] == NULL || text.len == 0)
		return false;
	return place != MATCH_PAYLOAD_NUMBERS || has_digits(text, m->digits_least);
}

static void scan(struct looking *l, enum match_place place, struct view bytes) {
	struct matcher *m = l->matcher;
	const hs_database_t *db = m->set->databases[place];

	if (!match_worth_a_scan(m->set, place, bytes))
		return;
	add(&m->scanned_bytes, bytes.len);
	if (hs_scan(db, (const char *)bytes.p, bytes.len, 0, m->scratch, on_hit, l) != HS_SUCCESS)
		add(&m->errors, 1);
}

static enum finding_action action_of(const struct signature *s, bool proven) {
	switch (s->action) {
	case SIGNATURE_TAG:
		return FINDING_FLAG;
	case SIGNATURE_QUARANTINE:
		return FINDING_QUARANTINE;
	case SIGNATURE_REFUSE:
		return FINDING_REFUSE;
	default:
		return proven ? FINDING_REFUSE : FINDING_QUARANTINE;
	}
}

// The record's finding, or the message's end; false if it ended.
static bool
judge_records(struct burst *b, struct item *it, const struct signature *s, enum finding_action a) {
	const struct found what = {
		.finding = FINDING_SIGNATURE,
		.field = view_of(s->name, (uint32_t)strlen(s->name)),
		.detail = s->id,
	};

	for (uint16_t i = 0; i < it->record_count; i++)
		if (!record_find_as(it, &b->records[it->first_record + i], what, a, STAGE))
			return false;
	return true;
}

static void
enforce(const struct match_enforcer *e, const struct item *it, const struct signature *s) {
	const struct match_order order = {
		.message = &it->m,
		.device = it->m.authenticated ? it->m.device : (struct view) {0},
		.name = view_of(s->name, (uint32_t)strlen(s->name)),
		.signature = s->id,
		.ban_s = s->action == SIGNATURE_BAN ? s->ban_s : 0,
	};

	if (e->enforce != NULL)
		e->enforce(e->owner, &order);
}

static void
judge(struct burst *b, struct item *it, const struct looking *l, const struct match_enforcer *e) {
	const struct signature *all = l->matcher->set->signatures;
	const struct signature *worst = &all[l->kept[0]];
	struct match_count *count = &l->matcher->counts[l->kept[0]];
	bool proven = it->m.proven;
	bool cut = worst->action >= SIGNATURE_DISCONNECT;

	if (cut && !proven)
		add(&count->unproven, 1);
	if (worst->action > SIGNATURE_TAG)
		add(&count->acted, 1);
	for (uint32_t i = 0; i < l->kept_count && it->state == ITEM_GOING; i++) {
		const struct signature *s = &all[l->kept[i]];
		enum finding_action a = action_of(s, proven);
		enum finding_action least = it->m.profile->on[FINDING_SIGNATURE];
		if (!judge_records(b, it, s, a > least ? a : least))
			it->signature = s->id;
	}
	// Malformed already: now it is known what it was.
	if (it->state == ITEM_REFUSED && it->refuse == REFUSE_MALFORMED) {
		it->signature = worst->id;
		if (action_of(worst, proven) == FINDING_REFUSE) {
			item_refuse(it, REFUSE_SIGNATURE, it->payload, STAGE);
			it->finding = FINDING_SIGNATURE;
		}
	}
	if (!cut || !proven)
		return;
	it->disconnect = true;
	enforce(e, it, worst);
}

static bool looks_at(const struct item *it) {
	if (it->m.profile->on[FINDING_SIGNATURE] == FINDING_IGNORE)
		return false;
	return it->state == ITEM_GOING
		|| (it->state == ITEM_REFUSED && it->refuse == REFUSE_MALFORMED);
}

void match_burst(
	struct burst *b,
	uint16_t from,
	uint16_t to,
	struct matcher *m,
	const struct match_enforcer *e
) {
	if (m == NULL)
		return;
	for (uint16_t i = from; i < to; i++) {
		struct item *it = &b->items[i];
		if (!looks_at(it))
			continue;
		struct looking l = {
			.matcher = m,
			.message = &it->m,
			.protocol = protocol_bit(it->m.transport),
		};
		scan(&l, MATCH_PATH, it->m.path);
		scan(&l, MATCH_PAYLOAD, it->m.payload);
		scan(&l, MATCH_PAYLOAD_NUMBERS, it->m.payload);
		if (l.kept_count > 0)
			judge(b, it, &l, e);
	}
}
