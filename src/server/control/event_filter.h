/* server/control/event_filter.h — which events a watcher wants — does not know who it is. */
#pragma once

#include "base/event.h"
#include "base/id_set.h"

#include <stdbool.h>
#include <stddef.h>

enum {
  FILTER_ERROR_BYTES_MAX = 512,
  FILTER_CLOSED_MAX = 1024, /* connections that are remembered when they are closed */
};

struct event_filter {
  uint64_t kinds;                     /* wanted, as bits 1 << enum event_kind */
  uint64_t conn;                      /* 0: any */
  unsigned worker;                    /* that this is; 0: it is alone */
  char *script;                       /* a pattern of fnmatch(3); NULL: any */
  char *peer;                         /* the same */
  size_t bytes_max;                   /* of an event's bytes */
  bool exact;                         /* they are told as they are */
  struct id_set chosen;               /* connections whose peer matches */
  uint64_t closed[FILTER_CLOSED_MAX]; /* of them, a ring: on_close comes after the close */
  size_t closed_next;
};

/* Wants everything. */
void event_filter_init(struct event_filter *filter);
void event_filter_deinit(struct event_filter *filter);
/* Reads "conn=7", "event=data,send", "script=chat*", "peer=127.0.0.1", "bytes=64" or "bytes=all".
 * False, with a sentence in `error`, when it is none of them. */
bool event_filter_read(struct event_filter *filter, const char *word,
                       char error[FILTER_ERROR_BYTES_MAX]);
/* What the filter has to be shown; more than it wants when it must know connections by their peer. */
uint64_t event_filter_kinds(const struct event_filter *filter);
bool event_filter_wants(struct event_filter *filter, const struct event *event);
