// SPDX-License-Identifier: Apache-2.0
#include "dataplane/xdp.h"

#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// RTM_SETLINK { IFLA_XDP { IFLA_XDP_FD = -1 } }
struct request {
	struct nlmsghdr header;
	struct ifinfomsg link;
	struct nlattr xdp;
	struct nlattr fd;
	int32_t fd_value;
};
static_assert(sizeof(struct request) == 44);

static int answer_read(int fd) {
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
	} answer;

	ssize_t n = recv(fd, &answer, sizeof(answer), 0);
	if (n < (ssize_t)sizeof(answer) || answer.header.nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	return answer.error.error;
}

int xdp_detach(const char *interface) {
	unsigned index = if_nametoindex(interface);
	struct request r = {
		.header =
			{
				.nlmsg_len = sizeof(r),
				.nlmsg_type = RTM_SETLINK,
				.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
			},
		.link = {.ifi_family = AF_UNSPEC, .ifi_index = (int)index},
		.xdp = {.nla_len = 12, .nla_type = IFLA_XDP | NLA_F_NESTED},
		.fd = {.nla_len = 8, .nla_type = IFLA_XDP_FD},
		.fd_value = -1,
	};
	int ret;

	if (index == 0)
		return -ENODEV;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	if (send(fd, &r, sizeof(r), 0) != sizeof(r))
		ret = -errno;
	else
		ret = answer_read(fd);
	close(fd);
	return ret;
}

unsigned xdp_sockets(int *out, unsigned max) {
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	if (d == nullptr)
		return 0;
	for (struct dirent *e = readdir(d); e != nullptr && n < max; e = readdir(d)) {
		int domain = 0, fd = (int)strtol(e->d_name, nullptr, 10);
		socklen_t len = sizeof(domain);
		// "." and ".." are read as 0, which is no such socket.
		if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_XDP)
			out[n++] = fd;
	}
	closedir(d);
	return n;
}
