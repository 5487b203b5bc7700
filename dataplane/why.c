// SPDX-License-Identifier: Apache-2.0
#include "dataplane/why.h"

void why_answer(struct why_box *b, const struct pipeline *p) {
	uint32_t asked = atomic_load_explicit(&b->asked, memory_order_acquire);

	b->count = decision_list(p, view_of(b->device, b->device_len), b->decisions);
	atomic_store_explicit(&b->answered, asked, memory_order_release);
}
