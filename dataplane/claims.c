// SPDX-License-Identifier: Apache-2.0
#include "dataplane/claims.h"
#include "dataplane/pages.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SETS 32768 // buckets of the index, at most half used
#define SETS_MAX (SETS / 2)
#define FITTED_MAX 512 // bytes of a pattern with its device filled in

struct pattern {
	uint32_t set;
	uint8_t kind;
	uint8_t len;
	char text[CHANNEL_PATTERN_MAX];
};

// A set's patterns stand together.
struct claim_set {
	_Atomic uint32_t set; // 0: free
	uint32_t first;
	uint32_t count;
};

struct claims {
	_Atomic uint32_t version; // odd while all are replaced
	struct pattern *patterns;
	struct claim_set *sets;
	// [c]
	uint32_t pattern_count;
	uint32_t set_count;
	uint32_t open; // set being filled, 0: none
	uint32_t open_first;
	bool full;
};

int claims_create(struct claims **out) {
	struct claims *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	c->patterns = pages_reserve(CLAIM_PATTERNS_MAX * sizeof(struct pattern), false);
	c->sets = calloc(SETS, sizeof(*c->sets));
	if (c->patterns == NULL || c->sets == NULL) {
		claims_destroy(c);
		return -ENOMEM;
	}
	*out = c;
	return 0;
}

void claims_destroy(struct claims *c) {
	if (c == NULL)
		return;
	pages_unmap(c->patterns, CLAIM_PATTERNS_MAX * sizeof(struct pattern));
	free(c->sets);
	free(c);
}

// --- matching

// The pattern with `%d` filled in. Empty if it does not fit into the room: then nothing matches.
static struct view filled(struct view pattern, struct view device, uint8_t out[FITTED_MAX]) {
	uint32_t n = 0;

	for (uint32_t i = 0; i < pattern.len; i++) {
		bool is_device =
			pattern.p[i] == '%' && i + 1 < pattern.len && pattern.p[i + 1] == 'd';
		struct view piece = is_device ? device : view_of(pattern.p + i, 1);
		if (n + piece.len > FITTED_MAX)
			return (struct view) {0};
		if (piece.len > 0)
			memcpy(out + n, piece.p, piece.len);
		n += piece.len;
		i += is_device;
	}
	return view_of(out, n);
}

// One level: up to the next '/', and past it. `more` says whether there was one.
static struct view level(struct view *rest, bool *more) {
	const uint8_t *slash = rest->len > 0 ? memchr(rest->p, '/', rest->len) : NULL;
	uint32_t n = slash != NULL ? (uint32_t)(slash - rest->p) : rest->len;
	struct view v = view_of(rest->p, n);

	*more = slash != NULL;
	n += *more;
	*rest = view_of(rest->p + n, rest->len - n);
	return v;
}

static bool one_byte(struct view v, uint8_t byte) {
	return v.len == 1 && v.p[0] == byte;
}

static struct view without_slash(struct view v) {
	return v.len > 0 && v.p[0] == '/' ? view_of(v.p + 1, v.len - 1) : v;
}

bool claim_topic_fits(struct view pattern, struct view device, struct view what) {
	uint8_t room[FITTED_MAX];
	struct view p = filled(pattern, device, room);
	bool more_p = true, more_w = true;

	if (p.len == 0)
		return false;
	while (more_p) {
		bool had = more_w; // a level of `what` is left, be it empty
		struct view a = level(&p, &more_p);
		if (one_byte(a, '#') && !more_p)
			return true;
		if (!had)
			return false;
		struct view b = level(&what, &more_w);
		if (!one_byte(a, '+') && !view_equal(a, b))
			return false;
		// "a/#" covers "a" too [MQTT 4.7.1.2]
		if (!more_w && more_p && one_byte(p, '#'))
			return true;
	}
	return !more_w;
}

bool claim_id_fits(struct view pattern, struct view device, struct view what) {
	uint8_t room[FITTED_MAX];
	struct view p = filled(pattern, device, room);
	uint32_t i = 0, k = 0, star = UINT32_MAX, again = 0;

	if (p.len == 0)
		return false;
	while (k < what.len) {
		if (i < p.len && p.p[i] == '*') {
			star = i++;
			again = k;
		} else if (i < p.len && p.p[i] == what.p[k]) {
			i++;
			k++;
		} else if (star != UINT32_MAX) {
			i = star + 1;
			k = ++again;
		} else {
			return false;
		}
	}
	while (i < p.len && p.p[i] == '*')
		i++;
	return i == p.len;
}

// --- workers

static const struct claim_set *set_find(const struct claims *c, uint32_t set) {
	uint32_t at = set * 2654435761u % SETS;

	for (uint32_t n = 0; n < SETS; n++, at = (at + 1) % SETS) {
		uint32_t is = atomic_load_explicit(&c->sets[at].set, memory_order_acquire);
		if (is == set)
			return &c->sets[at];
		if (is == 0)
			return NULL;
	}
	return NULL;
}

static bool set_allows(
	const struct claims *c,
	const struct claim_set *s,
	enum claim_kind kind,
	struct view device,
	struct view what
) {
	bool restricts = kind == CLAIM_ID;

	for (uint32_t i = 0; i < s->count && s->first + i < CLAIM_PATTERNS_MAX; i++) {
		const struct pattern *p = &c->patterns[s->first + i];
		struct view text = view_of((const uint8_t *)p->text, p->len);
		if (p->kind != kind || p->len > sizeof(p->text))
			continue;
		restricts = true;
		bool fits = kind == CLAIM_ID
			? claim_id_fits(text, device, what)
			: claim_topic_fits(without_slash(text), device, without_slash(what));
		if (fits)
			return true;
	}
	return !restricts;
}

bool claims_allow(
	const struct claims *c,
	uint32_t set,
	enum claim_kind kind,
	struct view device,
	struct view what
) {
	if (set == 0)
		return kind != CLAIM_ID;
	uint32_t before = atomic_load_explicit(&c->version, memory_order_acquire);
	const struct claim_set *s = (before & 1) == 0 ? set_find(c, set) : NULL;
	bool allowed = s != NULL && set_allows(c, s, kind, device, what);
	atomic_thread_fence(memory_order_acquire);
	return allowed && atomic_load_explicit(&c->version, memory_order_relaxed) == before;
}

// --- main thread

static void version_step(struct claims *c) {
	uint32_t v = atomic_load_explicit(&c->version, memory_order_relaxed);

	atomic_store_explicit(&c->version, v + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
}

void claims_begin(struct claims *c, bool anew) {
	c->open = 0;
	c->full = false;
	if (!anew)
		return;
	version_step(c);
	for (uint32_t i = 0; i < SETS; i++)
		atomic_store_explicit(&c->sets[i].set, 0, memory_order_relaxed);
	c->pattern_count = 0;
	c->set_count = 0;
	version_step(c);
}

// What was written becomes findable.
static void set_close(struct claims *c) {
	uint32_t at = c->open * 2654435761u % SETS;

	if (c->open == 0)
		return;
	while (atomic_load_explicit(&c->sets[at].set, memory_order_relaxed) != 0)
		at = (at + 1) % SETS;
	c->sets[at].first = c->open_first;
	c->sets[at].count = c->pattern_count - c->open_first;
	atomic_store_explicit(&c->sets[at].set, c->open, memory_order_release);
	c->set_count++;
	c->open = 0;
}

int claims_add(struct claims *c, const struct channel_claim *list, uint32_t count) {
	for (uint32_t i = 0; i < count; i++) {
		const struct channel_claim *k = &list[i];
		if (k->set != c->open) {
			set_close(c);
			if (set_find(c, k->set) != NULL)
				continue;
			if (c->set_count == SETS_MAX)
				return -ENOSPC;
			c->open = k->set;
			c->open_first = c->pattern_count;
		}
		if (c->pattern_count == CLAIM_PATTERNS_MAX) {
			c->open = 0; // half a set would allow what it should not
			c->pattern_count = c->open_first;
			return -ENOSPC;
		}
		struct pattern *p = &c->patterns[c->pattern_count++];
		*p = (struct pattern) {.set = k->set, .kind = k->kind, .len = k->len};
		memcpy(p->text, k->pattern, k->len);
	}
	return 0;
}

void claims_end(struct claims *c) {
	set_close(c);
}

bool claims_next(const struct claims *c, uint32_t *at, struct channel_claim *out) {
	if (*at >= c->pattern_count)
		return false;
	const struct pattern *p = &c->patterns[(*at)++];
	*out = (struct channel_claim) {
		.set = p->set,
		.op = CHANNEL_PUT,
		.kind = p->kind,
		.len = p->len,
	};
	memcpy(out->pattern, p->text, sizeof(out->pattern));
	return true;
}
