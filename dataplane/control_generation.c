// SPDX-License-Identifier: Apache-2.0
#include "dataplane/control_private.h"

#include <errno.h>
#include <string.h>

void control_take_generation(struct control *c, const struct channel_message *m) {
	const struct channel_generation *g = m->elements;
	struct config_error error;
	struct config *loaded = nullptr;
	uint32_t count = 0;

	int ret = config_load(g->path, &loaded, &error, 1, &count);
	config_free(loaded);
	if (ret < 0)
		control_ack(
			c,
			m->header->seq,
			CHANNEL_GENERATION,
			-EINVAL,
			0,
			"%.200s",
			count > 0 ? error.text : strerror(-ret)
		);
	else
		control_ack(
			c,
			m->header->seq,
			CHANNEL_GENERATION,
			0,
			g->number,
			"checked by sluiced; in force after its restart"
		);
}
