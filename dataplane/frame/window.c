// SPDX-License-Identifier: Apache-2.0
#include "dataplane/frame/devices_private.h"

#include <string.h>

void shared_mark_write(struct shared_mark *s, struct frame_mark m) {
	uint64_t v = atomic_load_explicit(&s->version, memory_order_relaxed);

	atomic_store_explicit(&s->version, v + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&s->seq, m.seq, memory_order_relaxed);
	atomic_store_explicit(&s->epoch, m.epoch, memory_order_relaxed);
	atomic_store_explicit(&s->version, v + 2, memory_order_release);
}

bool shared_mark_read(const struct shared_mark *s, struct frame_mark *out) {
	uint64_t before = atomic_load_explicit(&s->version, memory_order_acquire);

	out->seq = atomic_load_explicit(&s->seq, memory_order_relaxed);
	out->epoch = atomic_load_explicit(&s->epoch, memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	return before % 2 == 0 && before == atomic_load_explicit(&s->version, memory_order_relaxed);
}

uint64_t frame_devices_grants(const struct frame_devices *d) {
	return atomic_load_explicit(&d->grants, memory_order_acquire);
}

static void grant_read(struct frame_device *dev) {
	struct frame_mark m;

	// Mid-write: the old grant still holds.
	if (shared_mark_read(&dev->granted_shared, &m) && mark_after(m, dev->granted))
		dev->granted = m;
}

static void grant_ask(struct frame_devices *d, struct frame_device *dev, struct frame_mark at) {
	struct frame_mark want = {at.epoch, at.seq + dev->reserve};

	if (want.seq < at.seq)
		want.seq = UINT64_MAX;
	if (!mark_after(want, dev->asked))
		return;
	dev->asked = want;
	shared_mark_write(&dev->wanted, want);
	atomic_fetch_or(&d->dirty[dev->index / 64], 1ull << dev->index % 64);
}

// True if `at` may be accepted now. Asks early enough that a device of steady rate never waits, and
// for more each time it outran what it was granted.
static bool granted(struct frame_devices *d, struct frame_device *dev, struct frame_mark at) {
	if (mark_after(at, dev->granted))
		grant_read(dev);
	if (mark_after(at, dev->granted)) {
		if (mark_after(at, dev->asked)) {
			if (dev->running && at.epoch == dev->high.epoch
			    && dev->reserve < MARK_RESERVE_MAX)
				dev->reserve *= 2;
			grant_ask(d, dev, at);
		}
		return false;
	}
	if (at.epoch == dev->granted.epoch && dev->granted.seq - at.seq < dev->reserve / 2)
		grant_ask(d, dev, at);
	return true;
}

static void bit_set(struct frame_device *dev, uint64_t seq) {
	dev->seen[seq % REPLAY_WINDOW / 64] |= 1ull << seq % 64;
}

static bool bit_get(const struct frame_device *dev, uint64_t seq) {
	return (dev->seen[seq % REPLAY_WINDOW / 64] >> seq % 64 & 1) != 0;
}

// Move the window up to `at`; what was skipped is not seen.
static void window_advance(struct frame_device *dev, struct frame_mark at) {
	uint64_t ahead = at.seq - dev->high.seq;

	if (at.epoch != dev->high.epoch || ahead >= REPLAY_WINDOW) {
		memset(dev->seen, 0, sizeof(dev->seen));
	} else {
		for (uint64_t s = dev->high.seq + 1; s < at.seq; s++)
			dev->seen[s % REPLAY_WINDOW / 64] &= ~(1ull << s % 64);
	}
	dev->high = at;
	dev->running = true;
	bit_set(dev, at.seq);
}

enum frame_seen
frame_window_accept(struct frame_devices *d, struct frame_device *dev, struct frame_mark at) {
	if (at.epoch < dev->high.epoch)
		return FRAME_TOO_OLD;
	if (mark_after(at, dev->high)) {
		if (!granted(d, dev, at))
			return FRAME_BEYOND_GRANT;
		window_advance(dev, at);
		return FRAME_FRESH;
	}
	if (dev->high.seq - at.seq >= REPLAY_WINDOW)
		return FRAME_TOO_OLD;
	if (bit_get(dev, at.seq))
		return FRAME_SEEN_BEFORE;
	bit_set(dev, at.seq);
	return FRAME_FRESH;
}

void frame_window_acked(struct frame_device *dev, struct frame_mark at) {
	if (at.epoch > dev->acked_epoch || dev->acked_high == 0) {
		dev->acked_epoch = at.epoch;
		dev->acked_high = at.seq;
		dev->acked_bits = 0;
		return;
	}
	if (at.epoch < dev->acked_epoch)
		return;
	if (at.seq > dev->acked_high) {
		uint64_t up = at.seq - dev->acked_high;
		dev->acked_bits = up < 64 ? dev->acked_bits << up : 0;
		if (up <= 64)
			dev->acked_bits |= 1ull << (up - 1);
		dev->acked_high = at.seq;
	} else if (at.seq < dev->acked_high && dev->acked_high - at.seq <= 64) {
		dev->acked_bits |= 1ull << (dev->acked_high - at.seq - 1);
	}
}
