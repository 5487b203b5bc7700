// SPDX-License-Identifier: Apache-2.0
// Any text either is a configuration or gives at least one mistake with a sentence; what is loaded
// keeps the promises that the data plane relies on without checking.
#include "config/config.h"
#include "config/schema.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ERRORS 8

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void promises_check(const struct config *c) {
	assert(c->port_count >= 1 && c->port_count <= CONFIG_PORTS_MAX);
	assert(c->dataplane.workers >= 1 && c->dataplane.workers <= WORKERS_MAX);
	assert(c->topic_count == 0 || c->kafka.dead_letter < c->topic_count);
	for (uint32_t i = 0; i < c->interface_count; i++)
		assert(c->interfaces[i].port < c->port_count);
	for (uint32_t i = 0; i < c->listener_count; i++) {
		const struct config_listener *l = &c->listeners[i];
		assert(l->port != 0);
		assert(l->profile >= c->profiles && l->profile < c->profiles + c->profile_count);
	}
	for (uint32_t i = 0; i < c->profile_count; i++)
		assert(c->profiles[i].route >= c->routes
		       && c->profiles[i].route < c->routes + c->route_count);
	for (uint32_t i = 0; i < c->route_count; i++)
		assert(c->routes[i].topic < c->topic_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	struct config_error errors[ERRORS];
	struct config *c = NULL;
	uint32_t count;

	int ret = config_load_text(
		"/nonexistent/fuzz.yaml", (const char *)bytes, size, &c, errors, ERRORS, &count
	);
	assert(ret == 0 || ret == -EINVAL);
	assert(count <= ERRORS && (ret == 0) == (count == 0));
	for (uint32_t i = 0; i < count; i++)
		assert(errors[i].text[0] != '\0');
	if (ret == 0)
		promises_check(c);
	config_free(c);
	return 0;
}
