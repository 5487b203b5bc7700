// SPDX-License-Identifier: Apache-2.0
#include "dataplane/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int manager = -1; // connected

void notify_init(void) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path != nullptr ? strlen(path) : 0;

	if (len < 2 || len >= sizeof(a.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(a.sun_path, path, len);
	if (path[0] == '@')
		a.sun_path[0] = '\0'; // an abstract name
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (manager >= 0
	    && connect(manager,
		       (struct sockaddr *)&a,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len))
		    < 0) {
		close(manager);
		manager = -1;
	}
	unsetenv("NOTIFY_SOCKET");
}

void notify_send(const char *state) {
	if (manager >= 0)
		(void)send(manager, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT);
}
