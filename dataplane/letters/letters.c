// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "dataplane/errand.h"
#include "dataplane/letters/letters.h"
#include "dataplane/letters/letters_work.h"
#include "pipelines/kafka_letters.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct letters {
	struct letters_work work; // the thread's, once it runs
	struct errand *errand; // owned
};

static void
work(void *owner, const void *query, const atomic_bool *stop, struct errand_answer *out) {
	struct letters *l = owner;

	l->work.stop = stop;
	letters_work_do(&l->work, query, out);
}

int letters_create(
	const struct config *c,
	struct letter_lane *lane,
	struct letters **out,
	char *why,
	size_t why_len
) {
	struct letters *l = calloc(1, sizeof(*l));
	int ret = 0;

	if (l == nullptr
	    || errand_create("letters", sizeof(struct channel_letters), work, l, &l->errand) != 0) {
		free(l);
		snprintf(why, why_len, "out of memory");
		return -ENOMEM;
	}
	l->work.lane = lane;
	snprintf(
		l->work.marks_path, sizeof(l->work.marks_path), "%s/letters.replayed", c->state_dir
	);
	if (c->egress.sink == SINK_KAFKA)
		ret = letters_reader_create(c, &l->work.reader, why, why_len);
	if (ret != 0) {
		errand_destroy(l->errand);
		free(l);
		return ret;
	}
	*out = l;
	return 0;
}

struct errand *letters_errand(struct letters *l) {
	return l->errand;
}

void letters_destroy(struct letters *l) {
	if (l == nullptr)
		return;
	errand_destroy(l->errand);
	letters_work_end(&l->work);
	free(l);
}
