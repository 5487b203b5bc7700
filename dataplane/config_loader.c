// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "config/select.h"
#include "dataplane/config_loader.h"
#include "dataplane/egress.h"
#include "dataplane/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_SUBSYSTEM "config"

struct config_loader {
	struct settings_env env;
	struct generation *generation;
	struct egress *egress;
	struct generation_loader ops;
	struct settings_verdict verdict; // of the file at hand
};

static struct settings *current(const struct config_loader *l) {
	return (struct settings *)(uintptr_t)generation_current(l->generation);
}

static void retire(void *owner, const void *generation) {
	const struct config_loader *l = owner;
	const struct settings *newest = current(l);

	settings_free(
		(struct settings *)(uintptr_t)generation, newest == generation ? nullptr : newest
	);
}

// "2 of 3 changed options need a restart of sluiced: user, egress.threads"
static void pending_say(const struct settings_verdict *v, char *out, size_t size) {
	size_t n = (size_t)snprintf(
		out,
		size,
		"%" PRIu32 " of %" PRIu32 " changed options need%s a restart of sluiced:",
		v->pending,
		v->changed,
		v->pending == 1 ? "s" : ""
	);
	uint32_t named = 0;

	for (uint32_t i = 0; i < v->changed && i < SETTINGS_CHANGES_MAX; i++) {
		if (v->changes[i].live)
			continue;
		int more = snprintf(
			out + n, size - n, "%s %s", named > 0 ? "," : "", v->changes[i].path
		);
		if (more < 0 || n + (size_t)more + 8 >= size) {
			snprintf(out + n, size - n, ", ...");
			return;
		}
		n += (size_t)more;
		named++;
	}
}

static int
publish(struct config_loader *l, struct config *next, uint64_t number, struct loading_answer *answer
) {
	struct settings *s = nullptr;

	if (generation_missing(l->generation) > 0) {
		config_free(next);
		snprintf(answer->text, sizeof(answer->text), "a worker does not answer");
		return -EBUSY;
	}
	int ret = settings_build(
		&l->env, current(l), next, number, &s, answer->text, sizeof(answer->text)
	);
	if (ret < 0)
		return ret;
	if (l->env.mqtt != nullptr)
		auth_thread_use(l->env.mqtt->thread, s->credentials);
	egress_use(l->egress, s->config);
	return generation_publish(l->generation, s);
}

static int
judged(struct config_loader *l,
       struct config *next,
       const struct loading_file *file,
       struct loading_answer *answer) {
	const struct settings_verdict *v = &l->verdict;

	answer->number = current(l)->number;
	answer->pending = v->pending;
	if (v->pending > 0)
		pending_say(v, answer->text, sizeof(answer->text));
	else
		snprintf(
			answer->text,
			sizeof(answer->text),
			"%" PRIu32 " changed options take effect at once",
			v->changed
		);
	if ((file->flags & GENERATION_CHECK) == 0 && v->pending == 0)
		return publish(l, next, file->number, answer);
	config_free(next);
	if ((file->flags & GENERATION_CHECK) != 0)
		return 1;
	if ((file->flags & GENERATION_LATER) == 0)
		return -ERESTART;
	log_notice("configuration %" PRIu64 " waits: %s", file->number, answer->text);
	return 1;
}

static int begin(void *owner, const struct loading_file *file, struct loading_answer *answer) {
	struct config_loader *l = owner;
	struct config_error error = {0};
	struct config *next = nullptr;
	uint32_t count = 0;
	int ret = config_load_text(file->path, file->text, file->size, &next, &error, 1, &count);

	if (ret < 0) {
		snprintf(
			answer->text,
			sizeof(answer->text),
			"%s",
			count > 0 ? error.text : strerror(-ret)
		);
		answer->number = current(l)->number;
		return ret;
	}
	uint32_t shared = profile_select_shared(next->selector);
	if (shared > SELECT_SHARED_MANY)
		log_warn(SELECT_SHARED_WARNING, shared);
	settings_judge(&l->env, current(l), next, &l->verdict);
	ret = judged(l, next, file, answer);
	if (ret < 0)
		log_warn("configuration %" PRIu64 " refused: %s", file->number, answer->text);
	return ret;
}

static int poll(void *owner, struct loading_answer *answer) {
	struct config_loader *l = owner;
	const struct settings *s = current(l);

	// The thread first: the workers' last word frees the table that it may be reading.
	if (l->env.mqtt != nullptr && !auth_thread_holds(l->env.mqtt->thread, s->credentials))
		return -EAGAIN;
	if (generation_missing(l->generation) > 0)
		return -EAGAIN;
	answer->number = s->number;
	snprintf(
		answer->text,
		sizeof(answer->text),
		"in force on %u workers: %" PRIu32 " changed options",
		l->env.workers,
		l->verdict.changed
	);
	log_notice("configuration %" PRIu64 " %s", s->number, answer->text);
	return 0;
}

int config_loader_create(
	const struct settings_env *env,
	struct settings *first,
	struct egress *egress,
	struct config_loader **out
) {
	struct config_loader *l = calloc(1, sizeof(*l));

	if (l == nullptr)
		return -ENOMEM;
	l->env = *env;
	l->egress = egress;
	l->ops = (struct generation_loader) {.owner = l, .begin = begin, .poll = poll};
	int ret = generation_create(env->workers, first, retire, l, &l->generation);
	if (ret < 0) {
		free(l);
		return ret;
	}
	*out = l;
	return 0;
}

void config_loader_destroy(struct config_loader *l) {
	if (l == nullptr)
		return;
	generation_destroy(l->generation);
	free(l);
}

struct generation_seat *config_loader_seat(struct config_loader *l, uint16_t worker) {
	return generation_seat(l->generation, worker);
}

const struct generation_loader *config_loader_ops(const struct config_loader *l) {
	return &l->ops;
}

const struct settings *config_loader_current(const struct config_loader *l) {
	return current(l);
}
