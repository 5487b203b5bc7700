// SPDX-License-Identifier: Apache-2.0
// The device table on disk: what sluiced starts from when the control plane is away.
//
//   header { magic, version, count, registry, crc of the header }
//   blocks of up to BLOCK devices, each followed by its CRC-32C
#include "config/durable_file.h"
#include "dataplane/device_table.h"

#include <rte_hash_crc.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SNAPSHOT_MAGIC 0x31504e5345434c53u // "SLCESNP1"
#define BLOCK 512u

struct snapshot_header {
	uint64_t magic;
	uint32_t element; // size of one device: another layout is another file
	uint32_t count;
	uint64_t registry_id;
	uint64_t version;
	uint32_t reserved;
	uint32_t crc;
};
static_assert(sizeof(struct snapshot_header) == 40);

struct block {
	struct channel_device devices[BLOCK];
	uint32_t crc; // of the devices in use, right behind them on disk
};

static uint32_t crc_of(const void *bytes, size_t len) {
	return rte_hash_crc(bytes, (uint32_t)len, UINT32_MAX);
}

static bool block_write(FILE *f, const struct block *b, uint32_t n) {
	uint32_t crc = crc_of(b->devices, n * sizeof(b->devices[0]));

	return fwrite(b->devices, sizeof(b->devices[0]), n, f) == n
		&& fwrite(&crc, sizeof(crc), 1, f) == 1;
}

static int devices_write(
	const struct device_table *t,
	FILE *f,
	struct block *b,
	bool (*stop)(void *),
	void *context
) {
	struct snapshot_header h = {
		.magic = SNAPSHOT_MAGIC,
		.element = sizeof(struct channel_device),
		.count = device_table_count(t),
		.registry_id = device_table_registry(t),
		.version = device_table_version(t),
	};
	uint32_t at = 0, n = 0;

	h.crc = crc_of(&h, offsetof(struct snapshot_header, crc));
	if (fwrite(&h, sizeof(h), 1, f) != 1)
		return -EIO;
	while (device_table_next(t, &at, &b->devices[n])) {
		if (++n < BLOCK)
			continue;
		if (!block_write(f, b, n))
			return -EIO;
		if (stop != NULL && stop(context))
			return -ECANCELED;
		n = 0;
	}
	return n == 0 || block_write(f, b, n) ? 0 : -EIO;
}

int device_table_save(
	struct device_table *t,
	const char *path,
	bool (*stop)(void *),
	void *context
) {
	struct block *b = malloc(sizeof(*b));
	struct durable_file f;
	int ret = b != NULL ? durable_file_begin(&f, path, 0600) : -ENOMEM;

	if (ret == 0) {
		ret = devices_write(t, f.stream, b, stop, context);
		if (ret == 0)
			ret = durable_file_commit(&f);
		else
			durable_file_abandon(&f);
	}
	free(b);
	return ret;
}

static bool device_good(const struct channel_device *d) {
	return d->name_len >= 1 && d->name_len <= CHANNEL_NAME_MAX && d->op == CHANNEL_PUT
		&& d->state < DEVICE_STATE_COUNT;
}

static int block_read(FILE *f, struct block *b, uint32_t n) {
	uint32_t crc;

	if (fread(b->devices, sizeof(b->devices[0]), n, f) != n
	    || fread(&crc, sizeof(crc), 1, f) != 1
	    || crc != crc_of(b->devices, n * sizeof(b->devices[0])))
		return -EBADMSG;
	for (uint32_t i = 0; i < n; i++)
		if (!device_good(&b->devices[i]))
			return -EBADMSG;
	return 0;
}

// One pass over all blocks; with `t` they are applied.
static int
blocks_walk(FILE *f, const struct snapshot_header *h, struct block *b, struct device_table *t) {
	for (uint32_t done = 0; done < h->count;) {
		uint32_t n = h->count - done < BLOCK ? h->count - done : BLOCK;
		int ret = block_read(f, b, n);
		if (ret == 0 && t != NULL)
			ret = device_table_apply(t, b->devices, n);
		if (ret < 0)
			return ret;
		done += n;
	}
	return fgetc(f) == EOF ? 0 : -EBADMSG;
}

static int file_load(struct device_table *t, FILE *f, struct block *b) {
	struct snapshot_header h;

	if (fread(&h, sizeof(h), 1, f) != 1 || h.magic != SNAPSHOT_MAGIC
	    || h.crc != crc_of(&h, offsetof(struct snapshot_header, crc))
	    || h.element != sizeof(struct channel_device))
		return -EBADMSG;
	if (h.count > device_table_capacity(t))
		return -ENOSPC;
	// First whole, then in: a bad last block must not leave half a registry.
	int ret = blocks_walk(f, &h, b, NULL);
	if (ret == 0 && fseek(f, sizeof(h), SEEK_SET) != 0)
		ret = -errno;
	if (ret < 0)
		return ret;
	device_table_whole_begin(t);
	ret = blocks_walk(f, &h, b, t);
	if (ret < 0)
		return ret;
	device_table_whole_end(t);
	device_table_at(t, h.registry_id, h.version);
	return 0;
}

int device_table_load(struct device_table *t, const char *path) {
	FILE *f = fopen(path, "re");
	struct block *b = malloc(sizeof(*b));
	int ret = f == NULL ? -errno : -ENOMEM;

	if (f != NULL && b != NULL)
		ret = file_load(t, f, b);
	if (f != NULL)
		fclose(f);
	free(b);
	return ret;
}
