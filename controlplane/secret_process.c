// SPDX-License-Identifier: Apache-2.0
#include "controlplane/secret_process.h"

#include <fcntl.h>
#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static void wiped_free(void *p) {
	if (p != NULL)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

void secret_process(void) {
	struct rlimit none = {0, 0};
	// Before it is not dumpable: then the file is root's.
	int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		(void)!write(fd, "0", 1);
		close(fd);
	}
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
	json_set_alloc_funcs(malloc, wiped_free);
}
