/* server/control/merge.h — the lines of several workers' answers as those of one server. Knows no
 * worker but by its number. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct merge; /* opaque */

/* For the answer to that command. NULL: memory is out. */
struct merge *merge_new(const char *command);
void merge_free(struct merge *merge);
/* Whether lines of several workers become one; otherwise each is told as it is. */
bool merge_gathers(const struct merge *merge);
/* Takes over a line, which is NULL when it could not be read; false: memory is out. */
bool merge_add(struct merge *merge, unsigned worker, json_t *line);
/* Adds the last line of a worker's answer, which it takes over, or the sentence why there is none. */
bool merge_add_last(struct merge *merge, unsigned worker, json_t *last, const char *why);

/* The lines so far, one for each script, say; `merge`'s own. */
const json_t *merge_lines(const struct merge *merge);
/* What a worker put last; NULL: nothing. */
const json_t *merge_last_of(const struct merge *merge, unsigned worker);
/* Why it put nothing; NULL: it did. */
const char *merge_silence_of(const struct merge *merge, unsigned worker);
/* The last line of all: ok when it went well wherever somebody answered. The receiver's; NULL: memory
 * is out. */
json_t *merge_last(const struct merge *merge);
