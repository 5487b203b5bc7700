// SPDX-License-Identifier: Apache-2.0
// The registry at a million devices: import rate, size on disk, transfer to the data plane, size in
// memory, time to apply, lookup. JSON on standard output.
//
//   bench_registry [DEVICES] [DIRECTORY]
#include "controlplane/registry.h"
#include "dataplane/device_table.h"
#include "dataplane/label_sets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROWS_PER_PART 20000u
#define PART_MAX (1u << 21)

static double now_s(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double import(struct registry *r, uint32_t devices) {
	static char csv[PART_MAX];
	struct author by = {.name = "bench"};
	struct import_result out;
	double begin = now_s();

	for (uint32_t i = 0; i < devices;) {
		size_t n =
			(size_t)snprintf(csv, sizeof(csv), "name,profile,records_per_s,labels\n");
		for (uint32_t k = 0; k < ROWS_PER_PART && i < devices; k++, i++)
			n += (size_t)snprintf(
				csv + n,
				sizeof(csv) - n,
				"device-%08u,meter,10,site=s%u\n",
				i,
				i % 100
			);
		struct import_order order = {.csv = csv, .len = n};
		if (registry_import(r, &by, &order, &out) < 0 || out.refused > 0) {
			fprintf(stderr, "import: %s\n", registry_why(r));
			exit(1);
		}
	}
	return now_s() - begin;
}

// As the channel does it, without the socket.
static double transfer(struct registry *r, struct device_table *t) {
	struct label_sets *sets = device_table_labels(t);
	static struct channel_labels l[31];
	static struct channel_device d[256];
	double begin = now_s();
	int64_t cursor = 0;
	int n;

	device_table_whole_begin(t);
	while ((n = registry_labels_since(r, 0, &cursor, l, 31)) > 0)
		for (int i = 0; i < n; i++)
			if (label_sets_define(sets, l[i].set, view_of(l[i].bytes, l[i].len)) < 0)
				exit(1);
	cursor = 0;
	while ((n = registry_devices_since(r, 0, &cursor, d, 256)) > 0)
		if (device_table_apply(t, d, (uint32_t)n) < 0)
			exit(1);
	device_table_whole_end(t);
	label_sets_settle(sets);
	device_table_at(t, registry_id(r), registry_version(r));
	return now_s() - begin;
}

static double lookup_ns(const struct device_table *t, uint32_t devices) {
	char text[32][24];
	struct view names[32];
	struct device_entry e[32];
	const uint32_t rounds = 100000;
	uint32_t x = 12345, missed = 0;
	double spent = 0;

	for (uint32_t i = 0; i < rounds; i++) {
		for (int k = 0; k < 32; k++) {
			x = x * 1664525u + 1013904223u;
			names[k].p = (uint8_t *)text[k];
			names[k].len = (uint32_t
			)snprintf(text[k], sizeof(text[k]), "device-%08u", (x >> 4) % devices);
		}
		double begin = now_s();
		device_table_lookup(t, names, 32, e);
		spent += now_s() - begin;
		for (int k = 0; k < 32; k++)
			missed += e[k].slot == DEVICE_NONE;
	}
	if (missed > 0)
		exit(1);
	return spent / rounds / 32 * 1e9;
}

static double change_ms(struct registry *r, struct device_table *t) {
	struct author by = {.name = "bench"};
	struct device_change c = DEVICE_CHANGE_NONE;
	struct channel_device d[4];
	int64_t cursor = 0;
	uint64_t since = registry_version(r);

	c.state = DEVICE_SUSPENDED;
	double begin = now_s();
	if (registry_device_change(r, &by, "device-00000007", &c, false) < 0)
		exit(1);
	int n = registry_devices_since(r, since, &cursor, d, 4);
	if (n != 1 || device_table_apply(t, d, 1) < 0)
		exit(1);
	return (now_s() - begin) * 1e3;
}

int main(int argc, char **argv) {
	uint32_t devices = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;
	const char *dir = argc > 2 ? argv[2] : "/tmp";
	const uint64_t secret[2] = {1, 2};
	struct device_table *t;
	struct registry *r;
	char path[300], snapshot[300], why[256];
	struct stat s = {0}, snap = {0};

	snprintf(path, sizeof(path), "%s/bench-registry.db", dir);
	snprintf(snapshot, sizeof(snapshot), "%s/bench-registry.snapshot", dir);
	if (registry_open(path, &r, why, sizeof(why)) < 0
	    || device_table_create(devices + 1024, secret, &t) < 0) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	double import_s = import(r, devices);
	double transfer_s = transfer(r, t);
	double change = change_ms(r, t);
	double lookup = lookup_ns(t, devices);
	double begin = now_s();
	if (device_table_save(t, snapshot, NULL, NULL) < 0)
		return 1;
	double save_s = now_s() - begin;
	begin = now_s();
	if (device_table_load(t, snapshot) < 0)
		return 1;
	double load_s = now_s() - begin;
	registry_close(r); // folds the journal into the file
	stat(path, &s);
	stat(snapshot, &snap);
	printf("{\"devices\":%u,\"import_s\":%.2f,\"import_rows_per_s\":%.0f,"
	       "\"disk_bytes_per_device\":%.1f,\"memory_bytes_per_device\":%.1f,"
	       "\"transfer_s\":%.2f,\"one_change_ms\":%.2f,\"lookup_ns\":%.1f,"
	       "\"snapshot_bytes_per_device\":%.1f,\"snapshot_save_s\":%.2f,"
	       "\"snapshot_load_s\":%.2f,\"label_sets\":%u,\"label_bytes\":%zu}\n",
	       devices,
	       import_s,
	       devices / import_s,
	       (double)s.st_size / devices,
	       (double)device_table_bytes(t) / devices,
	       transfer_s,
	       change,
	       lookup,
	       (double)snap.st_size / devices,
	       save_s,
	       load_s,
	       label_sets_count(device_table_labels(t)),
	       label_sets_bytes(device_table_labels(t)));
	device_table_destroy(t);
	unlink(path);
	unlink(snapshot);
	return 0;
}
