// SPDX-License-Identifier: Apache-2.0
// A machine that fails explains itself: each check says what to do if it does not hold.
#include "controlplane/api_health.h"
#include "controlplane/ca/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define KAFKA_SLOW_MS 30000

[[gnu::format(printf, 5, 6)]] static void
check(json_t *list, const char *name, bool ok, const char *what_to_do, const char *format, ...) {
	char found[300];
	va_list ap;

	va_start(ap, format);
	vsnprintf(found, sizeof(found), format, ap);
	va_end(ap);
	json_array_append_new(
		list,
		json_pack(
			"{s:s,s:b,s:s,s:s}",
			"check",
			name,
			"ok",
			ok,
			"found",
			found,
			"what_to_do",
			ok ? "" : what_to_do
		)
	);
}

static void data_plane(struct control *c, json_t *list) {
	const struct link_state *s = link_state(c->link);
	uint64_t version = registry_version(c->registry), balanced = 1;

	check(list,
	      "the data plane is connected",
	      s->connected,
	      "start sluiced (systemctl start sluiced); both must use the same run directory",
	      s->connected ? "pid %u" : "nobody on channel.sock, %u before",
	      s->pid);
	if (!s->connected)
		return;
	check(list,
	      "both are of one build",
	      strcmp(s->build, SLUICE_VERSION) == 0,
	      "restart the older of the two",
	      "sluiced %s, sluice-controld %s",
	      s->build,
	      SLUICE_VERSION);
	check(list,
	      "the data plane has the whole registry",
	      s->registry_version == version,
	      "wait a second; if it stays, the log of sluiced says why: its device table may be "
	      "full",
	      "version %" PRIu64 " of %" PRIu64,
	      s->registry_version,
	      version);
	(void)data_plane_counter(c, "ledger_balanced", &balanced);
	check(list,
	      "the ledger balances",
	      balanced != 0,
	      "keep the log of sluiced and `sluicectl top --count 1 --json`: it names the equation",
	      "%s",
	      balanced != 0 ? "every record is accounted for" : "records are unaccounted for");
}

// What sluiced tells of its egress.
static void kafka(struct control *c, json_t *list) {
	uint64_t oldest_ms = 0, in_flight = 0, errors = 0;

	if (!link_state(c->link)->connected
	    || !data_plane_counter(c, "egress_oldest_unacknowledged_milliseconds", &oldest_ms))
		return;
	(void)data_plane_counter(c, "egress_in_flight", &in_flight);
	(void)data_plane_counter(c, "egress_errors_total", &errors);
	check(list,
	      "Kafka takes what sluiced sends",
	      oldest_ms < KAFKA_SLOW_MS,
	      "look at the brokers of `sluicectl config get kafka.brokers`; the log of sluiced has "
	      "their last error",
	      "%" PRIu64 " in flight, the oldest for %" PRIu64 " ms, %" PRIu64 " errors so far",
	      in_flight,
	      oldest_ms,
	      errors);
}

static void registry(struct control *c, json_t *list) {
	uint64_t entries = 0;
	bool unbroken = registry_audit_verify(c->registry, &entries) == 0;
	char why[256] = "whole";
	struct stat s = {0};

	check(list,
	      "the registry is whole",
	      registry_check(c->registry, why, sizeof(why)) == 0,
	      "stop sluice-controld and `sluicectl backup restore` the last good copy",
	      "%s",
	      why);
	check(list,
	      "the audit log is unbroken",
	      unbroken,
	      "somebody changed the registry file: restore a backup from before",
	      unbroken ? "%" PRIu64 " entries" : "entry %" PRIu64 " does not fit its chain",
	      entries);
	(void)stat(c->database, &s);
	check(list,
	      "only sluice-controld reads the registry",
	      (s.st_mode & 077) == 0,
	      "chmod 600 the registry file: keys lie in it",
	      "mode %o",
	      s.st_mode & 07777);
	uint64_t left = disk_free(c->state_dir);
	check(list,
	      "there is disk space",
	      left >= DISK_LOW_BYTES,
	      "free at least 256 MiB where the registry lies",
	      "%" PRIu64 " MiB free",
	      left >> 20);
}

static void configuration(struct control *c, json_t *list) {
	check(list,
	      "the configuration file can be read",
	      access(c->config_path, R_OK) == 0,
	      "give sluice-controld read permission, or --config the right path",
	      "%s",
	      c->config_path);
	check(list,
	      "the configuration can be changed",
	      access(c->config_path, W_OK) == 0,
	      "give sluice-controld write permission to the file and its directory",
	      "%s",
	      c->config_path);
}

static void machine(struct control *c, json_t *list) {
	struct timex t = {0};
	int64_t last = registry_audit_last_s(c->registry), now = (int64_t)time(NULL);
	bool synchronised = adjtimex(&t) >= 0 && (t.status & STA_UNSYNC) == 0;
	long total = 0, unused = 0, n;
	char line[128];

	check(list,
	      "the clock did not jump back",
	      last <= now + 60,
	      "set the clock (timedatectl); certificates and expiries go by it",
	      "the last change is %" PRId64 " s old",
	      now - last);
	check(list,
	      "the clock is synchronised",
	      synchronised,
	      "run chrony or systemd-timesyncd: certificates and timestamps go by the clock",
	      "%s",
	      synchronised ? "the kernel says so" : "the kernel knows of no synchronisation");
	FILE *f = fopen("/proc/meminfo", "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "HugePages_Total: %ld", &n) == 1)
			total = n;
		if (sscanf(line, "HugePages_Free: %ld", &n) == 1)
			unused = n;
	}
	if (f != NULL)
		fclose(f);
	check(list,
	      "there are huge pages",
	      total > 0,
	      "give some (vm.nr_hugepages=512), unless sluiced is meant to run with "
	      "dataplane.memory without them",
	      "%ld, %ld of them free",
	      total,
	      unused);
}

// Somebody behind the socket, and not only a file?
static bool listens(const char *path) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(a.sun_path))
		return false;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	bool yes = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
	if (fd >= 0)
		close(fd);
	return yes;
}

static void certificates(struct control *c, json_t *list) {
	int64_t ending = certificates_ending(c, EXPIRY_WARNING_S);
	char names[200];
	bool signs = listens(c->sign_socket);

	check(list,
	      "the signing daemon runs",
	      signs,
	      "systemctl start sluice-signd; certificates cannot be issued until then",
	      "%s",
	      c->sign_socket);
	check(list,
	      "no device's certificate expires within 30 days",
	      ending == 0,
	      "`sluicectl cert list --expiring 30d`, then `sluicectl cert renew`",
	      "%" PRId64,
	      ending);
	int n = issuers_ending(c, EXPIRY_WARNING_S, names, sizeof(names));
	check(list,
	      "no issuer expires within 30 days",
	      n == 0,
	      "`sluicectl ca request` and `ca import --replace`, or `sluicectl trust add`",
	      "%s",
	      n > 0 ? names : "none");
	n = lists_overdue(c, names, sizeof(names));
	check(list,
	      "no revocation list is overdue",
	      n == 0,
	      "`sluicectl crl import` the issuer's new list",
	      "%s",
	      n > 0 ? names : "none");
}

void doctor_show(struct control *c, struct request *q, struct reply *r) {
	json_t *list = json_array();

	data_plane(c, list);
	kafka(c, list);
	registry(c, list);
	configuration(c, list);
	certificates(c, list);
	machine(c, list);
	reply_json(r, 200, json_pack("{s:o}", "checks", list));
}
