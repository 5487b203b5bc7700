// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api_health.h"
#include "controlplane/ca/ca.h"
#include "controlplane/registry_certificates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

uint64_t disk_free(const char *dir) {
	struct statvfs v;
	return statvfs(dir, &v) == 0 ? (uint64_t)v.f_bavail * v.f_frsize : 0;
}

bool data_plane_counter(struct control *c, const char *name, uint64_t *value) {
	uint32_t n;
	const struct channel_counter *list = link_counters(c->link, &n);

	for (uint32_t i = 0; i < n; i++)
		if (strcmp(list[i].name, name) == 0) {
			*value = list[i].value;
			return true;
		}
	return false;
}

int64_t certificates_ending(struct control *c, int64_t within_s) {
	int64_t n = 0;

	(void)registry_certificate_expiring(c->registry, (int64_t)time(NULL), within_s, &n);
	return n;
}

static void name_add(char *names, size_t room, const char *name) {
	size_t n = strlen(names);
	snprintf(names + n, room - n, "%s%s", n > 0 ? ", " : "", name);
}

int issuers_ending(struct control *c, int64_t within_s, char *names, size_t room) {
	int64_t before = (int64_t)time(NULL) + within_s;
	struct ca_certificate i;
	int error = 0, count = 0;
	size_t n;
	json_t *t;

	names[0] = '\0';
	char *text = registry_trust_list(c->registry, &error);
	json_t *list = text != NULL ? json_loads(text, 0, NULL) : NULL;
	free(text);
	json_array_foreach(json_object_get(list, "issuers"), n, t) {
		if (ca_inspect(json_string_value(json_object_get(t, "pem")), &i) < 0
		    || i.not_after_s >= before)
			continue;
		name_add(names, room, json_string_value(json_object_get(t, "name")));
		count++;
	}
	json_decref(list);
	return count;
}

int lists_overdue(struct control *c, char *names, size_t room) {
	int error = 0, count = 0;
	size_t n;
	json_t *l;

	names[0] = '\0';
	char *text = registry_crl_overdue(c->registry, (int64_t)time(NULL), &error);
	json_t *list = text != NULL ? json_loads(text, 0, NULL) : NULL;
	free(text);
	json_array_foreach(json_object_get(list, "lists"), n, l) {
		name_add(names, room, json_string_value(json_object_get(l, "name")));
		count++;
	}
	json_decref(list);
	return count;
}

[[gnu::format(printf, 4, 5)]] static void
problem(json_t *list, bool is, const char *what_to_do, const char *format, ...) {
	char text[300];
	va_list ap;

	if (!is)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	json_array_append_new(
		list, json_pack("{s:s,s:s}", "problem", text, "what_to_do", what_to_do)
	);
}

static void data_plane_problems(struct control *c, json_t *list) {
	const struct link_state *s = link_state(c->link);
	uint64_t balanced = 1, waiting = 0;

	(void)data_plane_counter(c, "ledger_balanced", &balanced);
	(void)data_plane_counter(c, "waiting_for_topics", &waiting);
	problem(list,
		!s->connected,
		"start sluiced; devices keep the last registry and configuration",
		"no data plane is connected");
	problem(list,
		s->connected && s->registry_version < registry_version(c->registry),
		"wait a second; if it stays, see the log of sluiced",
		"the data plane does not have the last registry change yet");
	problem(list,
		s->connected && waiting != 0,
		"`sluicectl topic check` names them, `sluicectl topic create` makes them",
		"sluiced waits for topics that Kafka does not have: no device is answered");
	problem(list,
		s->connected && balanced == 0,
		"`sluicectl top --count 1` and the log of sluiced name the equation",
		"the ledger does not balance");
}

static void certificate_problems(struct control *c, json_t *list) {
	int64_t ending = certificates_ending(c, EXPIRY_WARNING_S);
	char names[200];
	int n = issuers_ending(c, EXPIRY_WARNING_S, names, sizeof(names));

	problem(list,
		ending > 0,
		"`sluicectl cert list --expiring 30d`, then `sluicectl cert renew`",
		"%lld certificates of devices expire within 30 days and have no successor",
		(long long)ending);
	problem(list,
		n > 0,
		"`sluicectl ca request` and `ca import --replace`, or `sluicectl trust add` its "
		"successor",
		"issuers expire within 30 days: %s",
		names);
	n = lists_overdue(c, names, sizeof(names));
	problem(list,
		n > 0,
		"fetch the new list from the issuer: `sluicectl crl import FILE`",
		"revocation lists are overdue: %s",
		names);
}

json_t *health_problems(struct control *c) {
	json_t *list = json_array();

	data_plane_problems(c, list);
	problem(list,
		disk_free(c->state_dir) < DISK_LOW_BYTES,
		"free space; changes are refused when it is full, data keep flowing",
		"the disk of the registry is nearly full");
	problem(list,
		c->restored_from[0] != '\0',
		"`sluicectl audit list` shows the last change it has; repeat what came after",
		"the registry was corrupt and a backup took its place");
	certificate_problems(c, list);
	return list;
}

void health_tick(struct control *c, int64_t now_ms) {
	static const char family[] = "records_accepted_total{";
	uint64_t records = 0;
	uint32_t n;

	if (now_ms - c->rate.at_ms < 900)
		return;
	const struct channel_counter *list = link_counters(c->link, &n);
	for (uint32_t i = 0; i < n; i++)
		if (strncmp(list[i].name, family, sizeof(family) - 1) == 0)
			records += list[i].value;
	// Less than before: another sluiced.
	if (c->rate.at_ms > 0 && records >= c->rate.records)
		c->rate.per_s =
			(records - c->rate.records) * 1000 / (uint64_t)(now_ms - c->rate.at_ms);
	else
		c->rate.per_s = 0;
	c->rate.records = records;
	c->rate.at_ms = now_ms;
}
