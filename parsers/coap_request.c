// SPDX-License-Identifier: Apache-2.0
#include "parsers/coap_request.h"

// An option that occurs a second time though it is not repeatable counts as unknown (5.4.5); an
// elective one of a bad length is ignored (5.4.3).
static bool uint_once(struct view value, uint32_t max_bytes, int32_t *out) {
	uint32_t v;

	if (*out != COAP_NO_FORMAT || !coap_option_uint(value, max_bytes, &v))
		return false;
	*out = (int32_t)v;
	return true;
}

static enum coap_request_rc block_once(struct view value, bool *has, struct coap_block *out) {
	if (*has || value.len > 3)
		return COAP_REQUEST_BAD_OPTION;
	if (!coap_block_decode(value, out))
		return COAP_REQUEST_BLOCK;
	*has = true;
	return COAP_REQUEST_OK;
}

static enum coap_request_rc path_segment(struct coap_request *out, struct view value) {
	if (value.len > COAP_SEGMENT_MAX)
		return COAP_REQUEST_BAD_OPTION;
	if (out->segment_count == COAP_SEGMENTS_MAX)
		return COAP_REQUEST_PATH;
	out->segments[out->segment_count++] = value;
	return COAP_REQUEST_OK;
}

static void elective(struct coap_request *out, const struct coap_option *o) {
	uint32_t v;

	switch (o->number) {
	case COAP_CONTENT_FORMAT:
		uint_once(o->value, 2, &out->content_format);
		break;
	case COAP_SIZE1:
		if (!out->has_size1)
			out->has_size1 = coap_option_uint(o->value, 4, &out->size1);
		break;
	case COAP_NO_RESPONSE:
		if (!out->has_no_response && coap_option_uint(o->value, 1, &v)) {
			out->has_no_response = true;
			out->no_response = (uint8_t)v;
		}
		break;
	case COAP_ECHO:
		if (out->echo.p == nullptr && o->value.len >= 1 && o->value.len <= 40)
			out->echo = o->value;
		break;
	case COAP_REQUEST_TAG:
		if (out->request_tag.p == nullptr && o->value.len <= 8)
			out->request_tag = o->value;
		break;
	default:
		break;
	}
}

static enum coap_request_rc
critical(struct coap_request *out, const struct coap_option *o, uint16_t previous) {
	bool again = o->number == previous;
	bool fits;

	switch (o->number) {
	case COAP_URI_HOST: // one virtual host: whatever name the client knows us by
		fits = !again && o->value.len >= 1 && o->value.len <= 255;
		break;
	case COAP_URI_PORT:
		fits = !again && o->value.len <= 2;
		break;
	case COAP_URI_QUERY:
		out->query_count++;
		fits = o->value.len <= 255;
		break;
	case COAP_ACCEPT:
		fits = uint_once(o->value, 2, &out->accept);
		break;
	case COAP_URI_PATH:
		return path_segment(out, o->value);
	case COAP_BLOCK1:
		return block_once(o->value, &out->has_block1, &out->block1);
	case COAP_BLOCK2:
		return block_once(o->value, &out->has_block2, &out->block2);
	case COAP_PROXY_URI:
	case COAP_PROXY_SCHEME:
		return COAP_REQUEST_PROXY;
	default:
		fits = false;
		break;
	}
	return fits ? COAP_REQUEST_OK : COAP_REQUEST_BAD_OPTION;
}

enum coap_request_rc coap_request_decode(const struct coap_message *m, struct coap_request *out) {
	struct coap_options it = coap_options_of(m);
	struct coap_option o;
	uint16_t previous = 0;

	*out = (struct coap_request) {.content_format = COAP_NO_FORMAT, .accept = COAP_NO_FORMAT};
	while (coap_option_next(&it, &o)) {
		if (!coap_option_critical(o.number)) {
			elective(out, &o);
			previous = o.number;
			continue;
		}
		enum coap_request_rc rc = critical(out, &o, previous);
		if (rc != COAP_REQUEST_OK) {
			out->bad_option = o.number;
			return rc;
		}
		previous = o.number;
	}
	return COAP_REQUEST_OK;
}
