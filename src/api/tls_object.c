/* api/tls_object.c — the TLS options of a call, made to what a connection begins with. */
#include "api/tls_object.h"

#include "api/modules.h"
#include "api/runtime.h"
#include "base/home.h"
#include "base/text.h"
#include "net/loop.h"
#include "net/tls/context.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

enum { ALPN_MAX = 16, SENTENCE_BYTES_MAX = 1024 };

static const char type_name[] = "moonport.tls.context";

/* Each sentence is on top of the stack when a function returns false. */
struct reading {
  lua_State *L;
  int index; /* of the table */
  const char *call;
  const char *directory; /* NULL: the script's */
  bool is_server;
  struct tls_settings settings;
  struct tls_identity identity;
  const char *name; /* or NULL */
  const char *alpn[ALPN_MAX];
};

static bool wrong_type(const struct reading *reading, const char *name, const char *wanted) {
  lua_pushfstring(reading->L, "%s: tls.%s is a %s: write %s", reading->call, name,
                  luaL_typename(reading->L, -1), wanted);
  return false;
}

/* Text of the table, which keeps it; or NULL in *out. */
static bool read_text(const struct reading *reading, const char *name, const char *wanted,
                      const char **out) {
  int type = lua_getfield(reading->L, reading->index, name);
  *out = type == LUA_TSTRING ? lua_tostring(reading->L, -1) : NULL;
  if (type == LUA_TSTRING && strlen(*out) != lua_rawlen(reading->L, -1)) {
    lua_pushfstring(reading->L, "%s: tls.%s contains a NUL byte", reading->call, name);
    return false;
  }
  return type == LUA_TNIL || type == LUA_TSTRING || wrong_type(reading, name, wanted);
}

/* A path relative to the directory, on the stack. */
static bool read_path(const struct reading *reading, const char *name, const char **out) {
  lua_State *L = reading->L;
  if (!read_text(reading, name, "the path of a PEM file", out)) return false;
  if (!*out) return true;
  const char *directory = reading->directory;
  if (!directory) directory = vm_script_directory(vm_of(L));
  if (**out != '/') *out = lua_pushfstring(L, "%s/%s", directory, *out);
  return true;
}

static bool read_alpn(struct reading *reading) {
  static const char wanted[] = "a list of protocols, the best first, such as { \"h2\" }";
  lua_State *L = reading->L;
  if (lua_getfield(L, reading->index, "alpn") == LUA_TNIL) return true;
  if (!lua_istable(L, -1)) return wrong_type(reading, "alpn", wanted);
  int list = lua_gettop(L);
  size_t count = lua_rawlen(L, list);
  if (count > ALPN_MAX) count = ALPN_MAX;
  for (size_t i = 0; i < count; i++) {
    if (lua_rawgeti(L, list, (lua_Integer)i + 1) != LUA_TSTRING)
      return wrong_type(reading, "alpn", wanted);
    reading->alpn[i] = lua_tostring(L, -1); /* the list keeps it */
    lua_pop(L, 1);
  }
  reading->settings.alpn = reading->alpn;
  reading->settings.alpn_count = count;
  return true;
}

static bool read_version(struct reading *reading) {
  const char *text;
  if (!read_text(reading, "min", "\"1.2\" or \"1.3\"", &text)) return false;
  reading->settings.version_min =
      text && strcmp(text, "1.3") == 0 ? TLS_VERSION_1_3 : TLS_VERSION_1_2;
  if (!text || strcmp(text, "1.2") == 0 || strcmp(text, "1.3") == 0) return true;
  lua_pushfstring(reading->L, "%s: tls.min is \"%s\": write \"1.2\" or \"1.3\"", reading->call,
                  text);
  return false;
}

static bool read_client(struct reading *reading) {
  static const char *const words[] = {"none", "request", "require"}; /* as enum tls_client */
  const char *text;
  if (!read_text(reading, "client", "\"none\", \"request\" or \"require\"", &text)) return false;
  for (int i = 0; text && i < 3; i++) {
    if (strcmp(text, words[i]) != 0) continue;
    reading->identity.client = (enum tls_client)i;
    return true;
  }
  if (!text) return true;
  lua_pushfstring(reading->L,
                  "%s: tls.client is \"%s\": write \"none\", \"request\" or \"require\"",
                  reading->call, text);
  return false;
}

static bool read_verify(struct reading *reading) {
  int type = lua_getfield(reading->L, reading->index, "verify");
  reading->settings.verify = type == LUA_TNIL || lua_toboolean(reading->L, -1);
  return type == LUA_TNIL || type == LUA_TBOOLEAN ||
         wrong_type(reading, "verify", "false, where nobody is to be checked");
}

/* Of a name that no option has. */
static bool check_name(const struct reading *reading, const char *name) {
  static const char *const of_client[] = {"alpn", "ca", "cert", "key", "min", "name", "verify"};
  static const char *const of_server[] = {"alpn", "ca", "cert", "client", "key", "min"};
  const char *const *known = reading->is_server ? of_server : of_client;
  size_t count = reading->is_server ? sizeof of_server / sizeof *of_server
                                    : sizeof of_client / sizeof *of_client;
  for (size_t i = 0; i < count; i++) {
    if (strcmp(name, known[i]) == 0) return true;
  }
  const char *nearest = text_nearest(name, known, count);
  lua_pushfstring(reading->L, "unknown option 'tls.%s' of %s (%s%s)", name, reading->call,
                  nearest ? "did you mean " : "known: ",
                  nearest              ? nearest
                  : reading->is_server ? "alpn, ca, cert, client, key, min"
                                       : "alpn, ca, cert, key, min, name, verify");
  return false;
}

static bool check_names(const struct reading *reading) {
  lua_State *L = reading->L;
  lua_pushnil(L);
  while (lua_next(L, reading->index)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING) {
      if (!check_name(reading, lua_tostring(L, -1))) return false;
    } else {
      lua_pushfstring(L, "%s: options of tls have names", reading->call);
      return false;
    }
  }
  return true;
}

static bool read_identity(struct reading *reading) {
  struct tls_identity *identity = &reading->identity;
  if (!read_path(reading, "ca", &identity->ca) || !read_path(reading, "cert", &identity->cert) ||
      !read_path(reading, "key", &identity->key)) {
    return false;
  }
  if (!identity->key) identity->key = identity->cert; /* one file may hold both */
  if (identity->cert || (!reading->is_server && !identity->key)) return true;
  lua_pushfstring(reading->L, "%s: tls.cert is missing: name the file of a certificate",
                  reading->call);
  return false;
}

static bool read_all(struct reading *reading) {
  reading->settings = (struct tls_settings){.identities = &reading->identity,
                                            .identity_count = 1,
                                            .version_min = TLS_VERSION_1_2,
                                            .verify = true};
  if (lua_isnoneornil(reading->L, reading->index)) return true;
  return check_names(reading) && read_identity(reading) && read_alpn(reading) &&
         read_version(reading) && read_client(reading) && read_verify(reading) &&
         read_text(reading, "name", "the host to ask for", &reading->name);
}

bool api_misuses_tls(lua_State *L, int index, bool is_server, const char *call) {
  struct reading reading = {.L = L, .index = index, .call = call, .is_server = is_server};
  int top = lua_gettop(L);
  luaL_checkstack(L, 20 + ALPN_MAX, NULL);
  bool is_misused = !read_all(&reading);
  if (is_misused) lua_insert(L, top + 1); /* the sentence */
  lua_settop(L, is_misused ? top + 1 : top);
  return is_misused;
}

/* --- The object ------------------------------------------------------------------------------ */

static void object_on_trust(struct trust_wait *wait) {
  api_wait_wake(&LIST_ELEMENT(wait, struct tls_object, trust)->wait);
}

struct tls_object *api_push_tls_object(lua_State *L) {
  struct tls_object *object = lua_newuserdatauv(L, sizeof *object, 0);
  memset(object, 0, sizeof *object);
  list_init(&object->trust.link);
  object->trust.on_done = object_on_trust;
  luaL_setmetatable(L, type_name);
  return object;
}

struct tls_object *api_check_tls_object(lua_State *L, int index) {
  return luaL_checkudata(L, index, type_name);
}

static int l_object_gc(lua_State *L) {
  struct tls_object *object = api_check_tls_object(L, 1);
  api_wait_forget(&object->wait);
  list_remove(&object->trust.link);
  tls_context_release(object->context);
  object->context = NULL;
  return 0;
}

/* Whether it has to wait for those whom the system trusts; if they cannot be read, pushes why. */
static enum tls_made find_trust(struct reading *reading, struct tls_object *object) {
  lua_State *L = reading->L;
  struct net_loop *loop = runtime_of(L)->loop;
  struct tls_settings *settings = &reading->settings;
  if (object->is_server || !settings->verify || reading->identity.ca) return TLS_MADE;
  settings->roots = trust_of(loop);
  if (settings->roots) return TLS_MADE;
  bool was_read = object->wait.runtime != NULL || net_loop_is_simulated(loop);
  if (was_read && trust_fault(loop)) {
    lua_pushstring(L, trust_fault(loop));
    return TLS_UNUSABLE;
  }
  api_wait_begin(L, &object->wait, 0, "what reads the system's certificates");
  if (trust_read(loop, &object->trust) < 0) luaL_error(L, "not enough memory");
  return TLS_WAITS;
}

static bool may_read(lua_State *L, const char *name, const char *path) {
  return !path || vm_may_open(L, name, path, false);
}

static enum tls_made make(struct reading *reading, struct tls_object *object) {
  lua_State *L = reading->L;
  const struct tls_identity *identity = &reading->identity;
  char error[SENTENCE_BYTES_MAX];
  struct home_visit visit;
  if (!may_read(L, "tls.ca", identity->ca) || !may_read(L, "tls.cert", identity->cert) ||
      !may_read(L, "tls.key", identity->key)) {
    return TLS_UNUSABLE;
  }
  reading->settings.resumes = object->resumes;
  home_enter(vm_home(vm_of(L)), &visit);
  object->context = object->is_server
                        ? tls_context_new_server(&reading->settings, NULL, error, sizeof error)
                        : tls_context_new_client(&reading->settings, error, sizeof error);
  home_leave(vm_home(vm_of(L)), &visit);
  if (object->context) return TLS_MADE;
  lua_pushstring(L, error);
  return TLS_UNUSABLE;
}

enum tls_made api_make_tls_object(lua_State *L, int index, struct tls_object *object) {
  struct reading reading = {.L = L,
                            .index = index,
                            .call = "tls",
                            .directory = object->directory,
                            .is_server = object->is_server};
  int top = lua_gettop(L);
  luaL_checkstack(L, 20 + ALPN_MAX, NULL);
  enum tls_made made = read_all(&reading) ? find_trust(&reading, object) : TLS_UNUSABLE;
  object->verifies = reading.settings.verify && !object->is_server;
  snprintf(object->name, sizeof object->name, "%s", reading.name ? reading.name : "");
  if (made == TLS_MADE) made = make(&reading, object);
  if (made == TLS_UNUSABLE) lua_insert(L, top + 1); /* the sentence */
  lua_settop(L, made == TLS_UNUSABLE ? top + 1 : top);
  return made;
}

static int made(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  lua_settop(L, 3);
  switch (api_make_tls_object(L, 1, api_check_tls_object(L, 3))) {
    case TLS_WAITS: return vm_wait(L, 0, made);
    case TLS_MADE: return 1;
    default: break;
  }
  luaL_pushfail(L);
  lua_pushliteral(L, "EINVAL");
  lua_pushvalue(L, 4);
  return 3;
}

/* tls_context(options or nil, whether sessions are kept) -> context | nil, "EINVAL", sentence */
static int l_tls_context(lua_State *L) {
  lua_settop(L, 2);
  struct tls_object *object = api_push_tls_object(L);
  object->resumes = lua_toboolean(L, 2);
  return made(L, LUA_OK, 0);
}

/* tls_misuse(options or nil, call) -> a sentence | nil */
static int l_tls_misuse(lua_State *L) {
  const char *call = luaL_checkstring(L, 2);
  lua_settop(L, 2);
  if (!api_misuses_tls(L, 1, false, call)) lua_pushnil(L);
  return 1;
}

const struct api_type api_tls_type = {.name = type_name, .finalizer = l_object_gc};
const luaL_Reg api_tls_functions[] = {
    {"tls_context", l_tls_context}, {"tls_misuse", l_tls_misuse}, {NULL, NULL}};
