// SPDX-License-Identifier: Apache-2.0
// The device table on disk: what sluiced starts from when the control plane is away.
//
//   header { magic, version, counts, registry, crc of the header }
//   blocks of up to SETS_BLOCK label sets, each followed by its CRC-32C
//   blocks of up to BLOCK devices, each followed by its CRC-32C
//
// A file of an older release has no label sets, and devices that end before `labels`: its devices
// count, and the registry is asked for everything.
#include "config/durable_file.h"
#include "dataplane/device_table.h"
#include "dataplane/label_sets.h"

#include <rte_hash_crc.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SNAPSHOT_MAGIC 0x32504e5345434c53u // "SLCESNP2"
#define SNAPSHOT_MAGIC_1 0x31504e5345434c53u
#define DEVICE_BYTES_1 offsetof(struct channel_device, labels)
#define BLOCK 512u
#define SETS_BLOCK 32u

struct snapshot_header {
	uint64_t magic;
	uint32_t element; // size of one device: another layout is another file
	uint32_t count;
	uint64_t registry_id;
	uint64_t version;
	uint32_t label_sets;
	uint32_t crc;
};
static_assert(sizeof(struct snapshot_header) == 40);

struct block {
	union {
		struct channel_device devices[BLOCK];
		struct channel_labels sets[SETS_BLOCK];
		uint8_t old[BLOCK][DEVICE_BYTES_1];
	};
};

static uint32_t crc_of(const void *bytes, size_t len) {
	return rte_hash_crc(bytes, (uint32_t)len, UINT32_MAX);
}

static bool block_write(FILE *f, const struct block *b, size_t bytes) {
	uint32_t crc = crc_of(b, bytes);

	return fwrite(b, bytes, 1, f) == 1 && fwrite(&crc, sizeof(crc), 1, f) == 1;
}

static uint32_t sets_count(const struct label_sets *s) {
	struct view bytes;
	uint32_t at = 0, n = 0;

	while (label_sets_next(s, &at, &bytes) != 0)
		n++;
	return n;
}

static int sets_write(const struct label_sets *s, FILE *f, struct block *b) {
	uint32_t at = 0, set, n = 0;
	struct view bytes;

	while ((set = label_sets_next(s, &at, &bytes)) != 0) {
		b->sets[n] = (struct channel_labels) {.set = set, .len = (uint16_t)bytes.len};
		memcpy(b->sets[n].bytes, bytes.p, bytes.len);
		if (++n < SETS_BLOCK)
			continue;
		if (!block_write(f, b, n * sizeof(b->sets[0])))
			return -EIO;
		n = 0;
	}
	return n == 0 || block_write(f, b, n * sizeof(b->sets[0])) ? 0 : -EIO;
}

static int devices_write(
	const struct device_table *t,
	FILE *f,
	struct block *b,
	bool (*stop)(void *),
	void *context
) {
	uint32_t at = 0, n = 0;

	while (device_table_next(t, &at, &b->devices[n])) {
		if (++n < BLOCK)
			continue;
		if (!block_write(f, b, n * sizeof(b->devices[0])))
			return -EIO;
		if (stop != NULL && stop(context))
			return -ECANCELED;
		n = 0;
	}
	return n == 0 || block_write(f, b, n * sizeof(b->devices[0])) ? 0 : -EIO;
}

static int file_write(
	const struct device_table *t,
	FILE *f,
	struct block *b,
	bool (*stop)(void *),
	void *context
) {
	const struct label_sets *sets = device_table_labels(t);
	struct snapshot_header h = {
		.magic = SNAPSHOT_MAGIC,
		.element = sizeof(struct channel_device),
		.count = device_table_count(t),
		.registry_id = device_table_registry(t),
		.version = device_table_version(t),
		.label_sets = sets_count(sets),
	};

	h.crc = crc_of(&h, offsetof(struct snapshot_header, crc));
	if (fwrite(&h, sizeof(h), 1, f) != 1)
		return -EIO;
	int ret = sets_write(sets, f, b);
	return ret < 0 ? ret : devices_write(t, f, b, stop, context);
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
		ret = file_write(t, f.stream, b, stop, context);
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

static int block_read(FILE *f, struct block *b, size_t bytes) {
	uint32_t crc;

	if (fread(b, bytes, 1, f) != 1 || fread(&crc, sizeof(crc), 1, f) != 1
	    || crc != crc_of(b, bytes))
		return -EBADMSG;
	return 0;
}

static int sets_read(FILE *f, struct block *b, uint32_t n, struct device_table *t) {
	int ret = block_read(f, b, n * sizeof(b->sets[0]));

	for (uint32_t i = 0; i < n && ret == 0; i++) {
		const struct channel_labels *l = &b->sets[i];
		if (l->set == 0 || l->len == 0 || l->len > sizeof(l->bytes)
		    || !labels_valid(view_of(l->bytes, l->len)))
			return -EBADMSG;
		if (t != NULL)
			ret = label_sets_define(
				device_table_labels(t), l->set, view_of(l->bytes, l->len)
			);
	}
	return ret;
}

// From the last to the first, as each is longer than it was.
static void old_devices_widen(struct block *b, uint32_t n) {
	struct channel_device d;

	for (uint32_t i = n; i-- > 0;) {
		memset(&d, 0, sizeof(d));
		memcpy(&d, b->old[i], DEVICE_BYTES_1);
		b->devices[i] = d;
	}
}

static int devices_read(
	FILE *f,
	const struct snapshot_header *h,
	struct block *b,
	uint32_t n,
	struct device_table *t
) {
	int ret = block_read(f, b, n * (size_t)h->element);

	if (ret == 0 && h->magic == SNAPSHOT_MAGIC_1)
		old_devices_widen(b, n);
	for (uint32_t i = 0; i < n && ret == 0; i++)
		if (!device_good(&b->devices[i]))
			return -EBADMSG;
	return ret == 0 && t != NULL ? device_table_apply(t, b->devices, n) : ret;
}

static uint32_t at_most(uint32_t n, uint32_t most) {
	return n < most ? n : most;
}

// One pass over all blocks; with `t` they are applied.
static int
blocks_walk(FILE *f, const struct snapshot_header *h, struct block *b, struct device_table *t) {
	int ret = 0;

	for (uint32_t n, done = 0; done < h->label_sets && ret == 0; done += n) {
		n = at_most(h->label_sets - done, SETS_BLOCK);
		ret = sets_read(f, b, n, t);
	}
	for (uint32_t n, done = 0; done < h->count && ret == 0; done += n) {
		n = at_most(h->count - done, BLOCK);
		ret = devices_read(f, h, b, n, t);
	}
	if (ret < 0)
		return ret;
	return fgetc(f) == EOF ? 0 : -EBADMSG;
}

static bool header_good(const struct snapshot_header *h) {
	if (h->crc != crc_of(h, offsetof(struct snapshot_header, crc)))
		return false;
	if (h->magic == SNAPSHOT_MAGIC_1)
		return h->element == DEVICE_BYTES_1 && h->label_sets == 0;
	return h->magic == SNAPSHOT_MAGIC && h->element == sizeof(struct channel_device);
}

static int file_load(struct device_table *t, FILE *f, struct block *b) {
	struct snapshot_header h;

	if (fread(&h, sizeof(h), 1, f) != 1 || !header_good(&h))
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
	label_sets_settle(device_table_labels(t));
	if (ret < 0)
		return ret;
	device_table_whole_end(t);
	device_table_at(t, h.registry_id, h.magic == SNAPSHOT_MAGIC_1 ? 0 : h.version);
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
