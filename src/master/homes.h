/* master/homes.h — which worker each script lives in. Knows no process. */
#pragma once

struct homes; /* opaque */

struct homes *homes_new(unsigned workers); /* NULL when memory is out */
void homes_free(struct homes *homes);
/* The number of its worker: where the fewest live, of those that ask for the first time. 0: memory is
 * out. */
unsigned homes_find(struct homes *homes, const char *script);
/* It is gone, and counts no more. */
void homes_forget(struct homes *homes, const char *script);
