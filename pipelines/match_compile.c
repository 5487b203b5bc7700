// SPDX-License-Identifier: Apache-2.0
#include "config/report.h"
#include "pipelines/match_compile.h"
#include "pipelines/match_set.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXPRESSION_BYTES_MAX (1u << 20) // compiled alone
#define DATABASE_BYTES_MAX (256u << 20) // all of one place
#define POSITIONS_SMALL 200 // cannot become large when compiled

struct compiling {
	struct match_set *m;
	struct report report;
	hs_platform_info_t platform;
};

static uint32_t now_ms(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint32_t)(t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

[[gnu::format(printf, 3, 4)]] static void
mistake(struct compiling *c, const struct signature *s, const char *format, ...) {
	char text[200];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	c->report.file = s->file;
	report_add(&c->report, s->line, "%.40s: %s", s->name, text);
}

// --- expressions

static unsigned flags_of(const struct signature *s) {
	unsigned f = HS_FLAG_SINGLEMATCH;

	if ((s->flags & SIGNATURE_CASELESS) != 0)
		f |= HS_FLAG_CASELESS;
	if ((s->flags & SIGNATURE_DOTALL) != 0)
		f |= HS_FLAG_DOTALL;
	if ((s->flags & SIGNATURE_MULTILINE) != 0)
		f |= HS_FLAG_MULTILINE;
	return f;
}

// "... at index 7." is Hyperscan's way to give the position; it stays in the text.
static void hs_mistake(struct compiling *c, const struct signature *s, hs_compile_error_t *e) {
	mistake(c, s, "the expression does not compile: %.140s", e != NULL ? e->message : "?");
	hs_free_compile_error(e);
}

// Alone, so that the mistake is this one's: syntax, width, and size where it might be large.
static void expression_check(struct compiling *c, const struct signature *s) {
	hs_compile_error_t *error = NULL;
	hs_expr_info_t *info = NULL;
	hs_database_t *db = NULL;
	size_t bytes = 0;
	uint64_t positions = match_positions(s->expression);

	// Before Hyperscan sees it: unfolding is what takes minutes and gigabytes.
	if (positions > MATCH_POSITIONS_MAX) {
		mistake(c,
			s,
			"repetitions unfold to %" PRIu64 " positions; at most %u",
			positions,
			MATCH_POSITIONS_MAX);
		return;
	}
	if (hs_expression_info(s->expression, flags_of(s), &info, &error) != HS_SUCCESS) {
		hs_mistake(c, s, error);
		return;
	}
	unsigned least = info->min_width;
	free(info);
	if (least == 0) {
		mistake(c, s, "the expression matches the empty text and would hit everything");
		return;
	}
	if (positions <= POSITIONS_SMALL)
		return;
	if (hs_compile(s->expression, flags_of(s), HS_MODE_BLOCK, &c->platform, &db, &error)
	    != HS_SUCCESS) {
		hs_mistake(c, s, error);
		return;
	}
	hs_database_size(db, &bytes);
	hs_free_database(db);
	if (bytes > EXPRESSION_BYTES_MAX)
		mistake(c, s, "compiled it has %zu bytes; at most %u", bytes, EXPRESSION_BYTES_MAX);
}

// --- databases

static bool looks_in(const struct signature *s, enum match_place place) {
	bool numbers = match_digits_needed(s->expression) > 0;

	if (place == MATCH_PATH)
		return s->scope != SIGNATURE_PAYLOAD;
	return s->scope != SIGNATURE_PATH && numbers == (place == MATCH_PAYLOAD_NUMBERS);
}

// The least run of digits that any signature of that database needs.
static uint32_t run_least(const struct signature_set *s) {
	uint32_t least = UINT32_MAX;

	for (uint32_t i = 0; i < s->count; i++) {
		uint32_t n = match_digits_needed(s->signatures[i].expression);
		if (n > 0 && n < least)
			least = n;
	}
	return least;
}

struct batch_of_expressions {
	const char **expressions;
	unsigned *flags;
	unsigned *ids;
	unsigned count;
};

static void expressions_free(struct batch_of_expressions *x) {
	free(x->expressions);
	free(x->flags);
	free(x->ids);
}

static int expressions_gather(
	const struct signature_set *s,
	enum match_place place,
	struct batch_of_expressions *x
) {
	*x = (struct batch_of_expressions) {
		.expressions = calloc(s->count + 1, sizeof(*x->expressions)),
		.flags = calloc(s->count + 1, sizeof(*x->flags)),
		.ids = calloc(s->count + 1, sizeof(*x->ids)),
	};
	if (x->expressions == NULL || x->flags == NULL || x->ids == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->count; i++) {
		if (!looks_in(&s->signatures[i], place))
			continue;
		x->expressions[x->count] = s->signatures[i].expression;
		x->flags[x->count] = flags_of(&s->signatures[i]);
		x->ids[x->count++] = i;
	}
	return 0;
}

static int database_compile(struct compiling *c, enum match_place place) {
	struct batch_of_expressions x;
	hs_compile_error_t *error = NULL;
	size_t bytes = 0;

	int ret = expressions_gather(c->m->source, place, &x);
	if (ret == 0 && x.count > 0
	    && hs_compile_ext_multi(
		       x.expressions,
		       x.flags,
		       x.ids,
		       NULL,
		       x.count,
		       HS_MODE_BLOCK,
		       &c->platform,
		       &c->m->databases[place],
		       &error
	       ) != HS_SUCCESS) {
		int at = error != NULL ? error->expression : -1;
		hs_mistake(c, &c->m->signatures[at >= 0 ? x.ids[at] : x.ids[0]], error);
		ret = -EINVAL;
	}
	if (ret == 0 && x.count > 0) {
		hs_database_size(c->m->databases[place], &bytes);
		if (bytes > DATABASE_BYTES_MAX) {
			mistake(c,
				&c->m->signatures[x.ids[0]],
				"all signatures together have %zu bytes compiled; at most %u",
				bytes,
				DATABASE_BYTES_MAX);
			ret = -EINVAL;
		}
	}
	expressions_free(&x);
	return ret;
}

static int databases_compile(struct compiling *c) {
	for (uint32_t i = 0; i < c->m->source->count; i++)
		expression_check(c, &c->m->signatures[i]);
	int ret = c->report.total > 0 ? -EINVAL : 0;
	for (enum match_place place = 0; ret == 0 && place < MATCH_PLACES; place++)
		ret = database_compile(c, place);
	return ret;
}

static int databases_make(struct compiling *c, const char *cache) {
	struct match_info *info = &c->m->info;
	uint8_t key[32];

	match_cache_key(c->m->source, &c->platform, key);
	if (cache != NULL) {
		int ret = match_cache_load(cache, key, c->m->databases);
		info->cached = ret == 0;
		// A missing or older one is no error; a corrupt one is worth a word.
		info->cache_error = ret == -ENOENT || ret == -ESTALE ? 0 : ret;
	}
	if (info->cached)
		return 0;
	int ret = databases_compile(c);
	if (ret == 0 && cache != NULL) {
		int saved = match_cache_save(cache, key, c->m->databases);
		if (saved < 0)
			info->cache_error = saved;
	}
	return ret;
}

// --- what each worker needs

static int matchers_make(struct match_set *m, uint16_t workers) {
	hs_scratch_t *scratch = NULL;
	size_t bytes = 0;

	m->matchers = calloc(workers, sizeof(*m->matchers));
	if (m->matchers == NULL)
		return -ENOMEM;
	m->matcher_count = workers;
	for (enum match_place place = 0; place < MATCH_PLACES; place++) {
		if (m->databases[place] == NULL)
			continue;
		if (hs_alloc_scratch(m->databases[place], &scratch) != HS_SUCCESS) {
			hs_free_scratch(scratch);
			return -ENOMEM;
		}
		hs_database_size(m->databases[place], &bytes);
		m->info.database_bytes += bytes;
	}
	int ret = 0;
	for (uint16_t w = 0; w < workers && ret == 0; w++) {
		struct matcher *one = &m->matchers[w];
		one->set = m;
		one->counts = calloc(m->source->count + 1, sizeof(*one->counts));
		if (one->counts == NULL
		    || (scratch != NULL && hs_clone_scratch(scratch, &one->scratch) != HS_SUCCESS))
			ret = -ENOMEM;
	}
	if (scratch != NULL && hs_scratch_size(scratch, &bytes) == HS_SUCCESS)
		m->info.scratch_bytes = bytes;
	hs_free_scratch(scratch);
	return ret;
}

// --- test vectors

struct wanted {
	unsigned id;
	bool hit;
};

static int on_vector(unsigned id, unsigned long long, unsigned long long, unsigned, void *wanted) {
	struct wanted *w = wanted;

	w->hit |= id == w->id;
	return 0;
}

bool match_hits(const struct match_set *m, uint32_t index, bool path, const void *bytes, size_t n) {
	const struct signature *s = &m->signatures[index];
	const struct view text = view_of(bytes, (uint32_t)n);
	struct wanted w = {.id = index};

	for (enum match_place place = 0; place < MATCH_PLACES; place++) {
		if (path != (place == MATCH_PATH) || !looks_in(s, place)
		    || !match_worth_a_scan(m, place, text))
			continue;
		if (hs_scan(m->databases[place],
			    bytes,
			    text.len,
			    0,
			    m->matchers[0].scratch,
			    on_vector,
			    &w)
		    != HS_SUCCESS)
			return false;
	}
	return w.hit;
}

static void vectors_run(struct compiling *c) {
	for (uint32_t i = 0; i < c->m->source->count; i++) {
		struct signature s = c->m->signatures[i];
		for (uint32_t k = 0; k < s.vector_count; k++) {
			const struct signature_vector *v = &s.vectors[k];
			c->m->info.vectors++;
			if (match_hits(c->m, i, v->path, v->bytes, v->len) == !v->near_miss)
				continue;
			s.line = v->line;
			mistake(c,
				&s,
				v->near_miss ? "this near miss is hit" : "this match is not hit");
		}
	}
}

// --- the set

int match_compile(
	struct signature_set *s,
	const struct match_options *o,
	struct match_set **out,
	struct config_error *errors,
	uint32_t max,
	uint32_t *count
) {
	struct compiling c = {.report = {.errors = errors, .max = max}};
	uint32_t began_ms = now_ms();
	int ret = -ENOMEM;

	*count = 0;
	c.m = calloc(1, sizeof(*c.m));
	if (c.m == NULL)
		return ret;
	c.m->source = s;
	c.m->signatures = s->signatures;
	c.m->info.signatures = s->count;
	c.m->digits_least = run_least(s);
	if (hs_populate_platform(&c.platform) == HS_SUCCESS)
		ret = databases_make(&c, o->cache);
	if (ret == 0)
		ret = matchers_make(c.m, o->workers);
	if (ret == 0 && o->vectors) {
		vectors_run(&c);
		ret = c.report.total > 0 ? -EINVAL : 0;
	}
	c.m->info.compile_ms = now_ms() - began_ms;
	*count = c.report.count;
	if (ret == 0) {
		*out = c.m;
		return 0;
	}
	c.m->source = NULL; // remains the caller's
	match_set_free(c.m);
	return ret;
}

void match_set_free(struct match_set *m) {
	if (m == NULL)
		return;
	for (uint16_t w = 0; w < m->matcher_count; w++) {
		hs_free_scratch(m->matchers[w].scratch);
		free(m->matchers[w].counts);
	}
	free(m->matchers);
	for (enum match_place place = 0; place < MATCH_PLACES; place++)
		hs_free_database(m->databases[place]);
	signatures_free(m->source);
	free(m);
}

const struct match_info *match_set_info(const struct match_set *m) {
	return &m->info;
}

const struct signature_set *match_set_source(const struct match_set *m) {
	return m->source;
}

struct matcher *match_set_matcher(struct match_set *m, uint16_t worker) {
	return &m->matchers[worker];
}

struct match_total match_set_total(const struct match_set *m, uint32_t index) {
	struct match_total t = {0};

	for (uint16_t w = 0; w < m->matcher_count; w++) {
		const struct match_count *c = &m->matchers[w].counts[index];
		t.hits += atomic_load_explicit(&c->hits, memory_order_relaxed);
		t.acted += atomic_load_explicit(&c->acted, memory_order_relaxed);
		t.unproven += atomic_load_explicit(&c->unproven, memory_order_relaxed);
	}
	return t;
}
