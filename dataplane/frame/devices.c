// SPDX-License-Identifier: Apache-2.0
#include "dataplane/frame/devices.h"
#include "dataplane/frame/devices_private.h"
#include "dataplane/pages.h"
#include "parsers/siphash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Ids come from the operator's file; a peer's choice can only miss.
static const uint64_t id_hash_key[2] = {0x70726f7465637465, 0x64206672616d6573};

static _Atomic(uint32_t) *index_slot(const struct frame_devices *d, struct view id) {
	uint32_t i = (uint32_t)siphash13(id_hash_key, id.p, id.len) & d->index_mask;

	for (;; i = (i + 1) & d->index_mask) {
		uint32_t at = atomic_load_explicit(&d->index[i], memory_order_acquire);
		if (at == 0)
			break;
		const struct frame_device *dev = &d->devices[at - 1];
		if (view_equal(view_of(dev->id, dev->id_len), id))
			break;
	}
	return &d->index[i];
}

struct frame_device *frame_device_lookup(const struct frame_devices *d, struct view id) {
	uint32_t i = atomic_load_explicit(index_slot(d, id), memory_order_acquire);

	return i != 0 ? &d->devices[i - 1] : nullptr;
}

struct frame_device *frame_device_add(struct frame_devices *d, struct view id) {
	_Atomic(uint32_t) *slot = index_slot(d, id);
	uint32_t at = atomic_load_explicit(slot, memory_order_relaxed);

	if (at != 0)
		return &d->devices[at - 1];
	if (d->device_count == d->device_max)
		return nullptr;
	struct frame_device *dev = &d->devices[d->device_count];
	memcpy(dev->id, id.p, id.len);
	dev->id_len = id.len;
	dev->index = d->device_count++;
	dev->mark_slot = INDEX_NONE;
	dev->reserve = MARK_RESERVE_MIN;
	// A worker that finds it has no key for it before the keys are in place.
	atomic_store_explicit(slot, d->device_count, memory_order_release);
	return dev;
}

const struct frame_key *frame_keys_find(
	const struct frame_keys *k,
	uint32_t device,
	uint8_t number,
	enum frame_algorithm algorithm
) {
	for (uint32_t i = k->first[device]; i != INDEX_NONE; i = k->keys[i].next)
		if (k->keys[i].number == number && k->keys[i].algorithm == algorithm)
			return &k->keys[i];
	return nullptr;
}

const struct frame_key *frame_device_key(
	const struct frame_devices *d,
	const struct frame_device *dev,
	uint8_t number,
	enum frame_algorithm algorithm,
	struct frame_key *copy
) {
	const struct frame_keys *k = atomic_load_explicit(&d->keys, memory_order_acquire);
	const struct frame_key *key = nullptr;

	if (k != nullptr)
		key = frame_keys_find(k, dev->index, number, algorithm);
	if (key == nullptr && registry_key_copy(d->registry, dev->index, number, algorithm, copy))
		key = copy;
	return key;
}

void frame_keys_destroy(struct frame_keys *k) {
	if (k == nullptr)
		return;
	pages_wipe(k->keys, k->bytes);
	free(k->first);
	free(k);
}

uint32_t frame_devices_count(const struct frame_devices *d) {
	return d->device_count;
}

static int tables_reserve(struct frame_devices *d, uint32_t max) {
	uint32_t size = 16;

	while (size < 2 * max)
		size *= 2;
	d->device_max = max;
	d->index_mask = size - 1;
	d->index = calloc(size, sizeof(*d->index));
	d->devices_bytes = ((size_t)max + 1) * sizeof(*d->devices);
	d->devices = pages_reserve(d->devices_bytes, false);
	d->dirty_words = (max + 63) / 64;
	d->dirty = calloc(d->dirty_words + 1, sizeof(*d->dirty));
	if (d->index == nullptr || d->devices == nullptr || d->dirty == nullptr)
		return -ENOMEM;
	return registry_keys_create(max, &d->registry);
}

// What is stored is seen, and granted.
static void windows_start(struct frame_devices *d) {
	for (uint32_t i = d->started; i < d->device_count; i++) {
		struct frame_device *dev = &d->devices[i];
		memset(dev->seen, 0xff, sizeof(dev->seen));
		dev->granted = dev->high;
		if (d->marks_fd < 0)
			dev->granted = (struct frame_mark) {UINT32_MAX, UINT64_MAX};
		dev->asked = dev->granted;
		shared_mark_write(&dev->granted_shared, dev->granted);
	}
	registry_keys_release(d->registry, d->started, d->device_count);
	d->started = d->device_count;
}

int frame_devices_start(struct frame_devices *d) {
	int ret = 0;

	if (d->device_count > d->started && d->marks_fd >= 0)
		ret = mark_file_read(d, d->started);
	for (uint32_t i = d->started; i < d->device_count && ret < 0; i++) // all has been seen
		d->devices[i].high = (struct frame_mark) {UINT32_MAX, UINT64_MAX};
	windows_start(d);
	return ret;
}

int frame_devices_load(
	const char *keys_path,
	const char *marks_path,
	uint32_t max,
	struct frame_devices **out,
	char *why,
	size_t why_len
) {
	struct frame_devices *d = calloc(1, sizeof(*d));
	struct frame_keys *keys = nullptr;
	int ret = -ENOMEM;

	snprintf(why, why_len, "frame.devices: out of memory");
	if (d == nullptr)
		return ret;
	d->marks_fd = -1;
	ret = tables_reserve(d, max);
	if (ret == 0 && keys_path != nullptr)
		ret = key_file_load(d, keys_path, &keys, why, why_len);
	if (ret == 0 && marks_path != nullptr)
		ret = mark_file_open(d, marks_path, why, why_len);
	atomic_store_explicit(&d->keys, keys, memory_order_release);
	if (ret < 0) {
		frame_devices_destroy(d);
		return ret;
	}
	windows_start(d);
	*out = d;
	return 0;
}

int frame_devices_reload(
	struct frame_devices *d,
	const char *keys_path,
	struct frame_keys **replaced,
	char *why,
	size_t why_len
) {
	struct frame_keys *keys = nullptr;
	int ret = 0;

	if (keys_path != nullptr)
		ret = key_file_load(d, keys_path, &keys, why, why_len);

	// Devices that a failed load has added are started all the same: the next one finds them.
	if (frame_devices_start(d) < 0) {
		snprintf(why, why_len, "replay marks cannot be read");
		ret = -EIO;
	}
	if (ret < 0) {
		frame_keys_destroy(keys);
		return ret;
	}
	*replaced = (struct frame_keys *)(uintptr_t)atomic_exchange(&d->keys, keys);
	return 0;
}

void frame_devices_destroy(struct frame_devices *d) {
	if (d == nullptr)
		return;
	frame_keys_destroy((struct frame_keys *)(uintptr_t)atomic_load(&d->keys));
	registry_keys_destroy(d->registry);
	pages_unmap(d->devices, d->devices_bytes);
	free(d->index);
	free(d->dirty);
	if (d->marks_fd >= 0)
		close(d->marks_fd);
	free(d);
}

static void dirty_set(struct frame_devices *d, const struct frame_device *dev) {
	atomic_fetch_or(&d->dirty[dev->index / 64], 1ull << dev->index % 64);
}

// Write what `dev` wants and remember it in the batch: only what has been synchronised may be
// granted, and the worker may have asked for more by then.
static int wanted_write(struct frame_devices *d, struct frame_device *dev) {
	struct frame_mark want;
	struct frame_mark have;

	if (!shared_mark_read(&dev->wanted, &want)) {
		dirty_set(d, dev); // caught in the middle of a write
		return 0;
	}
	shared_mark_read(&dev->granted_shared, &have); // this thread is its only writer
	if (!mark_after(want, have))
		return 0;
	int ret = mark_file_write(d, dev, want);
	if (ret < 0) {
		dirty_set(d, dev);
		return ret;
	}
	d->batch[d->batch_count++] = (struct mark_grant) {dev, want};
	return 0;
}

static int word_write(struct frame_devices *d, uint32_t word) {
	uint64_t bits = atomic_exchange(&d->dirty[word], 0);
	int ret = 0;

	for (; bits != 0; bits &= bits - 1) {
		struct frame_device *dev = &d->devices[word * 64 + (uint32_t)__builtin_ctzll(bits)];
		if (ret < 0 || d->batch_count == MARK_BATCH)
			dirty_set(d, dev); // the next flush takes it
		else
			ret = wanted_write(d, dev);
	}
	return ret;
}

static void batch_settle(struct frame_devices *d, bool grant) {
	for (uint32_t i = 0; i < d->batch_count; i++) {
		if (grant)
			shared_mark_write(&d->batch[i].dev->granted_shared, d->batch[i].mark);
		else
			dirty_set(d, d->batch[i].dev);
	}
}

int frame_devices_flush(struct frame_devices *d) {
	int ret = 0;

	if (d->marks_fd < 0)
		return 0;
	d->batch_count = 0;
	for (uint32_t w = 0; w < d->dirty_words && ret == 0 && d->batch_count < MARK_BATCH; w++)
		ret = word_write(d, w);
	if (ret == 0 && d->batch_count > 0)
		ret = mark_file_sync(d);
	batch_settle(d, ret == 0);
	if (ret == 0 && d->batch_count > 0)
		atomic_fetch_add_explicit(&d->grants, 1, memory_order_release);
	return ret < 0 ? ret : (int)d->batch_count;
}

int frame_devices_save(struct frame_devices *d) {
	int ret = 0;

	if (d->marks_fd < 0)
		return 0;
	for (uint32_t i = 0; i < d->device_count && ret == 0; i++) {
		struct frame_device *dev = &d->devices[i];
		struct frame_mark stored;
		shared_mark_read(&dev->granted_shared, &stored);
		if (dev->high.seq > 0 && mark_after(stored, dev->high))
			ret = mark_file_write(d, dev, dev->high);
	}
	return ret == 0 ? mark_file_sync(d) : ret;
}
