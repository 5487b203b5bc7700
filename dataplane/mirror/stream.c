// SPDX-License-Identifier: Apache-2.0
#include "dataplane/mirror/stream.h"
#include "dataplane/mqtt/pool.h"
#include "parsers/siphash.h"

#include <errno.h>
#include <stdlib.h>

#define NONE MQTT_NONE
#define FLAG_FIN 0x01
#define FLAG_SYN 0x02
#define FLAG_RST 0x04
#define FLAG_ACK 0x10

enum stream_state : uint8_t { STREAM_FREE, STREAM_FOLLOWED, STREAM_ENDED };

struct stream {
	struct flow_key key;
	uint32_t next; // in its bucket
	uint32_t newer; // by last segment
	uint32_t older;
	uint32_t expected; // sequence number of the next byte
	uint32_t syn;
	uint32_t fin; // sequence number after the last byte
	uint32_t held; // first chunk, by sequence number, no two overlap
	uint16_t held_count;
	enum stream_state state;
	bool from_syn;
	bool has_fin;
	uint64_t hole_ns; // since when something is held
};

struct chunk {
	uint32_t next;
	uint32_t seq;
	uint32_t len;
	uint8_t bytes[MIRROR_CHUNK_BYTES];
};

struct mirror_streams {
	struct mirror_limits limits;
	struct mirror_stream_env env;
	struct mqtt_pool chunks;
	struct stream *streams;
	uint32_t *buckets;
	uint32_t mask;
	uint32_t used;
	uint32_t newest;
	uint32_t oldest;
};

struct segment {
	uint32_t seq;
	uint8_t flags;
	struct view bytes;
};

static void count(struct mirror_streams *t, enum mirror_counter c, uint64_t n) {
	t->env.stats->count[c] += n;
}

static struct chunk *chunk_at(const struct mirror_streams *t, uint32_t index) {
	return mqtt_pool_at(&t->chunks, index);
}

int mirror_streams_create(
	const struct mirror_limits *limits,
	const struct mirror_stream_env *env,
	struct mirror_streams **out
) {
	struct mirror_streams *t;
	uint32_t buckets = 16;

	if (limits->streams == 0 || limits->streams > 1u << 24 || limits->chunks == 0)
		return -EINVAL;
	while (buckets < limits->streams)
		buckets *= 2;
	t = calloc(1, sizeof(*t));
	if (t == nullptr)
		return -ENOMEM;
	t->limits = *limits;
	t->env = *env;
	t->mask = buckets - 1;
	t->newest = t->oldest = NONE;
	t->streams = calloc(limits->streams, sizeof(*t->streams));
	t->buckets = malloc(buckets * sizeof(*t->buckets));
	if (t->streams == nullptr || t->buckets == nullptr
	    || mqtt_pool_init(
		       &t->chunks,
		       limits->chunks,
		       sizeof(struct chunk),
		       "sluice mirror chunks",
		       true
	       ) != 0) {
		mirror_streams_destroy(t);
		return -ENOMEM;
	}
	memset(t->buckets, 0xff, buckets * sizeof(*t->buckets));
	*out = t;
	return 0;
}

void mirror_streams_destroy(struct mirror_streams *t) {
	if (t == nullptr)
		return;
	mqtt_pool_fini(&t->chunks);
	free(t->buckets);
	free(t->streams);
	free(t);
}

uint32_t mirror_streams_held(const struct mirror_streams *t) {
	return t->limits.chunks - t->chunks.free;
}

// Order of use

static void order_leave(struct mirror_streams *t, uint32_t i) {
	struct stream *s = &t->streams[i];

	if (s->newer != NONE)
		t->streams[s->newer].older = s->older;
	else
		t->newest = s->older;
	if (s->older != NONE)
		t->streams[s->older].newer = s->newer;
	else
		t->oldest = s->newer;
}

static void order_newest(struct mirror_streams *t, uint32_t i) {
	struct stream *s = &t->streams[i];

	s->older = t->newest;
	s->newer = NONE;
	if (t->newest != NONE)
		t->streams[t->newest].newer = i;
	else
		t->oldest = i;
	t->newest = i;
}

static void order_oldest(struct mirror_streams *t, uint32_t i) {
	struct stream *s = &t->streams[i];

	s->newer = t->oldest;
	s->older = NONE;
	if (t->oldest != NONE)
		t->streams[t->oldest].older = i;
	else
		t->newest = i;
	t->oldest = i;
}

// The table

static uint32_t *bucket_of(const struct mirror_streams *t, const struct flow_key *key) {
	return &t->buckets[siphash13(t->limits.secret, key, sizeof(*key)) & t->mask];
}

static uint32_t find(const struct mirror_streams *t, const struct flow_key *key) {
	uint32_t i = *bucket_of(t, key);

	while (i != NONE && memcmp(&t->streams[i].key, key, sizeof(*key)) != 0)
		i = t->streams[i].next;
	return i;
}

static void held_drop(struct mirror_streams *t, struct stream *s) {
	while (s->held != NONE) {
		uint32_t c = s->held;
		s->held = chunk_at(t, c)->next;
		mqtt_pool_give(&t->chunks, c);
	}
	s->held_count = 0;
}

// It stays in the table, so that a late copy of its bytes is not taken for a new stream; it is the
// first to go when room is needed.
static void stream_end(struct mirror_streams *t, uint32_t i) {
	struct stream *s = &t->streams[i];

	if (s->state != STREAM_FOLLOWED)
		return;
	s->state = STREAM_ENDED;
	held_drop(t, s);
	order_leave(t, i);
	order_oldest(t, i);
	t->env.end(t->env.owner, i);
}

static void gap(struct mirror_streams *t, uint32_t i) {
	count(t, MIRROR_GAPS, 1);
	stream_end(t, i);
}

static uint32_t evict(struct mirror_streams *t) {
	uint32_t i = t->oldest;
	struct stream *s = &t->streams[i];
	uint32_t *link = bucket_of(t, &s->key);

	if (s->state == STREAM_FOLLOWED) {
		count(t, MIRROR_EVICTED, 1);
		stream_end(t, i);
	}
	while (*link != i)
		link = &t->streams[*link].next;
	*link = s->next;
	order_leave(t, i);
	return i;
}

static uint32_t stream_add(struct mirror_streams *t, const struct flow_key *key) {
	uint32_t i = t->used < t->limits.streams ? t->used++ : evict(t);
	uint32_t *bucket = bucket_of(t, key);

	t->streams[i] = (struct stream) {.key = *key, .next = *bucket, .held = NONE};
	*bucket = i;
	order_newest(t, i);
	return i;
}

static void
stream_begin(struct mirror_streams *t, uint32_t i, const struct segment *g, bool from_syn) {
	struct stream *s = &t->streams[i];

	s->state = STREAM_FOLLOWED;
	s->from_syn = from_syn;
	s->has_fin = false;
	s->syn = g->seq;
	s->expected = g->seq + from_syn;
	order_leave(t, i);
	order_newest(t, i);
	count(t, from_syn ? MIRROR_STREAMS : MIRROR_PICKED_UP, 1);
	t->env.begin(t->env.owner, i, !from_syn);
}

// Bytes

static bool deliver(struct mirror_streams *t, uint32_t i, struct view bytes) {
	struct stream *s = &t->streams[i];

	s->expected += bytes.len;
	count(t, MIRROR_BYTES, bytes.len);
	if (t->env.bytes(t->env.owner, i, &s->key, bytes))
		return true;
	stream_end(t, i);
	return false;
}

static bool deliver_held(struct mirror_streams *t, uint32_t i) {
	struct stream *s = &t->streams[i];
	uint32_t c = s->held;
	struct chunk *k = chunk_at(t, c);

	s->held = k->next;
	s->held_count--;
	bool followed = deliver(t, i, view_of(k->bytes, k->len));
	mqtt_pool_give(&t->chunks, c);
	return followed;
}

// Show what is in order now. What is held came first and wins over the same bytes of `bytes`.
static bool advance(struct mirror_streams *t, uint32_t i, uint32_t seq, struct view bytes) {
	struct stream *s = &t->streams[i];

	for (;;) {
		if (s->held != NONE && chunk_at(t, s->held)->seq == s->expected) {
			if (!deliver_held(t, i))
				return false;
			continue;
		}
		uint32_t passed = s->expected - seq;
		if (passed >= bytes.len)
			return true;
		uint32_t n = bytes.len - passed;
		if (s->held != NONE && chunk_at(t, s->held)->seq - s->expected < n)
			n = chunk_at(t, s->held)->seq - s->expected;
		if (!deliver(t, i, view_of(bytes.p + passed, n)))
			return false;
	}
}

// Put bytes that nobody has held yet between *link and what follows it. NULL without room.
static uint32_t *
hold_run(struct mirror_streams *t, struct stream *s, uint32_t *link, uint32_t seq, struct view v) {
	while (v.len > 0) {
		uint32_t n = v.len < MIRROR_CHUNK_BYTES ? v.len : MIRROR_CHUNK_BYTES;
		if (s->held_count >= t->limits.chunks_per_stream)
			return nullptr;
		uint32_t c = mqtt_pool_take(&t->chunks);
		if (c == NONE)
			return nullptr;
		struct chunk *k = chunk_at(t, c);
		k->next = *link;
		k->seq = seq;
		k->len = n;
		memcpy(k->bytes, v.p, n);
		*link = c;
		link = &k->next;
		s->held_count++;
		seq += n;
		v = view_of(v.p + n, v.len - n);
	}
	return link;
}

// Keep what lies behind a hole, except where something is held already. False without room.
static bool hold(struct mirror_streams *t, struct stream *s, uint32_t seq, struct view v) {
	uint32_t *link = &s->held;

	while (v.len > 0) {
		const struct chunk *k = *link != NONE ? chunk_at(t, *link) : nullptr;
		uint32_t before = v.len;
		if (k != nullptr && (int32_t)(k->seq + k->len - seq) <= 0) {
			link = &chunk_at(t, *link)->next;
			continue;
		}
		if (k != nullptr && (int32_t)(k->seq - seq) <= 0) {
			uint32_t skip = k->seq + k->len - seq;
			skip = skip < v.len ? skip : v.len;
			count(t, MIRROR_BYTES_AGAIN, skip);
			seq += skip;
			v = view_of(v.p + skip, v.len - skip);
			continue;
		}
		if (k != nullptr && k->seq - seq < before)
			before = k->seq - seq;
		link = hold_run(t, s, link, seq, view_of(v.p, before));
		if (link == nullptr)
			return false;
		seq += before;
		v = view_of(v.p + before, v.len - before);
	}
	return true;
}

static void bytes_input(struct mirror_streams *t, uint32_t i, struct segment *g, uint64_t now_ns) {
	struct stream *s = &t->streams[i];
	int32_t ahead = (int32_t)(g->seq - s->expected);

	if (ahead < 0) {
		uint32_t again = -(uint32_t)ahead < g->bytes.len ? -(uint32_t)ahead : g->bytes.len;
		count(t, MIRROR_BYTES_AGAIN, again);
	}
	if (ahead <= 0 && -(uint32_t)ahead >= g->bytes.len)
		return;
	if (ahead <= 0) {
		advance(t, i, g->seq, g->bytes);
		s->hole_ns = now_ns;
		return;
	}
	if (s->held == NONE)
		s->hole_ns = now_ns;
	count(t, MIRROR_REORDERED, 1);
	if (ahead > (int32_t)MIRROR_AHEAD_MAX || !hold(t, s, g->seq, g->bytes))
		gap(t, i);
}

static void close_input(struct mirror_streams *t, uint32_t i, const struct segment *g) {
	struct stream *s = &t->streams[i];
	uint32_t end = g->seq + g->bytes.len;
	bool reset = (g->flags & FLAG_RST) != 0 && end - s->expected <= MIRROR_AHEAD_MAX;

	if ((g->flags & FLAG_FIN) != 0 && (int32_t)(end - s->expected) >= 0) {
		s->has_fin = true;
		s->fin = end;
	}
	if (reset && (s->held != NONE || end != s->expected)) {
		gap(t, i);
	} else if (reset || (s->has_fin && s->fin == s->expected)) {
		count(t, MIRROR_CLOSED, 1);
		stream_end(t, i);
	}
}

static void
followed_input(struct mirror_streams *t, uint32_t i, struct segment *g, uint64_t now_ns) {
	struct stream *s = &t->streams[i];

	order_leave(t, i);
	order_newest(t, i);
	if (g->bytes.len > 0)
		bytes_input(t, i, g, now_ns);
	if (s->state == STREAM_FOLLOWED)
		close_input(t, i, g);
	if (s->state == STREAM_FOLLOWED && s->held != NONE && now_ns > s->hole_ns
	    && now_ns - s->hole_ns > t->limits.gap_ns)
		gap(t, i);
}

// The stream that a segment belongs to, NONE if it is not to be followed.
static uint32_t
stream_for(struct mirror_streams *t, const struct flow_key *key, struct segment *g) {
	uint32_t i = find(t, key);
	bool syn = (g->flags & (FLAG_SYN | FLAG_ACK | FLAG_RST)) == FLAG_SYN;

	if (syn) {
		bool again = i != NONE && t->streams[i].from_syn && t->streams[i].syn == g->seq;
		if (!again) {
			if (i == NONE)
				i = stream_add(t, key);
			stream_end(t, i);
			stream_begin(t, i, g, true);
		}
		g->seq++;
	}
	if (i != NONE) {
		if (t->streams[i].state == STREAM_FOLLOWED)
			return i;
		count(t, MIRROR_AFTER_END, 1);
		return NONE;
	}
	if (g->bytes.len == 0 || (g->flags & (FLAG_SYN | FLAG_RST)) != 0
	    || !t->env.pick_up(t->env.owner, g->bytes)) {
		count(t, MIRROR_NOT_PICKED_UP, 1);
		return NONE;
	}
	i = stream_add(t, key);
	stream_begin(t, i, g, false);
	return i;
}

void mirror_streams_input(
	struct mirror_streams *t,
	const struct flow_key *key,
	struct view tcp,
	uint64_t now_ns
) {
	struct rd r = rd_from(tcp);
	struct segment g;

	rd_take(&r, 4);
	g.seq = rd_be32(&r);
	rd_take(&r, 4);
	uint32_t header = (uint32_t)(rd_u8(&r) >> 4) * 4;
	g.flags = rd_u8(&r);
	if (r.failed || header < 20 || header > tcp.len) {
		count(t, MIRROR_SEGMENT_BAD, 1);
		return;
	}
	g.bytes = view_of(tcp.p + header, tcp.len - header);
	uint32_t i = stream_for(t, key, &g);
	if (i != NONE)
		followed_input(t, i, &g, now_ns);
}
