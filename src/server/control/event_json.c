/* server/control/event_json.c — one event as one line of JSON, as docs/events.md says.
 *
 * Written by hand, as the log's lines are, and for the same reason: a flat object of texts and
 * numbers; and because a busy server has a hundred thousand of them a second to tell. */
#include "server/control/event_json.h"

#include "base/base64.h"
#include "base/escape.h"
#include "base/text.h"
#include "base/utf8.h"

#include <assert.h>
#include <string.h>

/* The worst line fits: every text of the kind with the most, all of it escaped, and the bytes. */
enum { TEXTS_MAX = 5, TEXT_BYTES_MAX = 4096, ESCAPED_BYTES_MAX = 6, HEAD_BYTES_MAX = 1024 };
_Static_assert(TEXTS_MAX *TEXT_BYTES_MAX *ESCAPED_BYTES_MAX + BASE64_SIZE(EVENT_BYTES_MAX) +
                       HEAD_BYTES_MAX <=
                   EVENT_JSON_BYTES_MAX,
               "EVENT_JSON_BYTES_MAX is enough");

static char *event_json_put(char *end, const char *text, size_t size) {
  memcpy(end, text, size);
  return end + size;
}

static char *put_number(char *end, uint64_t number) {
  return end + text_format_number(number, 1, end);
}

/* Behind something: `,"name":`. */
static char *put_name(char *end, const char *name) {
  *end++ = ',';
  *end++ = '"';
  end = event_json_put(end, name, strlen(name));
  *end++ = '"';
  *end++ = ':';
  return end;
}

/* One of our own, which has nothing to escape. */
static char *put_word(char *end, const char *word) {
  *end++ = '"';
  end = event_json_put(end, word, strlen(word));
  *end++ = '"';
  return end;
}

/* One character that is not plain. Most readers of JSON take no NUL in a text. */
static char *put_unit(char *end, const char *text, size_t size, size_t *taken) {
  static const char nul[] = "\\\\x00";
  char unit[ESCAPE_SIZE_MAX];
  if (*text == '\0') {
    *taken = 1;
    return event_json_put(end, nul, sizeof nul - 1);
  }
  size_t unit_size = escape_one(true, text, size, taken, unit);
  return event_json_put(end, unit, unit_size);
}

static char *event_json_put_text(char *end, const char *text, size_t size) {
  *end++ = '"';
  while (size > 0) {
    size_t taken = escape_plain_size(text, size);
    if (taken > 0) {
      end = event_json_put(end, text, taken);
    } else {
      end = put_unit(end, text, size, &taken);
    }
    text += taken;
    size -= taken;
  }
  *end++ = '"';
  return end;
}

/* 17; with several workers "2.17". */
static char *put_conn(char *end, unsigned worker, uint64_t conn) {
  if (worker == 0) return put_number(end, conn);
  *end++ = '"';
  end = put_number(end, worker);
  *end++ = '.';
  end = put_number(end, conn);
  *end++ = '"';
  return end;
}

static char *put_field(char *end, const struct event *event, const struct event_field *field,
                       unsigned worker) {
  if (field->type == EVENT_TEXT) {
    const char *text = event_text(event, field);
    if (!text) return end;
    return event_json_put_text(put_name(end, field->name), text, strnlen(text, TEXT_BYTES_MAX));
  }
  uint64_t number = event_number(event, field);
  if (number == 0 && field->type == EVENT_NUMBER_OPTIONAL) return end;
  if (number == EVENT_UNKNOWN && field->type == EVENT_NUMBER_OR_UNKNOWN) return end;
  /* The only number that is a connection. */
  if (event->kind == EVENT_FORWARD) return put_conn(put_name(end, field->name), worker, number);
  return put_number(put_name(end, field->name), number);
}

static char *put_bytes(char *end, const struct event *event, bool exact) {
  size_t shown = event->kept < EVENT_TEXT_PREVIEW_BYTES ? event->kept : EVENT_TEXT_PREVIEW_BYTES;
  if (shown < event->size) shown = utf8_whole_size(event->bytes, shown);
  end = put_number(put_name(end, "size"), event->size);
  end = event_json_put_text(put_name(end, "text"), event->bytes, shown);
  if (!exact) return end;
  end = put_name(end, "base64");
  *end++ = '"';
  end += base64_encode(event->bytes, event->kept, end);
  *end++ = '"';
  return end;
}

size_t event_json_render(const struct event *event, const struct event_json *how,
                         char out[EVENT_JSON_BYTES_MAX]) {
  static const char head[] = "{\"seq\":";
  const struct event_kind_row *kind = &event_kinds[event->kind];
  char *end = put_number(event_json_put(out, head, sizeof head - 1), event->sequence);
  end = put_number(put_name(end, "time_ns"), event->time_ns);
  if (how->worker > 0) end = put_number(put_name(end, "worker"), how->worker);
  end = put_word(put_name(end, "event"), kind->name);
  end = put_word(put_name(end, "source"), event_source_name(event->source));
  if (event->conn) end = put_conn(put_name(end, "conn"), how->worker, event->conn);
  if (event->script) {
    end = event_json_put_text(put_name(end, "script"), event->script,
                              strnlen(event->script, TEXT_BYTES_MAX));
  }
  for (const struct event_field *field = kind->fields; field->name; field++) {
    end = put_field(end, event, field, how->worker);
  }
  if (kind->has_bytes) end = put_bytes(end, event, how->exact);
  *end++ = '}';
  *end++ = '\n';
  assert(end - out <= EVENT_JSON_BYTES_MAX);
  return (size_t)(end - out);
}
