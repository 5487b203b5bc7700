// SPDX-License-Identifier: Apache-2.0
#include "config/address.h"
#include "config/nearest.h"
#include "config/option.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
#define WHY(...) (snprintf(why, why_size, __VA_ARGS__), -EINVAL)

static void number_store(void *field, uint16_t width, uint64_t v) {
	switch (width) {
	case 1:
		*(uint8_t *)field = (uint8_t)v;
		break;
	case 2:
		*(uint16_t *)field = (uint16_t)v;
		break;
	case 4:
		*(uint32_t *)field = (uint32_t)v;
		break;
	default:
		*(uint64_t *)field = v;
	}
}

static int
number_set(const struct option *o, void *field, const char *text, char *why, size_t why_size) {
	static const char *const kinds[] = {
		[QUANTITY_COUNT] = "a whole number",
		[QUANTITY_DURATION] = "a duration with a unit (500ms, 2s)",
		[QUANTITY_SIZE] = "a size with a unit (64KiB, 1MiB)",
	};
	char lo[32], hi[32];
	uint64_t v = UINT64_MAX;
	int ret = quantity_parse(text, o->quantity, o->unit, &v);

	if (ret == -EINVAL)
		return WHY("'%.40s' is not %s", text, kinds[o->quantity]);
	if (ret == -EDOM)
		return WHY("%.40s is not a whole number of %s", text, o->unit);
	if (ret == -ERANGE || v < o->min || v > o->max)
		return WHY(
			"%.40s is outside %s..%s",
			text,
			quantity_format(o->min, o->quantity, o->unit, lo, sizeof(lo)),
			quantity_format(o->max, o->quantity, o->unit, hi, sizeof(hi))
		);
	number_store(field, o->width, v);
	return 0;
}

static int
enum_set(const struct option *o, void *field, const char *text, char *why, size_t why_size) {
	struct nearest near;
	char all[128] = "";

	nearest_init(&near, text);
	for (uint8_t i = 0; o->labels[i] != NULL; i++) {
		if (strcmp(o->labels[i], text) == 0) {
			*(uint8_t *)field = i;
			return 0;
		}
		nearest_offer(&near, o->labels[i]);
		size_t n = strlen(all);
		snprintf(all + n, sizeof(all) - n, "%s%s", i == 0 ? "" : ", ", o->labels[i]);
	}
	if (near.best != NULL)
		return WHY("'%.40s' is not one of %s; did you mean '%s'?", text, all, near.best);
	return WHY("'%.40s' is not one of %s", text, all);
}

static int
text_set(const struct option *o, void *field, const char *text, char *why, size_t why_size) {
	size_t n = strlen(text);

	if (n < o->min)
		return WHY("must not be empty");
	if (n > o->max)
		return WHY("is longer than %" PRIu64 " bytes", o->max);
	if (o->type == OPTION_NAME && text[strspn(text, NAME_CHARS)] != '\0')
		return WHY("'%.40s': a name has letters, digits, '-', '_' and '.' only", text);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return WHY("contains a control character");
	memcpy(field, text, n + 1);
	return 0;
}

static int
host_set(const struct option *o, void *field, const char *text, char *why, size_t why_size) {
	struct ip_prefix p;

	if (ip_prefix_parse(text, &p) < 0 || strchr(text, '/') != NULL)
		return WHY("'%.60s' is not an address", text);
	if (o->min != 0 && p.family != o->min)
		return WHY("%.60s is not an IPv%" PRIu64 " address", text, o->min);
	*(struct ip_prefix *)field = p;
	return 0;
}

int option_set(
	const struct option *o,
	void *element,
	const char *text,
	char *why,
	size_t why_size
) {
	void *field = (char *)element + o->offset;

	switch (o->type) {
	case OPTION_BOOL:
		if (bool_parse(text, field) < 0)
			return WHY("'%.40s' is neither yes nor no", text);
		return 0;
	case OPTION_NUMBER:
		return number_set(o, field, text, why, why_size);
	case OPTION_REAL:
		if (real_parse(text, field) < 0)
			return WHY("'%.40s' is not a number", text);
		return 0;
	case OPTION_ENUM:
		return enum_set(o, field, text, why, why_size);
	case OPTION_NAME:
	case OPTION_TEXT:
		return text_set(o, field, text, why, why_size);
	case OPTION_HOST:
		return host_set(o, field, text, why, why_size);
	default:
		return -ENOTSUP;
	}
}

static uint64_t number_of(const void *field, uint16_t width) {
	switch (width) {
	case 1:
		return *(const uint8_t *)field;
	case 2:
		return *(const uint16_t *)field;
	case 4:
		return *(const uint32_t *)field;
	default:
		return *(const uint64_t *)field;
	}
}

int option_get(const struct option *o, const void *element, char *text, size_t size) {
	const void *field = (const char *)element + o->offset;
	char address[IP_PREFIX_TEXT_MAX];

	switch (o->type) {
	case OPTION_BOOL:
		snprintf(text, size, "%s", *(const bool *)field ? "yes" : "no");
		return 0;
	case OPTION_NUMBER:
		quantity_format(number_of(field, o->width), o->quantity, o->unit, text, size);
		return 0;
	case OPTION_REAL:
		snprintf(text, size, "%.15g", *(const double *)field);
		return 0;
	case OPTION_ENUM:
		snprintf(text, size, "%s", o->labels[*(const uint8_t *)field]);
		return 0;
	case OPTION_NAME:
	case OPTION_TEXT:
		snprintf(text, size, "%s", (const char *)field);
		return 0;
	case OPTION_HOST:
		ip_prefix_format(field, address);
		snprintf(
			text, size, "%s", ((const struct ip_prefix *)field)->family ? address : ""
		);
		return 0;
	default:
		return -ENOTSUP;
	}
}
