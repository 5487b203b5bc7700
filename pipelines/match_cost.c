// SPDX-License-Identifier: Apache-2.0
// What an expression may cost, told by its text: before Hyperscan sees it.
#include "pipelines/match_compile.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define NEST_MAX 64

// The end of "[...]": a ']' right behind the bracket (or its '^') is a literal.
static const char *class_end(const char *p) {
	p++;
	if (*p == '^')
		p++;
	if (*p == ']')
		p++;
	for (; *p != '\0' && *p != ']'; p++)
		if (*p == '\\' && p[1] != '\0')
			p++;
	return p;
}

// The most a quantifier repeats: {n}, {n,} and {n,m} unfold, ?, * and + are loops.
static uint64_t quantifier(const char **at) {
	const char *p = *at;
	char *end;
	uint64_t most;

	if (*p != '{' || !isdigit((unsigned char)p[1]))
		return 1;
	most = strtoul(p + 1, &end, 10);
	if (*end == ',' && isdigit((unsigned char)end[1]))
		most = strtoul(end + 1, &end, 10);
	else if (*end == ',')
		end++;
	if (*end != '}')
		return 1;
	*at = end + 1;
	return most > 0 ? most : 1;
}

static uint64_t bounded_product(uint64_t a, uint64_t b) {
	return a > UINT32_MAX || b > UINT32_MAX / (a + 1) ? UINT32_MAX : a * b;
}

uint64_t match_positions(const char *expression) {
	uint64_t sum[NEST_MAX] = {0};
	uint32_t depth = 0;

	for (const char *p = expression; *p != '\0';) {
		uint64_t atom = 1;
		if (*p == '(' && depth + 1 < NEST_MAX) {
			sum[++depth] = 0;
			p++;
			continue;
		}
		if (*p == '(')
			return UINT32_MAX;
		if (*p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '[')
			p = class_end(p);
		else if (*p == ')' && depth > 0)
			atom = sum[depth--];
		if (*p != '\0')
			p++;
		sum[depth] += bounded_product(atom, quantifier(&p));
	}
	for (; depth > 0; depth--)
		sum[depth - 1] += sum[depth];
	return sum[0] > UINT32_MAX ? UINT32_MAX : sum[0];
}

// --- runs of digits

// Does it say something that the walk below does not follow? Quotation, options, named classes.
static bool beyond_us(const char *expression) {
	static const char *const signs[] = {"\\Q", "(?", "(*", "[:", "[.", "[="};

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (strstr(expression, signs[i]) != NULL)
			return true;
	return false;
}

// The least that a quantifier at `p` repeats, if it is one of braces and not repeated itself.
static uint32_t least_times(const char *p) {
	char *end;

	if (*p != '{' || !isdigit((unsigned char)p[1]))
		return 0;
	unsigned long n = strtoul(p + 1, &end, 10);
	if (*end == ',')
		end += 1 + strspn(end + 1, "0123456789");
	if (*end != '}' || n > MATCH_POSITIONS_MAX)
		return 0;
	end += end[1] == '?' ? 2 : 1; // lazy
	return *end == '\0' || strchr("{*?+", *end) == NULL ? (uint32_t)n : 0;
}

// Behind one character, class or escape.
static const char *atom_end(const char *p) {
	if (*p == '[')
		p = class_end(p);
	else if (*p == '\\' && p[1] != '\0')
		p++;
	return *p != '\0' ? p + 1 : p;
}

static bool is_digits(const char *p) {
	return strncmp(p, "\\d", 2) == 0 || strncmp(p, "[0-9]", 5) == 0;
}

uint32_t match_digits_needed(const char *expression) {
	uint32_t least = UINT32_MAX, run = 0, depth = 0;

	if (beyond_us(expression))
		return 0;
	for (const char *p = expression; *p != '\0';) {
		const char *next = atom_end(p);
		uint32_t n = is_digits(p) && depth == 0 ? least_times(next) : 0;
		if (n > run)
			run = n;
		if (*p == '(')
			depth++;
		else if (*p == ')' && depth-- == 0)
			return 0;
		if (*p == '|' && depth == 0) {
			least = run < least ? run : least;
			run = 0;
		}
		p = next;
	}
	least = run < least ? run : least;
	return least >= MATCH_DIGITS_MIN ? least : 0;
}
