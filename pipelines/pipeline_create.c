// SPDX-License-Identifier: Apache-2.0
// What a pipeline allocates, all of it before the worker starts.
#include "config/config.h"
#include "pipelines/dedup.h"
#include "pipelines/encode_protobuf.h"
#include "pipelines/pipeline_state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static_assert(BATCH_EGRESS_MAX >= EGRESS_MAX);

int pipeline_create(const struct pipeline_env *env, const struct config *c, struct pipeline **out) {
	struct pipeline *p;
	int ret;

	if (c->topic_count > BATCH_TOPICS_MAX || env->egress_count == 0
	    || env->egress_count > BATCH_EGRESS_MAX || env->ack_slots > ORIGIN_SLOT_MASK)
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	if (p == nullptr)
		return -ENOMEM;
	p->env = *env;
	p->envelope.appliance_epoch = env->appliance_epoch;
	if (env->states != nullptr)
		memcpy(p->env.secret, env->states->secret, sizeof(p->env.secret));

	ret = batch_set_init(
		&p->batches, env->batches, env->batch_count, READINGS_MAX, env->sealed, env->owner
	);
	if (ret < 0)
		goto err;
	ret = ack_table_init(&p->acks, env->ack_slots);
	if (ret < 0)
		goto err;
	ret = waiters_init(&p->waiters, env->states != nullptr ? env->ack_slots : 0);
	if (ret < 0)
		goto err;
	ret = watch_init(&p->watch, env->secret[1]);
	if (ret < 0)
		goto err;
	ret = late_lane_init(&p->late, c->pipeline.late_bytes);
	if (ret < 0)
		goto err;
	// One letter per slot, waiter and device waited for may have to wait for its ring.
	if (env->workers > 1)
		ret = handover_init(
			&p->handover, env->park_bytes, 4 * env->ack_slots + 8 * WAITS_MAX
		);
	if (ret < 0)
		goto err;
	ret = -ENOMEM;
	void *scratch = aligned_alloc(64, payload_decoder_size());
	if (scratch == nullptr)
		goto err;
	p->decoder = payload_decoder_init(scratch);
	p->protobuf = calloc(1, protobuf_scratch_size());
	if (p->protobuf == nullptr)
		goto err;
	pipeline_use(p, c);
	*out = p;
	return 0;

err:
	pipeline_destroy(p);
	return ret;
}

void pipeline_destroy(struct pipeline *p) {
	if (p == nullptr)
		return;
	free(p->decoder);
	free(p->protobuf);
	late_lane_fini(&p->late);
	ack_table_fini(&p->acks);
	waiters_fini(&p->waiters);
	handover_fini(&p->handover);
	watch_fini(&p->watch);
	batch_set_fini(&p->batches);
	free(p);
}
