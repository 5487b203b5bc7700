// SPDX-License-Identifier: Apache-2.0
#include "pipelines/watch.h"

#include <errno.h>
#include <stdlib.h>

int watch_init(struct watch *w, uint64_t secret) {
	*w = (struct watch) {.secret = secret};
	w->entries = calloc(WATCH_ENTRIES, sizeof(*w->entries));
	w->raised = calloc(WATCH_RAISED, sizeof(*w->raised));
	return w->entries != nullptr && w->raised != nullptr ? 0 : -ENOMEM;
}

void watch_fini(struct watch *w) {
	free(w->entries);
	free(w->raised);
}
