/* base/log_held.c — log records that are kept until it is known whether they are to be told. Does not know
 * what they say. */
#include "base/log_held.h"

#include "base/list.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

struct held_record {
  struct list link;
  struct log_record record; /* its texts are in `bytes` */
  char bytes[];
};

struct log_held {
  struct log *log;
  struct list records;
  int count; /* with those for which there was no memory */
};

/* Copies a text to *place, and moves that behind it. */
static const char *copy(char **place, const char *text, size_t size) {
  if (!text) return NULL;
  char *at = memcpy(*place, text, size);
  *place += size;
  return at;
}

static void held_on_record(void *context, const struct log_record *record) {
  struct log_held *held = context;
  size_t script_size = record->script ? strlen(record->script) + 1 : 0;
  size_t traceback_size = record->traceback ? record->traceback_size : 0;
  if (held->count >= LOG_HELD_MAX) return;
  held->count++;
  struct held_record *kept =
      malloc(sizeof *kept + record->message_size + traceback_size + script_size);
  if (!kept) return;
  char *place = kept->bytes;
  kept->record = *record;
  kept->record.message = copy(&place, record->message, record->message_size);
  kept->record.traceback = copy(&place, record->traceback, traceback_size);
  kept->record.script = copy(&place, record->script, script_size);
  list_append(&held->records, &kept->link);
}

struct log_held *log_held_new(void) {
  struct log_held *held = calloc(1, sizeof *held);
  if (!held) return NULL;
  list_init(&held->records);
  held->log = log_new_told(held_on_record, held);
  if (held->log) return held;
  free(held);
  return NULL;
}

void log_held_tell(struct log_held *held, struct log *log) {
  struct list *link;
  while ((link = list_shift(&held->records))) {
    struct held_record *kept = LIST_ELEMENT(link, struct held_record, link);
    if (log) log_write(log, &kept->record);
    free(kept);
    held->count--;
  }
  if (log && held->count > 0) {
    log_printf(log, LOG_ERROR, "not enough memory to say all that is wrong");
  }
  held->count = 0;
}

void log_held_free(struct log_held *held) {
  if (!held) return;
  log_held_tell(held, NULL);
  log_free(held->log);
  free(held);
}

struct log *log_held_log(struct log_held *held) {
  return held->log;
}

bool log_held_is_empty(const struct log_held *held) {
  return held->count == 0;
}
