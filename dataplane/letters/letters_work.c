// SPDX-License-Identifier: Apache-2.0
#include "dataplane/letters/letter.h"
#include "dataplane/letters/letters_work.h"
#include "dataplane/letters/marks.h"
#include "pipelines/kafka_letters.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SCAN_MS 8000
#define REPLAY_MS 8000 // new ones are sent so long; what is on its way then may take as long again
#define WAIT_NS 500000

struct replayed {
	uint64_t accepted, refused, shed, skipped; // by verdict; skipped: cannot go through again
	int error;
};

// One request in progress.
struct job {
	struct letters_work *work;
	const struct channel_letters *query;
	yyjson_mut_doc *doc;
	yyjson_mut_val *root;
	yyjson_mut_val *list;
	uint32_t taken;
	struct replayed counts;
	uint64_t until_ms;
};

static uint64_t now_ms(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool wanted(const struct job *j, const struct letter *l) {
	const struct channel_letters *q = j->query;

	if (q->device_len > 0
	    && (strlen(l->device) != q->device_len
		|| memcmp(l->device, q->device, q->device_len) != 0))
		return false;
	if (q->reason[0] != '\0' && strcmp(l->reason, q->reason) != 0
	    && strcmp(l->detail, q->reason) != 0)
		return false;
	return l->arrival_ns >= q->since_ns;
}

// --- list and show

static void text_add(struct job *j, yyjson_mut_val *o, const char *name, const char *value) {
	if (value[0] != '\0')
		yyjson_mut_obj_add_strcpy(j->doc, o, name, value);
}

static yyjson_mut_val *
summary(struct job *j, const struct letter_message *m, const struct letter *l) {
	yyjson_mut_val *o = yyjson_mut_obj(j->doc);
	char id[48];

	snprintf(id, sizeof(id), "%d/%lld", m->partition, (long long)m->offset);
	yyjson_mut_obj_add_strcpy(j->doc, o, "id", id);
	yyjson_mut_obj_add_sint(j->doc, o, "arrival_ns", l->arrival_ns);
	text_add(j, o, "device", l->device);
	text_add(j, o, "reason", l->reason);
	text_add(j, o, "detail", l->detail);
	text_add(j, o, "stage", l->stage);
	text_add(j, o, "transport", l->transport);
	text_add(j, o, "profile", l->profile);
	text_add(j, o, "path", l->path);
	text_add(j, o, "peer", l->peer);
	yyjson_mut_obj_add_uint(j->doc, o, "bytes", (uint64_t)l->original.len / 4 * 3);
	yyjson_mut_obj_add_uint(j->doc, o, "replays", l->replays);
	yyjson_mut_obj_add_bool(
		j->doc, o, "replayed", marks_has(j->work->marks, m->partition, m->offset)
	);
	return o;
}

// The newest are wanted and the oldest come first, so the front gives way.
static void list_take(struct job *j, const struct letter_message *m, const struct letter *l) {
	yyjson_mut_arr_append(j->list, summary(j, m, l));
	if (++j->taken > j->query->limit)
		yyjson_mut_arr_remove_first(j->list);
}

static void show_take(struct job *j, const struct letter_message *m, const struct letter *l) {
	yyjson_mut_val *o = summary(j, m, l);

	yyjson_mut_obj_add_val(
		j->doc, o, "letter", yyjson_val_mut_copy(j->doc, yyjson_doc_get_root(l->doc))
	);
	yyjson_mut_arr_append(j->list, o);
	j->taken++;
}

// --- replay

static void verdict_take(struct job *j, struct letter_slot *s) {
	struct letters_work *w = j->work;

	w->out--;
	if (s->no_profile) {
		j->counts.skipped++;
	} else if (s->verdict.outcome == OUTCOME_SHED) {
		j->counts.shed++; // later
	} else {
		if (s->verdict.outcome == OUTCOME_ACKED)
			j->counts.accepted++;
		else
			j->counts.refused++;
		int ret = marks_add(w->marks, s->partition, s->offset);
		if (ret != 0)
			j->counts.error = ret;
	}
	lane_give(w->lane, s);
}

static bool collect(struct job *j) {
	struct letter_slot *s;
	bool any = false;

	while ((s = lane_take_done(j->work->lane)) != nullptr) {
		verdict_take(j, s);
		any = true;
	}
	return any;
}

static struct letter_slot *slot_wait(struct job *j) {
	struct letter_slot *s;

	while ((s = lane_take_free(j->work->lane)) == nullptr) {
		if (collect(j))
			continue;
		if (now_ms() >= j->until_ms || atomic_load(j->work->stop))
			return nullptr;
		nanosleep(&(struct timespec) {.tv_nsec = WAIT_NS}, nullptr);
	}
	return s;
}

static bool may_go(const struct job *j, const struct letter_message *m, const struct letter *l) {
	if (l->replays >= REPLAYS_MAX)
		return false;
	return j->query->again
		|| (l->replays == 0 && !marks_has(j->work->marks, m->partition, m->offset));
}

static bool replay_take(struct job *j, const struct letter_message *m, const struct letter *l) {
	if (!may_go(j, m, l))
		return true;
	struct letter_slot *s = slot_wait(j);
	if (s == nullptr)
		return false;
	if (letter_to_slot(l, s) != nullptr) {
		j->counts.skipped++;
		lane_give(j->work->lane, s);
		return true;
	}
	s->partition = m->partition;
	s->offset = m->offset;
	lane_send(j->work->lane, s);
	j->work->out++;
	return ++j->taken < j->query->limit && j->counts.error == 0;
}

// What the worker has comes back when Kafka has answered; if that takes too long, it is collected
// with the next request.
static void replay_finish(struct job *j) {
	uint64_t until_ms = now_ms() + REPLAY_MS;

	while (j->work->out > 0 && now_ms() < until_ms && !atomic_load(j->work->stop))
		if (!collect(j))
			nanosleep(&(struct timespec) {.tv_nsec = WAIT_NS}, nullptr);
	int ret = marks_flush(j->work->marks);
	if (ret != 0 && j->counts.error == 0)
		j->counts.error = ret;
	yyjson_mut_obj_add_uint(j->doc, j->root, "sent", j->taken);
	yyjson_mut_obj_add_uint(j->doc, j->root, "accepted", j->counts.accepted);
	yyjson_mut_obj_add_uint(j->doc, j->root, "refused", j->counts.refused);
	yyjson_mut_obj_add_uint(j->doc, j->root, "shed", j->counts.shed);
	yyjson_mut_obj_add_uint(j->doc, j->root, "skipped", j->counts.skipped);
	yyjson_mut_obj_add_uint(j->doc, j->root, "waiting", j->work->out);
}

// --- one request

static bool message_take(void *owner, const struct letter_message *m) {
	struct job *j = owner;
	struct letter l;
	bool on = !atomic_load(j->work->stop);

	if (!letter_parse(m->value, &l))
		return on;
	if (wanted(j, &l)) {
		switch (j->query->op) {
		case LETTERS_LIST:
			list_take(j, m, &l);
			break;
		case LETTERS_SHOW:
			show_take(j, m, &l);
			break;
		default:
			on = replay_take(j, m, &l) && on;
		}
	}
	letter_free(&l);
	return on;
}

static int marks_ready(struct letters_work *w, char *why, size_t why_len) {
	if (w->marks != nullptr)
		return 0;
	int ret = marks_open(w->marks_path, &w->marks);
	if (ret != 0)
		snprintf(why, why_len, "%.180s: %s", w->marks_path, strerror(-ret));
	return ret;
}

static void scan(struct job *j, struct errand_answer *out) {
	const struct letters_range range = {
		.partition = j->query->partition,
		.offset = j->query->offset,
		.scan = j->query->scan,
	};
	int64_t n = letters_reader_scan(j->work->reader, &range, message_take, j, SCAN_MS);

	if (n < 0) {
		out->result = (int)n;
		snprintf(
			out->why,
			sizeof(out->why),
			n == -ENOENT ? "there is no such topic or partition"
				     : "Kafka did not deliver the dead letters in time"
		);
		return;
	}
	yyjson_mut_obj_add_sint(j->doc, j->root, "scanned", n);
}

void letters_work_do(
	struct letters_work *w,
	const struct channel_letters *q,
	struct errand_answer *out
) {
	struct job j = {.work = w, .query = q, .until_ms = now_ms() + REPLAY_MS};

	if (w->reader == nullptr) {
		out->result = -ENOTSUP;
		snprintf(
			out->why,
			sizeof(out->why),
			"dead letters are read from Kafka, and egress.sink is another"
		);
		return;
	}
	out->result = marks_ready(w, out->why, sizeof(out->why));
	if (out->result != 0)
		return;
	j.doc = yyjson_mut_doc_new(nullptr);
	j.root = yyjson_mut_obj(j.doc);
	j.list = yyjson_mut_arr(j.doc);
	yyjson_mut_doc_set_root(j.doc, j.root);
	scan(&j, out);
	if (q->op == LETTERS_REPLAY) {
		replay_finish(&j);
		if (j.counts.error != 0 && out->result == 0) {
			out->result = j.counts.error;
			snprintf(
				out->why,
				sizeof(out->why),
				"%.180s: %s",
				w->marks_path,
				strerror(-j.counts.error)
			);
		}
	} else {
		yyjson_mut_obj_add_val(j.doc, j.root, "letters", j.list);
	}
	if (out->result == 0)
		out->json = yyjson_mut_write(j.doc, 0, nullptr);
	if (out->result == 0 && out->json == nullptr)
		out->result = -ENOMEM;
	yyjson_mut_doc_free(j.doc);
}

void letters_work_end(struct letters_work *w) {
	letters_reader_destroy(w->reader);
	marks_close(w->marks);
}
