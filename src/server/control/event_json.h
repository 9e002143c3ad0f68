/* server/control/event_json.h — one event as one line of JSON, as docs/events.md says. */
#pragma once

#include "base/event.h"

enum {
  EVENT_TEXT_PREVIEW_BYTES = 64, /* of an event's bytes, in "text" */
  EVENT_JSON_BYTES_MAX = 256 * 1024,
};

struct event_json {
  bool exact; /* with all bytes that the event kept, in base64, besides the first few as text */
  unsigned worker; /* that it is of; 0: there are no others */
};

/* Writes the line, its newline included, and returns its size. */
size_t event_json_render(const struct event *event, const struct event_json *how,
                         char out[EVENT_JSON_BYTES_MAX]);
