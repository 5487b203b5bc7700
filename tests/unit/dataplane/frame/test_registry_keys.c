// SPDX-License-Identifier: Apache-2.0
#include "dataplane/frame/registry_keys.h"
#include "tests/unit/dataplane/frame/key_file.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

#define DEVICES 4

static struct frame_devices *devices;
static char why[256];

static void load(const char *keys, const char *marks) {
	int ret = frame_devices_load(keys, marks, DEVICES, &devices, why, sizeof(why));

	if (ret != 0)
		fail_msg("%s", why);
}

static int setup(void **) {
	devices = NULL;
	return state_make();
}

static int teardown(void **) {
	frame_devices_destroy(devices);
	state_remove();
	return 0;
}

static struct view id(const char *name) {
	return view_of(name, (uint32_t)strlen(name));
}

static struct frame_key key_of(enum frame_algorithm algorithm, uint8_t number, uint8_t fill) {
	struct frame_key k = {.algorithm = algorithm, .number = number};

	k.len = algorithm == FRAME_AES_128_GCM ? 16 : FRAME_KEY_MAX;
	memset(k.bytes, fill, sizeof(k.bytes));
	return k;
}

static int put(const char *name, enum frame_algorithm algorithm, uint8_t number, uint8_t fill) {
	const struct frame_key k = key_of(algorithm, number, fill);

	return frame_registry_put(devices, id(name), &k);
}

static struct frame_key found;

static const struct frame_key *
find(const char *name, uint8_t number, enum frame_algorithm algorithm) {
	const struct frame_device *dev = frame_device_lookup(devices, id(name));

	if (dev == NULL)
		return NULL;
	return frame_device_key(devices, dev, number, algorithm, &found);
}

static void added_replaced_removed(void **) {
	load(NULL, NULL);
	assert_int_equal(put("pump", FRAME_HMAC_SHA_256, 1, 0x11), 0);
	assert_null(find("pump", 1, FRAME_HMAC_SHA_256)); // its window has not started
	assert_int_equal(frame_registry_settle(devices), 0);

	const struct frame_key *k = find("pump", 1, FRAME_HMAC_SHA_256);
	assert_non_null(k);
	assert_int_equal(k->len, FRAME_KEY_MAX);
	assert_int_equal(k->bytes[63], 0x11);
	uint64_t first = k->id;
	assert_null(find("pump", 1, FRAME_AES_128_GCM));
	assert_null(find("pump", 2, FRAME_HMAC_SHA_256));

	assert_int_equal(put("pump", FRAME_AES_128_GCM, 1, 0x22), 0); // known: at once
	k = find("pump", 1, FRAME_AES_128_GCM);
	assert_non_null(k);
	assert_int_equal(k->len, 16);
	assert_int_equal(frame_registry_count(devices), 2);

	// The same again keeps what workers have expanded; other bytes get another id.
	assert_int_equal(put("pump", FRAME_HMAC_SHA_256, 1, 0x11), 0);
	assert_true(find("pump", 1, FRAME_HMAC_SHA_256)->id == first);
	assert_int_equal(put("pump", FRAME_HMAC_SHA_256, 1, 0x33), 0);
	k = find("pump", 1, FRAME_HMAC_SHA_256);
	assert_true(k->id != first);
	assert_int_equal(k->bytes[0], 0x33);
	assert_int_equal(frame_registry_count(devices), 2);

	assert_true(frame_registry_remove(devices, id("pump"), 1, FRAME_HMAC_SHA_256));
	assert_false(frame_registry_remove(devices, id("pump"), 1, FRAME_HMAC_SHA_256));
	assert_null(find("pump", 1, FRAME_HMAC_SHA_256));
	assert_non_null(find("pump", 1, FRAME_AES_128_GCM));
	assert_int_equal(frame_registry_count(devices), 1);
}

static void bad_keys_refused(void **) {
	struct frame_key k = key_of(FRAME_AES_128_GCM, 0, 1);

	load(NULL, NULL);
	k.len = 32;
	assert_int_equal(frame_registry_put(devices, id("pump"), &k), -EINVAL);
	k = key_of(FRAME_HMAC_SHA_256, 0, 1);
	k.len = 15;
	assert_int_equal(frame_registry_put(devices, id("pump"), &k), -EINVAL);
	assert_int_equal(put("a/b", FRAME_HMAC_SHA_256, 0, 1), -EINVAL);
	assert_int_equal(frame_devices_count(devices), 0);
}

// A transfer tells of everything: what it leaves out is gone.
static void doubted_and_not_told_again(void **) {
	load(NULL, NULL);
	assert_int_equal(put("a", FRAME_HMAC_SHA_256, 1, 1), 0);
	assert_int_equal(put("a", FRAME_HMAC_SHA_256, 2, 2), 0);
	assert_int_equal(put("b", FRAME_AES_128_GCM, 1, 3), 0);
	assert_int_equal(frame_registry_settle(devices), 0);

	frame_registry_doubt(devices, id("a"));
	frame_registry_doubt(devices, id("nobody"));
	assert_int_equal(put("a", FRAME_HMAC_SHA_256, 2, 2), 0);
	assert_int_equal(frame_registry_settle(devices), 1);
	assert_null(find("a", 1, FRAME_HMAC_SHA_256));
	assert_non_null(find("a", 2, FRAME_HMAC_SHA_256));
	assert_non_null(find("b", 1, FRAME_AES_128_GCM));

	frame_registry_doubt_all(devices);
	frame_registry_doubt_all(devices);
	assert_int_equal(put("b", FRAME_AES_128_GCM, 1, 4), 0);
	assert_int_equal(frame_registry_settle(devices), 1);
	assert_null(find("a", 2, FRAME_HMAC_SHA_256));
	assert_int_equal(find("b", 1, FRAME_AES_128_GCM)->bytes[0], 4);
	assert_int_equal(frame_registry_settle(devices), 0);
	assert_int_equal(frame_registry_count(devices), 1);
}

static void file_wins(void **) {
	struct frame_keys *before = NULL;

	load(keys_path, NULL);
	assert_int_equal(put("dev-1", FRAME_AES_128_GCM, 0, 0x77), 0);
	assert_int_equal(put("dev-1", FRAME_AES_128_GCM, 9, 0x78), 0);
	assert_int_equal(find("dev-1", 0, FRAME_AES_128_GCM)->bytes[15], 0x0f);
	assert_int_equal(find("dev-1", 9, FRAME_AES_128_GCM)->bytes[0], 0x78);

	// Without the file it is the registry's; a key that only the file had is gone.
	assert_int_equal(frame_devices_reload(devices, NULL, &before, why, sizeof(why)), 0);
	assert_int_equal(find("dev-1", 0, FRAME_AES_128_GCM)->bytes[15], 0x77);
	assert_null(find("dev-1", 1, FRAME_AES_128_GCM));
	frame_keys_destroy(before);
	assert_int_equal(frame_devices_reload(devices, keys_path, &before, why, sizeof(why)), 0);
	assert_null(before);
	assert_int_equal(find("dev-1", 0, FRAME_AES_128_GCM)->bytes[15], 0x0f);
}

static void full(void **) {
	static const char *const names[DEVICES] = {"a", "b", "c", "d"};

	load(NULL, NULL);
	for (uint32_t i = 0; i < DEVICES; i++)
		assert_int_equal(put(names[i], FRAME_HMAC_SHA_256, 1, 1), 0);
	assert_int_equal(put("e", FRAME_HMAC_SHA_256, 1, 1), -ENOSPC);
	for (uint8_t n = 2; n < 2 + DEVICES * (REGISTRY_KEYS_PER_DEVICE - 1); n++)
		assert_int_equal(put("a", FRAME_HMAC_SHA_256, n, n), 0);
	assert_int_equal(put("a", FRAME_HMAC_SHA_256, 100, 1), -ENOSPC);
	assert_int_equal(frame_registry_settle(devices), 0);
	assert_int_equal(frame_registry_count(devices), DEVICES * REGISTRY_KEYS_PER_DEVICE);

	// A device's slot takes its next key.
	for (uint8_t n = 0; n < 100; n++) {
		assert_true(frame_registry_remove(
			devices, id("a"), n == 0 ? 2 : (uint8_t)(99 + n), FRAME_HMAC_SHA_256
		));
		assert_int_equal(put("a", FRAME_HMAC_SHA_256, (uint8_t)(100 + n), n), 0);
		assert_int_equal(find("a", (uint8_t)(100 + n), FRAME_HMAC_SHA_256)->bytes[0], n);
	}
}

static void snapshot_lists_all(void **) {
	struct view name;
	struct frame_key k;
	uint32_t at = 0;

	load(keys_path, NULL);
	assert_int_equal(put("a", FRAME_HMAC_SHA_256, 7, 1), 0);
	assert_int_equal(put("b", FRAME_AES_128_GCM, 8, 2), 0);
	assert_int_equal(put("b", FRAME_AES_128_GCM, 9, 3), 0);
	assert_true(frame_registry_remove(devices, id("b"), 8, FRAME_AES_128_GCM));
	assert_true(frame_registry_next(devices, &at, &name, &k));
	assert_true(view_equal(name, id("a")));
	assert_int_equal(k.algorithm, FRAME_HMAC_SHA_256);
	assert_int_equal(k.number, 7);
	assert_int_equal(k.bytes[FRAME_KEY_MAX - 1], 1);
	assert_true(frame_registry_next(devices, &at, &name, &k));
	assert_true(view_equal(name, id("b")));
	assert_int_equal(k.number, 9);
	assert_int_equal(k.len, 16);
	assert_false(frame_registry_next(devices, &at, &name, &k)); // none of the file
}

static enum frame_seen see(const char *name, uint64_t seq) {
	return frame_window_accept(
		devices, frame_device_lookup(devices, id(name)), (struct frame_mark) {1, seq}
	);
}

// What was accepted before a crash is not accepted by a device that comes with a later transfer.
static void marks_hold_for_devices_added_later(void **) {
	for (int start = 0; start < 2; start++) {
		load(NULL, marks_path);
		assert_int_equal(put("a", FRAME_HMAC_SHA_256, 1, 1), 0);
		assert_int_equal(frame_registry_settle(devices), 0);
		assert_int_equal(put("b", FRAME_HMAC_SHA_256, 1, 1), 0);
		assert_int_equal(frame_registry_settle(devices), 0);
		if (start > 0)
			break;
		assert_int_equal(see("a", 5), FRAME_BEYOND_GRANT);
		assert_int_equal(see("b", 6), FRAME_BEYOND_GRANT);
		assert_int_equal(frame_devices_flush(devices), 2);
		assert_int_equal(see("a", 5), FRAME_FRESH);
		assert_int_equal(see("b", 6), FRAME_FRESH);
		// Removed and added again it is where it was.
		assert_true(frame_registry_remove(devices, id("b"), 1, FRAME_HMAC_SHA_256));
		assert_int_equal(put("b", FRAME_HMAC_SHA_256, 1, 2), 0);
		assert_int_equal(frame_registry_settle(devices), 0);
		assert_int_equal(see("b", 6), FRAME_SEEN_BEFORE);
		frame_devices_destroy(devices); // no save: a crash
	}
	assert_int_equal(see("a", 5), FRAME_SEEN_BEFORE);
	assert_int_equal(see("b", 6), FRAME_SEEN_BEFORE);
	assert_int_equal(see("b", 7), FRAME_SEEN_BEFORE);
}

// --- under traffic

static _Atomic(bool) ended;
static _Atomic(uint32_t) phase; // odd while the key is removed
static _Atomic(uint32_t) torn, late, hits;

static void *worker(void *) {
	const struct frame_device *dev = frame_device_lookup(devices, id("pump"));

	while (!atomic_load(&ended)) {
		struct frame_key k;
		uint32_t before = atomic_load(&phase);
		if (frame_device_key(devices, dev, 1, FRAME_HMAC_SHA_256, &k) == NULL)
			continue;
		atomic_fetch_add(&hits, 1);
		for (uint32_t i = 1; i < FRAME_KEY_MAX; i++)
			if (k.bytes[i] != k.bytes[0] || k.len != FRAME_KEY_MAX || k.id == 0) {
				atomic_fetch_add(&torn, 1);
				break;
			}
		if (before % 2 == 1 && atomic_load(&phase) == before)
			atomic_fetch_add(&late, 1);
	}
	return NULL;
}

// The slot is given to a short key of another number in between: its bytes must never be taken for
// those of key 1, nor a key be found that was removed before the lookup began.
static void changed_under_traffic(void **) {
	pthread_t threads[2];
	uint8_t fill = 0;

	load(NULL, NULL);
	assert_int_equal(put("pump", FRAME_HMAC_SHA_256, 1, 1), 0);
	assert_int_equal(frame_registry_settle(devices), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, worker, NULL), 0);
	for (uint32_t i = 0; i < 4000000 && (i < 200000 || atomic_load(&hits) < 1000); i++) {
		put("pump", FRAME_HMAC_SHA_256, 1, ++fill);
		put("pump", FRAME_HMAC_SHA_256, 1, ++fill);
		frame_registry_remove(devices, id("pump"), 1, FRAME_HMAC_SHA_256);
		atomic_fetch_add(&phase, 1);
		put("pump", FRAME_AES_128_GCM, 2, ++fill);
		frame_registry_remove(devices, id("pump"), 2, FRAME_AES_128_GCM);
		atomic_fetch_add(&phase, 1);
	}
	atomic_store(&ended, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&torn), 0);
	assert_int_equal(atomic_load(&late), 0);
	assert_true(atomic_load(&hits) >= 1000);
	assert_int_equal(frame_registry_count(devices), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(added_replaced_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_keys_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(doubted_and_not_told_again, setup, teardown),
		cmocka_unit_test_setup_teardown(file_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(full, setup, teardown),
		cmocka_unit_test_setup_teardown(snapshot_lists_all, setup, teardown),
		cmocka_unit_test_setup_teardown(
			marks_hold_for_devices_added_later, setup, teardown
		),
		cmocka_unit_test_setup_teardown(changed_under_traffic, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
