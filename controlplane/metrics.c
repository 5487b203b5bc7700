// SPDX-License-Identifier: Apache-2.0
// /metrics in Prometheus text format 0.0.4. No series per device.
#include "controlplane/api_health.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b) {
	return strcmp(
		((const struct channel_counter *)a)->name, ((const struct channel_counter *)b)->name
	);
}

static void family(FILE *f, const char *name, const char *type, const char *help, double value) {
	fprintf(f, "# HELP sluice_%s %s\n# TYPE sluice_%s %s\n", name, help, name, type);
	fprintf(f, "sluice_%s %.17g\n", name, value);
}

// Families must stand together: sorted by name, with one TYPE line each.
static void data_plane(struct control *c, FILE *f) {
	uint32_t n;
	const struct channel_counter *list = link_counters(c->link, &n);
	struct channel_counter *sorted = calloc(n + 1, sizeof(*sorted));
	char last[112] = "";

	if (sorted == NULL)
		return;
	memcpy(sorted, list, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), by_name);
	for (uint32_t i = 0; i < n; i++) {
		size_t len = strcspn(sorted[i].name, "{");
		if (strncmp(last, sorted[i].name, len) != 0 || last[len] != '\0') {
			snprintf(last, sizeof(last), "%.*s", (int)len, sorted[i].name);
			fprintf(f,
				"# TYPE sluice_%s %s\n",
				last,
				sorted[i].gauge ? "gauge" : "counter");
		}
		fprintf(f, "sluice_%s %" PRIu64 "\n", sorted[i].name, sorted[i].value);
	}
	free(sorted);
}

static void certificates(struct control *c, FILE *f) {
	static const int days[] = {0, 7, 30};
	char names[200];

	fprintf(f,
		"# HELP sluice_certificates_expiring Certificates of devices without successor "
		"that end within so many days\n"
		"# TYPE sluice_certificates_expiring gauge\n");
	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++)
		fprintf(f,
			"sluice_certificates_expiring{days=\"%d\"} %" PRId64 "\n",
			days[i],
			certificates_ending(c, days[i] * 86400));
	fprintf(f,
		"# HELP sluice_issuers_expiring Issuers, own and trusted, that end within so many "
		"days\n"
		"# TYPE sluice_issuers_expiring gauge\n");
	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++)
		fprintf(f,
			"sluice_issuers_expiring{days=\"%d\"} %d\n",
			days[i],
			issuers_ending(c, days[i] * 86400, names, sizeof(names)));
	family(f,
	       "revocation_lists_overdue",
	       "gauge",
	       "Revocation lists whose next update is past",
	       lists_overdue(c, names, sizeof(names)));
}

static void devices(struct control *c, FILE *f) {
	int error = 0;
	char *text = registry_summary(c->registry, &error);
	json_t *j = text != NULL ? json_loads(text, 0, NULL) : NULL, *n;
	const char *state;

	fprintf(f,
		"# HELP sluice_registry_devices Devices by state\n"
		"# TYPE sluice_registry_devices gauge\n");
	json_object_foreach(json_object_get(j, "devices"), state, n)
		fprintf(f,
			"sluice_registry_devices{state=\"%s\"} %" JSON_INTEGER_FORMAT "\n",
			state,
			json_integer_value(n));
	family(f,
	       "registry_bytes",
	       "gauge",
	       "Size of the registry file",
	       (double)json_integer_value(json_object_get(j, "bytes")));
	json_decref(j);
	free(text);
}

char *metrics_text(struct control *c) {
	const struct link_state *s = link_state(c->link);
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		return NULL;
	family(f, "data_plane_up", "gauge", "1 if sluiced is connected", s->connected);
	family(f,
	       "registry_version",
	       "gauge",
	       "Version of the registry",
	       (double)registry_version(c->registry));
	family(f,
	       "registry_version_applied",
	       "gauge",
	       "Version every worker uses",
	       (double)s->registry_version);
	family(f,
	       "registry_apply_seconds",
	       "gauge",
	       "How long the last change took to reach every worker",
	       (double)s->apply_ns / 1e9);
	family(f,
	       "device_events_total",
	       "counter",
	       "Reports about devices from sluiced",
	       (double)s->events);
	family(f, "api_requests_total", "counter", "Calls of the API", (double)c->requests);
	family(f,
	       "api_refused_total",
	       "counter",
	       "Calls answered with 400 and above",
	       (double)c->refused);
	family(f, "api_denied_total", "counter", "Calls without the role", (double)c->denied);
	family(f,
	       "channel_malformed_total",
	       "counter",
	       "Messages from sluiced that did not decode",
	       (double)s->malformed);
	devices(c, f);
	certificates(c, f);
	data_plane(c, f);
	fclose(f);
	return text;
}
