// SPDX-License-Identifier: Apache-2.0
// InfluxDB line protocol:
//
//   measurement[,tag=value...] field=value[,field=value...] [timestamp]
//
// One line is one reading: the measurement is the field "_measurement", tags are string fields
// under their keys. A backslash escapes ',' '=' ' ' in names and tag values, '"' and '\' in
// strings; before anything else it stands for itself. Lines that begin with '#' are comments.
#include "parsers/number.h"
#include "parsers/readings.h"
#include "parsers/utf8.h"

#include <emmintrin.h>

#define COMMA 1
#define SPACE 2
#define EQUALS 4
#define NEWLINE 8
#define BACKSLASH 16
#define QUOTE 32

static const uint8_t classes[256] = {
	[','] = COMMA,
	[' '] = SPACE,
	['='] = EQUALS,
	['\n'] = NEWLINE,
	['\\'] = BACKSLASH,
	['"'] = QUOTE,
};

// The first error is kept: what is read after it is empty, and the line is given up.
struct line_source {
	const uint8_t *p;
	const uint8_t *end;
	const uint8_t *last; // 16 bytes before the end; nullptr if there are fewer
	struct readings_filler *f;
	enum payload_rc rc;
};

static struct view fail(struct line_source *s, enum payload_rc rc) {
	if (s->rc == PAYLOAD_OK)
		s->rc = rc;
	return (struct view) {0};
}

// Copy `raw` without the backslashes that escape a byte of the classes `escapable`.
static struct view unescape(struct line_source *s, struct view raw, uint8_t escapable) {
	uint8_t *text = readings_text(s->f, raw.len);
	uint32_t n = 0;

	if (text == nullptr)
		return fail(s, PAYLOAD_TOO_LARGE);
	for (uint32_t i = 0; i < raw.len; i++) {
		if (raw.p[i] == '\\' && i + 1 < raw.len && (classes[raw.p[i + 1]] & escapable) != 0)
			i++;
		text[n++] = raw.p[i];
	}
	return view_of(text, n);
}

// The first byte of any class but QUOTE, if it is among the next 16; nullptr: not known.
static inline const uint8_t *near_end(const struct line_source *s) {
	if (s->last == nullptr)
		return nullptr;
	bool at_end = s->p > s->last;
	__m128i v = _mm_loadu_si128((const __m128i *)(at_end ? s->last : s->p));
	__m128i found = _mm_or_si128(
		_mm_or_si128(
			_mm_cmpeq_epi8(v, _mm_set1_epi8(',')), _mm_cmpeq_epi8(v, _mm_set1_epi8('='))
		),
		_mm_or_si128(
			_mm_cmpeq_epi8(v, _mm_set1_epi8(' ')),
			_mm_or_si128(
				_mm_cmpeq_epi8(v, _mm_set1_epi8('\n')),
				_mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))
			)
		)
	);
	uint32_t bits = (uint32_t)_mm_movemask_epi8(found);
	if (at_end) // what lies before the token
		bits >>= s->p - s->last;
	return bits != 0 ? s->p + __builtin_ctz(bits) : nullptr;
}

static struct view token_slow(struct line_source *s, uint8_t stop);

// The text up to an unescaped byte of the classes `stop`, which is left in place. Empty texts and
// lines that end too early are bad syntax.
static inline struct view token(struct line_source *s, uint8_t stop) {
	const uint8_t *from = s->p;
	const uint8_t *p = near_end(s);

	if (p == nullptr || p == from || (classes[*p] & stop) == 0)
		return token_slow(s, stop);
	s->p = p;
	return view_of(from, (uint32_t)(p - from));
}

// The same for whatever token.
[[gnu::noinline]] static struct view token_slow(struct line_source *s, uint8_t stop) {
	const uint8_t escapable = COMMA | SPACE | EQUALS;
	const uint8_t *from = s->p;
	const uint8_t *end = s->end;
	const uint8_t *p = from;
	bool escaped = false;

	for (; p < end; p++) {
		uint8_t class = classes[*p] & (stop | BACKSLASH | NEWLINE);
		if (class == 0)
			continue;
		if (class != BACKSLASH)
			break;
		if (p + 1 < end && (classes[p[1]] & escapable) != 0) {
			escaped = true;
			p++;
		}
	}
	if (p >= end && (stop & NEWLINE) == 0)
		return fail(s, PAYLOAD_TRUNCATED);
	if (p == from || (p < end && (classes[*p] & stop) == 0))
		return fail(s, PAYLOAD_BAD_SYNTAX);
	s->p = p;
	struct view raw = view_of(from, (uint32_t)(p - from));
	return escaped ? unescape(s, raw, escapable) : raw;
}

// s->p is at the opening quote; moves behind the closing one. Line feeds may stand inside.
static struct view quoted(struct line_source *s) {
	const uint8_t *from = s->p + 1;
	const uint8_t *p = from;
	bool escaped = false;

	for (; p < s->end && *p != '"'; p++) {
		if (*p == '\\' && p + 1 < s->end && (classes[p[1]] & (QUOTE | BACKSLASH)) != 0) {
			escaped = true;
			p++;
		}
	}
	if (p >= s->end)
		return fail(s, PAYLOAD_TRUNCATED);
	s->p = p + 1;
	struct view raw = view_of(from, (uint32_t)(p - from));
	return escaped ? unescape(s, raw, QUOTE | BACKSLASH) : raw;
}

static bool boolean(struct view text, struct value *v) {
	static const char *const words[] = {
		"t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"
	};

	for (uint32_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!view_equal(text, view_of(words[i], (uint32_t)strlen(words[i]))))
			continue;
		v->kind = VALUE_BOOL;
		v->b = i < 5;
		return true;
	}
	return false;
}

static enum payload_rc unquoted(struct view text, struct value *v) {
	uint8_t last = text.p[text.len - 1];
	struct view number = view_of(text.p, text.len - 1);

	if ((uint8_t)(last - '0') < 10) {
		v->kind = VALUE_F64;
		v->decimals = 0;
		return number_short(text, &v->f, &v->decimals) ? PAYLOAD_OK
							       : number_f64(text, &v->f);
	}
	if (last == 'i') {
		v->kind = VALUE_I64;
		return number_i64(number, &v->i);
	}
	if (last == 'u') {
		enum payload_rc rc = number_u64(number, &v->u);
		v->kind = rc == PAYLOAD_OK && v->u > INT64_MAX ? VALUE_U64 : VALUE_I64;
		return rc;
	}
	if (boolean(text, v))
		return PAYLOAD_OK;
	v->kind = VALUE_F64;
	v->decimals = 0;
	return number_f64(text, &v->f);
}

// The value lies in its slot.
static inline void add(struct line_source *s, struct view name) {
	if (s->rc == PAYLOAD_OK)
		s->rc = readings_field_here(s->f, name);
}

static void tags(struct line_source *s) {
	while (s->rc == PAYLOAD_OK && s->p < s->end && *s->p == ',') {
		struct value *v = readings_slot(s->f);
		s->p++;
		struct view key = token(s, EQUALS);
		if (s->rc != PAYLOAD_OK)
			return;
		s->p++;
		v->kind = VALUE_STRING;
		v->s = token(s, COMMA | SPACE);
		add(s, key);
	}
}

// A token may end at the line feed of "\r\n".
static struct view without_return(struct view text) {
	return text.len > 0 && text.p[text.len - 1] == '\r' ? view_of(text.p, text.len - 1) : text;
}

static void field(struct line_source *s) {
	struct value *v = readings_slot(s->f);
	struct view key = token(s, EQUALS);

	if (s->rc != PAYLOAD_OK)
		return;
	s->p++;
	if (s->p < s->end && *s->p == '"') {
		v->kind = VALUE_STRING;
		v->s = quoted(s);
	} else {
		struct view text = without_return(token(s, COMMA | SPACE | NEWLINE));
		if (s->rc == PAYLOAD_OK)
			s->rc = text.len > 0 ? unquoted(text, v) : PAYLOAD_BAD_SYNTAX;
	}
	add(s, key);
}

static void fields(struct line_source *s) {
	for (;;) {
		field(s);
		if (s->rc != PAYLOAD_OK || s->p >= s->end || *s->p != ',')
			return;
		s->p++;
	}
}

static void skip(struct line_source *s, uint8_t c) {
	while (s->p < s->end && *s->p == c)
		s->p++;
}

static bool line_ended(const struct line_source *s) {
	return s->p >= s->end || *s->p == '\n'
		|| (*s->p == '\r' && s->p + 1 < s->end && s->p[1] == '\n')
		|| (*s->p == '\r' && s->p + 1 == s->end);
}

static enum payload_rc timestamp(struct line_source *s) {
	struct reading *r = s->f->open;
	int64_t count;

	skip(s, ' ');
	if (line_ended(s))
		return PAYLOAD_OK;
	struct view text = without_return(token(s, SPACE | NEWLINE));
	if (s->rc != PAYLOAD_OK)
		return s->rc;
	if (number_i64(text, &count) != PAYLOAD_OK)
		return PAYLOAD_BAD_TIME;
	if (r->has_time)
		return PAYLOAD_DUPLICATE_KEY;
	r->has_time = true;
	skip(s, ' ');
	return line_ended(s) ? time_from_i64(count, s->f->hints->time_unit, &r->time_ns)
			     : PAYLOAD_BAD_SYNTAX;
}

static enum payload_rc line(struct line_source *s) {
	struct value *v = readings_slot(s->f);

	s->rc = readings_open(s->f);
	if (s->rc != PAYLOAD_OK)
		return s->rc;
	v->kind = VALUE_STRING;
	v->s = token(s, COMMA | SPACE);
	add(s, VIEW_LITERAL("_measurement"));
	tags(s);
	if (s->rc != PAYLOAD_OK)
		return s->rc;
	skip(s, ' ');
	fields(s);
	if (s->rc != PAYLOAD_OK)
		return s->rc;
	if (!line_ended(s) && *s->p != ' ')
		return PAYLOAD_BAD_SYNTAX;
	enum payload_rc rc = timestamp(s);
	return rc == PAYLOAD_OK ? readings_close(s->f) : rc;
}

// Behind the line feed, blank lines and comments.
static void next_line(struct line_source *s) {
	for (;;) {
		while (s->p < s->end && (*s->p == '\n' || *s->p == '\r' || *s->p == ' '))
			s->p++;
		if (s->p >= s->end || *s->p != '#')
			return;
		const uint8_t *feed = memchr(s->p, '\n', (size_t)(s->end - s->p));
		s->p = feed != nullptr ? feed : s->end;
	}
}

static enum payload_rc lines(struct view payload, bool vectors, struct readings_filler *f) {
	struct line_source s = {
		.p = payload.p,
		.end = payload.p + payload.len,
		.last = vectors && payload.len >= 16 ? payload.p + payload.len - 16 : nullptr,
		.f = f,
	};

	if (!utf8_valid(payload))
		return PAYLOAD_BAD_UTF8;
	next_line(&s);
	if (s.p >= s.end)
		return PAYLOAD_EMPTY;
	while (s.p < s.end) {
		enum payload_rc rc = line(&s);
		if (rc != PAYLOAD_OK)
			return rc;
		next_line(&s);
	}
	return PAYLOAD_OK;
}

enum payload_rc line_decode(struct view payload, struct readings_filler *f) {
	return lines(payload, true, f);
}

enum payload_rc line_bytewise_decode(struct view payload, struct readings_filler *f) {
	return lines(payload, false, f);
}
