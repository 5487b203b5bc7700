// SPDX-License-Identifier: Apache-2.0
// field_sample() against tests/unit/pipelines/field_oracle.c: random fields, random samples.
//   test_field_alert [SEED [EPISODES]]
#include "pipelines/field_alert.h"
#include "tests/unit/pipelines/field_oracle.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STEPS 1000

static uint64_t seed = 1, episodes = 250;
static uint64_t state;
static struct field_oracle oracle;
static uint64_t steps, judged;

static uint64_t any(void) { // xorshift64*
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 2685821657736338717u;
}

static uint32_t below(uint32_t n) {
	return (uint32_t)(any() >> 33) % n;
}

static double within(double lo, double hi) {
	return lo + (hi - lo) * (double)(any() >> 11) / 9007199254740992.0;
}

// --- fields

static struct profile_field random_field(void) {
	static const double smoothings[] = {1, 0.5, 0.05, 0.05, 0.01, 0.001};
	static const uint32_t fors[] = {0, 0, 1, 1000, 5000, 60000};
	static const uint32_t stucks[] = {0, 1, 10, 600, 2073600};
	struct profile_field f = {.name = VIEW_LITERAL("t")};
	struct field_alert *a = &f.alert;

	if (below(2))
		f.rate_max = within(0.1, 10);
	f.stuck_after_s = stucks[below(5)];
	a->above = below(2);
	a->raise_above = within(20, 30);
	a->clear_below = a->raise_above - (below(2) ? within(0, 20) : 0);
	a->below = below(2);
	a->raise_below = within(5, 19);
	a->clear_above = a->raise_below + (below(2) ? within(0, 20) : 0);
	a->for_ms = fors[below(6)];
	a->unusual = below(2);
	a->z_raise = within(2, 8);
	a->z_clear = within(0, a->z_raise);
	a->warmup = 2 + below(60);
	a->smoothing = smoothings[below(6)];
	return f;
}

// --- samples: a walk around 20 that stands still, jumps, and is at times no number at all

struct source {
	double at;
	double spread;
	double scale; // 1, or very large, or very small
	int64_t now_ms;
	bool texts;
};

static struct value random_value(struct source *s, struct oracle_sample *x) {
	static const char *const texts[] = {"on", "off", "open"};
	static const double extremes[] = {
		1e39, -1e39, 1e300, -1.7e308, 5e-324, 0.0, -0.0, 16777217
	};
	uint32_t what = below(100);
	uint32_t text = below(3);

	*x = (struct oracle_sample) {.kind = ORACLE_NUMBER};
	if (s->texts && what < 10) {
		*x = (struct oracle_sample) {.kind = ORACLE_TEXT, .text = text};
		return (struct value) {.kind = below(2) ? VALUE_STRING : VALUE_BYTES,
				       .s = view_of(texts[text], (uint32_t)strlen(texts[text]))};
	}
	if (s->texts && what < 15) {
		x->number = text == 0;
		return (struct value) {.kind = VALUE_BOOL, .b = text == 0};
	}
	if (what < 40) // as before
		x->number = s->at * s->scale;
	else if (what < 42)
		x->number = extremes[below(8)];
	else if (what < 45)
		x->number = (s->at = within(-50, 80)) * s->scale;
	else
		x->number = (s->at += within(-s->spread, s->spread)) * s->scale;
	if (s->at < -100 || s->at > 150)
		s->at = 20;
	if (below(4) == 0 && fabs(x->number) < 1e15) {
		x->number = floor(x->number);
		if (x->number >= 0 && below(2))
			return (struct value) {.kind = VALUE_U64, .u = (uint64_t)x->number};
		return (struct value) {.kind = VALUE_I64, .i = (int64_t)x->number};
	}
	return (struct value) {.kind = VALUE_F64, .f = x->number};
}

static int64_t next_time(struct source *s) {
	uint32_t what = below(1000);

	if (what < 100)
		return s->now_ms; // the same again
	if (what < 120)
		return s->now_ms - below(5000); // it is taken as the same
	if (what < 900)
		return s->now_ms += below(2000);
	if (what < 995)
		return s->now_ms += below(600000);
	if (what < 998)
		return s->now_ms += below(2147483647); // up to 24.8 days, as far as states reach
	return s->now_ms += (int64_t)below(2147483647) * 4; // and beyond
}

static int kind_of(enum alert_kind k) {
	return k == ALERT_ABOVE ? 'a' : k == ALERT_BELOW ? 'b' : k == ALERT_UNUSUAL ? 'u' : 0;
}

static void episode(uint64_t number) {
	struct profile_field f = random_field();
	struct source s = {
		.at = 20,
		.spread = below(2) ? 0.5 : 5,
		.scale = below(8) == 0	? 1e12
			: below(8) == 0 ? 1e-9
					: 1,
		.now_ms = (int64_t)(any() >> 24),
		.texts = below(2),
	};
	struct field_state st = {0};

	field_oracle_reset(&oracle);
	for (unsigned n = 0; n < STEPS; n++) {
		struct oracle_sample x;
		struct value v = random_value(&s, &x);
		struct sample sample;
		x.at_ms = next_time(&s);
		assert_true(sample_of(&v, &sample));
		struct field_judgement j = field_sample(&f, &st, &sample, x.at_ms);
		struct oracle_says want = field_oracle_sample(&oracle, &f, x, j.z);
		judged += want.judged;
		steps++;
		if (want.judged && isinf(want.z_error))
			return; // what a float can tell and a double can differ by anything now
		bool unusual = want.judged && fabs(j.z) >= f.alert.z_raise;
		if (j.rate == want.rate && j.stuck == want.stuck && j.unusual == unusual
		    && (want.judged || j.z == 0) && fabs(j.z - want.z) <= want.z_error
		    && kind_of(j.cleared) == want.cleared && kind_of(j.raised) == want.raised)
			continue;
		fail_msg(
			"seed %llu episode %llu step %u value %g at %lld: rate %d/%d stuck %d/%d "
			"unusual %d/%d z %g/%g +-%g cleared %d/%d raised %d/%d (got/wanted)",
			(unsigned long long)seed,
			(unsigned long long)number,
			n,
			x.number,
			(long long)x.at_ms,
			j.rate,
			want.rate,
			j.stuck,
			want.stuck,
			j.unusual,
			unusual,
			j.z,
			want.z,
			want.z_error,
			kind_of(j.cleared),
			want.cleared,
			kind_of(j.raised),
			want.raised
		);
	}
}

static void random_samples_as_a_naive_reader_would_judge_them(void **) {
	for (uint64_t n = 0; n < episodes; n++) {
		state = (seed * 1000003 + n) * 0x9e3779b97f4a7c15u | 1;
		episode(n);
	}
	print_message(
		"%llu steps, %llu z compared\n",
		(unsigned long long)steps,
		(unsigned long long)judged
	);
	assert_true(steps > episodes * STEPS / 2 && judged > steps / 10);
}

// A count of nanoseconds, say: one more is another value, though the same double.
static void a_counter_beyond_doubles_is_not_stuck(void **) {
	struct profile_field f = {.name = VIEW_LITERAL("n"), .stuck_after_s = 10};
	struct field_state st = {0};

	for (int64_t i = 0; i < 100; i++) {
		struct value v = {.kind = VALUE_I64, .i = INT64_C(1763712000000000000) + i};
		struct sample x;
		assert_true(sample_of(&v, &x));
		assert_false(field_sample(&f, &st, &x, i * 1000).stuck);
	}
	for (int64_t i = 0; i < 100; i++) { // and what is exact is compared
		struct value v = {.kind = VALUE_I64, .i = INT64_C(1) << 53};
		struct sample x;
		assert_true(sample_of(&v, &x));
		assert_int_equal(field_sample(&f, &st, &x, (100 + i) * 1000).stuck, i >= 10);
	}
}

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_counter_beyond_doubles_is_not_stuck),
		cmocka_unit_test(random_samples_as_a_naive_reader_would_judge_them),
	};

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		episodes = strtoull(argv[2], NULL, 10);
	print_message("seed %llu\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
