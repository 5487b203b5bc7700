// SPDX-License-Identifier: Apache-2.0
// Status, counters, events, audit.
#include "controlplane/api_health.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *link_json(struct control *c) {
	const struct link_state *s = link_state(c->link);

	return json_pack(
		"{s:b,s:i,s:i,s:I,s:I,s:I,s:I,s:I,s:I,s:s}",
		"connected",
		s->connected,
		"pid",
		(int)s->pid,
		"workers",
		(int)s->workers,
		"epoch",
		(json_int_t)s->epoch,
		"registry_version",
		(json_int_t)s->registry_version,
		"apply_ns",
		(json_int_t)s->apply_ns,
		"events",
		(json_int_t)s->events,
		"refused_versions",
		(json_int_t)s->refused,
		"malformed",
		(json_int_t)s->malformed,
		"build",
		s->build
	);
}

void status_show(struct control *c, struct request *q, struct reply *r) {
	int error = 0;
	char *summary = registry_summary(c->registry, &error);

	if (summary == NULL) {
		reply_errno(r, error, "registry", registry_why(c->registry));
		return;
	}
	json_t *list = health_problems(c);
	json_t *json = json_pack(
		"{s:b,s:o,s:o,s:o,s:{s:s,s:I,s:I,s:I}}",
		"all_right",
		json_array_size(list) == 0,
		"problems",
		list,
		"registry",
		json_loads(summary, 0, NULL),
		"data_plane",
		link_json(c),
		"control_plane",
		"build",
		SLUICE_VERSION,
		"started_s",
		(json_int_t)c->started_s,
		"requests",
		(json_int_t)c->requests,
		"disk_free",
		(json_int_t)disk_free(c->state_dir)
	);
	free(summary);
	json_object_set_new(
		json_object_get(json, "registry"),
		"certificates_ending",
		json_integer(certificates_ending(c, EXPIRY_WARNING_S))
	);
	json_object_set_new(json, "records_per_s", json_integer((json_int_t)c->rate.per_s));
	reply_json(r, 200, json);
}

void counters_show(struct control *c, struct request *q, struct reply *r) {
	uint32_t n;
	const struct channel_counter *list = link_counters(c->link, &n);
	json_t *all = json_object();

	for (uint32_t i = 0; i < n; i++)
		json_object_set_new(all, list[i].name, json_integer((json_int_t)list[i].value));
	reply_json(r, 200, json_pack("{s:o}", "counters", all));
}

void events_show(struct control *c, struct request *q, struct reply *r) {
	json_t *list = json_array();
	char name[CHANNEL_NAME_MAX + 1], address[INET6_ADDRSTRLEN];
	const struct channel_event *e;

	for (uint32_t i = 0; (e = link_event(c->link, i)) != NULL; i++) {
		memcpy(name, e->name, e->name_len);
		name[e->name_len] = '\0';
		address[0] = '\0';
		if (e->peer.family != 0)
			inet_ntop(
				e->peer.family == 4 ? AF_INET : AF_INET6,
				e->peer.bytes,
				address,
				sizeof(address)
			);
		json_t *device = json_string(name);
		json_array_append_new(
			list,
			json_pack(
				"{s:I,s:o,s:s,s:s,s:s,s:s,s:I}",
				"at_ns",
				(json_int_t)e->wall_ns,
				"device",
				device != NULL ? device : json_string("(not UTF-8)"),
				"event",
				channel_event_label((enum channel_event_kind)e->kind),
				"reason",
				e->reason,
				"address",
				address,
				"transport",
				e->transport,
				"times",
				(json_int_t)(e->repeated > 0 ? e->repeated : 1)
			)
		);
	}
	reply_json(r, 200, json_pack("{s:o}", "events", list));
}

void audit_list(struct control *c, struct request *q, struct reply *r) {
	int64_t before, limit;
	int error = 0;

	if (!query_number(q, "before", 0, INT64_MAX, &before, r)
	    || !query_number(q, "limit", 50, 10000, &limit, r))
		return;
	char *json = registry_audit_list(c->registry, before, limit, &error);
	if (json == NULL)
		reply_errno(r, error, "audit log", registry_why(c->registry));
	else
		reply_text(r, 200, json);
}

void audit_verify(struct control *c, struct request *q, struct reply *r) {
	uint64_t entries = 0;
	int ret = registry_audit_verify(c->registry, &entries);

	if (ret < 0 && ret != -EBADMSG) {
		reply_errno(r, ret, "audit log", registry_why(c->registry));
		return;
	}
	reply_json(
		r,
		200,
		json_pack(
			"{s:b,s:I,s:o}",
			"unbroken",
			ret == 0,
			"entries",
			(json_int_t)entries,
			"first_broken",
			ret == 0 ? json_null() : json_integer((json_int_t)entries)
		)
	);
}
