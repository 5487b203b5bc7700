// SPDX-License-Identifier: Apache-2.0
#include "dataplane/frame/devices_private.h"
#include "dataplane/pages.h"
#include "parsers/payload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_MAX (1u << 30)
#define HMAC_KEY_MIN 16
#define GCM_KEY_LEN 16

// One line: four words.
enum { WORD_DEVICE, WORD_ALGORITHM, WORD_NUMBER, WORD_KEY, WORDS };

static bool space(uint8_t c) {
	return c == ' ' || c == '\t' || c == '\r';
}

// Cuts `line` at white space; a '#' that starts a word ends the line. Returns how many words there
// are, WORDS + 1 if more than belong there.
static uint32_t words_of(struct view line, struct view words[WORDS]) {
	uint32_t n = 0;

	for (uint32_t i = 0; i < line.len;) {
		if (space(line.p[i])) {
			i++;
			continue;
		}
		if (line.p[i] == '#')
			break;
		uint32_t start = i;
		while (i < line.len && !space(line.p[i]))
			i++;
		if (n == WORDS)
			return WORDS + 1;
		words[n++] = view_of(line.p + start, i - start);
	}
	return n;
}

static int nibble(uint8_t c) {
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool unhex(struct view text, struct frame_key *key) {
	if (text.len % 2 != 0 || text.len / 2 > FRAME_KEY_MAX)
		return false;
	for (uint32_t i = 0; i < text.len / 2; i++) {
		int high = nibble(text.p[2 * i]);
		int low = nibble(text.p[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		key->bytes[i] = (uint8_t)(high << 4 | low);
	}
	key->len = (uint8_t)(text.len / 2);
	return true;
}

static bool number_of(struct view text, uint8_t *out) {
	uint32_t v = 0;

	if (text.len == 0 || text.len > 3)
		return false;
	for (uint32_t i = 0; i < text.len; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		v = v * 10 + text.p[i] - '0';
	}
	*out = (uint8_t)v;
	return v <= UINT8_MAX;
}

bool frame_key_len_valid(enum frame_algorithm algorithm, uint32_t len) {
	if (algorithm == FRAME_AES_128_GCM)
		return len == GCM_KEY_LEN;
	return algorithm == FRAME_HMAC_SHA_256 && len >= HMAC_KEY_MIN && len <= FRAME_KEY_MAX;
}

// What is wrong with the words of a line, NULL if nothing is. Fills algorithm, number and bytes.
static const char *key_parse(const struct view words[WORDS], struct frame_key *key) {
	if (!device_id_valid(words[WORD_DEVICE]))
		return "not a device id";
	if (view_equal(words[WORD_ALGORITHM], VIEW_LITERAL("aes-128-gcm")))
		key->algorithm = FRAME_AES_128_GCM;
	else if (view_equal(words[WORD_ALGORITHM], VIEW_LITERAL("hmac-sha-256")))
		key->algorithm = FRAME_HMAC_SHA_256;
	else
		return "the algorithm is neither aes-128-gcm nor hmac-sha-256";
	if (!number_of(words[WORD_NUMBER], &key->number))
		return "the key number is not 0..255";
	if (!unhex(words[WORD_KEY], key))
		return "the key is not hexadecimal";
	if (frame_key_len_valid(key->algorithm, key->len))
		return nullptr;
	return key->algorithm == FRAME_AES_128_GCM
		? "an aes-128-gcm key has 32 hexadecimal digits"
		: "an hmac-sha-256 key has 32 to 128 hexadecimal digits";
}

static const char *line_load(struct frame_devices *d, struct frame_keys *k, struct view line) {
	struct view words[WORDS];
	uint32_t n = words_of(line, words);

	if (n == 0)
		return nullptr;
	if (n != WORDS)
		return "not: device-id algorithm key-number key";
	struct frame_key *key = &k->keys[k->count];
	const char *wrong = key_parse(words, key);
	if (wrong != nullptr)
		return wrong;
	struct frame_device *dev = frame_device_add(d, words[WORD_DEVICE]);
	if (dev == nullptr)
		return "more devices than frame.devices";
	if (frame_keys_find(k, dev->index, key->number, key->algorithm) != nullptr)
		return "this device has that key number already";
	key->id = k->id_base | k->count;
	key->device = dev->index;
	key->next = k->first[dev->index];
	k->first[dev->index] = k->count++;
	return nullptr;
}

static int lines_load(
	struct frame_devices *d,
	struct frame_keys *k,
	struct view text,
	const char *path,
	char *why,
	size_t why_len
) {
	for (uint32_t line = 1; text.len > 0; line++) {
		const uint8_t *end = memchr(text.p, '\n', text.len);
		uint32_t len = end != nullptr ? (uint32_t)(end - text.p) : text.len;
		const char *wrong = line_load(d, k, view_of(text.p, len));
		if (wrong != nullptr) {
			snprintf(why, why_len, "%s:%u: %s", path, line, wrong);
			return -EINVAL;
		}
		if (end != nullptr)
			len++;
		text.p += len;
		text.len -= len;
	}
	return 0;
}

// There cannot be more keys than lines.
static int keys_create(const struct frame_devices *d, struct view text, struct frame_keys **out) {
	static _Atomic(uint64_t) loads;
	struct frame_keys *k = calloc(1, sizeof(*k));
	size_t first_bytes = ((size_t)d->device_max + 1) * sizeof(*k->first);
	uint32_t lines = 1;

	if (k == nullptr)
		return -ENOMEM;
	for (uint32_t i = 0; i < text.len; i++)
		lines += text.p[i] == '\n';
	// An expanded key in a worker's cache must never be taken for one of another file.
	k->id_base = (atomic_fetch_add(&loads, 1) + 1) << 32;
	k->bytes = (size_t)lines * sizeof(*k->keys);
	k->keys = pages_reserve(k->bytes, true);
	k->first = malloc(first_bytes);
	if (k->keys == nullptr || k->first == nullptr) {
		frame_keys_destroy(k);
		return -ENOMEM;
	}
	memset(k->first, 0xff, first_bytes); // INDEX_NONE
	*out = k;
	return 0;
}

static int file_read(int fd, uint8_t *out, uint32_t len) {
	for (uint32_t done = 0; done < len;) {
		ssize_t n = read(fd, out + done, len - done);
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		done += (uint32_t)n;
	}
	return 0;
}

int key_file_load(
	struct frame_devices *d,
	const char *path,
	struct frame_keys **out,
	char *why,
	size_t why_len
) {
	struct frame_keys *k = nullptr;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		int ret = -errno;
		snprintf(why, why_len, "%s: %s", path, strerror(-ret));
		if (fd >= 0)
			close(fd);
		return ret;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > KEY_FILE_MAX) {
		snprintf(why, why_len, "%s: not a regular file of at most 1 GiB", path);
		close(fd);
		return -EINVAL;
	}
	size_t bytes = (size_t)st.st_size + 1;
	uint8_t *text = pages_reserve(bytes, true);
	int ret = text != nullptr ? file_read(fd, text, (uint32_t)st.st_size) : -ENOMEM;
	close(fd);
	struct view whole = view_of(text, (uint32_t)st.st_size);
	if (ret == 0)
		ret = keys_create(d, whole, &k);
	if (ret != 0)
		snprintf(why, why_len, "%s: %s", path, strerror(-ret));
	else
		ret = lines_load(d, k, whole, path, why, why_len);
	pages_wipe(text, bytes);
	if (ret != 0) {
		frame_keys_destroy(k);
		return ret;
	}
	*out = k;
	return 0;
}
