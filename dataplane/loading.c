// SPDX-License-Identifier: Apache-2.0
#include "dataplane/loading.h"
#include "pipelines/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int descriptor_read(int fd, char **text, size_t *size) {
	struct stat s;

	if (fstat(fd, &s) < 0)
		return -errno;
	if (!S_ISREG(s.st_mode) || s.st_size > LOADING_FILE_MAX)
		return -EFBIG;
	char *t = malloc((size_t)s.st_size + 1);
	if (t == nullptr)
		return -ENOMEM;
	size_t n = 0;
	while (n < (size_t)s.st_size) {
		ssize_t got = read(fd, t + n, (size_t)s.st_size - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	t[n] = '\0';
	*text = t;
	*size = n;
	return 0;
}

// 0 and the text (the caller frees it), or -errno; -ESTALE: not what was announced.
static int file_read(const struct channel_generation *g, char **text, size_t *size) {
	uint8_t digest[SHA256_BYTES];
	struct sha256 sum;
	int fd = open(g->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	int ret = descriptor_read(fd, text, size);
	close(fd);
	if (ret < 0)
		return ret;
	sha256_init(&sum);
	sha256_update(&sum, *text, *size);
	sha256_digest(&sum, digest);
	if (memcmp(digest, g->sha256, sizeof(digest)) == 0)
		return 0;
	free(*text);
	return -ESTALE;
}

static void unread_say(const struct channel_generation *g, int error, struct channel_ack *ack) {
	if (error == -ESTALE)
		snprintf(
			ack->text,
			sizeof(ack->text),
			"%.120s is not the file that was announced: somebody changed it",
			g->path
		);
	else
		snprintf(
			ack->text,
			sizeof(ack->text),
			"sluiced cannot read %.120s: %s",
			g->path,
			strerror(-error)
		);
}

static void ack_fill(struct channel_ack *ack, int result, const struct loading_answer *a) {
	ack->result = result;
	ack->number = a->number;
	ack->pending = a->pending;
	snprintf(ack->text, sizeof(ack->text), "%s", a->text);
}

bool loading_begin(
	struct loading *l,
	const struct channel_generation *g,
	uint64_t seq,
	uint64_t now_ns,
	struct channel_ack *ack
) {
	struct loading_job *j = &l->jobs[g->kind];
	struct loading_answer answer = {0};
	char *text = nullptr;
	size_t size = 0;

	*ack = (struct channel_ack) {.type = CHANNEL_GENERATION, .result = -ENOTSUP};
	if (j->loader == nullptr) {
		snprintf(ack->text, sizeof(ack->text), "this data plane has no use for it");
		return true;
	}
	if (j->running) {
		ack->result = -EBUSY;
		snprintf(ack->text, sizeof(ack->text), "the one before is still on its way");
		return true;
	}
	int ret = file_read(g, &text, &size);
	if (ret < 0) {
		ack->result = ret;
		unread_say(g, ret, ack);
		return true;
	}
	const struct loading_file file = {
		.path = g->path,
		.text = text,
		.size = size,
		.number = g->number,
		.flags = g->flags,
	};
	ret = j->loader->begin(j->loader->owner, &file, &answer);
	explicit_bzero(text, size); // it may hold secrets
	free(text);
	if (ret != 0) {
		ack_fill(ack, ret < 0 ? ret : 0, &answer);
		return true;
	}
	j->running = true;
	j->seq = seq;
	j->began_ns = now_ns;
	return false;
}

bool loading_turn(
	struct loading *l,
	enum generation_kind kind,
	uint64_t now_ns,
	uint64_t *seq,
	struct channel_ack *ack
) {
	struct loading_job *j = &l->jobs[kind];
	struct loading_answer answer = {0};

	if (!j->running)
		return false;
	int ret = j->loader->poll(j->loader->owner, &answer);
	if (ret == -EAGAIN)
		return false;
	j->running = false;
	*seq = j->seq;
	*ack = (struct channel_ack) {.type = CHANNEL_GENERATION, .apply_ns = now_ns - j->began_ns};
	ack_fill(ack, ret, &answer);
	return true;
}
