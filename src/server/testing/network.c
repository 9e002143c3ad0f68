/* server/testing/network.c — the network of a script under test, as a test plays its other side: peers
 * that connect, listeners that the script connects to, senders of datagrams, names. */
#include "server/testing/state.h"

#include "api/arguments.h"
#include "base/address.h"
#include "base/reach.h"
#include "net/loop.h"
#include "net/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static const char place_name[] = "moonport.test.place";
static const char sender_name[] = "moonport.test.mailbox";

/* Where the script may connect to. */
struct place {
  struct handle handle;
  struct list link; /* in hosted->places */
  struct hosted *hosted;
  struct port *port;   /* NULL once closed */
  struct list waiting; /* struct peer: not accepted by the test yet */
  bool stays;
  bool is_silent;
  bool is_behaving;
};

/* A peer for datagrams. */
struct sender {
  struct handle handle;
  struct list link; /* in hosted->senders */
  struct hosted *hosted;
  struct mailbox *mailbox;
  struct sockaddr_storage usual; /* where it sends to: the service; without a family: nowhere */
  struct list mail;              /* struct mail: came, and not read yet */
};

struct mail {
  struct list link;
  char from[ADDRESS_TEXT_MAX];
  size_t size;
  char bytes[];
};

static struct network *network_of(const struct hosted *hosted) {
  return net_loop_network(hosted->loop);
}

/* --- Addresses ------------------------------------------------------------------------------- */

/* nil and a sentence. */
static int push_fault(lua_State *L, const char *fault) {
  luaL_pushfail(L);
  lua_pushstring(L, fault);
  return 2;
}

static int push_error(lua_State *L, const char *text, int rc) {
  luaL_pushfail(L);
  lua_pushfstring(L, "%s: %s", text, uv_strerror(rc));
  return 2;
}

/* What is bound to all addresses is reached at the loopback's. */
static void reach(struct sockaddr *address) {
  if (reach_of(address) != REACH_ANY) return;
  if (address->sa_family == AF_INET) {
    ((struct sockaddr_in *)address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  } else {
    ((struct sockaddr_in6 *)address)->sin6_addr = in6addr_loopback;
  }
}

/* 0, or 2 for the nil and sentence that it pushed. A name that the test made known is its first
 * address. */
static int read_address(lua_State *L, const struct hosted *hosted, const char *text,
                        struct sockaddr_storage *out) {
  struct address address;
  socklen_t size;
  char error[512];
  if (address_parse(text, "127.0.0.1", &address, error, sizeof error) < 0) {
    return push_fault(L, error);
  }
  if (address_numeric(&address, out, &size) == 0) {
    reach((struct sockaddr *)out);
    return 0;
  }
  if (network_find(network_of(hosted), address.host, out, 1) != 1) {
    return push_error(L, text, UV_EAI_NONAME);
  }
  address_set_port((struct sockaddr *)out, address.port);
  return 0;
}

/* The names of what the script listens on. */
struct search {
  lua_State *L;
  const char *wanted; /* "udp://", say; NULL: all */
  bool is_inverse;    /* all but those */
};

static void append_listener(void *context, const char *name) {
  const struct search *search = context;
  bool is_wanted = !search->wanted || strncmp(name, search->wanted, strlen(search->wanted)) == 0;
  if (is_wanted == search->is_inverse) return;
  lua_pushstring(search->L, name);
  lua_rawseti(search->L, -2, (lua_Integer)lua_rawlen(search->L, -2) + 1);
}

/* Pushes the name at `index` of a list of them, or nil. */
static const char *push_name(lua_State *L, const struct hosted *hosted, lua_Integer index,
                             const char *wanted, bool is_inverse) {
  struct search search = {L, wanted, is_inverse};
  lua_newtable(L);
  if (hosted->script) listen_set_each(&hosted->script->listeners, append_listener, &search);
  lua_rawgeti(L, -1, index);
  lua_remove(L, -2);
  return lua_tostring(L, -1);
}

/* --- Peers that connect ---------------------------------------------------------------------- */

/* The address that `to`, at 2, means: its text, its place in `listen`, or the first for streams. Leaves
 * its text there. */
static int read_to(lua_State *L, const struct hosted *hosted, struct sockaddr_storage *out) {
  if (lua_isinteger(L, 2)) {
    lua_Integer index = lua_tointeger(L, 2);
    if (!push_name(L, hosted, index, NULL, false)) {
      luaL_pushfail(L);
      lua_pushfstring(L, "the service listens on no address %I", index);
      return 2;
    }
    lua_replace(L, 2);
  } else if (lua_isnil(L, 2)) {
    if (!push_name(L, hosted, 1, "udp://", true)) {
      return push_fault(L, "the service listens for datagrams only: use script:sender()");
    }
    lua_replace(L, 2);
  }
  return read_address(L, hosted, api_check_text(L, 2), out);
}

static int push_new_peer(lua_State *L, struct hosted *hosted, struct memory_pipe *pipe) {
  struct peer *peer = pipe ? testing_peer_new(hosted, pipe, lua_toboolean(L, 4)) : NULL;
  if (!peer) return luaL_error(L, "not enough memory");
  if (hosted->is_stopping) peer->got_reset = true; /* nobody listens any more */
  testing_handle_push(L, &peer->handle, testing_peer_type);
  return 1;
}

/* hosted:connect([to [, from [, stays [, id]]]]) -> end | nil, fault */
int testing_connect(lua_State *L) {
  struct hosted *hosted = testing_check(L, 1);
  struct sockaddr_storage to, from;
  const char *from_text = lua_isnoneornil(L, 3) ? NULL : api_check_text(L, 3);
  lua_settop(L, 5);
  if (hosted->is_stopping) return push_new_peer(L, hosted, memory_new(hosted->loop));
  int failed = read_to(L, hosted, &to);
  if (failed == 0 && from_text) failed = read_address(L, hosted, from_text, &from);
  if (failed) return failed;
  if (lua_isinteger(L, 5)) net_loop_number_next(hosted->loop, (uint64_t)lua_tointeger(L, 5));
  struct memory_pipe *pipe = NULL;
  int rc = network_connect(network_of(hosted), (struct sockaddr *)&to,
                           from_text ? (struct sockaddr *)&from : NULL, &pipe);
  if (rc == 0) return push_new_peer(L, hosted, pipe);
  struct address address;
  char error[1], name[ADDRESS_TEXT_MAX];
  if (rc != UV_ECONNREFUSED) return push_error(L, lua_tostring(L, 2), rc);
  address_parse(lua_tostring(L, 2), "127.0.0.1", &address, error, sizeof error);
  address_format(&address, name, sizeof name);
  luaL_pushfail(L);
  lua_pushfstring(L, "the script does not listen on %s", name);
  return 2;
}

/* --- Listeners that it connects to ----------------------------------------------------------- */

static void place_on_connect(void *owner, struct memory_pipe *pipe, const struct sockaddr *from) {
  struct place *place = owner;
  struct peer *peer = testing_peer_new(place->hosted, pipe, place->stays);
  (void)from;
  if (!peer) {
    memory_abandon(pipe);
    return;
  }
  if (place->is_silent) {
    memory_hold_open(pipe);
    return;
  }
  peer->is_behaving = place->is_behaving;
  list_append(&place->waiting, &peer->waiting_link);
}

static void close_place(struct place *place) {
  if (place->port) port_close(place->port);
  place->port = NULL;
}

/* hosted:listen(where, silent, stays, behaves) -> place | nil, fault */
int testing_listen(lua_State *L) {
  struct hosted *hosted = testing_check(L, 1);
  struct sockaddr_storage address;
  lua_settop(L, 5);
  int failed = read_address(L, hosted, api_check_text(L, 2), &address);
  if (failed) return failed;
  struct place *place = calloc(1, sizeof *place);
  if (!place) return luaL_error(L, "not enough memory");
  *place = (struct place){.hosted = hosted,
                          .is_silent = lua_toboolean(L, 3),
                          .stays = lua_toboolean(L, 4),
                          .is_behaving = lua_toboolean(L, 5)};
  list_init(&place->waiting);
  list_append(&hosted->places, &place->link);
  int rc = network_listen(network_of(hosted), (struct sockaddr *)&address, place_on_connect, place,
                          &place->port);
  if (rc < 0) return push_error(L, lua_tostring(L, 2), rc);
  testing_handle_push(L, &place->handle, place_name);
  return 1;
}

static struct place *check_listened(lua_State *L) {
  return testing_handle_check(L, 1, place_name);
}

/* place:accept() -> end, or nil */
static int l_accept(lua_State *L) {
  struct place *place = check_listened(L);
  if (list_empty(&place->waiting)) return 0;
  struct peer *peer = LIST_ELEMENT(place->waiting.next, struct peer, waiting_link);
  list_remove(&peer->waiting_link);
  testing_handle_push(L, &peer->handle, testing_peer_type);
  return 1;
}

/* place:close() */
static int l_close(lua_State *L) {
  close_place(check_listened(L));
  return 0;
}

/* --- Datagrams ------------------------------------------------------------------------------- */

static void sender_on_datagram(void *owner, const char *bytes, size_t size,
                               const struct sockaddr *from) {
  struct sender *sender = owner;
  struct mail *mail = malloc(sizeof *mail + size);
  if (!mail) return; /* lost, as datagrams may be */
  mail->size = size;
  memcpy(mail->bytes, bytes, size);
  address_from_sockaddr(from, address_size(from), mail->from, sizeof mail->from);
  list_append(&sender->mail, &mail->link);
}

/* hosted:sender([address]) -> sender | nil, fault */
int testing_sender(lua_State *L) {
  struct hosted *hosted = testing_check(L, 1);
  const char *text = lua_isnoneornil(L, 2) ? "127.0.0.1:0" : api_check_text(L, 2);
  struct sockaddr_storage address;
  int failed = read_address(L, hosted, text, &address);
  if (failed) return failed;
  const char *usual = push_name(L, hosted, 1, "udp://", false);
  struct sender *sender = calloc(1, sizeof *sender);
  if (!sender) return luaL_error(L, "not enough memory");
  sender->hosted = hosted;
  if (usual) read_address(L, hosted, usual, &sender->usual);
  list_init(&sender->mail);
  list_append(&hosted->senders, &sender->link);
  int rc = network_receive(network_of(hosted), (struct sockaddr *)&address, sender_on_datagram,
                           sender, &sender->mailbox);
  if (rc < 0) return push_error(L, text, rc);
  testing_handle_push(L, &sender->handle, sender_name);
  return 1;
}

static struct sender *check_sender(lua_State *L) {
  return testing_handle_check(L, 1, sender_name);
}

/* sender:send(data [, to]) -> true | nil, fault; without `to`, to where the service listened first */
static int l_send(lua_State *L) {
  const struct sender *sender = check_sender(L);
  size_t size;
  const char *data = luaL_checklstring(L, 2, &size);
  const char *to = lua_isnoneornil(L, 3) ? NULL : api_check_text(L, 3);
  struct sockaddr_storage address = sender->usual;
  int failed = to ? read_address(L, sender->hosted, to, &address) : 0;
  if (failed) return failed;
  if (address.ss_family == AF_UNSPEC) {
    return push_fault(L, "the service listens on no udp:// address");
  }
  int rc = mailbox_send(sender->mailbox, data, size, (struct sockaddr *)&address, NULL);
  if (rc < 0) return push_error(L, "the datagram", rc);
  lua_pushboolean(L, true);
  return 1;
}

/* sender:read() -> data, from | nothing */
static int l_read(lua_State *L) {
  struct sender *sender = check_sender(L);
  if (list_empty(&sender->mail)) return 0;
  struct mail *mail = LIST_ELEMENT(sender->mail.next, struct mail, link);
  lua_pushlstring(L, mail->bytes, mail->size);
  lua_pushstring(L, mail->from);
  list_remove(&mail->link);
  free(mail);
  return 2;
}

/* sender:address() -> its own, "127.0.0.1:50000" */
static int l_address(lua_State *L) {
  const struct sockaddr *own = mailbox_address(check_sender(L)->mailbox);
  char text[ADDRESS_TEXT_MAX];
  address_from_sockaddr(own, address_size(own), text, sizeof text);
  lua_pushstring(L, text);
  return 1;
}

/* --- Names, and the end ---------------------------------------------------------------------- */

/* 0 or UV_E*. */
static int add_host(const struct hosted *hosted, const char *name, const char *ip) {
  struct address address = {.kind = ADDRESS_TCP};
  struct sockaddr_storage numeric;
  socklen_t size;
  snprintf(address.host, sizeof address.host, "%s", ip);
  if (address_numeric(&address, &numeric, &size) < 0) return UV_EINVAL;
  return network_add_name(network_of(hosted), name, (struct sockaddr *)&numeric);
}

int testing_begin_network(struct hosted *hosted) {
  return add_host(hosted, "localhost", "127.0.0.1");
}

/* hosted:name(name, address…): what it stands for; "*": every name that is not known */
int testing_name(lua_State *L) {
  const struct hosted *hosted = testing_check(L, 1);
  const char *name = api_check_text(L, 2);
  for (int i = 3; i <= lua_gettop(L); i++) {
    int rc = add_host(hosted, name, api_check_text(L, i));
    luaL_argcheck(L, rc != UV_EINVAL, i, "is no address in numbers");
    if (rc < 0) return luaL_error(L, "not enough memory");
  }
  return 0;
}

static void free_sender(struct sender *sender) {
  for (struct list *link; (link = list_shift(&sender->mail));) {
    free(LIST_ELEMENT(link, struct mail, link));
  }
  if (sender->mailbox) mailbox_close(sender->mailbox);
  testing_handle_close(&sender->handle);
  free(sender);
}

void testing_close_network(struct hosted *hosted) {
  struct list *link;
  while ((link = list_shift(&hosted->places))) {
    struct place *place = LIST_ELEMENT(link, struct place, link);
    close_place(place);
    testing_handle_close(&place->handle);
    free(place);
  }
  while ((link = list_shift(&hosted->senders))) {
    free_sender(LIST_ELEMENT(link, struct sender, link));
  }
}

void testing_open_network(lua_State *L) {
  static const luaL_Reg places[] = {{"accept", l_accept}, {"close", l_close}, {NULL, NULL}};
  static const luaL_Reg senders[] = {
      {"send", l_send}, {"read", l_read}, {"address", l_address}, {NULL, NULL}};
  testing_handle_open(L, place_name, places);
  testing_handle_open(L, sender_name, senders);
}
