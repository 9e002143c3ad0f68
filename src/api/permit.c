/* api/permit.c — whom a script may talk to, where the operator granted only some. */
#include "api/permit.h"

#include "api/errors.h"
#include "api/runtime.h"
#include "base/address.h"
#include "base/file.h"
#include "base/grants.h"

#include <lauxlib.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { KNOWN_MAX = 256 };

struct known_peers {
  struct sockaddr_storage list[KNOWN_MAX];
  size_t count; /* ever noted */
};

/* Of the grant on top. */
static int permit_refuse(lua_State *L, const char *call) {
  lua_pushfstring(L, "%s is not allowed here: start with --allow net=%s", call,
                  lua_tostring(L, -1));
  return api_push_denied(L);
}

static int permit_host(lua_State *L, const char *call, const char *host, int port) {
  if (grants_net(vm_grants(vm_of(L)), host, port)) return 0;
  const char *const form = strchr(host, ':') ? "[%s]:" : "%s:";
  lua_pushfstring(L, form, host);
  if (port < 0) {
    lua_pushliteral(L, "*");
  } else {
    lua_pushinteger(L, port);
  }
  lua_concat(L, 2);
  return permit_refuse(L, call);
}

/* By where the path leads, so that no link and no dots lead out of a granted directory. */
static int permit_unix(lua_State *L, const char *call, const char *path) {
  struct file_place place;
  bool is_abstract = path[0] == '@'; /* which is in no directory */
  if (is_abstract && grants_unix(vm_grants(vm_of(L)), path)) return 0;
  bool found = !is_abstract && file_find(path, true, &place) == 0;
  const char *real = found ? place.path : path;
  if (found && grants_unix(vm_grants(vm_of(L)), real)) return 0;
  lua_pushfstring(L, "unix:%s", real);
  return permit_refuse(L, call);
}

static int permit_ip(lua_State *L, const char *call, const struct sockaddr *address) {
  char host[ADDRESS_TEXT_MAX];
  if (address_ip(address, host, sizeof host) < 0) return permit_unix(L, call, "");
  host[strcspn(host, "%")] = '\0'; /* a grant is for every interface */
  return permit_host(L, call, host, address_port(address));
}

int api_permit(lua_State *L, const char *call, const struct address *address) {
  struct sockaddr_storage numeric;
  socklen_t size;
  if (!vm_grants(vm_of(L))) return 0;
  if (address->kind == ADDRESS_UNIX) return permit_unix(L, call, address->path);
  if (address_numeric(address, &numeric, &size) == 0) {
    return permit_ip(L, call, (const struct sockaddr *)&numeric);
  }
  return permit_host(L, call, address->host, address->port);
}

static bool is_known(const struct known_peers *known, const struct sockaddr *address) {
  size_t count = !known ? 0 : known->count < KNOWN_MAX ? known->count : KNOWN_MAX;
  for (size_t i = 0; i < count; i++) {
    if (memcmp(&known->list[i], address, address_size(address)) == 0) return true;
  }
  return false;
}

int api_permit_sockaddr(lua_State *L, const char *call, const struct sockaddr *address) {
  if (!vm_grants(vm_of(L)) || is_known(runtime_of(L)->known_peers, address)) return 0;
  return permit_ip(L, call, address);
}

int api_permit_name(lua_State *L, const char *call, const char *name) {
  return permit_host(L, call, name, -1);
}

void api_know_peer(struct runtime *runtime, const struct sockaddr *address) {
  if (!vm_grants(runtime->vm) || is_known(runtime->known_peers, address)) return;
  /* Without memory it is not known, and refused. */
  if (!runtime->known_peers) runtime->known_peers = calloc(1, sizeof *runtime->known_peers);
  if (!runtime->known_peers) return;
  struct known_peers *known = runtime->known_peers;
  struct sockaddr_storage *place = &known->list[known->count++ % KNOWN_MAX];
  memset(place, 0, sizeof *place);
  memcpy(place, address, address_size(address));
}
