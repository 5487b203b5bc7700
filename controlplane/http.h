// SPDX-License-Identifier: Apache-2.0
// HTTP around the API: a UNIX socket whose peers have roles, and /metrics on TCP. Runs inside the
// main thread's poll loop.
#pragma once

#include "controlplane/control.h"

#include <poll.h>

struct http;

#define HTTP_FDS 2

// `metrics` is "address:port" or NULL. 0, or -errno with `why`.
int http_create(
	struct control *c,
	const char *socket_path,
	const char *metrics,
	struct http **out,
	char *why,
	size_t why_len
);
void http_destroy(struct http *h); // accepts NULL
void http_poll_prepare(struct http *h, struct pollfd fds[HTTP_FDS]);
int http_timeout_ms(struct http *h, int at_most);
void http_run(struct http *h);
