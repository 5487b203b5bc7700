// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "dataplane/topics.h"
#include "pipelines/kafka_admin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#define KAFKA_MS 5000
#define INSYNC 2

struct topics {
	const struct config *config;
	struct errand *errand; // owned
};

static yyjson_mut_val *check_json(yyjson_mut_doc *doc, const struct topic_check *t) {
	yyjson_mut_val *o = yyjson_mut_obj(doc);

	yyjson_mut_obj_add_strcpy(doc, o, "name", t->name);
	yyjson_mut_obj_add_str(doc, o, "verdict", topic_verdict_label(t->verdict));
	yyjson_mut_obj_add_uint(doc, o, "pinned", t->pinned);
	if (t->partitions > 0) {
		yyjson_mut_obj_add_uint(doc, o, "partitions", t->partitions);
		yyjson_mut_obj_add_uint(doc, o, "replicas", t->replicas);
	}
	if (t->settings_known) {
		yyjson_mut_obj_add_uint(doc, o, "min_insync_replicas", t->min_insync);
		yyjson_mut_obj_add_bool(doc, o, "unclean_election", t->unclean);
		yyjson_mut_obj_add_uint(doc, o, "message_bytes_max", t->message_bytes_max);
	}
	if (t->rights.known) {
		yyjson_mut_obj_add_bool(doc, o, "may_describe", t->rights.describe);
		yyjson_mut_obj_add_bool(doc, o, "may_write", t->rights.write);
	}
	if (t->what_to_do[0] != '\0')
		yyjson_mut_obj_add_strcpy(doc, o, "what_to_do", t->what_to_do);
	return o;
}

static void check(const struct config *c, struct errand_answer *out) {
	struct topic_check *found = calloc(c->topic_count + 1, sizeof(*found));

	out->result = found != nullptr
		? kafka_topics_check(c, found, KAFKA_MS, out->why, sizeof(out->why))
		: -ENOMEM;
	if (out->result == 0) {
		yyjson_mut_doc *doc = yyjson_mut_doc_new(nullptr);
		yyjson_mut_val *root = yyjson_mut_obj(doc), *list = yyjson_mut_arr(doc);
		yyjson_mut_doc_set_root(doc, root);
		yyjson_mut_obj_add_val(doc, root, "topics", list);
		for (uint32_t t = 0; t < c->topic_count; t++)
			yyjson_mut_arr_append(list, check_json(doc, &found[t]));
		out->json = yyjson_mut_write(doc, 0, nullptr);
		yyjson_mut_doc_free(doc);
		if (out->json == nullptr)
			out->result = -ENOMEM;
	}
	free(found);
}

static uint32_t partitions_of(const struct config *c, const char *name) {
	for (uint32_t t = 0; t < c->topic_count; t++)
		if (strcmp(c->topics[t].name, name) == 0)
			return c->topics[t].partitions;
	return 0;
}

static void
create(const struct config *c, const struct channel_topics *q, struct errand_answer *out) {
	struct topic_wanted w = {
		.name = q->name,
		.partitions = q->partitions != 0 ? q->partitions : partitions_of(c, q->name),
		.replicas = q->replicas,
		// More than there are replicas would mean that nothing can be written.
		.min_insync = q->replicas < INSYNC ? q->replicas : INSYNC,
	};

	if (w.partitions == 0) {
		out->result = -EINVAL;
		snprintf(
			out->why,
			sizeof(out->why),
			"the configuration does not say how many partitions it shall have: say "
			"--partitions"
		);
		return;
	}
	out->result = kafka_topic_create(c, &w, KAFKA_MS, out->why, sizeof(out->why));
	if (out->result != 0)
		return;
	yyjson_mut_doc *doc = yyjson_mut_doc_new(nullptr);
	yyjson_mut_val *o = yyjson_mut_obj(doc);
	yyjson_mut_doc_set_root(doc, o);
	yyjson_mut_obj_add_str(doc, o, "name", w.name);
	yyjson_mut_obj_add_uint(doc, o, "partitions", w.partitions);
	yyjson_mut_obj_add_uint(doc, o, "replicas", w.replicas);
	yyjson_mut_obj_add_uint(doc, o, "min_insync_replicas", w.min_insync);
	out->json = yyjson_mut_write(doc, 0, nullptr);
	yyjson_mut_doc_free(doc);
	if (out->json == nullptr)
		out->result = -ENOMEM;
}

static void
work(void *owner, const void *query, const atomic_bool *stop, struct errand_answer *out) {
	const struct topics *t = owner;
	const struct channel_topics *q = query;

	(void)stop; // nothing here takes longer than Kafka's time-outs
	if (t->config->egress.sink != SINK_KAFKA) {
		out->result = -ENOTSUP;
		snprintf(out->why, sizeof(out->why), "egress.sink is not kafka: no topics");
	} else if (q->op == TOPICS_CHECK) {
		check(t->config, out);
	} else {
		create(t->config, q, out);
	}
}

int topics_create(const struct config *c, struct topics **out) {
	struct topics *t = calloc(1, sizeof(*t));

	if (t == nullptr)
		return -ENOMEM;
	t->config = c;
	int ret = errand_create("topics", sizeof(struct channel_topics), work, t, &t->errand);
	if (ret != 0) {
		free(t);
		return ret;
	}
	*out = t;
	return 0;
}

struct errand *topics_errand(struct topics *t) {
	return t->errand;
}

void topics_destroy(struct topics *t) {
	if (t == nullptr)
		return;
	errand_destroy(t->errand);
	free(t);
}
