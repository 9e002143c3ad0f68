/* server/control/event_filter.c — which events a watcher wants — does not know who it is. */
#include "server/control/event_filter.h"

#include "base/address.h"
#include "base/text.h"
#include "server/control/event_json.h"
#include "server/control/find.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIT(kind) (UINT64_C(1) << (kind))
/* They tell the peer of a connection, or its end. */
static const uint64_t tracking_kinds =
    BIT(EVENT_OPEN) | BIT(EVENT_ACCEPT) | BIT(EVENT_CONNECT) | BIT(EVENT_CLOSE);

void event_filter_init(struct event_filter *filter) {
  *filter = (struct event_filter){
      .kinds = BIT(EVENT_KIND_COUNT) - 1,
      .bytes_max = EVENT_TEXT_PREVIEW_BYTES,
  };
}

void event_filter_deinit(struct event_filter *filter) {
  free(filter->script);
  free(filter->peer);
  id_set_deinit(&filter->chosen);
}

/* --- Reading --------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static bool refuse(char error[FILTER_ERROR_BYTES_MAX],
                                                         const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error, FILTER_ERROR_BYTES_MAX, format, arguments);
  va_end(arguments);
  return false;
}

static bool read_conn(struct event_filter *filter, const char *value, char *error) {
  unsigned worker;
  if (control_read_id(value, &worker, &filter->conn) && filter->conn > 0 &&
      (worker == 0 || filter->worker > 0)) {
    if (worker != 0 && worker != filter->worker) filter->conn = UINT64_MAX; /* another's */
    return true;
  }
  return refuse(error, "\"%.60s\" is no connection: write its number, as in conn=12", value);
}

static bool refuse_kind(const char *name, size_t size, char *error) {
  const char *names[EVENT_KIND_COUNT];
  char word[64];
  for (int i = 0; i < EVENT_KIND_COUNT; i++) names[i] = event_kinds[i].name;
  snprintf(word, sizeof word, "%.*s", (int)(size < sizeof word ? size : sizeof word - 1), name);
  const char *nearest = text_nearest(word, names, EVENT_KIND_COUNT);
  if (nearest) return refuse(error, "there is no event \"%s\": did you mean %s?", word, nearest);
  return refuse(error, "there is no event \"%s\": docs/events.md lists them, such as data or send",
                word);
}

static bool read_kinds(struct event_filter *filter, const char *value, char *error) {
  filter->kinds = BIT(EVENT_DROPPED); /* told in any case; so is EVENT_WORKER, by others */
  for (;;) {
    size_t size = strcspn(value, ",");
    enum event_kind kind = event_kind_find(value, size);
    if (kind == EVENT_KIND_COUNT) return refuse_kind(value, size, error);
    filter->kinds |= BIT(kind);
    if (value[size] == '\0') return true;
    value += size + 1;
  }
}

static bool event_filter_read_bytes(struct event_filter *filter, const char *value, char *error) {
  filter->exact = true;
  filter->bytes_max = SIZE_MAX;
  if (strcmp(value, "all") == 0) return true;
  if (text_parse_size(value, &filter->bytes_max) == 0) return true;
  return refuse(error, "\"%.60s\" is no number of bytes: write bytes=64, bytes=4K or bytes=all",
                value);
}

static bool read_pattern(char **out, const char *value, char *error) {
  free(*out);
  *out = strdup(value);
  return *out || refuse(error, "not enough memory");
}

bool event_filter_read(struct event_filter *filter, const char *word,
                       char error[FILTER_ERROR_BYTES_MAX]) {
  static const char *const names[] = {"conn=", "event=", "script=", "peer=", "bytes="};
  enum { CONN, EVENT, SCRIPT, PEER, BYTES, COUNT };
  int i = 0;
  while (i < COUNT && strncmp(word, names[i], strlen(names[i])) != 0) i++;
  const char *value = i < COUNT ? word + strlen(names[i]) : NULL;
  switch (i) {
    case CONN: return read_conn(filter, value, error);
    case EVENT: return read_kinds(filter, value, error);
    case SCRIPT: return read_pattern(&filter->script, value, error);
    case PEER: return read_pattern(&filter->peer, value, error);
    case BYTES: return event_filter_read_bytes(filter, value, error);
    default:
      return refuse(error,
                    "\"%.60s\" is no filter: there are conn=ID, event=NAME,..., script=PATTERN, "
                    "peer=PATTERN and bytes=N|all",
                    word);
  }
}

/* --- Choosing -------------------------------------------------------------------------------- */

uint64_t event_filter_kinds(const struct event_filter *filter) {
  return filter->peer ? filter->kinds | tracking_kinds : filter->kinds;
}

/* "127.0.0.1:5000" and "[::1]:5000" by the whole, or by the host alone. */
static bool peer_matches(const char *pattern, const char *peer) {
  char host[ADDRESS_TEXT_MAX];
  if (!peer) return false;
  if (fnmatch(pattern, peer, 0) == 0) return true;
  const char *colon = strrchr(peer, ':');
  bool bracketed = *peer == '[' && colon && colon > peer && colon[-1] == ']';
  size_t size = colon ? (size_t)(colon - peer) : strlen(peer);
  if (bracketed) {
    peer++;
    size -= 2;
  }
  snprintf(host, sizeof host, "%.*s", (int)size, peer);
  return fnmatch(pattern, host, 0) == 0;
}

/* The oldest of the closed ones makes room. */
static void note_closed(struct event_filter *filter, uint64_t conn) {
  uint64_t *place = &filter->closed[filter->closed_next++ % FILTER_CLOSED_MAX];
  if (*place) id_set_remove(&filter->chosen, *place);
  *place = conn;
}

/* Whether the event is of a peer that matches; learns whose connections are. */
static bool is_of_peer(struct event_filter *filter, const struct event *event) {
  switch (event->kind) {
    case EVENT_OPEN:
    case EVENT_ACCEPT:
    case EVENT_CONNECT: {
      const char *peer = event->kind == EVENT_OPEN ? event->of.open.peer : event->of.accept.peer;
      return peer_matches(filter->peer, peer) && id_set_add(&filter->chosen, event->conn);
    }
    case EVENT_DATAGRAM: return peer_matches(filter->peer, event->of.datagram.peer);
    case EVENT_SENDTO: return peer_matches(filter->peer, event->of.sendto.peer);
    default: break;
  }
  if (event->conn == 0 || !id_set_has(&filter->chosen, event->conn)) return false;
  if (event->kind == EVENT_CLOSE) note_closed(filter, event->conn);
  return true;
}

bool event_filter_wants(struct event_filter *filter, const struct event *event) {
  if (filter->conn && event->conn != filter->conn) return false;
  if (filter->script && (!event->script || fnmatch(filter->script, event->script, 0) != 0)) {
    return false;
  }
  if (filter->peer && !is_of_peer(filter, event)) return false;
  return (filter->kinds >> event->kind) & 1;
}
