/* api/udp_state.h — a datagram socket's fields, for api/udp*.c only. */
#pragma once

#include "api/version.h"
#include "api/wait.h"

#include <lua.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { PEER_TEXT_BYTES = 64 };

struct asking; /* a handler of on_datagram, see api/udp_serve.c */

struct udp_object {
  const char *type; /* by whose address it is known */
  struct udp *udp;  /* NULL once closed */
  struct runtime *runtime;
  struct belonging belonging; /* to its version, while it is open; a service's belongs to none */
  int reference;              /* registry; of a service's socket */
  size_t waiting;             /* handlers that wait */
  uint64_t told_full_ms;      /* when the log last said so; 0: never */
  uint64_t denied;            /* datagrams of who may not send any */
  uint64_t told_denied_ms;    /* when the log last said so; 0: never */
  bool given_up;        /* a service's, by the service: the reference goes with the last of those */
  struct asking *spare; /* for its next handler; NULL: none */
  /* Where the answer to `peer` of the handler that runs leaves from; NULL: as net/udp.h says. NULL itself
   * of a program's. */
  const struct in6_addr *(*find_own)(const struct udp_object *object, const struct sockaddr *peer);
  /* Where the datagram of the handler that runs was sent to; NULL: to the socket's one address. The same. */
  const struct in6_addr *(*find_destination)(const struct udp_object *object);
  struct api_wait receiver;
  const char *fresh; /* a datagram on its way to the receiver; NULL: it gets `error` instead */
  size_t fresh_size;
  int error;                       /* UV_E* */
  char peer_text[PEER_TEXT_BYTES]; /* the last peer as a script has it: replies name it again */
  size_t peer_text_size;
  struct sockaddr_storage peer;
};

/* api/udp.c. Pushes one that is not open yet. Raises. */
struct udp_object *api_udp_push(lua_State *L, struct runtime *runtime);
void api_udp_remember_peer(struct udp_object *object, const struct sockaddr *peer);
void api_udp_shut(struct udp_object *object); /* closes the socket; the object stays */
