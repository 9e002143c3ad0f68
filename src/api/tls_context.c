/* api/tls_context.c — the `tls` table of a service, made to what its connections begin with. The rules for
 * the table are in lua/moonport/service/tls.lua. */
#include "api/tls_context.h"

#include "api/runtime.h"
#include "api/texts.h"
#include "base/file.h"
#include "base/home.h"
#include "net/tls/judge.h"
#include "vm/loader.h"
#include "vm/world.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SENTENCE_BYTES_MAX = 1024 };

/* Text of the table at `index`, which keeps it; NULL: there is none. */
static const char *text_field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  const char *text = lua_tostring(L, -1);
  lua_pop(L, 1);
  return text;
}

/* The script may show only what it may read. Raises. */
static void check_file(lua_State *L, const char *where, const char *call, const char *path) {
  if (!path || vm_may_open(L, call, path, false)) return;
  lua_pushfstring(L, "%s: %s", where, lua_tostring(L, -1));
  lua_error(L);
}

static void read_identity(lua_State *L, int index, const char *where, struct tls_identity *out) {
  *out = (struct tls_identity){
      .host = text_field(L, index, "host"),
      .cert = text_field(L, index, "cert"),
      .key = text_field(L, index, "key"),
      .ca = text_field(L, index, "ca"),
  };
  lua_getfield(L, index, "client");
  out->client = (enum tls_client)lua_tointeger(L, -1);
  lua_getfield(L, index, "is_operators");
  bool is_operators = lua_toboolean(L, -1);
  lua_pop(L, 2);
  if (!is_operators) check_file(L, where, "tls.cert", out->cert);
  if (!is_operators) check_file(L, where, "tls.key", out->key);
  check_file(L, where, "tls.ca", out->ca);
}

/* An array of the list's length, on the stack. Raises. */
static void *push_array(lua_State *L, size_t count, size_t size) {
  return lua_newuserdatauv(L, (count + 1) * size, 0);
}

/* Puts what they stand in into the table on top, which keeps it. Raises. */
static void read_identities(lua_State *L, int index, const char *where, struct tls_settings *out) {
  lua_getfield(L, index, "identities");
  int list = lua_gettop(L);
  size_t count = lua_rawlen(L, list);
  struct tls_identity *identities = push_array(L, count, sizeof *identities);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, list, (lua_Integer)i + 1);
    read_identity(L, lua_gettop(L), where, &identities[i]);
    lua_pop(L, 1);
  }
  out->identities = identities;
  out->identity_count = count;
  lua_rawseti(L, list - 1, 1);
  lua_pop(L, 1);
}

static void read_alpn(lua_State *L, int index, struct tls_settings *out) {
  lua_getfield(L, index, "alpn");
  int list = lua_gettop(L);
  size_t count = lua_rawlen(L, list);
  const char **names = push_array(L, count, sizeof *names);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, list, (lua_Integer)i + 1);
    names[i] = lua_tostring(L, -1); /* kept alive by the list */
    lua_pop(L, 1);
  }
  out->alpn = names;
  out->alpn_count = count;
  lua_rawseti(L, list - 1, 2);
  lua_pop(L, 1);
}

void api_read_tls(lua_State *L, int index, struct tls_wish *out) {
  luaL_checkstack(L, 16, NULL);
  *out = (struct tls_wish){.reference = LUA_NOREF, .where = text_field(L, index, "where")};
  lua_createtable(L, 3, 0); /* keeps all that is pointed to */
  read_identities(L, index, out->where, &out->settings);
  read_alpn(L, index, &out->settings);
  lua_pushvalue(L, index);
  lua_rawseti(L, -2, 3);
  lua_getfield(L, index, "min");
  out->settings.version_min = (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  out->reference = luaL_ref(L, LUA_REGISTRYINDEX);
}

/* Whose files are read. */
struct reading {
  struct runtime *runtime;
  const struct version *version;
};

static void mark_data(const struct version *version, const char *path) {
  for (size_t i = 0; i < version->source_count; i++) {
    struct source *source = &version->sources[i];
    if (strcmp(source->path, path) != 0) continue;
    source->is_data = true;
    texts_keep(source, NULL, 0);
  }
}

/* Of a state of the process, the file is not to blame. */
static void on_file(void *owner, const char *path, const char *bytes, size_t size, int error) {
  const struct reading *reading = owner;
  lua_State *L = vm_state(reading->runtime->vm);
  if (!bytes && file_error_is_passing(error)) {
    loader_note_shortage(L, error);
    return;
  }
  loader_note_source(L, path, bytes, size);
  mark_data(reading->version, path);
}

static struct tls_context *make(struct runtime *runtime, struct tls_wish *wish) {
  char error[SENTENCE_BYTES_MAX];
  const struct version *current = runtime->current;
  const struct home *home = vm_home(runtime->vm);
  struct home_visit visit;
  struct reading reading = {runtime, vm_world_owner(vm_world_in_force(runtime->vm))};
  wish->settings.reader = (struct tls_reader){&reading, on_file};
  home_enter(home, &visit);
  struct tls_context *context = tls_context_new_server(
      &wish->settings, current ? current->service.tls : NULL, error, sizeof error);
  home_leave(home, &visit);
  if (context) return context;
  char fault[2 * SENTENCE_BYTES_MAX];
  snprintf(fault, sizeof fault, "%s: tls: %s", wish->where, error);
  log_about(runtime->faults, LOG_ERROR, runtime->script, 0, "%s", fault);
  runtime_note_fault(runtime, fault);
  return NULL;
}

struct tls_context *api_make_tls(struct runtime *runtime, struct tls_wish *wish) {
  struct tls_context *context = make(runtime, wish);
  luaL_unref(vm_state(runtime->vm), LUA_REGISTRYINDEX, wish->reference);
  return context;
}

static void say(void *owner, bool is_fault, const char *sentence) {
  (void)is_fault;
  runtime_logf(owner, LOG_WARN, "tls: %s", sentence);
}

void api_judge_tls(struct runtime *runtime, const struct tls_context *context) {
  const struct judge judge = {.now_s = time(NULL), .owner = runtime, .say = say};
  if (!context) return;
  judge_context(&judge, context);
  const char *warning = tls_context_warning(context);
  if (warning) runtime_logf(runtime, LOG_WARN, "tls: %s", warning);
}
