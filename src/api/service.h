/* api/service.h — the table that a script returns, as C sees it: handlers, limits, times. */
#pragma once

#include "api/service_door.h"
#include "base/frame.h"

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct runtime;
struct socket_wishes;
struct tls_context;
struct vm_world;

enum handler {
  HANDLER_ON_OPEN,
  HANDLER_ON_DATA,
  HANDLER_ON_MESSAGE,
  HANDLER_ON_REQUEST,
  HANDLER_ON_UPGRADE,
  HANDLER_ON_DATAGRAM,
  HANDLER_ON_EOF,
  HANDLER_ON_DRAIN,
  HANDLER_ON_TIMEOUT,
  HANDLER_ON_ERROR,
  HANDLER_ON_CLOSE,
  HANDLER_MAIN,
  HANDLER_ON_LOAD,
  HANDLER_ON_UNLOAD,
  HANDLER_ON_RELOAD,
  HANDLER_COUNT,
};

/* What happens to live connections when the next version of a script comes; in the order of the
 * words in lua/moonport/service.lua. */
enum reload_policy { RELOAD_ADOPT, RELOAD_PIN, RELOAD_DRAIN, RELOAD_CLOSE };

/* What the bytes of its connections are; the last two in the order of lua/moonport/service.lua. */
enum protocol { PROTOCOL_BYTES, PROTOCOL_HTTP, PROTOCOL_WEBSOCKET, PROTOCOL_FRAMES };

struct service {
  enum protocol protocol;
  bool deflates;                /* messages of WebSocket, with who offers it */
  bool streams;                 /* the bodies of requests are read by who handles them */
  struct frame_format frame;    /* how bytes become messages, with PROTOCOL_FRAMES */
  int handlers[HANDLER_COUNT];  /* registry references; LUA_NOREF where the script has none */
  char **listen;                /* addresses as written, `listen_count` of them */
  struct socket_wishes *wishes; /* what their sockets are to be; the same number */
  size_t listen_count;
  size_t datagrams_max;      /* handlers of on_datagram that may wait at a time, of one socket */
  enum reload_policy reload; /* of the connections that are there when this version comes */
  size_t connections_max;
  size_t per_address_max; /* 0: no bound */
  struct service_door door;
  size_t output_bytes_max;
  size_t write_queue_bytes_max;
  size_t message_bytes_max;
  size_t head_bytes_max; /* of a request */
  size_t memory_bytes_max;
  unsigned cpu_ms_max;
  size_t workers;      /* in how many of them it is to be; 1: in one; more than there are: in all */
  size_t versions_max; /* alive at once, of the script; beyond that the oldest drain */
  uint64_t idle_ms;    /* the times: 0 is off */
  uint64_t first_ms;
  uint64_t request_ms;
  uint64_t write_ms;
  uint64_t linger_ms;
  uint64_t handshake_ms;
  struct tls_context *tls; /* of listen = "tls://…" and of starttls(); NULL: none */
};

/* Nothing, with no handler. */
void service_init(struct service *service);
/* Runs the script at `path` in `world` and reads what it returns. False after every fault was logged, with
 * file and line; *service is then empty. */
bool service_load(struct runtime *runtime, struct vm_world *world, const char *path,
                  struct service *service);
/* Gives back the references and the memory; for an empty service too. */
void service_deinit(struct runtime *runtime, struct service *service);
bool service_has(const struct service *service, enum handler handler);
/* "on_data", … as a script names it. Static text. */
const char *service_handler_name(enum handler handler);

/* What the rules in lua/moonport/service.lua ask of C.
 * nearest(word, list [, name]) -> what was probably meant: of `name`, a field with the names of the tables
 * around it, what it is called here; else the nearest word of the list; or nil */
int service_nearest(lua_State *L);
