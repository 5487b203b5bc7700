// SPDX-License-Identifier: Apache-2.0
// What the service manager is told (sd_notify(3)), if one asked for it by NOTIFY_SOCKET: "READY=1",
// "STOPPING=1", "WATCHDOG=1", "STATUS=text",
// "EXTEND_TIMEOUT_USEC=n". Main thread; never waits.
#pragma once

// Remembers the socket and takes it out of the environment. Before privileges are dropped.
void notify_init(void);
// Nothing happens if nobody asked. A message that does not fit into the socket is lost.
void notify_send(const char *state);
