// SPDX-License-Identifier: Apache-2.0
// One value per line in a file (a protobuf record behind its length instead), "-" for standard
// output: replay and tests. The file is opened for
// appending by every egress thread and written in whole lines, so several threads may share it.
// A batch whose write failed is offered again from the first byte the file did not take.
#include "config/config.h"
#include "pipelines/encode_protobuf.h"
#include "pipelines/ledger_seq.h"
#include "pipelines/sink_counters.h"
#include "pipelines/sink_fifo.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sink {
	int fd;
	struct ledger_seq *seq;
	struct sink_counters counters;
	struct sink_fifo fifo;
	// The lines of one batch; [done, used) is not written yet.
	uint8_t *text;
	size_t capacity, used, done;
	struct batch *writing; // its lines are in text, nullptr if none
};

static void file_destroy(struct sink *s) {
	if (s == nullptr)
		return;
	if (s->fd > STDERR_FILENO)
		close(s->fd);
	ledger_seq_destroy(s->seq);
	free(s->text);
	free(s);
}

static int file_create(const struct sink_env *env, struct sink **out, char *why, size_t len) {
	const struct config *c = env->config;
	struct sink *s = calloc(1, sizeof(*s));
	int ret = -ENOMEM;

	if (s == nullptr)
		goto err;
	s->fd = -1;
	s->capacity = (size_t)c->egress.batch_bytes + VARINT32_MAX_BYTES * BATCH_ENTRIES_MAX;
	s->text = malloc(s->capacity);
	if (s->text == nullptr || ledger_seq_create(c, &s->seq) != 0)
		goto err;
	if (strcmp(c->egress.file_path, "-") == 0)
		s->fd = STDOUT_FILENO;
	else
		s->fd = open(c->egress.file_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (s->fd < 0) {
		ret = -errno;
		snprintf(why, len, "egress.file %s: %s", c->egress.file_path, strerror(-ret));
		file_destroy(s);
		return ret;
	}
	*out = s;
	return 0;

err:
	snprintf(why, len, "out of memory for the file sink");
	file_destroy(s);
	return ret;
}

// What is left of the batch in `text`; its entries are finished once all of it is in the file.
static void file_write(struct sink *s) {
	while (s->done < s->used) {
		ssize_t n = write(s->fd, s->text + s->done, s->used - s->done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			sink_counter_add(&s->counters.errors, 1);
			return;
		}
		s->done += (size_t)n;
	}
	struct batch *b = s->writing;
	for (uint32_t i = 0; i < b->count; i++)
		atomic_store_explicit(
			&b->entries[i].result, RESULT_DELIVERED, memory_order_relaxed
		);
	sink_counter_add(&s->counters.acknowledged, b->count);
	atomic_store_explicit(&s->counters.in_flight, 0, memory_order_relaxed);
	sink_fifo_push(&s->fifo, b);
	s->writing = nullptr;
}

static int file_submit(struct sink *s, struct batch *b, uint64_t) {
	if (s->writing != nullptr || sink_fifo_full(&s->fifo))
		return -EAGAIN;
	s->used = s->done = 0;
	for (uint32_t i = 0; i < b->count; i++) {
		struct batch_entry *e = &b->entries[i];
		ledger_seq_give(s->seq, b, e);
		if (s->used + e->len + VARINT32_MAX_BYTES > s->capacity)
			return -EMSGSIZE; // batch larger than egress.batch_bytes: our bug
		if (e->seq_form == SEQ_FIXED64) {
			s->used += varint_write(s->text + s->used, e->len);
			memcpy(s->text + s->used, b->buf + e->offset, e->len);
			s->used += e->len;
		} else {
			memcpy(s->text + s->used, b->buf + e->offset, e->len);
			s->used += e->len;
			s->text[s->used++] = '\n';
		}
		atomic_store_explicit(&e->result, RESULT_PENDING, memory_order_relaxed);
	}
	s->writing = b;
	sink_counter_add(&s->counters.submitted, b->count);
	sink_counter_add(&s->counters.bytes, s->used);
	atomic_store_explicit(&s->counters.in_flight, b->count, memory_order_relaxed);
	file_write(s);
	return 0;
}

static unsigned
file_poll(struct sink *s, uint64_t, unsigned, struct sink_done *done, unsigned max) {
	if (s->writing != nullptr)
		file_write(s);
	return sink_fifo_take(&s->fifo, done, max);
}

static void file_flush(struct sink *s, unsigned) {
	if (s->writing != nullptr)
		file_write(s);
	if (fsync(s->fd) != 0 && errno != EINVAL && errno != EROFS)
		sink_counter_add(&s->counters.errors, 1);
}

static void file_stats(const struct sink *s, struct sink_stats *out) {
	sink_counters_read(&s->counters, out);
}

const struct sink_ops sink_file_ops = {
	.name = "file",
	.create = file_create,
	.destroy = file_destroy,
	.submit = file_submit,
	.poll = file_poll,
	.flush = file_flush,
	.stats = file_stats,
};
