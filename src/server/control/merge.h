/* server/control/merge.h — the lines of several workers' answers as those of one server. Knows no
 * worker but by its number. */
#pragma once

#include "base/worker.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct merge {
  const struct gathering *gathering; /* NULL: every line stands for itself, and is told as it is */
  const char *command;
  json_t *lines;               /* so far, in the order of `keys`, if they are gathered */
  char **keys;                 /* of each line */
  json_t *lasts[WORKERS_MAX];  /* what each worker put last; NULL: nothing */
  char *silences[WORKERS_MAX]; /* why it put nothing; NULL: it did */
};

/* For the answer to that command. NULL: memory is out. */
struct merge *merge_new(const char *command);
void merge_free(struct merge *merge);
/* Takes over a line, which is NULL when it could not be read; false: memory is out. */
bool merge_add(struct merge *merge, unsigned worker, json_t *line);
/* Adds the last line of a worker's answer, which it takes over, or the sentence why there is none. */
bool merge_add_last(struct merge *merge, unsigned worker, json_t *last, const char *why);

/* The last line of all: ok when it went well wherever somebody answered. The receiver's; NULL: memory
 * is out. */
json_t *merge_last(const struct merge *merge);
