// SPDX-License-Identifier: Apache-2.0
#include "config/profile.h"
#include "pipelines/claim.h"

#define TOKENS_MAX 512

// Beside the 256 bytes. The device's own name is bytes, whatever characters it has.
enum token : uint16_t {
	TOKEN_RUN = 256, // any characters
	TOKEN_LEVEL, // any characters but '/'
	TOKEN_REST, // everything that follows, and nothing
};

struct glob {
	uint32_t count;
	uint16_t tokens[TOKENS_MAX];
};

// False if it is too long; such a pattern fits nothing.
static bool glob_make(struct glob *g, const char *pattern, struct view device, bool path) {
	g->count = 0;
	for (const char *c = pattern; *c != '\0'; c++) {
		uint32_t room = TOKENS_MAX - g->count;
		if (room == 0)
			return false;
		if (c[0] == '%' && c[1] == 'd') {
			if (device.len > room)
				return false;
			for (uint32_t i = 0; i < device.len; i++)
				g->tokens[g->count++] = device.p[i];
			c++;
		} else if (path && (*c == '+' || *c == '#')) {
			g->tokens[g->count++] = *c == '+' ? TOKEN_LEVEL : TOKEN_REST;
		} else if (!path && *c == '*') {
			g->tokens[g->count++] = TOKEN_RUN;
		} else {
			g->tokens[g->count++] = (uint8_t)*c;
		}
	}
	return true;
}

// "t/#" fits "t" as well.
static bool rest_only(const struct glob *g, uint32_t t) {
	return t + 2 == g->count && g->tokens[t] == '/' && g->tokens[t + 1] == TOKEN_REST;
}

// The last wildcard takes one character more each time the rest does not fit: earlier ones need
// not be tried again, so it is quadratic at worst, in texts that are short.
static bool glob_fits(const struct glob *g, struct view text) {
	uint32_t t = 0, i = 0, again_t = UINT32_MAX, again_i = 0;

	while (i < text.len || t < g->count) {
		uint16_t token = t < g->count ? g->tokens[t] : UINT16_MAX;
		if (token == TOKEN_REST)
			return true;
		if (token == TOKEN_RUN || token == TOKEN_LEVEL) {
			again_t = t++;
			again_i = i;
		} else if (i < text.len && token == text.p[i]) {
			t++;
			i++;
		} else if (i == text.len && rest_only(g, t)) {
			return true;
		} else if (again_t != UINT32_MAX && again_i < text.len
			   && (g->tokens[again_t] == TOKEN_RUN || text.p[again_i] != '/')) {
			t = again_t + 1;
			i = ++again_i;
		} else {
			return false;
		}
	}
	return true;
}

bool claim_device(const struct profile *p, struct view device, struct view other) {
	struct glob g;

	for (uint32_t i = 0; i < p->claim.device_count; i++)
		if (glob_make(&g, p->claim.devices[i], device, false) && glob_fits(&g, other))
			return true;
	return false;
}

static struct view without_slash(struct view path) {
	if (path.len > 0 && path.p[0] == '/')
		return view_of(path.p + 1, path.len - 1);
	return path;
}

bool claim_path(const struct profile *p, struct view device, struct view path) {
	struct glob g;

	if (p->claim.path_count == 0 || path.len == 0)
		return true;
	for (uint32_t i = 0; i < p->claim.path_count; i++) {
		const char *pattern = p->claim.paths[i] + (p->claim.paths[i][0] == '/');
		if (glob_make(&g, pattern, device, true) && glob_fits(&g, without_slash(path)))
			return true;
	}
	return false;
}
