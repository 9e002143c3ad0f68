/* server/reload/scanner.h — a thread that runs scans, so that a slow file system holds up no connection. */
#ifndef MOONPORT_SERVER_RELOAD_SCANNER_H
#define MOONPORT_SERVER_RELOAD_SCANNER_H

#include <stddef.h>

struct net_loop;
struct scan;
struct scanner; /* opaque; frees itself after scanner_close() */

/* on_done(context) is called from the loop after each scan. The thread alone does not keep the
 * loop alive. NULL when memory, descriptors or threads are out. */
struct scanner *scanner_open(struct net_loop *loop, void (*on_done)(void *context), void *context);
/* One at a time: until on_done() the scan is the thread's. */
void scanner_start(struct scanner *scanner, struct scan *scan, size_t rehash_bytes_max);
/* Waits for the file that a scan is at, if one runs; no call follows, and the scan is the caller's
 * again. A file system that does not answer is waited for. */
void scanner_close(struct scanner *scanner);

#endif
