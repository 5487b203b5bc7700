// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "config/signature.h"
#include "dataplane/log.h"
#include "dataplane/signatures.h"
#include "pipelines/match_compile.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_SUBSYSTEM "signatures"
#define ERRORS_MAX 16

// One set on its way. The thread has it between `running` and `done`.
struct job {
	pthread_t thread;
	bool running;
	atomic_bool done;
	bool check_only;
	bool published;
	uint64_t number;
	struct signature_set *source;
	struct match_options options;
	struct match_set *result;
	int ret;
	struct config_error errors[ERRORS_MAX];
	uint32_t error_count;
};

struct signatures {
	uint16_t workers;
	char cache[300];
	struct generation *generation;
	struct generation_loader loader;
	struct match_set *shown; // whose figures are told: held by every worker
	struct match_total *carried; // of sets before, one per signature of `shown`
	struct job job;
};

static void mistake_say(const struct config_error *e, uint32_t count, char *out, size_t room) {
	int n = e->line > 0
		? snprintf(out, room, "%.80s:%" PRIu32 ": %s", e->file, e->line, e->text)
		: snprintf(out, room, "%.80s: %s", e->file, e->text);

	if (count > 1 && n > 0 && (size_t)n < room)
		snprintf(out + n, room - (size_t)n, " (and %" PRIu32 " more)", count - 1);
}

static void set_log(const struct match_set *m, const char *cache) {
	const struct match_info *i = match_set_info(m);

	log_notice(
		"signatures=%" PRIu32 " compile_ms=%" PRIu32 " cached=%s database_bytes=%" PRIu64
		" scratch_bytes=%" PRIu64,
		i->signatures,
		i->compile_ms,
		i->cached ? "yes" : "no",
		i->database_bytes,
		i->scratch_bytes
	);
	if (i->cache_error == -EBADMSG)
		log_error("%s was corrupt: not used, made again", cache);
	else if (i->cache_error < 0)
		log_warn("%s: %s: every start compiles", cache, strerror(-i->cache_error));
}

// --- figures that outlive their set

static int id_order(const void *a, const void *b) {
	const struct signature_figures *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static struct match_total total_of(const struct signatures *s, uint32_t i) {
	struct match_total t = match_set_total(s->shown, i);

	if (s->carried != nullptr) {
		t.hits += s->carried[i].hits;
		t.acted += s->carried[i].acted;
		t.unproven += s->carried[i].unproven;
	}
	return t;
}

bool signatures_figures(const struct signatures *s, uint32_t index, struct signature_figures *out) {
	if (s->shown == nullptr || index >= match_set_source(s->shown)->count)
		return false;
	const struct signature *one = &match_set_source(s->shown)->signatures[index];
	struct match_total t = total_of(s, index);
	*out = (struct signature_figures) {
		.id = one->id,
		.name = one->name,
		.action = one->action,
		.hits = t.hits,
		.acted = t.acted,
		.unproven = t.unproven,
	};
	return true;
}

// Nothing adds to the old set any more: what it counted goes over to the new one, by id.
static void figures_carry(struct signatures *s, struct match_set *next) {
	uint32_t old_count = s->shown != nullptr ? match_set_source(s->shown)->count : 0;
	const struct signature_set *set = match_set_source(next);
	struct signature_figures *old = calloc(old_count + 1, sizeof(*old));
	struct match_total *carried = calloc(set->count + 1, sizeof(*carried));

	for (uint32_t i = 0; old != nullptr && i < old_count; i++)
		signatures_figures(s, i, &old[i]);
	if (old != nullptr && carried != nullptr) {
		qsort(old, old_count, sizeof(*old), id_order);
		for (uint32_t i = 0; i < set->count; i++) {
			const struct signature_figures key = {.id = set->signatures[i].id};
			const struct signature_figures *f =
				bsearch(&key, old, old_count, sizeof(*old), id_order);
			if (f != nullptr)
				carried[i] = (struct match_total) {f->hits, f->acted, f->unproven};
		}
	}
	free(old);
	free(s->carried);
	s->carried = carried;
	s->shown = next;
}

static void retire(void *owner, const void *generation) {
	struct signatures *s = owner;
	const void *current =
		s->generation != nullptr ? generation_current(s->generation) : generation;

	if (current != generation)
		figures_carry(s, (struct match_set *)(uintptr_t)current);
	match_set_free((struct match_set *)(uintptr_t)generation);
}

// --- a new set

static void *compile(void *job) {
	struct job *j = job;

	j->ret = match_compile(
		j->source, &j->options, &j->result, j->errors, ERRORS_MAX, &j->error_count
	);
	atomic_store_explicit(&j->done, true, memory_order_release);
	return nullptr;
}

static int begin(void *owner, const struct loading_file *file, struct loading_answer *answer) {
	struct signatures *s = owner;
	struct job *j = &s->job;
	const char *name = strrchr(file->path, '/');

	memset(j, 0, sizeof(*j));
	int ret = signatures_load_text(
		name != nullptr ? name + 1 : file->path,
		file->text,
		file->size,
		&j->source,
		j->errors,
		ERRORS_MAX,
		&j->error_count
	);
	if (ret == 0) {
		j->check_only = (file->flags & GENERATION_CHECK) != 0;
		j->number = file->number;
		j->options = (struct match_options) {
			.workers = s->workers,
			.cache = j->check_only ? nullptr : s->cache,
			.vectors = true,
		};
		ret = -pthread_create(&j->thread, nullptr, compile, j);
	}
	if (ret == 0) {
		j->running = true;
		return 0;
	}
	signatures_free(j->source);
	if (j->error_count > 0)
		mistake_say(&j->errors[0], j->error_count, answer->text, sizeof(answer->text));
	else
		snprintf(answer->text, sizeof(answer->text), "%s", strerror(-ret));
	return ret;
}

static int refused(struct job *j, struct loading_answer *answer) {
	signatures_free(j->source);
	if (j->error_count > 0)
		mistake_say(&j->errors[0], j->error_count, answer->text, sizeof(answer->text));
	else
		snprintf(answer->text, sizeof(answer->text), "%s", strerror(-j->ret));
	return j->ret;
}

static void answer_say(const struct match_set *m, bool checked, struct loading_answer *answer) {
	const struct match_info *i = match_set_info(m);

	snprintf(
		answer->text,
		sizeof(answer->text),
		"%" PRIu32 " signatures %s, %" PRIu32 " vectors right, %" PRIu32 " ms%s",
		i->signatures,
		checked ? "good" : "in force",
		i->vectors,
		i->compile_ms,
		i->cached ? " (cached)" : ""
	);
}

static int follow(void *owner, struct loading_answer *answer) {
	struct signatures *s = owner;
	struct job *j = &s->job;

	if (j->running && !atomic_load_explicit(&j->done, memory_order_acquire))
		return -EAGAIN;
	if (j->running) {
		pthread_join(j->thread, nullptr);
		j->running = false;
		if (j->ret < 0)
			return refused(j, answer);
	}
	answer->number = j->number;
	if (j->check_only) {
		answer_say(j->result, true, answer);
		match_set_free(j->result);
		return 0;
	}
	if (!j->published) {
		if (generation_publish(s->generation, j->result) == -EBUSY)
			return -EAGAIN;
		j->published = true;
	}
	if (generation_missing(s->generation) > 0)
		return -EAGAIN;
	if (s->shown != j->result) // the first: nothing was retired
		figures_carry(s, j->result);
	answer_say(j->result, false, answer);
	set_log(j->result, s->cache);
	return 0;
}

// --- start and end

static int first_set(
	struct signatures *s,
	const struct config *c,
	struct match_set **out,
	char *why,
	size_t why_len
) {
	const struct match_options o = {.workers = s->workers, .cache = s->cache};
	static struct config_error errors[ERRORS_MAX];
	struct signature_set *source = nullptr;
	uint32_t count = 0;

	*out = nullptr;
	if (c->match.signatures[0] == '\0')
		return 0;
	int ret = signatures_load(c->match.signatures, &source, errors, ERRORS_MAX, &count);
	if (ret == 0)
		ret = match_compile(source, &o, out, errors, ERRORS_MAX, &count);
	if (ret == 0) {
		set_log(*out, s->cache);
		return 0;
	}
	signatures_free(source);
	for (uint32_t i = 0; i < count; i++)
		log_error("%s:%" PRIu32 ": %s", errors[i].file, errors[i].line, errors[i].text);
	if (count > 0)
		mistake_say(&errors[0], count, why, why_len);
	else
		snprintf(why, why_len, "signatures %s: %s", c->match.signatures, strerror(-ret));
	return ret;
}

int signatures_create(
	const struct config *c,
	uint16_t workers,
	struct signatures **out,
	char *why,
	size_t why_len
) {
	struct signatures *s = calloc(1, sizeof(*s));
	struct match_set *first = nullptr;

	if (s == nullptr)
		return -ENOMEM;
	s->workers = workers;
	s->loader = (struct generation_loader) {.owner = s, .begin = begin, .poll = follow};
	snprintf(s->cache, sizeof(s->cache), "%s/signatures.cache", c->state_dir);
	int ret = first_set(s, c, &first, why, why_len);
	if (ret == 0) {
		ret = generation_create(workers, first, retire, s, &s->generation);
		if (ret < 0)
			match_set_free(first);
	}
	s->shown = ret == 0 ? first : nullptr;
	if (ret < 0) {
		free(s);
		return ret;
	}
	*out = s;
	return 0;
}

void signatures_destroy(struct signatures *s) {
	if (s == nullptr)
		return;
	if (s->job.running) {
		pthread_join(s->job.thread, nullptr);
		if (s->job.ret < 0)
			signatures_free(s->job.source);
		else
			match_set_free(s->job.result);
	}
	// Both a set and its successor may still be there: figures are of no use any more.
	struct generation *g = s->generation;
	s->generation = nullptr;
	generation_destroy(g);
	free(s->carried);
	free(s);
}

const struct generation_loader *signatures_loader(const struct signatures *s) {
	return &s->loader;
}

struct generation_seat *signatures_seat(struct signatures *s, uint16_t worker) {
	return generation_seat(s->generation, worker);
}

const struct match_set *signatures_current(const struct signatures *s) {
	return s != nullptr ? generation_current(s->generation) : nullptr;
}
