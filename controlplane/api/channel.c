// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api/channel.h"

#include <stdbool.h>
#include <string.h>

static const size_t element_sizes[CHANNEL_TYPE_COUNT] = {
#define X(id, label, element) [id] = sizeof(element),
	CHANNEL_TYPES(X)
#undef X
};

#define X(id, label, element)                                                                      \
	static_assert(sizeof(element) % 4 == 0);                                                   \
	static_assert(sizeof(element) + sizeof(struct channel_header) <= CHANNEL_MESSAGE_MAX);
CHANNEL_TYPES(X)
#undef X

size_t channel_element_size(enum channel_type type) {
	return type < CHANNEL_TYPE_COUNT ? element_sizes[type] : 0;
}

uint32_t channel_room(enum channel_type type) {
	size_t size = channel_element_size(type);

	if (size == 0)
		return 0;
	return (uint32_t)((CHANNEL_MESSAGE_MAX - sizeof(struct channel_header)) / size);
}

static bool terminated(const char *text, size_t room) {
	return memchr(text, '\0', room) != NULL;
}

#define TERMINATED(field) terminated(field, sizeof(field))

static bool address_ok(const struct channel_address *a) {
	switch (a->family) {
	case 0:
		return true;
	case 4:
		return a->prefix_len <= 32;
	case 6:
		return a->prefix_len <= 128;
	default:
		return false;
	}
}

static bool device_ok(const struct channel_device *d) {
	return d->name_len >= 1 && d->name_len <= CHANNEL_NAME_MAX && d->op < CHANNEL_OP_COUNT
		&& d->state < DEVICE_STATE_COUNT && TERMINATED(d->profile);
}

static bool labels_ok(const struct channel_labels *l) {
	return l->set != 0 && l->len > 0 && l->len <= sizeof(l->bytes)
		&& labels_valid(view_of(l->bytes, l->len));
}

static bool claim_ok(const struct channel_claim *c) {
	return c->set != 0 && c->op < CHANNEL_OP_COUNT && c->kind < CLAIM_KIND_COUNT
		&& c->len <= sizeof(c->pattern);
}

static bool credential_ok(const struct channel_credential *c) {
	return c->name_len >= 1 && c->name_len <= CHANNEL_NAME_MAX && c->op < CHANNEL_OP_COUNT
		&& c->kind < CREDENTIAL_KIND_COUNT && c->len <= sizeof(c->bytes);
}

static bool event_ok(const struct channel_event *e) {
	return e->name_len <= CHANNEL_NAME_MAX && e->kind < CHANNEL_EVENT_KIND_COUNT
		&& address_ok(&e->peer) && TERMINATED(e->transport) && TERMINATED(e->reason)
		&& TERMINATED(e->listener);
}

static bool flow_ok(const struct channel_flow *f) {
	return f->device_len <= CHANNEL_NAME_MAX && address_ok(&f->peer)
		&& TERMINATED(f->transport);
}

static bool action_ok(const struct channel_flow_action *a) {
	return a->device_len <= CHANNEL_NAME_MAX && address_ok(&a->peer);
}

static bool block_ok(const struct channel_block *b) {
	return b->op < CHANNEL_OP_COUNT && b->action < BLOCK_ACTION_COUNT
		&& b->device_len <= CHANNEL_NAME_MAX && address_ok(&b->peer)
		&& TERMINATED(b->reason);
}

static bool letters_ok(const struct channel_letters *l) {
	return l->op < LETTERS_OP_COUNT && l->device_len <= CHANNEL_NAME_MAX && l->offset >= -1
		&& l->partition >= -1 && TERMINATED(l->reason);
}

static bool topics_ok(const struct channel_topics *t) {
	return t->op < TOPICS_OP_COUNT && TERMINATED(t->name);
}

static bool generation_ok(const struct channel_generation *g) {
	return g->kind < GENERATION_KIND_COUNT && TERMINATED(g->path);
}

static bool element_ok(enum channel_type type, const void *e) {
	switch (type) {
	case CHANNEL_HELLO:
		return TERMINATED(((const struct channel_hello *)e)->build);
	case CHANNEL_REFUSED:
		return TERMINATED(((const struct channel_refused *)e)->text);
	case CHANNEL_ACK:
		return ((const struct channel_ack *)e)->type < CHANNEL_TYPE_COUNT
			&& TERMINATED(((const struct channel_ack *)e)->text);
	case CHANNEL_DEVICES:
		return device_ok(e);
	case CHANNEL_LABELS:
		return labels_ok(e);
	case CHANNEL_CLAIMS:
		return claim_ok(e);
	case CHANNEL_CREDENTIALS:
		return credential_ok(e);
	case CHANNEL_GENERATION:
		return generation_ok(e);
	case CHANNEL_EVENTS:
		return event_ok(e);
	case CHANNEL_COUNTERS:
		return TERMINATED(((const struct channel_counter *)e)->name);
	case CHANNEL_FLOW_LIST:
		return ((const struct channel_flow_query *)e)->device_len <= CHANNEL_NAME_MAX
			&& TERMINATED(((const struct channel_flow_query *)e)->transport_label)
			&& address_ok(&((const struct channel_flow_query *)e)->peer);
	case CHANNEL_FLOWS:
		return flow_ok(e);
	case CHANNEL_FLOW_ACTION:
		return action_ok(e);
	case CHANNEL_WHY:
		return ((const struct channel_why *)e)->device_len <= CHANNEL_NAME_MAX;
	case CHANNEL_LETTERS:
		return letters_ok(e);
	case CHANNEL_TOPICS:
		return topics_ok(e);
	case CHANNEL_TEXT:
		return ((const struct channel_text *)e)->len
			<= sizeof(((const struct channel_text *)e)->bytes);
	case CHANNEL_BLOCKS:
		return block_ok(e);
	default:
		return false;
	}
}

// Messages that are one statement, not a list.
static bool is_single(enum channel_type type) {
	switch (type) {
	case CHANNEL_HELLO:
	case CHANNEL_REFUSED:
	case CHANNEL_ACK:
	case CHANNEL_GENERATION:
	case CHANNEL_FLOW_LIST:
	case CHANNEL_FLOW_ACTION:
	case CHANNEL_WHY:
	case CHANNEL_LETTERS:
	case CHANNEL_TOPICS:
		return true;
	default:
		return false;
	}
}

enum channel_rc
channel_decode(const void *packet, size_t len, struct channel_message *out, uint16_t *theirs) {
	const struct channel_header *h = packet;

	if (len < sizeof(*h) || len > CHANNEL_MESSAGE_MAX)
		return CHANNEL_BAD_LENGTH;
	if (h->magic != CHANNEL_MAGIC)
		return CHANNEL_BAD_MAGIC;
	// Before the length: another version may count it differently.
	if (h->version != CHANNEL_VERSION) {
		*theirs = h->version;
		return CHANNEL_BAD_VERSION;
	}
	size_t size = channel_element_size((enum channel_type)h->type);
	if (size == 0)
		return CHANNEL_BAD_TYPE;
	if (h->len != len || len != sizeof(*h) + h->count * size)
		return CHANNEL_BAD_LENGTH;
	if (is_single((enum channel_type)h->type) && h->count != 1)
		return CHANNEL_BAD_LENGTH;
	const char *e = (const char *)(h + 1);
	for (uint32_t i = 0; i < h->count; i++)
		if (!element_ok((enum channel_type)h->type, e + i * size))
			return CHANNEL_BAD_FIELD;
	*out = (struct channel_message) {
		.header = h,
		.type = (enum channel_type)h->type,
		.count = h->count,
		.elements = e,
	};
	return CHANNEL_OK;
}

size_t channel_seal(
	struct channel_header *h,
	enum channel_type type,
	uint16_t count,
	uint16_t flags,
	uint64_t seq,
	uint64_t registry_version
) {
	size_t len = sizeof(*h) + count * channel_element_size(type);

	*h = (struct channel_header) {
		.magic = CHANNEL_MAGIC,
		.version = CHANNEL_VERSION,
		.type = type,
		.len = (uint32_t)len,
		.count = count,
		.flags = flags,
		.seq = seq,
		.registry_version = registry_version,
	};
	return len;
}

const char *channel_rc_label(enum channel_rc rc) {
	static const char *const labels[CHANNEL_RC_COUNT] = {
#define X(id, label) [id] = label,
		CHANNEL_RCS(X)
#undef X
	};
	return rc < CHANNEL_RC_COUNT ? labels[rc] : "?";
}

const char *channel_type_label(enum channel_type t) {
	static const char *const labels[CHANNEL_TYPE_COUNT] = {
		[CHANNEL_NONE] = "none",
#define X(id, label, element) [id] = label,
		CHANNEL_TYPES(X)
#undef X
	};
	return t < CHANNEL_TYPE_COUNT ? labels[t] : "?";
}

static const char *const state_labels[DEVICE_STATE_COUNT] = {
#define X(id, label) [id] = label,
	DEVICE_STATES(X)
#undef X
};

const char *device_state_label(enum device_state s) {
	return s < DEVICE_STATE_COUNT ? state_labels[s] : "?";
}

int device_state_find(const char *label) {
	for (int s = 0; s < DEVICE_STATE_COUNT; s++)
		if (strcmp(state_labels[s], label) == 0)
			return s;
	return -1;
}

const char *credential_kind_label(enum credential_kind k) {
	static const char *const labels[CREDENTIAL_KIND_COUNT] = {
#define X(id, label) [id] = label,
		CREDENTIAL_KINDS(X)
#undef X
	};
	return k < CREDENTIAL_KIND_COUNT ? labels[k] : "?";
}

const char *channel_event_label(enum channel_event_kind k) {
	static const char *const labels[CHANNEL_EVENT_KIND_COUNT] = {
#define X(id, label) [id] = label,
		CHANNEL_EVENTS_LIST(X)
#undef X
	};
	return k < CHANNEL_EVENT_KIND_COUNT ? labels[k] : "?";
}
