// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "dataplane/eal.h"
#include "dataplane/pages.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_memory.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGS_MAX (24 + 2 * CONFIG_PORTS_MAX * CONFIG_PORT_DEVICES_MAX)

struct args {
	int count;
	char *v[ARGS_MAX + 1];
};

[[gnu::format(printf, 2, 3)]]
static void arg(struct args *a, const char *format, ...) {
	va_list list;

	if (a->count >= ARGS_MAX)
		return;
	va_start(list, format);
	if (vasprintf(&a->v[a->count], format, list) >= 0)
		a->count++;
	va_end(list);
}

static long cpu_count(void) {
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	return n > 0 ? n : 1;
}

unsigned eal_worker_cpu(const struct config *c, uint16_t w) {
	if (w < c->dataplane.lcore_count)
		return c->dataplane.lcores[w];
	// Not chosen: workers take the CPUs from the last downwards and leave CPU 0 to the rest.
	unsigned cpus = (unsigned)cpu_count();
	return cpus - 1 - w % (cpus > 1 ? cpus - 1 : 1);
}

void eal_housekeeping_cpus(const struct config *c, cpu_set_t *set) {
	CPU_ZERO(set);
	for (uint32_t i = 0; i < c->dataplane.housekeeping_count; i++)
		CPU_SET(c->dataplane.housekeeping[i], set);
	if (CPU_COUNT(set) > 0)
		return;
	for (long cpu = 0; cpu < cpu_count(); cpu++)
		CPU_SET((size_t)cpu, set);
	for (uint16_t w = 0; w < c->dataplane.workers; w++)
		CPU_CLR(eal_worker_cpu(c, w), set);
	if (CPU_COUNT(set) == 0)
		CPU_SET(0, set);
}

static void lcores(const struct config *c, struct args *a) {
	char list[1024];
	cpu_set_t housekeeping;
	unsigned main_cpu = 0;
	size_t n;

	eal_housekeeping_cpus(c, &housekeeping);
	while (main_cpu < CPU_SETSIZE - 1 && !CPU_ISSET(main_cpu, &housekeeping))
		main_cpu++;
	n = (size_t)snprintf(list, sizeof(list), "0@%u", main_cpu);
	for (uint16_t w = 0; w < c->dataplane.workers && n < sizeof(list); w++)
		n += (size_t)snprintf(
			list + n,
			sizeof(list) - n,
			",%u@%u",
			eal_worker_lcore(w),
			eal_worker_cpu(c, w)
		);
	arg(a, "--lcores=%s", list);
	arg(a, "--main-lcore=0");
}

static unsigned long huge_pages_free(void) {
	unsigned long total = 0;
	static const char *const files[] = {
		"/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages",
		"/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages",
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		unsigned long n = 0;
		FILE *f = fopen(files[i], "re");
		if (f == nullptr)
			continue;
		if (fscanf(f, "%lu", &n) == 1)
			total += i == 0 ? n * 2 : n * 1024;
		fclose(f);
	}
	return total;
}

static bool device_is_pci(const char *device) {
	unsigned domain, bus, slot, function;

	return sscanf(device, "%x:%x:%x.%x", &domain, &bus, &slot, &function) == 4
		|| sscanf(device, "%x:%x.%x", &bus, &slot, &function) == 3;
}

static bool uses_memif(const struct config *c) {
	for (uint32_t p = 0; p < c->port_count; p++)
		for (uint32_t d = 0; d < c->ports[p].device_count; d++)
			if (strncmp(c->ports[p].devices[d], "net_memif", 9) == 0)
				return true;
	return false;
}

static int memory(const struct config *c, struct args *a, char *why, size_t why_len) {
	bool huge = c->dataplane.huge_pages != HUGE_NEVER
		&& huge_pages_free() >= c->dataplane.memory_mib;

	if (!huge && c->dataplane.huge_pages == HUGE_REQUIRE) {
		snprintf(
			why,
			why_len,
			"dataplane.huge_pages is 'require' and only %lu MiB of free huge pages "
			"exist, %u "
			"MiB are needed: reserve them (vm.nr_hugepages) or set 'auto'",
			huge_pages_free(),
			c->dataplane.memory_mib
		);
		return -ENOMEM;
	}
	if (!huge) {
		// EAL 24.11 refuses --no-huge together with --in-memory.
		arg(a, "--no-huge");
		arg(a, "--no-shconf");
	} else if (!uses_memif(c)) {
		arg(a, "--in-memory");
	}
	arg(a, "-m");
	arg(a, "%u", c->dataplane.memory_mib);
	return 0;
}

// An AF_XDP socket on an interface without hardware has nothing to poll in the kernel, and the
// driver would make a system call for every look at an empty queue.
static const char *busy_budget(const char *device) {
	char interface[64], path[128];
	const char *at = strstr(device, "iface=");

	if (strncmp(device, "net_af_xdp", 10) != 0 || at == nullptr
	    || strstr(device, "busy_budget=") != nullptr
	    || sscanf(at, "iface=%63[^,]", interface) != 1)
		return "";
	snprintf(path, sizeof(path), "/sys/class/net/%s/device", interface);
	return access(path, F_OK) == 0 ? "" : ",busy_budget=0";
}

static void devices(const struct config *c, struct args *a) {
	bool pci = false;

	for (uint32_t p = 0; p < c->port_count; p++) {
		for (uint32_t d = 0; d < c->ports[p].device_count; d++) {
			const char *device = c->ports[p].devices[d];
			pci |= device_is_pci(device);
			if (device_is_pci(device))
				arg(a, "--allow=%s", device);
			else
				arg(a, "--vdev=%s%s", device, busy_budget(device));
		}
	}
	if (!pci)
		arg(a, "--no-pci");
}

// Without huge pages of DPDK's own its memory is one mapping, of which nothing has been used yet.
static int large_pages(const struct rte_memseg_list *list, void *) {
	pages_advise(list->base_va, list->len);
	return 0;
}

int eal_start(const struct config *c, char *why, size_t why_len) {
	struct args a = {0};

	arg(&a, "sluiced");
	lcores(c, &a);
	int ret = memory(c, &a, why, why_len);
	if (ret == 0) {
		devices(c, &a);
		arg(&a, "--file-prefix=%s", c->dataplane.file_prefix);
		arg(&a, "--no-telemetry");
		arg(&a, "--log-level=lib.*:warning");
		arg(&a, "--log-level=pmd.*:warning");
		if (rte_eal_init(a.count, a.v) < 0) {
			snprintf(
				why,
				why_len,
				"DPDK did not start: %s (its own lines are above; devices, memory "
				"and "
				"file_prefix come from dataplane and ports)",
				rte_strerror(rte_errno)
			);
			ret = -EIO;
		}
	}
	if (ret == 0 && rte_eal_has_hugepages() == 0)
		rte_memseg_list_walk(large_pages, nullptr);
	// rte_eal_init keeps pointers into the argument strings, so on success they stay.
	if (ret != 0)
		for (int i = 0; i < a.count; i++)
			free(a.v[i]);
	return ret;
}

void eal_stop(void) {
	rte_eal_cleanup();
}
