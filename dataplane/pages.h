// SPDX-License-Identifier: Apache-2.0
// Memory of the large tables: whole pages taken at start, of 2 MiB where the kernel gives such. A
// table that is touched at random costs a TLB miss per line on small pages, and one per table on
// large ones. Control thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// Zeroed, aligned to a page (2 MiB if it is that large), NULL without memory. `name` is what the
// mapping is called in /proc/PID/smaps. With `resident` every page is there when this returns, so
// that nothing that comes in later can make the process grow; without, a page comes with its first
// use (tests, which make many tables and fill few).
void *pages_map(size_t bytes, const char *name, bool resident);
void pages_unmap(void *p, size_t bytes); // accepts NULL; the size that was taken

// Zeroed small pages that come with their use, for a table of which most is never touched; NULL
// without memory, back with pages_unmap(). `secret` keeps them out of core dumps and, if the limit
// allows, out of swap.
void *pages_reserve(size_t bytes, bool secret);
void pages_wipe(void *p, size_t bytes); // back, and nothing is left of what was in them

// Ask for large pages under memory that somebody else has mapped and not yet used.
void pages_advise(void *p, size_t bytes);
