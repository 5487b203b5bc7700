// SPDX-License-Identifier: Apache-2.0
// When to write down what changes: after a while without a change, and in any case so long after
// the first change that was not written, however steadily others follow. Pure. Times are monotonic.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Zero: nothing has changed.
struct quiet_timer {
	uint64_t first_ns; // the oldest change that was not written
	uint64_t due_ns; // 0: nothing has changed
};

// Something changed, or writing was put off.
static inline void
quiet_timer_change(struct quiet_timer *t, uint64_t now_ns, uint64_t quiet_ns, uint64_t most_ns) {
	if (t->due_ns == 0)
		t->first_ns = now_ns;
	t->due_ns = now_ns + quiet_ns;
	if (t->due_ns > t->first_ns + most_ns)
		t->due_ns = t->first_ns + most_ns;
}

static inline bool quiet_timer_due(const struct quiet_timer *t, uint64_t now_ns) {
	return t->due_ns != 0 && now_ns >= t->due_ns;
}

// It has waited as long as it may: it is written now.
static inline bool
quiet_timer_overdue(const struct quiet_timer *t, uint64_t now_ns, uint64_t most_ns) {
	return t->due_ns != 0 && now_ns - t->first_ns >= most_ns;
}
