// SPDX-License-Identifier: Apache-2.0
#include "dataplane/device_table.h"
#include "dataplane/label_sets.h"
#include "pipelines/device_state.h"

#include <rte_hash_crc.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const uint64_t secret[2] = {1, 2};
static struct device_table *t;

static int setup(void **) {
	return device_table_create(1000, secret, &t);
}

static int teardown(void **) {
	device_table_destroy(t);
	t = NULL;
	return 0;
}

static struct channel_device device(const char *name, enum device_state s) {
	struct channel_device d = {.op = CHANNEL_PUT, .state = s};

	d.name_len = (uint8_t)strlen(name);
	memcpy(d.name, name, d.name_len);
	return d;
}

static int put(const char *name, enum device_state s) {
	struct channel_device d = device(name, s);
	return device_table_apply(t, &d, 1);
}

// Under a number, a set with the one pair n=VALUE.
static void define(uint32_t number, const char *value) {
	uint8_t set[16] = {1, (uint8_t)strlen(value), 'n'};

	memcpy(set + 3, value, set[1]);
	assert_int_equal(
		label_sets_define(device_table_labels(t), number, view_of(set, 3u + set[1])), 0
	);
}

static void put_labelled(const char *name, uint32_t number) {
	struct channel_device d = device(name, DEVICE_ACTIVE);

	d.labels = number;
	assert_int_equal(device_table_apply(t, &d, 1), 0);
}

static void take_away(const char *name) {
	struct channel_device d = device(name, DEVICE_REVOKED);
	d.op = CHANNEL_REMOVE;
	assert_int_equal(device_table_apply(t, &d, 1), 0);
}

static struct device_entry look(const char *name) {
	struct view v = {(const uint8_t *)name, (uint32_t)strlen(name)};
	struct device_entry e;
	device_table_lookup(t, &v, 1, &e);
	return e;
}

static void what_is_put_is_found_until_removed(void **) {
	assert_int_equal(look("dev-1").slot, DEVICE_NONE);
	assert_int_equal(put("dev-1", DEVICE_ACTIVE), 0);
	assert_int_equal(look("dev-1").state, DEVICE_ACTIVE);
	assert_int_equal(put("dev-1", DEVICE_SUSPENDED), 0);
	assert_int_equal(look("dev-1").state, DEVICE_SUSPENDED);
	assert_int_equal(device_table_count(t), 1);
	assert_int_equal(look("dev-").slot, DEVICE_NONE);
	take_away("dev-1");
	assert_int_equal(look("dev-1").slot, DEVICE_NONE);
	assert_int_equal(device_table_count(t), 0);
}

static void a_full_table_says_so_and_keeps_what_it_has(void **) {
	char name[16];

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		assert_int_equal(put(name, DEVICE_ACTIVE), 0);
	}
	assert_int_equal(put("one-more", DEVICE_ACTIVE), -ENOSPC);
	assert_int_equal(put("d0", DEVICE_SUSPENDED), 0);
	take_away("d1");
	assert_int_equal(put("one-more", DEVICE_ACTIVE), 0);
	assert_int_not_equal(look("one-more").slot, DEVICE_NONE);
}

// Sets of the index overflow in some of these tables: an entry has to move each time.
static void the_last_device_finds_room_whatever_the_secret(void **) {
	char name[16];

	for (uint64_t n = 0; n < 100; n++) {
		struct device_table *full;
		assert_int_equal(
			device_table_create(1000, (const uint64_t[2]) {n, 3 * n}, &full), 0
		);
		for (int i = 0; i < 1000; i++) {
			snprintf(name, sizeof(name), "d%d", i);
			struct channel_device d = device(name, DEVICE_ACTIVE);
			assert_int_equal(device_table_apply(full, &d, 1), 0);
		}
		for (int i = 0; i < 1000; i++) {
			struct view v = {
				(uint8_t *)name, (uint32_t)snprintf(name, sizeof(name), "d%d", i)
			};
			struct device_entry e;
			device_table_lookup(full, &v, 1, &e);
			assert_int_not_equal(e.slot, DEVICE_NONE);
		}
		device_table_destroy(full);
	}
}

static void names_of_every_length_come_back(void **) {
	static const char long_name[CHANNEL_NAME_MAX + 1] =
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct channel_device d;
	char name[CHANNEL_NAME_MAX + 1];

	// The second round uses what the first gave back.
	for (int round = 0; round < 2; round++) {
		uint64_t seen = 0;
		uint32_t at = 0;
		for (int len = 1; len <= CHANNEL_NAME_MAX; len++) {
			snprintf(name, sizeof(name), "%.*s", len, long_name);
			assert_int_equal(put(name, DEVICE_ACTIVE), 0);
		}
		while (device_table_next(t, &at, &d)) {
			assert_in_range(d.name_len, 1, CHANNEL_NAME_MAX);
			assert_memory_equal(d.name, long_name, d.name_len);
			for (int i = d.name_len; i < CHANNEL_NAME_MAX; i++)
				assert_int_equal(d.name[i], 0);
			seen |= 1ull << (d.name_len - 1);
		}
		assert_int_equal(seen, UINT64_MAX);
		for (int len = CHANNEL_NAME_MAX; len >= 1; len--) {
			snprintf(name, sizeof(name), "%.*s", len, long_name);
			take_away(name);
		}
		assert_int_equal(device_table_count(t), 0);
	}
}

// Random puts and removals against an array.
static void agrees_with_a_naive_oracle(void **) {
	static int8_t oracle[700];
	char name[16];

	memset(oracle, -1, sizeof(oracle));
	srand(4711);
	for (int step = 0; step < 200000; step++) {
		int i = rand() % 700;
		snprintf(name, sizeof(name), "dev-%d", i);
		if (rand() % 2 == 0) {
			oracle[i] = (int8_t)(rand() % DEVICE_STATE_COUNT);
			assert_int_equal(put(name, (enum device_state)oracle[i]), 0);
		} else {
			oracle[i] = -1;
			take_away(name);
		}
		int j = rand() % 700;
		snprintf(name, sizeof(name), "dev-%d", j);
		struct device_entry e = look(name);
		if (oracle[j] < 0)
			assert_int_equal(e.slot, DEVICE_NONE);
		else
			assert_int_equal(e.state, oracle[j]);
	}
}

static bool labelled(const char *name, const char *value) {
	struct view set = label_sets_at(device_table_labels(t), look(name).labels), v = {0};
	bool has = labels_find(set, VIEW_LITERAL("n"), &v);

	return value == NULL ? !has : has && view_equal(v, view_of(value, (uint32_t)strlen(value)));
}

static void devices_share_their_labels(void **) {
	struct label_sets *sets = device_table_labels(t);

	define(1, "a");
	define(2, "b");
	put_labelled("d1", 1);
	put_labelled("d2", 1);
	put_labelled("d3", 2);
	put_labelled("d4", 9); // not in this transfer
	put("d5", DEVICE_ACTIVE);
	label_sets_settle(sets);
	assert_int_equal(label_sets_count(sets), 2);
	assert_int_equal(look("d1").labels, look("d2").labels);
	assert_true(labelled("d2", "a") && labelled("d3", "b"));
	assert_true(labelled("d4", NULL) && labelled("d5", NULL));
	put("d3", DEVICE_ACTIVE); // the only one with b
	take_away("d1");
	assert_int_equal(label_sets_count(sets), 1);
	assert_true(labelled("d2", "a") && labelled("d3", NULL));
	device_table_whole_begin(t);
	device_table_whole_end(t);
	assert_int_equal(label_sets_count(sets), 0);
	put("d6", DEVICE_ACTIVE); // in a place that had labels
	put("d7", DEVICE_ACTIVE);
	assert_true(labelled("d6", NULL) && labelled("d7", NULL));
}

static void a_whole_transfer_drops_what_it_does_not_mention(void **) {
	put("keep", DEVICE_ACTIVE);
	put("drop", DEVICE_ACTIVE);
	device_table_whole_begin(t);
	put("keep", DEVICE_SUSPENDED);
	put("new", DEVICE_ACTIVE);
	assert_int_equal(device_table_whole_end(t), 1);
	assert_int_equal(look("drop").slot, DEVICE_NONE);
	assert_int_equal(look("keep").state, DEVICE_SUSPENDED);
	assert_int_equal(device_table_count(t), 2);
}

static void a_quota_lets_a_second_through_and_then_its_rate(void **) {
	struct channel_device d = device("dev-1", DEVICE_ACTIVE);
	uint64_t now = 1000000000000;
	int taken = 0;

	d.records_per_s = 10;
	assert_int_equal(device_table_apply(t, &d, 1), 0);
	struct device_entry e = look("dev-1");
	for (int i = 0; i < 100; i++)
		taken += device_quota_take(t, &e, 1, 100, now);
	assert_in_range(taken, 10, 11);
	taken = 0;
	for (int i = 0; i < 100; i++)
		taken += device_quota_take(t, &e, 1, 100, now + i * 10000000ull);
	assert_in_range(taken, 9, 11);
	e = (struct device_entry) {.slot = e.slot};
	for (int i = 0; i < 100; i++)
		assert_true(device_quota_take(t, &e, 1, 100, now));
}

static void contacts_are_reported_once(void **) {
	struct device_contact a = {.peer_hash = 1, .transport = 3, .wall_ns = 1000};
	struct device_contact b = {.peer_hash = 2};
	struct device_report r[DEVICE_REPORT_MIN];

	a.peer = (struct channel_address
	) {.bytes = {10, 0, 0, 1}, .family = 4, .prefix_len = 32, .port = 5683, .realm = 77};
	put("dev-1", DEVICE_ACTIVE);
	uint32_t slot = look("dev-1").slot;
	assert_int_equal(device_table_behind(t, &a.peer, 9), 0);
	device_table_seen(t, slot, &a, 2, 100);
	device_table_seen(t, slot, &a, 3, 50);
	device_table_refused(t, slot, &a, 5);
	assert_int_equal(device_table_report(t, r, DEVICE_REPORT_MIN), 2);
	assert_int_equal(r[0].event.records, 5);
	assert_int_equal(r[0].event.bytes, 150);
	assert_int_equal(r[0].transport, 3);
	assert_int_equal(r[0].event.wall_ns, 1000);
	assert_memory_equal(&r[0].event.peer, &a.peer, sizeof(a.peer));
	assert_int_equal(r[1].event.kind, EVENT_REFUSED);
	assert_int_equal(r[1].reason, 5);
	assert_int_equal(device_table_report(t, r, DEVICE_REPORT_MIN), 0);
	assert_int_equal(device_table_behind(t, &a.peer, 9), 1);
	// One that moved is not two; one that is here and there is.
	device_table_seen(t, slot, &b, 1, 1);
	assert_int_equal(device_table_report(t, r, DEVICE_REPORT_MIN), 1);
	for (int64_t i = 0; i < 4; i++) {
		a.wall_ns = b.wall_ns = 2000 + i;
		device_table_seen(t, slot, &a, 1, 1);
		device_table_seen(t, slot, &b, 1, 1);
	}
	assert_int_equal(device_table_report(t, r, DEVICE_REPORT_MIN), 2);
	assert_int_equal(r[1].event.kind, EVENT_CLONED);
}

static void a_snapshot_comes_back_and_a_broken_one_changes_nothing(void **) {
	char path[] = "/tmp/devices.XXXXXX";
	char name[16];
	int fd = mkstemp(path);

	close(fd);
	for (int i = 0; i < 900; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		put(name, i % 2 ? DEVICE_ACTIVE : DEVICE_SUSPENDED);
	}
	for (uint32_t i = 1; i <= 40; i++) {
		snprintf(name, sizeof(name), "v%u", i);
		define(i, name);
		snprintf(name, sizeof(name), "d%u", i);
		put_labelled(name, i);
	}
	device_table_at(t, 77, 1234);
	assert_int_equal(device_table_save(t, path, NULL, NULL), 0);
	teardown(NULL);
	setup(NULL);
	put("stale", DEVICE_ACTIVE);
	assert_int_equal(device_table_load(t, path), 0);
	assert_int_equal(device_table_count(t), 900);
	assert_int_equal(device_table_version(t), 1234);
	assert_int_equal(device_table_registry(t), 77);
	assert_int_equal(look("d3").state, DEVICE_ACTIVE);
	assert_int_equal(look("stale").slot, DEVICE_NONE);
	assert_true(labelled("d40", "v40") && labelled("d41", NULL) && labelled("d1", "v1"));
	assert_int_equal(label_sets_count(device_table_labels(t)), 40);
	// Any flipped byte, any cut.
	FILE *f = fopen(path, "r+");
	fseek(f, 0, SEEK_END);
	long size = ftell(f);
	for (long at = 0; at < size; at += size / 97) {
		fseek(f, at, SEEK_SET);
		int c = fgetc(f);
		fseek(f, at, SEEK_SET);
		fputc(c ^ 0x10, f);
		fflush(f);
		assert_int_equal(device_table_load(t, path), -EBADMSG);
		fseek(f, at, SEEK_SET);
		fputc(c, f);
		fflush(f);
	}
	assert_int_equal(device_table_load(t, path), 0);
	assert_int_equal(ftruncate(fileno(f), size - 1), 0);
	assert_int_equal(device_table_load(t, path), -EBADMSG);
	assert_int_equal(device_table_count(t), 900);
	fclose(f);
	unlink(path);
	assert_int_equal(device_table_load(t, path), -ENOENT);
}

// As the release before wrote it, byte by byte: no label sets, devices of 116 bytes.
static void an_old_snapshot_is_read_and_everything_asked_for(void **) {
	struct {
		uint64_t magic;
		uint32_t element, count;
		uint64_t registry_id, version;
		uint32_t reserved, crc;
	} h = {0x31504e5345434c53u, 116, 3, 77, 1234, 0, 0};
	char path[] = "/tmp/devices.XXXXXX";
	uint8_t devices[3][116] = {0};
	uint32_t crc;

	for (int i = 0; i < 3; i++) {
		struct channel_device d = device("old-0", DEVICE_SUSPENDED);
		d.name[4] = (char)('0' + i);
		d.records_per_s = 5;
		memcpy(d.profile, "meter", 5);
		memcpy(devices[i], &d, 116);
	}
	h.crc = rte_hash_crc(&h, offsetof(typeof(h), crc), UINT32_MAX);
	crc = rte_hash_crc(devices, sizeof(devices), UINT32_MAX);
	int fd = mkstemp(path);
	assert_int_equal(write(fd, &h, sizeof(h)), sizeof(h));
	assert_int_equal(write(fd, devices, sizeof(devices)), sizeof(devices));
	assert_int_equal(write(fd, &crc, sizeof(crc)), sizeof(crc));
	assert_int_equal(device_table_load(t, path), 0);
	assert_int_equal(device_table_count(t), 3);
	assert_int_equal(device_table_version(t), 0);
	assert_int_equal(look("old-2").state, DEVICE_SUSPENDED);
	assert_int_equal(look("old-2").records_per_s, 5);
	assert_true(
		view_equal(device_table_profile(t, look("old-1").profile), VIEW_LITERAL("meter"))
	);
	assert_true(labelled("old-1", NULL));
	// Of another size, or with label sets, it is no such file.
	h.element = 120;
	h.crc = rte_hash_crc(&h, offsetof(typeof(h), crc), UINT32_MAX);
	assert_int_equal(pwrite(fd, &h, sizeof(h), 0), sizeof(h));
	assert_int_equal(device_table_load(t, path), -EBADMSG);
	close(fd);
	unlink(path);
}

static bool at_once(void *asked) {
	++*(int *)asked;
	return true;
}

static bool never(void *asked) {
	++*(int *)asked;
	return false;
}

static void a_snapshot_given_up_leaves_the_one_before(void **) {
	char path[] = "/tmp/devices.XXXXXX", part[sizeof(path) + 5];
	char name[16];
	int asked = 0;

	close(mkstemp(path));
	snprintf(part, sizeof(part), "%s.part", path);
	put("before", DEVICE_ACTIVE);
	device_table_at(t, 77, 1);
	// Few devices do not ask.
	assert_int_equal(device_table_save(t, path, at_once, &asked), 0);
	assert_int_equal(asked, 0);
	for (int i = 0; i < 899; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		put(name, DEVICE_ACTIVE);
	}
	device_table_at(t, 77, 2);
	assert_int_equal(device_table_save(t, path, at_once, &asked), -ECANCELED);
	assert_int_equal(asked, 1);
	assert_int_equal(access(part, F_OK), -1);
	assert_int_equal(device_table_count(t), 900);
	teardown(NULL);
	setup(NULL);
	assert_int_equal(device_table_load(t, path), 0);
	assert_int_equal(device_table_count(t), 1);
	assert_int_equal(device_table_version(t), 1);
	for (int i = 0; i < 899; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		put(name, DEVICE_ACTIVE);
	}
	asked = 0;
	assert_int_equal(device_table_save(t, path, never, &asked), 0);
	assert_int_equal(asked, 1);
	assert_int_equal(device_table_load(t, path), 0);
	assert_int_equal(device_table_count(t), 900);
	unlink(path);
}

static atomic_bool done;

// Devices 0..49 are always there; the writer churns the others and their states.
static void *reader(void *) {
	char text[50][16];
	struct view names[50];
	struct device_entry e[50];
	uintptr_t bad = 0;

	for (int i = 0; i < 50; i++) {
		snprintf(text[i], sizeof(text[i]), "fixed-%d", i);
		names[i] = (struct view) {(uint8_t *)text[i], (uint32_t)strlen(text[i])};
	}
	while (!atomic_load(&done)) {
		device_table_lookup(t, names, 50, e);
		for (int i = 0; i < 50; i++)
			bad += e[i].slot == DEVICE_NONE || e[i].records_per_s != e[i].bytes_per_s;
	}
	return (void *)bad;
}

static void readers_never_miss_what_is_there(void **) {
	pthread_t threads[2];
	char name[16];
	void *bad;

	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "fixed-%d", i);
		put(name, DEVICE_ACTIVE);
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reader, NULL), 0);
	srand(1);
	for (int step = 0; step < 300000; step++) {
		// Mostly full, so that sets of the index overflow and entries move.
		snprintf(name, sizeof(name), "churn-%d", rand() % 1200);
		if (rand() % 8 != 0)
			put(name, DEVICE_ACTIVE); // or there is no room
		else
			take_away(name);
		snprintf(name, sizeof(name), "fixed-%d", step % 50);
		struct channel_device d = device(name, DEVICE_ACTIVE);
		d.records_per_s = d.bytes_per_s = (uint32_t)step;
		device_table_apply(t, &d, 1);
	}
	atomic_store(&done, true);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], &bad);
		assert_null(bad);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void connections_are_counted_bounded_and_reported(void **) {
	struct device_contact c = {.peer_hash = 9, .wall_ns = 1};
	struct device_report r[DEVICE_REPORT_MIN];
	struct channel_device d = device("dev-1", DEVICE_ACTIVE);
	uint32_t first, second, more;

	d.connections = 2;
	assert_int_equal(device_table_apply(t, &d, 1), 0);
	struct device_entry e = look("dev-1");
	assert_true(device_connect(t, &e, &c, &first));
	assert_true(device_connect(t, &e, &c, &second));
	assert_false(device_connect(t, &e, &c, &more));
	device_disconnect(t, e.slot, first, 2);
	assert_int_equal(device_table_report(t, r, DEVICE_REPORT_MIN), 2);
	assert_int_equal(r[0].event.kind, EVENT_CONNECTED);
	assert_int_equal(r[0].event.repeated, 2);
	assert_int_equal(r[0].event.connections, 1);
	assert_int_equal(r[1].event.kind, EVENT_DISCONNECTED);
	assert_true(device_connect(t, &e, &c, &more));
	// The slot goes to another: late ends of the old device do not concern it.
	take_away("dev-1");
	assert_int_equal(put("dev-2", DEVICE_ACTIVE), 0);
	struct device_entry other = look("dev-2");
	assert_int_equal(other.slot, e.slot);
	assert_true(device_connect(t, &other, &c, &first));
	device_disconnect(t, e.slot, more, 3);
	assert_int_equal(device_table_report(t, r, DEVICE_REPORT_MIN), 1);
	assert_int_equal(r[0].event.connections, 1);
}

static void standing_changes_when_somebody_may_send_no_more(void **) {
	assert_int_equal(put("dev-1", DEVICE_ACTIVE), 0);
	uint32_t before = device_table_standing(t);
	assert_int_equal(put("dev-1", DEVICE_ACTIVE), 0);
	assert_int_equal(device_table_standing(t), before);
	assert_int_equal(put("dev-1", DEVICE_SUSPENDED), 0);
	assert_int_not_equal(device_table_standing(t), before);
	before = device_table_standing(t);
	take_away("dev-1");
	assert_int_not_equal(device_table_standing(t), before);
}

// --- what a device that is known costs: registry, dedup window, 8 field states, last decisions

#define KNOWN_BYTES 768

static void a_known_device_takes_at_most_768_bytes(void **) {
	static const uint32_t devices[] = {1000000, 1000000, 1000000, 10000000};
	static const uint16_t workers[] = {1, 4, 8, 8};

	for (int i = 0; i < 4; i++) {
		struct device_states *states;
		struct device_table *table;
		assert_int_equal(device_table_create(devices[i], secret, &table), 0);
		assert_int_equal(
			device_states_create(devices[i], workers[i], 8, 8, secret, &states), 0
		);
		double registry = (double)device_table_bytes(table) / devices[i];
		double state = (double)states->bytes / devices[i];
		print_message(
			"%u devices, %u workers: %.1f + %.1f = %.1f bytes\n",
			devices[i],
			workers[i],
			registry,
			state,
			registry + state
		);
		assert_true(registry + state <= KNOWN_BYTES);
		device_states_destroy(states);
		device_table_destroy(table);
	}
}

static size_t resident_bytes(void) {
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*u %lu", &pages), 1);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

// Memory that the kernel gives when devices come is what the account says, but for the ends of
// mappings: nine of them, in pages of 2 MiB.
static void the_account_is_what_becomes_resident(void **) {
	const uint32_t devices = 200000;
	const size_t ends = 9 * ((size_t)2 << 20);
	struct device_states *states;
	struct device_table *table;
	char name[25];
	uint32_t place;

	size_t before = resident_bytes();
	assert_int_equal(device_table_create(devices, secret, &table), 0);
	assert_int_equal(device_states_create(devices, 1, 8, 8, secret, &states), 0);
	for (uint32_t i = 0; i < devices; i++) {
		uint64_t hash[2];
		snprintf(name, sizeof(name), "device-%017u", i);
		struct channel_device d = device(name, DEVICE_ACTIVE);
		assert_int_equal(device_table_apply(table, &d, 1), 0);
		device_hash(states, view_of(name, d.name_len), hash);
		device_find(states, 0, hash, DEVICE_PLACE_NONE, i / 1000, true, &place);
	}
	size_t grown = resident_bytes() - before;
	size_t account = device_table_bytes(table) + states->bytes;
	print_message(
		"account %.1f, resident %.1f bytes per device\n",
		(double)account / devices,
		(double)grown / devices
	);
	assert_in_range(grown, account - account / 50, account + ends);
	device_states_destroy(states);
	device_table_destroy(table);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(what_is_put_is_found_until_removed),
		TEST(a_full_table_says_so_and_keeps_what_it_has),
		TEST(the_last_device_finds_room_whatever_the_secret),
		TEST(names_of_every_length_come_back),
		TEST(agrees_with_a_naive_oracle),
		TEST(devices_share_their_labels),
		TEST(a_whole_transfer_drops_what_it_does_not_mention),
		TEST(a_quota_lets_a_second_through_and_then_its_rate),
		TEST(contacts_are_reported_once),
		TEST(connections_are_counted_bounded_and_reported),
		TEST(standing_changes_when_somebody_may_send_no_more),
		TEST(a_snapshot_comes_back_and_a_broken_one_changes_nothing),
		TEST(an_old_snapshot_is_read_and_everything_asked_for),
		TEST(a_snapshot_given_up_leaves_the_one_before),
		TEST(readers_never_miss_what_is_there),
		cmocka_unit_test(a_known_device_takes_at_most_768_bytes),
		cmocka_unit_test(the_account_is_what_becomes_resident),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
