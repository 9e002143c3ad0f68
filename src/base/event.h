/* base/event.h — what happened on a socket or in a script, as one value — knows nobody who looks.
 *
 * The kinds, and which numbers and texts each has, are one table (event_kinds in event.c), from
 * which the JSON, the documentation's test and the filters are made. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum event_kind {
  EVENT_LISTEN,
  EVENT_UNLISTEN,
  EVENT_BACKLOG,
  EVENT_OPEN,
  EVENT_ACCEPT,
  EVENT_CONNECT,
  EVENT_PROXY,
  EVENT_HANDSHAKE,
  EVENT_ARRIVE,
  EVENT_DATA,
  EVENT_MESSAGE,
  EVENT_DATAGRAM,
  EVENT_HANDLER,
  EVENT_WAIT,
  EVENT_WAKE,
  EVENT_HANDLED,
  EVENT_RECV,
  EVENT_CALL,
  EVENT_SEND,
  EVENT_SENDTO,
  EVENT_FLUSH,
  EVENT_PAUSE,
  EVENT_RESUME,
  EVENT_DRAIN,
  EVENT_FORWARD,
  EVENT_EOF,
  EVENT_SHUTDOWN,
  EVENT_RESET,
  EVENT_TIMEOUT,
  EVENT_TIME_WAIT,
  EVENT_CLOSE,
  EVENT_TCP,
  EVENT_ERROR,
  EVENT_LOG,
  EVENT_STALL,
  EVENT_RELOAD,
  EVENT_FAULT,
  EVENT_DROPPED,
  EVENT_WORKER,
  EVENT_KIND_COUNT,
};

/* How it is known. */
enum event_source {
  EVENT_OBSERVED, /* this process did it or saw it happen */
  EVENT_KERNEL,   /* the kernel was asked, and said so */
  EVENT_INFERRED, /* follows from the rules of TCP; nobody said so */
};

enum {
  /* One event carries no more: what is longer is several events, or is cut where docs/events.md
   * says so. It is the size of one read. */
  EVENT_BYTES_MAX = 65536,
};

/* Where in a script. */
struct event_place {
  const char *file; /* NULL: not from a script */
  uint64_t line;
};

/* One event. Its texts are the emitter's: valid while it is told, or as long as its holder says.
 * A NULL text has nothing to say. */
struct event {
  enum event_kind kind;
  enum event_source source;
  uint64_t sequence; /* counts all events of the process that somebody watched; from 1 */
  uint64_t time_ns;  /* CLOCK_MONOTONIC */
  uint64_t conn;     /* id; 0: none */
  const char *script;
  const char *bytes; /* the first `kept` of `size` bytes */
  size_t kept;
  size_t size;
  /* What the kind has beyond that; the member has the kind's name. */
  union {
    struct {
      const char *address;
    } listen, unlisten;
    struct {
      const char *address;
      uint64_t waiting, limit;
    } backlog;
    struct {
      const char *peer, *local;
      uint64_t age_ms, bytes_in, bytes_out;
    } open;
    struct {
      const char *peer, *local;
    } accept, connect;
    struct {
      const char *peer, *via, *error;
    } proxy;
    struct {
      const char *version, *cipher, *name, *alpn, *session, *error;
    } handshake;
    struct {
      uint64_t arrived, waiting;
      const char *end;
    } arrive;
    struct {
      const char *to;
    } data;
    struct {
      const char *peer;
    } datagram;
    struct {
      const char *handler, *file;
      uint64_t line;
    } handler;
    struct {
      const char *call, *file;
      uint64_t line;
    } wait, recv, call;
    struct {
      const char *handler;
    } wake;
    struct {
      const char *handler, *outcome;
      uint64_t lua_ns, took_ns, waits;
    } handled;
    struct {
      const char *by, *file;
      uint64_t line, rest;
    } send;
    struct {
      const char *peer, *error, *file;
      uint64_t line;
    } sendto;
    struct {
      uint64_t taken, left;
      const char *when;
    } flush;
    struct {
      const char *by;
    } pause;
    struct {
      uint64_t left;
    } drain;
    struct {
      uint64_t to;
    } forward;
    struct {
      const char *by, *error;
      uint64_t unread;
    } reset;
    struct {
      const char *timer;
    } timeout;
    struct {
      const char *local, *peer;
      uint64_t left_ms;
    } time_wait;
    struct {
      const char *reason, *first;
      uint64_t bytes_in, bytes_out, age_ms;
    } close;
    struct {
      const char *at, *state;
      uint64_t rtt_us, rtt_variation_us, retransmits, unacked, lost, congestion_window;
      uint64_t send_mss, receive_space, receive_window, peer_window, unread, in_flight, unsent;
    } tcp;
    struct {
      const char *message;
    } error;
    struct {
      const char *level, *message;
    } log;
    struct {
      const char *handler, *call, *file;
      uint64_t line, took_ms;
    } stall;
    struct {
      const char *outcome, *error;
      uint64_t version;
    } reload;
    struct {
      const char *fault, *detail;
    } fault;
    struct {
      uint64_t count;
    } dropped;
    struct {
      const char *state;
    } worker;
  } of;
};

/* A number that is optional is not there when it is 0, one that may be unknown when it is EVENT_UNKNOWN, a
 * text when it is NULL. */
enum event_field_type { EVENT_TEXT, EVENT_NUMBER, EVENT_NUMBER_OPTIONAL, EVENT_NUMBER_OR_UNKNOWN };
#define EVENT_UNKNOWN UINT64_MAX

/* A number or a text of a kind. */
struct event_field {
  const char *name; /* its last word is the unit, where it has one */
  enum event_field_type type;
  size_t offset; /* in struct event */
};

struct event_kind_row {
  const char *name;
  const struct event_field *fields; /* ends with a name of NULL */
  unsigned sources;                 /* bits 1 << enum event_source: those it can have */
  bool has_bytes;                   /* it carries some */
};
extern const struct event_kind_row event_kinds[EVENT_KIND_COUNT];

/* "observed", "kernel", "inferred". Static text. */
const char *event_source_name(enum event_source source);
/* EVENT_KIND_COUNT when there is none of that name. */
enum event_kind event_kind_find(const char *name, size_t size);
const char *event_text(const struct event *event, const struct event_field *field);
uint64_t event_number(const struct event *event, const struct event_field *field);
