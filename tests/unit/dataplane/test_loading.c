// SPDX-License-Identifier: Apache-2.0
#include "dataplane/loading.h"
#include "pipelines/sha256.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// A loader that does as the test says, and notes what it was given.
struct script {
	int begin, poll;
	unsigned begun, polled;
	char seen[64];
	uint32_t flags;
};

static int script_begin(void *owner, const struct loading_file *f, struct loading_answer *a) {
	struct script *s = owner;

	s->begun++;
	s->flags = f->flags;
	assert_int_equal(strlen(f->text), f->size);
	snprintf(s->seen, sizeof(s->seen), "%s", f->text);
	snprintf(a->text, sizeof(a->text), "begin said so");
	a->pending = 3;
	return s->begin;
}

static int script_poll(void *owner, struct loading_answer *a) {
	struct script *s = owner;

	s->polled++;
	a->number = 9;
	snprintf(a->text, sizeof(a->text), "poll said so");
	return s->poll;
}

static char path[] = "/tmp/test_loading.XXXXXX";
static struct script script;
static const struct generation_loader loader = {&script, script_begin, script_poll};
static struct loading loading;
static struct channel_ack ack;

static void write_file(const char *text) {
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static struct channel_generation announced(const char *text) {
	struct channel_generation g = {.kind = GENERATION_CONFIG, .number = 9, .flags = 2};
	struct sha256 s;

	sha256_init(&s);
	sha256_update(&s, text, strlen(text));
	sha256_digest(&s, g.sha256);
	snprintf(g.path, sizeof(g.path), "%s", path);
	return g;
}

static int setup(void **) {
	int fd = mkstemp(path);

	close(fd);
	return fd < 0;
}

static int teardown(void **) {
	return unlink(path);
}

static int reset(void **) {
	script = (struct script) {0};
	loading = (struct loading) {0};
	loading.jobs[GENERATION_CONFIG].loader = &loader;
	write_file("hello");
	return 0;
}

static void followed_until_every_reader_has_it(void **) {
	struct channel_generation g = announced("hello");
	uint64_t seq = 0;

	assert_false(loading_begin(&loading, &g, 77, 1000, &ack));
	assert_string_equal(script.seen, "hello");
	assert_int_equal(script.flags, 2);
	script.poll = -EAGAIN;
	assert_false(loading_turn(&loading, GENERATION_CONFIG, 1500, &seq, &ack));
	script.poll = 0;
	assert_false(loading_turn(&loading, GENERATION_SIGNATURES, 1500, &seq, &ack));
	assert_true(loading_turn(&loading, GENERATION_CONFIG, 3000, &seq, &ack));
	assert_int_equal(seq, 77);
	assert_int_equal(ack.result, 0);
	assert_int_equal(ack.number, 9);
	assert_int_equal(ack.apply_ns, 2000);
	assert_string_equal(ack.text, "poll said so");
	assert_false(loading_turn(&loading, GENERATION_CONFIG, 4000, &seq, &ack));
}

static void another_content_is_refused(void **) {
	struct channel_generation g = announced("hullo");

	assert_true(loading_begin(&loading, &g, 1, 0, &ack));
	assert_int_equal(ack.result, -ESTALE);
	assert_int_equal(script.begun, 0);
}

static void unreadable_is_refused(void **) {
	struct channel_generation g = announced("hello");

	snprintf(g.path, sizeof(g.path), "/nonexistent/file");
	assert_true(loading_begin(&loading, &g, 1, 0, &ack));
	assert_int_equal(ack.result, -ENOENT);
	snprintf(g.path, sizeof(g.path), "/dev");
	assert_true(loading_begin(&loading, &g, 1, 0, &ack));
	assert_int_equal(ack.result, -EFBIG);
	assert_int_equal(script.begun, 0);
}

static void one_of_a_kind_at_a_time(void **) {
	struct channel_generation g = announced("hello");

	assert_false(loading_begin(&loading, &g, 1, 0, &ack));
	assert_true(loading_begin(&loading, &g, 2, 0, &ack));
	assert_int_equal(ack.result, -EBUSY);
	assert_int_equal(script.begun, 1);
}

static void refused_and_checked_are_answered_at_once(void **) {
	struct channel_generation g = announced("hello");

	script.begin = -EINVAL;
	assert_true(loading_begin(&loading, &g, 1, 0, &ack));
	assert_int_equal(ack.result, -EINVAL);
	assert_string_equal(ack.text, "begin said so");
	script.begin = 1;
	assert_true(loading_begin(&loading, &g, 1, 0, &ack));
	assert_int_equal(ack.result, 0);
	assert_int_equal(ack.pending, 3);
	assert_false(loading.jobs[GENERATION_CONFIG].running);
}

static void a_kind_without_a_loader_is_refused(void **) {
	struct channel_generation g = announced("hello");

	g.kind = GENERATION_SIGNATURES;
	assert_true(loading_begin(&loading, &g, 1, 0, &ack));
	assert_int_equal(ack.result, -ENOTSUP);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(followed_until_every_reader_has_it, reset),
		cmocka_unit_test_setup(another_content_is_refused, reset),
		cmocka_unit_test_setup(unreadable_is_refused, reset),
		cmocka_unit_test_setup(one_of_a_kind_at_a_time, reset),
		cmocka_unit_test_setup(refused_and_checked_are_answered_at_once, reset),
		cmocka_unit_test_setup(a_kind_without_a_loader_is_refused, reset),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
