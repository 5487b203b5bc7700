// SPDX-License-Identifier: Apache-2.0
// The blocks on disk: what still holds after a restart without the control plane.
//
//   header { magic, element, count, boot, second of the boot, crc of all that follows }
//   entries with the time left at that second
#include "config/durable_file.h"
#include "dataplane/blocks_private.h"

#include <rte_hash_crc.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAGIC 0x31534b434f4c4253u // "SBLOCKS1"
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

struct file_header {
	uint64_t magic;
	uint32_t element;
	uint32_t count;
	char boot[40]; // text, zero-padded
	int64_t at_s; // CLOCK_BOOTTIME
	uint32_t crc;
	uint32_t crc_header; // of what stands before it
};
static_assert(sizeof(struct file_header) == 72);

static void boot_read(char out[40]) {
	int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);

	memset(out, 0, 40);
	if (fd < 0)
		return;
	ssize_t n = read(fd, out, 36);
	if (n != 36)
		memset(out, 0, 40);
	close(fd);
}

static uint32_t crc_of(const void *bytes, size_t len) {
	return rte_hash_crc(bytes, (uint32_t)len, UINT32_MAX);
}

static int file_write(const char *path, const struct file_header *h, const void *entries) {
	struct durable_file f;
	int ret = durable_file_begin(&f, path, 0600);

	if (ret < 0)
		return ret;
	fwrite(h, sizeof(*h), 1, f.stream);
	fwrite(entries, h->element, h->count, f.stream);
	return durable_file_commit(&f);
}

int blocks_save(const struct blocks *b, const char *path) {
	struct file_header h = {
		.magic = FILE_MAGIC,
		.element = sizeof(struct channel_block),
		.at_s = block_now_s(),
	};
	uint32_t at = 0, room = b->count[BLOCK_ACTION_BLOCK] + b->count[BLOCK_ACTION_LIMIT];
	struct channel_block *list = calloc(room > 0 ? room : 1, sizeof(*list));

	if (list == nullptr)
		return -ENOMEM;
	boot_read(h.boot);
	while (h.count < room && blocks_next(b, &at, &list[h.count]))
		h.count++;
	h.crc = crc_of(list, h.count * sizeof(*list));
	h.crc_header = crc_of(&h, offsetof(struct file_header, crc_header));
	int ret = file_write(path, &h, list);
	free(list);
	return ret;
}

static bool header_good(const struct file_header *h, off_t size) {
	return h->magic == FILE_MAGIC && h->element == sizeof(struct channel_block)
		&& h->crc_header == crc_of(h, offsetof(struct file_header, crc_header))
		&& h->count <= BLOCKS_MAX
		&& (uint64_t)size == sizeof(*h) + (uint64_t)h->count * h->element;
}

static bool entry_good(const struct channel_block *k) {
	return k->op == CHANNEL_PUT && k->device_len <= CHANNEL_NAME_MAX
		&& k->peer.prefix_len <= (k->peer.family == 4 ? 32 : 128)
		&& memchr(k->reason, '\0', sizeof(k->reason)) != nullptr;
}

static int entries_take(struct blocks *b, const struct file_header *h, struct channel_block *list) {
	char boot[40];

	for (uint32_t i = 0; i < h->count; i++)
		if (!entry_good(&list[i]))
			return -EBADMSG;
	boot_read(boot);
	// After a reboot what was left at the last saving is left still.
	int64_t gone = memcmp(boot, h->boot, sizeof(boot)) == 0 ? block_now_s() - h->at_s : 0;
	for (uint32_t i = 0; i < h->count; i++) {
		struct channel_block *k = &list[i];
		if (k->for_s != 0 && (int64_t)k->for_s <= gone)
			continue;
		if (k->for_s != 0)
			k->for_s -= (uint64_t)gone;
		int ret = blocks_apply(b, k);
		if (ret < 0)
			return ret == -EINVAL ? -EBADMSG : ret;
	}
	return 0;
}

int blocks_load(struct blocks *b, const char *path) {
	struct file_header h;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	int ret = -EBADMSG;
	struct channel_block *list = nullptr;
	if (fstat(fd, &st) == 0 && read(fd, &h, sizeof(h)) == sizeof(h)
	    && header_good(&h, st.st_size)) {
		size_t len = (size_t)h.count * h.element;
		list = calloc(h.count > 0 ? h.count : 1, sizeof(*list));
		ret = list == nullptr ? -ENOMEM : -EBADMSG;
		if (list != nullptr && read(fd, list, len) == (ssize_t)len
		    && crc_of(list, len) == h.crc)
			ret = entries_take(b, &h, list);
	}
	close(fd);
	free(list);
	return ret;
}
