/* base/event.c — the table of events: kinds, their fields, how each can be known. */
#include "base/event.h"

#include <string.h>

#define TEXT(kind, field)                                                                          \
  { #field, EVENT_TEXT, offsetof(struct event, of.kind.field) }
#define NUMBER(kind, field)                                                                        \
  { #field, EVENT_NUMBER, offsetof(struct event, of.kind.field) }
#define OPTIONAL(kind, field)                                                                      \
  { #field, EVENT_NUMBER_OPTIONAL, offsetof(struct event, of.kind.field) }
#define OR_UNKNOWN(kind, field)                                                                    \
  { #field, EVENT_NUMBER_OR_UNKNOWN, offsetof(struct event, of.kind.field) }
#define FIELDS(...)                                                                                \
  (const struct event_field[]) {                                                                   \
    __VA_ARGS__, {                                                                                 \
      0                                                                                            \
    }                                                                                              \
  }
#define NO_FIELDS                                                                                  \
  (const struct event_field[]) {                                                                   \
    { 0 }                                                                                          \
  }

enum {
  OBSERVED = 1u << EVENT_OBSERVED,
  KERNEL = 1u << EVENT_KERNEL,
  INFERRED = 1u << EVENT_INFERRED,
};

const struct event_kind_row event_kinds[EVENT_KIND_COUNT] = {
    [EVENT_LISTEN] = {"listen", FIELDS(TEXT(listen, address)), OBSERVED | KERNEL, false},
    [EVENT_UNLISTEN] = {"unlisten", FIELDS(TEXT(unlisten, address)), OBSERVED, false},
    [EVENT_BACKLOG] = {"backlog",
                       FIELDS(TEXT(backlog, address), NUMBER(backlog, waiting),
                              NUMBER(backlog, limit)),
                       KERNEL, false},
    [EVENT_OPEN] = {"open",
                    FIELDS(TEXT(open, peer), TEXT(open, local), NUMBER(open, age_ms),
                           NUMBER(open, bytes_in), NUMBER(open, bytes_out)),
                    OBSERVED, false},
    [EVENT_ACCEPT] = {"accept", FIELDS(TEXT(accept, peer), TEXT(accept, local)), OBSERVED, false},
    [EVENT_CONNECT] = {"connect", FIELDS(TEXT(connect, peer), TEXT(connect, local)), OBSERVED,
                       false},
    [EVENT_PROXY] = {"proxy", FIELDS(TEXT(proxy, peer), TEXT(proxy, via), TEXT(proxy, error)),
                     OBSERVED, false},
    [EVENT_HANDSHAKE] = {"handshake",
                         FIELDS(TEXT(handshake, version), TEXT(handshake, cipher),
                                TEXT(handshake, name), TEXT(handshake, alpn),
                                TEXT(handshake, session), TEXT(handshake, error)),
                         OBSERVED, false},
    [EVENT_ARRIVE] = {"arrive",
                      FIELDS(NUMBER(arrive, arrived), NUMBER(arrive, waiting), TEXT(arrive, end)),
                      KERNEL, false},
    [EVENT_DATA] = {"data", FIELDS(TEXT(data, to)), OBSERVED, true},
    [EVENT_MESSAGE] = {"message", NO_FIELDS, OBSERVED, true},
    [EVENT_DATAGRAM] = {"datagram", FIELDS(TEXT(datagram, peer)), OBSERVED, true},
    [EVENT_HANDLER] = {"handler",
                       FIELDS(TEXT(handler, handler), TEXT(handler, file), OPTIONAL(handler, line)),
                       OBSERVED, false},
    [EVENT_WAIT] = {"wait", FIELDS(TEXT(wait, call), TEXT(wait, file), OPTIONAL(wait, line)),
                    OBSERVED, false},
    [EVENT_WAKE] = {"wake", FIELDS(TEXT(wake, handler)), OBSERVED, false},
    [EVENT_HANDLED] = {"handled",
                       FIELDS(TEXT(handled, handler), TEXT(handled, outcome),
                              NUMBER(handled, lua_ns), NUMBER(handled, took_ns),
                              NUMBER(handled, waits)),
                       OBSERVED, false},
    [EVENT_RECV] = {"recv", FIELDS(TEXT(recv, call), TEXT(recv, file), OPTIONAL(recv, line)),
                    OBSERVED, true},
    [EVENT_CALL] = {"call", FIELDS(TEXT(call, call), TEXT(call, file), OPTIONAL(call, line)),
                    OBSERVED, false},
    [EVENT_SEND] = {"send",
                    FIELDS(TEXT(send, by), TEXT(send, file), OPTIONAL(send, line),
                           OPTIONAL(send, rest)),
                    OBSERVED, true},
    [EVENT_SENDTO] = {"sendto",
                      FIELDS(TEXT(sendto, peer), TEXT(sendto, error), TEXT(sendto, file),
                             OPTIONAL(sendto, line)),
                      OBSERVED, true},
    [EVENT_FLUSH] = {"flush", FIELDS(NUMBER(flush, taken), NUMBER(flush, left), TEXT(flush, when)),
                     OBSERVED, false},
    [EVENT_PAUSE] = {"pause", FIELDS(TEXT(pause, by)), OBSERVED, false},
    [EVENT_RESUME] = {"resume", NO_FIELDS, OBSERVED, false},
    [EVENT_DRAIN] = {"drain", FIELDS(NUMBER(drain, left)), OBSERVED, false},
    [EVENT_FORWARD] = {"forward", FIELDS(NUMBER(forward, to)), OBSERVED, false},
    [EVENT_EOF] = {"eof", NO_FIELDS, OBSERVED, false},
    [EVENT_SHUTDOWN] = {"shutdown", NO_FIELDS, OBSERVED | INFERRED, false},
    [EVENT_RESET] = {"reset", FIELDS(TEXT(reset, by), TEXT(reset, error), OPTIONAL(reset, unread)),
                     OBSERVED | INFERRED, false},
    [EVENT_TIMEOUT] = {"timeout", FIELDS(TEXT(timeout, timer)), OBSERVED, false},
    [EVENT_TIME_WAIT] = {"time_wait",
                         FIELDS(TEXT(time_wait, local), TEXT(time_wait, peer),
                                NUMBER(time_wait, left_ms)),
                         KERNEL, false},
    [EVENT_CLOSE] = {"close",
                     FIELDS(TEXT(close, reason), TEXT(close, first), NUMBER(close, bytes_in),
                            NUMBER(close, bytes_out), NUMBER(close, age_ms)),
                     OBSERVED, false},
    [EVENT_TCP] = {"tcp",
                   FIELDS(TEXT(tcp, at), TEXT(tcp, state), NUMBER(tcp, rtt_us),
                          NUMBER(tcp, rtt_variation_us), NUMBER(tcp, retransmits),
                          NUMBER(tcp, unacked), NUMBER(tcp, lost), NUMBER(tcp, congestion_window),
                          NUMBER(tcp, send_mss), NUMBER(tcp, receive_space),
                          OR_UNKNOWN(tcp, receive_window), OR_UNKNOWN(tcp, peer_window),
                          NUMBER(tcp, unread), NUMBER(tcp, in_flight), NUMBER(tcp, unsent)),
                   KERNEL, false},
    [EVENT_ERROR] = {"error", FIELDS(TEXT(error, message)), OBSERVED, false},
    [EVENT_LOG] = {"log", FIELDS(TEXT(log, level), TEXT(log, message)), OBSERVED, false},
    [EVENT_STALL] = {"stall",
                     FIELDS(TEXT(stall, handler), TEXT(stall, call), TEXT(stall, file),
                            OPTIONAL(stall, line), NUMBER(stall, took_ms)),
                     OBSERVED, false},
    [EVENT_RELOAD] = {"reload",
                      FIELDS(TEXT(reload, outcome), TEXT(reload, error), OPTIONAL(reload, version)),
                      OBSERVED, false},
    [EVENT_FAULT] = {"fault", FIELDS(TEXT(fault, fault), TEXT(fault, detail)), OBSERVED, false},
    [EVENT_DROPPED] = {"dropped", FIELDS(NUMBER(dropped, count)), OBSERVED, false},
    [EVENT_WORKER] = {"worker", FIELDS(TEXT(worker, state)), OBSERVED, false},
};

const char *event_source_name(enum event_source source) {
  static const char *const names[] = {
      [EVENT_OBSERVED] = "observed",
      [EVENT_KERNEL] = "kernel",
      [EVENT_INFERRED] = "inferred",
  };
  return names[source];
}

enum event_kind event_kind_find(const char *name, size_t size) {
  enum event_kind kind = 0;
  while (kind < EVENT_KIND_COUNT && (strncmp(event_kinds[kind].name, name, size) != 0 ||
                                     event_kinds[kind].name[size] != '\0')) {
    kind++;
  }
  return kind;
}

const char *event_text(const struct event *event, const struct event_field *field) {
  const char *text;
  memcpy(&text, (const char *)event + field->offset, sizeof text);
  return text;
}

uint64_t event_number(const struct event *event, const struct event_field *field) {
  uint64_t number;
  memcpy(&number, (const char *)event + field->offset, sizeof number);
  return number;
}
