// SPDX-License-Identifier: Apache-2.0
// The file of replay marks: a header and one record of 128 bytes per device, written in place.
//
//   0       1        65       80                              104
//   id len  id       zeros    epoch version seq checksum      the same again
//
// A record holds the mark twice. A write goes to the older copy, so a write that was cut short
// leaves the other one as it was; the valid copy with the higher version counts. Host byte order:
// the file belongs to one machine.
#include "config/durable_file.h"
#include "dataplane/frame/devices_private.h"
#include "parsers/siphash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_BYTES 128
#define COPY_OFFSET 80
#define RECORDS_PER_READ 256

static const char magic[RECORD_BYTES] = "sluice replay marks 1\n";
static const uint64_t sum_key[2] = {0x736c756963652d6d, 0x61726b732d737563};

struct mark_copy {
	uint32_t epoch;
	uint32_t version; // 0 = never written
	uint64_t seq;
	uint64_t checksum;
};
static_assert(sizeof(struct mark_copy) == 24);

struct mark_record {
	uint8_t id_len;
	uint8_t id[FRAME_DEVICE_MAX];
	uint8_t zeros[15];
	struct mark_copy copies[2];
};
static_assert(sizeof(struct mark_record) == RECORD_BYTES);
static_assert(offsetof(struct mark_record, copies) == COPY_OFFSET);

static uint64_t copy_checksum(const uint8_t *id, uint32_t id_len, const struct mark_copy *c) {
	uint8_t bytes[FRAME_DEVICE_MAX + 16];

	memcpy(bytes, id, id_len);
	memcpy(bytes + id_len, &c->epoch, 4);
	memcpy(bytes + id_len + 4, &c->version, 4);
	memcpy(bytes + id_len + 8, &c->seq, 8);
	return siphash13(sum_key, bytes, id_len + 16);
}

static int whole_pwrite(int fd, const void *bytes, size_t len, off_t offset) {
	ssize_t n = pwrite(fd, bytes, len, offset);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

static off_t record_offset(uint32_t slot) {
	return ((off_t)slot + 1) * RECORD_BYTES;
}

// The newest copy that was written whole.
static const struct mark_copy *record_newest(const struct mark_record *r) {
	const struct mark_copy *best = nullptr;

	for (int i = 0; i < 2; i++) {
		const struct mark_copy *c = &r->copies[i];
		if (c->version == 0 || c->checksum != copy_checksum(r->id, r->id_len, c))
			continue;
		if (best == nullptr || (int32_t)(c->version - best->version) > 0)
			best = c;
	}
	return best;
}

static void
record_take(struct frame_devices *d, uint32_t from, uint32_t slot, const struct mark_record *r) {
	if (r->id_len == 0 || r->id_len > FRAME_DEVICE_MAX)
		return;
	const struct mark_copy *newest = record_newest(r);
	struct frame_device *dev = frame_device_lookup(d, view_of(r->id, r->id_len));

	// A record without a valid copy was being made when we died: nothing was granted on it.
	if (dev == nullptr || dev->index < from || newest == nullptr)
		return;
	dev->mark_slot = slot;
	dev->mark_version = newest->version;
	dev->high = (struct frame_mark) {newest->epoch, newest->seq};
}

int mark_file_read(struct frame_devices *d, uint32_t from) {
	struct mark_record r[RECORDS_PER_READ];

	for (uint32_t slot = 0;;) {
		ssize_t n = pread(d->marks_fd, r, sizeof(r), record_offset(slot));
		if (n < 0)
			return -errno;
		uint32_t whole = (uint32_t)((size_t)n / sizeof(r[0]));
		if (whole == 0) {
			d->mark_slots = slot; // a record cut short is written again
			return 0;
		}
		for (uint32_t i = 0; i < whole; i++)
			record_take(d, from, slot++, &r[i]);
	}
}

static int header_check(struct frame_devices *d, const char *path) {
	char header[RECORD_BYTES];
	ssize_t n = pread(d->marks_fd, header, sizeof(header), 0);

	if (n < 0)
		return -errno;
	if (n == 0) {
		int ret = whole_pwrite(d->marks_fd, magic, sizeof(magic), 0);
		if (ret == 0)
			ret = mark_file_sync(d);
		// The directory entry must be as durable as the marks.
		return ret == 0 ? durable_name_sync(path) : ret;
	}
	return n == sizeof(header) && memcmp(header, magic, sizeof(magic)) == 0 ? 0 : -EBADMSG;
}

int mark_file_open(struct frame_devices *d, const char *path, char *why, size_t why_len) {
	int ret = 0;

	d->marks_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (d->marks_fd < 0)
		ret = -errno;
	else if (flock(d->marks_fd, LOCK_EX | LOCK_NB) < 0)
		ret = -EBUSY;
	if (ret == 0)
		ret = header_check(d, path);
	if (ret == 0)
		ret = mark_file_read(d, 0);
	if (ret == -EBUSY)
		snprintf(why, why_len, "%s: another sluiced uses it", path);
	else if (ret == -EBADMSG)
		snprintf(why, why_len, "%s: not a file of replay marks", path);
	else if (ret < 0)
		snprintf(why, why_len, "%s: %s", path, strerror(-ret));
	return ret;
}

int mark_file_write(struct frame_devices *d, struct frame_device *dev, struct frame_mark mark) {
	struct mark_copy c = {
		.epoch = mark.epoch, .version = dev->mark_version + 1, .seq = mark.seq
	};
	int ret;

	if (c.version == 0)
		c.version = 1;
	c.checksum = copy_checksum(dev->id, dev->id_len, &c);
	if (dev->mark_slot == INDEX_NONE) {
		struct mark_record r = {.id_len = (uint8_t)dev->id_len};
		memcpy(r.id, dev->id, dev->id_len);
		r.copies[c.version % 2] = c;
		ret = whole_pwrite(d->marks_fd, &r, sizeof(r), record_offset(d->mark_slots));
		if (ret == 0)
			dev->mark_slot = d->mark_slots++;
	} else {
		off_t at = record_offset(dev->mark_slot) + COPY_OFFSET
			+ (off_t)(c.version % 2 * sizeof(c));
		ret = whole_pwrite(d->marks_fd, &c, sizeof(c), at);
	}
	if (ret == 0)
		dev->mark_version = c.version;
	return ret;
}

int mark_file_sync(struct frame_devices *d) {
	return fdatasync(d->marks_fd) < 0 ? -errno : 0;
}
