// SPDX-License-Identifier: Apache-2.0
// An XDP program outlives the process that attached it: after a crash, and after a stop, because by
// then the right to detach it has been given up.
#pragma once

// Take whatever XDP program hangs on `interface` off it. Main thread, before the AF_XDP device is
// made, with CAP_NET_ADMIN. 0 (also if there was none), -errno.
int xdp_detach(const char *interface);

// The AF_XDP sockets that this process has open: up to `max` descriptors, how many. DPDK makes them
// and tells nobody. Main thread.
unsigned xdp_sockets(int *out, unsigned max);
