// SPDX-License-Identifier: Apache-2.0
#include "dataplane/frame/devices.h"
#include "tests/unit/dataplane/frame/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

static struct frame_devices *devices;
static struct frame_key scratch;
static char why[256];

static int setup(void **) {
	devices = NULL;
	return state_make();
}

static int teardown(void **) {
	frame_devices_destroy(devices);
	state_remove();
	return 0;
}

static void load(void) {
	int ret = frame_devices_load(keys_path, marks_path, 10, &devices, why, sizeof(why));

	if (ret != 0)
		fail_msg("%s", why);
}

static void crash_and_load(void) {
	frame_devices_destroy(devices);
	load();
}

static struct frame_device *dev(const char *id) {
	return frame_device_lookup(devices, view_of(id, (uint32_t)strlen(id)));
}

static enum frame_seen see(const char *id, uint32_t epoch, uint64_t seq) {
	return frame_window_accept(devices, dev(id), (struct frame_mark) {epoch, seq});
}

// As the worker does it: parked, granted, tried again.
static enum frame_seen see_in_time(const char *id, uint32_t epoch, uint64_t seq) {
	enum frame_seen seen = see(id, epoch, seq);

	if (seen != FRAME_BEYOND_GRANT)
		return seen;
	assert_int_equal(frame_devices_flush(devices), 1);
	return see(id, epoch, seq);
}

static void keys_by_device_number_and_algorithm(void **) {
	load();
	assert_int_equal(frame_devices_count(devices), 2);
	assert_null(dev("dev-3"));
	const struct frame_key *k =
		frame_device_key(devices, dev("dev-1"), 0, FRAME_AES_128_GCM, &scratch);
	assert_non_null(k);
	assert_memory_equal(k->bytes, "\x00\x01\x02\x03", 4);
	const struct frame_key *other =
		frame_device_key(devices, dev("dev-1"), 1, FRAME_AES_128_GCM, &scratch);
	assert_memory_equal(other->bytes, "\xff\xee", 2);
	assert_true(other->id != k->id);
	assert_null(frame_device_key(devices, dev("dev-1"), 0, FRAME_HMAC_SHA_256, &scratch));
	assert_null(frame_device_key(devices, dev("dev-1"), 2, FRAME_AES_128_GCM, &scratch));
	k = frame_device_key(devices, dev("dev-2"), 1, FRAME_HMAC_SHA_256, &scratch);
	assert_int_equal(k->len, 32);
}

static const struct {
	const char *text;
	const char *line;
} mistakes[] = {
	{"dev-1 aes-128-gcm 0", ":1:"},
	{"dev-1 aes-128-gcm 0 000102030405060708090a0b0c0d0e0f more", ":1:"},
	{"\n\ndev-1 aes-256-gcm 0 000102030405060708090a0b0c0d0e0f", ":3:"},
	{"dev-1 aes-128-gcm 256 000102030405060708090a0b0c0d0e0f", ":1:"},
	{"dev-1 aes-128-gcm -1 000102030405060708090a0b0c0d0e0f", ":1:"},
	{"dev-1 aes-128-gcm 0 00010203", ":1:"},
	{"dev-1 hmac-sha-256 0 00010203", ":1:"},
	{"dev-1 aes-128-gcm 0 0001020304050607secretsecret0e0f", ":1:"},
	{"dev/1 aes-128-gcm 0 000102030405060708090a0b0c0d0e0f", ":1:"},
	{"d aes-128-gcm 0 000102030405060708090a0b0c0d0e0f\n"
	 "d aes-128-gcm 0 000102030405060708090a0b0c0d0e0e",
	 ":2:"},
};

static void mistakes_name_the_line_and_no_key(void **) {
	for (uint32_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		keys_write(mistakes[i].text);
		int ret = frame_devices_load(keys_path, NULL, 10, &devices, why, sizeof(why));
		if (ret != -EINVAL || strstr(why, mistakes[i].line) == NULL)
			fail_msg("%s: %d, %s", mistakes[i].text, ret, why);
		assert_null(strstr(why, "secret"));
		assert_null(strstr(why, "0102"));
		assert_null(devices);
	}
}

static void more_devices_than_reserved_are_refused(void **) {
	int ret = frame_devices_load(keys_path, NULL, 1, &devices, why, sizeof(why));

	assert_int_equal(ret, -EINVAL);
	assert_non_null(strstr(why, "frame.devices"));
	ret = frame_devices_load("/nonexistent/keys", NULL, 1, &devices, why, sizeof(why));
	assert_int_equal(ret, -ENOENT);
}

static void the_window_is_1024_wide(void **) {
	load();
	assert_int_equal(see_in_time("dev-1", 0, 5000), FRAME_FRESH);
	assert_int_equal(see("dev-1", 0, 5000), FRAME_SEEN_BEFORE);
	assert_int_equal(see("dev-1", 0, 5000 - 1023), FRAME_FRESH);
	assert_int_equal(see("dev-1", 0, 5000 - 1023), FRAME_SEEN_BEFORE);
	assert_int_equal(see("dev-1", 0, 5000 - 1024), FRAME_TOO_OLD);
	assert_int_equal(see("dev-1", 0, 1), FRAME_TOO_OLD);
	assert_int_equal(see("dev-1", 0, 5001), FRAME_FRESH);
	assert_int_equal(see("dev-1", 0, 5001 - 1023), FRAME_FRESH);
	assert_int_equal(see("dev-1", 0, 5001 - 1024), FRAME_TOO_OLD);
}

static void a_new_epoch_closes_the_old_one(void **) {
	load();
	assert_int_equal(see_in_time("dev-1", 3, 100), FRAME_FRESH);
	assert_int_equal(see_in_time("dev-1", 4, 1), FRAME_FRESH);
	assert_int_equal(see("dev-1", 3, 101), FRAME_TOO_OLD);
	assert_int_equal(see("dev-1", 4, 2), FRAME_FRESH);
	assert_int_equal(see("dev-1", 4, 1), FRAME_SEEN_BEFORE);
}

static void the_end_of_the_sequence_space(void **) {
	load();
	assert_int_equal(see_in_time("dev-1", 0, UINT64_MAX - 1), FRAME_FRESH);
	assert_int_equal(see("dev-1", 0, UINT64_MAX), FRAME_FRESH);
	assert_int_equal(see("dev-1", 0, UINT64_MAX), FRAME_SEEN_BEFORE);
	assert_int_equal(see_in_time("dev-1", FRAME_EPOCH_MAX, UINT64_MAX), FRAME_FRESH);
}

// Against the naive window: a set of all sequences ever accepted.
static void random_sequences_agree_with_a_naive_window(void **) {
	static bool accepted[6000];
	uint64_t high = 0;

	assert_int_equal(frame_devices_load(keys_path, NULL, 10, &devices, why, sizeof(why)), 0);
	srandom(5);
	memset(accepted, 0, sizeof(accepted));
	for (uint32_t step = 0; step < 40000; step++) {
		int64_t at = (int64_t)high + random() % 1400 - 1300;
		if (at < 1 || at >= 6000)
			at = 1 + random() % 50;
		uint64_t seq = (uint64_t)at;
		enum frame_seen want = FRAME_FRESH;
		if (seq <= high && high - seq >= REPLAY_WINDOW)
			want = FRAME_TOO_OLD;
		else if (accepted[seq])
			want = FRAME_SEEN_BEFORE;
		assert_int_equal(see("dev-1", 9, seq), want);
		accepted[seq] = true;
		if (want == FRAME_FRESH && seq > high)
			high = seq;
		else if (want == FRAME_TOO_OLD)
			accepted[seq] = false;
	}
	assert_true(high > 5000);
}

static void nothing_is_accepted_before_its_mark_is_stored(void **) {
	load();
	assert_int_equal(see("dev-1", 1, 1), FRAME_BEYOND_GRANT);
	assert_int_equal(see("dev-1", 1, 1), FRAME_BEYOND_GRANT);
	assert_int_equal(frame_devices_flush(devices), 1);
	assert_int_equal(see("dev-1", 1, 1), FRAME_FRESH);
	assert_int_equal(frame_devices_flush(devices), 0);
}

// A device of steady rate is granted more before it needs it.
static void a_steady_device_never_waits_again(void **) {
	load();
	assert_int_equal(see_in_time("dev-1", 1, 1), FRAME_FRESH);
	for (uint64_t seq = 2; seq < 2000; seq++) {
		assert_int_equal(see("dev-1", 1, seq), FRAME_FRESH);
		if (seq % 10 == 0)
			assert_true(frame_devices_flush(devices) >= 0);
	}
}

static void a_crash_never_opens_the_window_again(void **) {
	for (uint64_t seq = 1, round = 0; round < 20; round++) {
		load();
		uint64_t first = seq;
		// What it costs: the sequences up to the stored mark. The first try is a copy.
		while (see_in_time("dev-1", 1, seq) != FRAME_FRESH)
			seq++;
		assert_true(seq - first <= MARK_RESERVE_MIN + 1);
		for (uint64_t n = 0; n < round; n++)
			assert_int_equal(see_in_time("dev-1", 1, ++seq), FRAME_FRESH);
		crash_and_load();
		for (uint64_t old = 1; old <= seq; old++)
			assert_int_not_equal(see("dev-1", 1, old), FRAME_FRESH);
		frame_devices_destroy(devices);
		devices = NULL;
	}
}

static void a_clean_stop_stores_the_exact_marks(void **) {
	load();
	assert_int_equal(see_in_time("dev-1", 1, 7), FRAME_FRESH);
	assert_int_equal(see_in_time("dev-2", 5, 9), FRAME_FRESH);
	assert_int_equal(frame_devices_save(devices), 0);
	crash_and_load();
	assert_int_equal(see("dev-1", 1, 7), FRAME_SEEN_BEFORE);
	assert_int_equal(see_in_time("dev-1", 1, 8), FRAME_FRESH);
	assert_int_equal(see("dev-2", 5, 9), FRAME_SEEN_BEFORE);
	assert_int_equal(see_in_time("dev-2", 5, 10), FRAME_FRESH);
}

// A power cut in the middle of a write: whatever byte of the file's tail is missing or whichever
// copy is torn, no accepted sequence is accepted again.
static void a_torn_write_never_opens_the_window_again(void **) {
	load();
	for (uint64_t seq = 1; seq <= 200; seq++)
		assert_int_equal(see_in_time("dev-1", 1, seq), FRAME_FRESH);
	frame_devices_destroy(devices);
	devices = NULL;

	uint8_t whole[256];
	int fd = open(marks_path, O_RDWR);
	assert_int_equal(pread(fd, whole, sizeof(whole), 0), sizeof(whole));
	// The newest copy carries the larger mark; tearing the older one must not matter.
	for (uint32_t copy = 0; copy < 2; copy++) {
		uint32_t at = 128 + 80 + copy * 24;
		uint64_t mine, other;
		memcpy(&mine, whole + at + 8, 8);
		memcpy(&other, whole + 128 + 80 + (1 - copy) * 24 + 8, 8);
		if (mine > other)
			continue;
		for (uint32_t byte = 0; byte < 24; byte++) {
			uint8_t torn[256];
			memcpy(torn, whole, sizeof(torn));
			torn[at + byte] ^= 0x5a;
			assert_int_equal(pwrite(fd, torn, sizeof(torn), 0), sizeof(torn));
			load();
			assert_int_equal(see("dev-1", 1, 200), FRAME_SEEN_BEFORE);
			frame_devices_destroy(devices);
			devices = NULL;
		}
	}
	close(fd);
}

static void a_record_cut_short_is_written_again(void **) {
	load();
	assert_int_equal(see_in_time("dev-1", 1, 1), FRAME_FRESH);
	assert_int_equal(see_in_time("dev-2", 1, 1), FRAME_FRESH);
	frame_devices_destroy(devices);
	devices = NULL;
	assert_int_equal(truncate(marks_path, 128 + 128 + 50), 0);
	load();
	assert_int_equal(see("dev-1", 1, 1), FRAME_SEEN_BEFORE);
	assert_int_equal(see_in_time("dev-2", 1, 1), FRAME_FRESH);
	crash_and_load();
	assert_int_equal(see("dev-2", 1, 1), FRAME_SEEN_BEFORE);
}

static void a_marks_file_has_one_user_and_is_one(void **) {
	struct frame_devices *second = NULL;

	load();
	assert_int_equal(
		frame_devices_load(keys_path, marks_path, 10, &second, why, sizeof(why)), -EBUSY
	);
	assert_int_equal(
		frame_devices_load(keys_path, keys_path, 10, &second, why, sizeof(why)), -EBADMSG
	);
	assert_null(second);
	struct stat st;
	assert_int_equal(stat(marks_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void acknowledgements_as_highest_and_bitmap(void **) {
	load();
	struct frame_device *d = dev("dev-1");
	frame_window_acked(d, (struct frame_mark) {1, 10});
	assert_true(d->acked_high == 10 && d->acked_bits == 0);
	frame_window_acked(d, (struct frame_mark) {1, 8});
	assert_true(d->acked_high == 10 && d->acked_bits == 2);
	frame_window_acked(d, (struct frame_mark) {1, 11});
	assert_true(d->acked_high == 11 && d->acked_bits == 5);
	frame_window_acked(d, (struct frame_mark) {1, 75}); // 64 up: 11 is the last bit
	assert_true(d->acked_high == 75 && d->acked_bits == 1ull << 63);
	frame_window_acked(d, (struct frame_mark) {1, 10}); // too long ago
	assert_true(d->acked_high == 75 && d->acked_bits == 1ull << 63);
	frame_window_acked(d, (struct frame_mark) {1, 1000});
	assert_true(d->acked_high == 1000 && d->acked_bits == 0);
	frame_window_acked(d, (struct frame_mark) {2, 1});
	assert_true(d->acked_epoch == 2 && d->acked_high == 1 && d->acked_bits == 0);
	frame_window_acked(d, (struct frame_mark) {1, 1001});
	assert_true(d->acked_high == 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(keys_by_device_number_and_algorithm),
		TEST(mistakes_name_the_line_and_no_key),
		TEST(more_devices_than_reserved_are_refused),
		TEST(the_window_is_1024_wide),
		TEST(a_new_epoch_closes_the_old_one),
		TEST(the_end_of_the_sequence_space),
		TEST(random_sequences_agree_with_a_naive_window),
		TEST(nothing_is_accepted_before_its_mark_is_stored),
		TEST(a_steady_device_never_waits_again),
		TEST(a_crash_never_opens_the_window_again),
		TEST(a_clean_stop_stores_the_exact_marks),
		TEST(a_torn_write_never_opens_the_window_again),
		TEST(a_record_cut_short_is_written_again),
		TEST(a_marks_file_has_one_user_and_is_one),
		TEST(acknowledgements_as_highest_and_bitmap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
