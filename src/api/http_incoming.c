/* api/http_incoming.c — the next request among the bytes of a connection — knows no Lua.
 *
 * Mostly all of it stands in the read buffer, and nothing is copied here. Of a body that comes bit by
 * bit the head and what there is are gathered, in as much memory as has come: no length that somebody
 * claims is allocated. With `stream` only the head is waited for, and who handles it reads the rest. */
#include "api/http.h"

#include "api/inbox.h"
#include "api/runtime.h"
#include "base/grow.h"
#include "base/percent.h"

#include <stdlib.h>
#include <string.h>

enum { CAPACITY_FIRST = 4096 };

static const struct service *service_of(const struct api_conn *self) {
  return &self->cohort->version->service;
}

static enum http_next_result refuse(struct http_next *next, unsigned status, const char *fault) {
  next->head.status = status;
  next->head.fault = fault;
  return HTTP_NEXT_REFUSED;
}

static enum http_next_result refuse_starved(struct api_conn *self, struct http_next *next) {
  conn_close_starved(self->conn);
  return refuse(next, 503, "there is no memory for the request");
}

static bool append(struct http_incoming *incoming, const char *bytes, size_t size) {
  size_t wanted = incoming->size + size;
  if (!grow_bytes(&incoming->bytes, &incoming->capacity, wanted, CAPACITY_FIRST)) return false;
  memcpy(incoming->bytes + incoming->size, bytes, size);
  incoming->size += size;
  return true;
}

void api_http_forget(struct api_conn *self) {
  if (!self->more->http.incoming) return;
  free(self->more->http.incoming->bytes);
  free(self->more->http.incoming);
  self->more->http.incoming = NULL;
}

struct http_incoming *api_http_begin_body(struct api_conn *self, const struct http_head *head) {
  struct http_incoming *incoming = calloc(1, sizeof *incoming);
  if (!incoming) return NULL;
  incoming->head = *head;
  http_body_begin(&incoming->body, head);
  self->more->http.incoming = incoming;
  return incoming;
}

void api_http_invite(struct api_conn *self) {
  static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
  if (!self->more->http.awaits_continue) return;
  self->more->http.awaits_continue = false;
  if (conn_send_begin(self->conn) == 0) conn_send_copied(self->conn, text, sizeof text - 1);
}

static size_t body_size(const struct http_incoming *incoming) {
  return incoming->size - incoming->head.size;
}

/* Moves what has come of the body out of the inbox, until it is whole. */
static enum http_next_result gather(struct api_conn *self, struct http_next *next) {
  struct http_incoming *incoming = self->more->http.incoming;
  const size_t max = service_of(self)->message_bytes_max;
  for (;;) {
    const char *bytes, *data = NULL;
    size_t size, used = 0, data_size = 0;
    if (!inbox_view(self->more->inbox, &bytes, &size)) return refuse_starved(self, next);
    enum http_body_result result =
        http_body_read(&incoming->body, bytes, size, &used, &data, &data_size);
    if (result == HTTP_BODY_BROKEN) return refuse(next, 400, incoming->body.fault);
    if (result == HTTP_BODY_DATA) {
      if (body_size(incoming) + data_size > max) {
        return refuse(next, 413, "the body is longer than limits.message");
      }
      if (!append(incoming, data, data_size)) return refuse_starved(self, next);
    }
    inbox_consume(self->more->inbox, used);
    if (result == HTTP_BODY_MORE) return HTTP_NEXT_MORE;
    if (result == HTTP_BODY_END) break;
  }
  next->head = incoming->head;
  next->bytes = incoming->bytes;
  next->body = incoming->bytes + incoming->head.size;
  next->body_size = body_size(incoming);
  next->consumed = 0;
  return HTTP_NEXT_READY;
}

static enum http_next_result begin_gathering(struct api_conn *self, struct http_next *next) {
  struct http_incoming *incoming = api_http_begin_body(self, &next->head);
  if (!incoming || !append(incoming, next->bytes, next->head.size)) {
    return refuse_starved(self, next);
  }
  inbox_consume(self->more->inbox, next->head.size);
  self->more->http.awaits_continue = next->head.expects_continue;
  enum http_next_result result = gather(self, next);
  if (result == HTTP_NEXT_MORE && incoming->size == incoming->head.size) api_http_invite(self);
  self->more->http.awaits_continue = false;
  return result;
}

/* The head is whole; what has come behind it may be more than its body. */
static enum http_next_result look_at_body(struct api_conn *self, struct http_next *next,
                                          size_t size) {
  const struct http_head *head = &next->head;
  next->consumed = head->size;
  next->body = "";
  next->body_size = 0;
  next->is_part = false;
  if (head->framing == HTTP_NO_BODY) return HTTP_NEXT_READY;
  if (service_of(self)->streams) {
    next->is_part = true;
    return HTTP_NEXT_READY;
  }
  if (head->framing == HTTP_CHUNKED) return begin_gathering(self, next);
  if (head->body_size > service_of(self)->message_bytes_max) {
    return refuse(next, 413, "the body is longer than limits.message");
  }
  if (size - head->size < head->body_size) return begin_gathering(self, next);
  next->body = next->bytes + head->size;
  next->body_size = (size_t)head->body_size;
  next->consumed += next->body_size;
  return HTTP_NEXT_READY;
}

/* What is wrong with the path of a target, or NULL: it is shown decoded, and must be so in one way only. */
static const char *path_fault(const char *bytes, const struct http_head *head) {
  struct http_span path, query;
  http_split_target(bytes, head, &path, &query);
  const char *at = bytes + path.at, *end = at + path.size;
  while ((at = memchr(at, '%', (size_t)(end - at)))) {
    if (end - at < 3 || hex_value(at[1]) < 0 || hex_value(at[2]) < 0)
      return "the path has a % that encodes nothing";
    if (at[1] == '0' && at[2] == '0') return "the path has a NUL in it";
    at += 3;
  }
  return NULL;
}

static enum http_next_result look(struct api_conn *self, struct http_next *next) {
  struct inbox *inbox = self->more->inbox;
  size_t size;
  if (!inbox) return HTTP_NEXT_MORE; /* of what is gathered, nothing more has come */
  if (self->more->http.incoming) return gather(self, next);
  if (inbox_empty(inbox)) return HTTP_NEXT_MORE;
  if (!inbox_view(inbox, &next->bytes, &size)) return refuse_starved(self, next);
  const struct http_limits limits = {.head_bytes_max = service_of(self)->head_bytes_max};
  switch (http_read_request(&limits, &inbox->scanned, next->bytes, size, &next->head)) {
    case HTTP_MORE: return HTTP_NEXT_MORE;
    case HTTP_REFUSED: return HTTP_NEXT_REFUSED;
    case HTTP_HEAD: break;
  }
  const char *fault = path_fault(next->bytes, &next->head);
  if (fault) return refuse(next, 400, fault);
  return look_at_body(self, next, size);
}

enum http_next_result api_http_next(struct api_conn *self, struct http_next *next) {
  enum http_next_result result = look(self, next);
  bool has_begun =
      self->more->http.incoming || (self->more->inbox && !inbox_empty(self->more->inbox));
  if (result == HTTP_NEXT_MORE && has_begun) conn_request_begun(self->conn);
  if (result != HTTP_NEXT_MORE) conn_request_ended(self->conn);
  return result;
}

void api_http_taken(struct api_conn *self, const struct http_next *next) {
  if (next->consumed > 0) {
    inbox_consume(self->more->inbox, next->consumed);
  } else {
    api_http_forget(self);
  }
}

bool api_http_skip(struct api_conn *self) {
  struct http_incoming *incoming = self->more->http.incoming;
  while (incoming) {
    const char *bytes, *data;
    size_t size, used = 0, data_size = 0;
    if (!self->more->inbox) { /* nothing more has come */
      conn_request_begun(self->conn);
      return false;
    }
    if (!inbox_view(self->more->inbox, &bytes, &size)) {
      conn_close_starved(self->conn);
      return false;
    }
    enum http_body_result result =
        http_body_read(&incoming->body, bytes, size, &used, &data, &data_size);
    inbox_consume(self->more->inbox, used);
    incoming->skipped += used;
    if (result == HTTP_BODY_BROKEN || incoming->skipped > HTTP_SKIP_BYTES_MAX) {
      conn_close(self->conn, result == HTTP_BODY_BROKEN ? REASON_ERROR : REASON_LIMIT);
      return false;
    }
    if (result == HTTP_BODY_MORE) {
      conn_request_begun(self->conn);
      return false;
    }
    if (result == HTTP_BODY_END) break;
  }
  conn_request_ended(self->conn);
  api_http_forget(self);
  self->more->http.phase = HTTP_IDLE;
  return true;
}
