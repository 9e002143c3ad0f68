/* api/shared.c — moonport.shared: what all workers of a server share, as Lua sees it.
 *
 * What is decided while the lock is held is decided in C, and raises nothing; only transaction() runs the
 * script then, and gives the lock back however that ends. */
#include "api/arguments.h"
#include "api/disk.h"
#include "api/errors.h"
#include "api/modules.h"
#include "api/runtime.h"
#include "api/store.h"
#include "api/stores.h"
#include "net/loop.h"
#include "vm/watchdog.h"

#include <errno.h>
#include <lauxlib.h>
#include <math.h>
#include <string.h>
#include <time.h>
#include <uv.h>

static const char type_name[] = "moonport.store";

enum { KEYS_NORMAL = 1000, KEYS_MAX = 1000000 };
#define TTL_SECONDS_MAX 1e9

/* The payload of a userdata. */
struct shared_object {
  struct store *store; /* held; NULL: it could not be had, or is collected */
};

/* --- Arguments ----------------------------------------------------------------------------------- */

static struct store *check_store(lua_State *L, int argument_count) {
  struct shared_object *object = luaL_checkudata(L, 1, type_name);
  api_check_count(L, 1 + argument_count, NULL);
  if (vm_has_forked(vm_of(L)))
    luaL_error(L, "a module in C has forked, and the child has no stores");
  if (!object->store) luaL_error(L, "the store is closed");
  return object->store;
}

static struct store_key check_key(lua_State *L, int index) {
  struct store_key key;
  luaL_checktype(L, index, LUA_TSTRING);
  key.bytes = lua_tolstring(L, index, &key.size);
  if (key.size == 0 || key.size > STORE_KEY_BYTES_MAX) {
    lua_pushfstring(L, "a key has 1 to %d bytes, this one has %I", STORE_KEY_BYTES_MAX,
                    (lua_Integer)key.size);
    luaL_argerror(L, index, lua_tostring(L, -1));
  }
  return key;
}

static struct store_value check_value(lua_State *L, int index) {
  struct store_value value = {0};
  switch (lua_type(L, index)) {
    case LUA_TSTRING:
      value.kind = STORE_STRING;
      value.bytes = lua_tolstring(L, index, &value.size);
      break;
    case LUA_TNUMBER:
      value.kind = lua_isinteger(L, index) ? STORE_INTEGER : STORE_FLOAT;
      if (value.kind == STORE_INTEGER) {
        value.integer = lua_tointeger(L, index);
      } else {
        value.number = lua_tonumber(L, index);
      }
      break;
    case LUA_TBOOLEAN: value.kind = lua_toboolean(L, index) ? STORE_TRUE : STORE_FALSE; break;
    default: luaL_typeerror(L, index, "string, number or boolean");
  }
  return value;
}

static struct store_value check_number(lua_State *L, int index, lua_Integer normal) {
  if (lua_isnoneornil(L, index))
    return (struct store_value){.kind = STORE_INTEGER, .integer = normal};
  luaL_checktype(L, index, LUA_TNUMBER);
  return check_value(L, index);
}

/* Whoever is restarted has to find the same time; what ends with the server goes by a clock that nobody
 * sets. */
static uint64_t clock_ms(lua_State *L, const struct store *store) {
  enum { MS_PER_SECOND = 1000, NS_PER_MS = 1000000 };
  const struct runtime *runtime = runtime_of(L);
  struct timespec now = {0};
  if (net_loop_is_simulated(runtime->loop))
    return (uint64_t)runtime->wall_ms + net_loop_now_ms(runtime->loop);
  (void)clock_gettime(store_is_kept(store) ? CLOCK_REALTIME : CLOCK_BOOTTIME, &now);
  return (uint64_t)now.tv_sec * MS_PER_SECOND + (uint64_t)now.tv_nsec / NS_PER_MS;
}

/* 0: never. */
static uint64_t check_expiry(lua_State *L, int index, uint64_t now_ms) {
  if (lua_isnoneornil(L, index)) return 0;
  lua_Number seconds = luaL_checknumber(L, index);
  luaL_argcheck(L, seconds > 0 && seconds <= TTL_SECONDS_MAX, index,
                "a time to live is more than 0 and at most 1e9 seconds");
  return now_ms + (uint64_t)ceil(seconds * 1000);
}

/* --- Results ------------------------------------------------------------------------------------- */

static void push_value(lua_State *L, const struct store_value *value) {
  switch (value->kind) {
    case STORE_STRING: lua_pushlstring(L, value->bytes, value->size); break;
    case STORE_INTEGER: lua_pushinteger(L, value->integer); break;
    case STORE_FLOAT: lua_pushnumber(L, value->number); break;
    case STORE_FALSE:
    case STORE_TRUE: lua_pushboolean(L, value->kind == STORE_TRUE); break;
  }
}

static int push_code(lua_State *L, const char *code) {
  luaL_pushfail(L);
  lua_pushstring(L, code);
  return 2;
}

/* nil, code[, detail] */
static int push_failure(lua_State *L, const struct store *store, int rc) {
  static const char *const codes[] = {
      [STORE_MISSING] = "missing", [STORE_EXISTS] = "exists",     [STORE_CHANGED] = "changed",
      [STORE_WRONG_TYPE] = "type", [STORE_OVERFLOW] = "overflow", [STORE_FULL] = "full",
      [STORE_DAMAGED] = "damaged",
  };
  char fault[STORE_FAULT_BYTES];
  if (rc < 0) return api_push_error(L, rc, store_name(store));
  if (rc != STORE_BUSY) return push_code(L, codes[rc]);
  store_tell_busy(store, fault);
  return api_push_failure(L, "busy", fault);
}

static int push_done(lua_State *L, const struct store *store, int rc) {
  return rc == 0 ? api_push_true(L) : push_failure(L, store, rc);
}

/* --- Reading ------------------------------------------------------------------------------------- */

/* store:get(key) -> value | nil | nil, code, detail */
static int l_get(lua_State *L) {
  struct store *store = check_store(L, 1);
  struct store_key key = check_key(L, 2);
  struct store_entry entry;
  int rc = store_get(store, &key, clock_ms(L, store), &entry);
  if (rc == STORE_MISSING) {
    luaL_pushfail(L);
    return 1;
  }
  if (rc != 0) return push_failure(L, store, rc);
  push_value(L, &entry.value);
  return 1;
}

/* store:ttl(key) -> seconds, math.huge of one that stays | nil | nil, code, detail */
static int l_ttl(lua_State *L) {
  struct store *store = check_store(L, 1);
  struct store_key key = check_key(L, 2);
  struct store_entry entry;
  const uint64_t now_ms = clock_ms(L, store);
  int rc = store_get(store, &key, now_ms, &entry);
  if (rc == STORE_MISSING) {
    luaL_pushfail(L);
    return 1;
  }
  if (rc != 0) return push_failure(L, store, rc);
  lua_pushnumber(L, entry.expires_ms ? (lua_Number)(entry.expires_ms - now_ms) / 1000
                                     : (lua_Number)HUGE_VAL);
  return 1;
}

/* Of a table at 4 with `have` keys: those of the string on top, as store_keys() gives them. The last one
 * stands in `last` then. */
static lua_Integer append_keys(lua_State *L, lua_Integer have, size_t count, struct store_key *last,
                               char room[STORE_KEY_BYTES_MAX]) {
  const char *from = lua_tostring(L, -1);
  for (size_t i = 0; i < count; i++) {
    uint16_t size;
    memcpy(&size, from, sizeof size);
    from += sizeof size;
    lua_pushlstring(L, from, size);
    lua_rawseti(L, 4, ++have);
    last->bytes = memcpy(room, from, size);
    last->size = size;
    from += size;
  }
  return have;
}

/* store:keys([prefix [, max]]) -> list, whether there are more | nil, code, detail */
static int l_keys(lua_State *L) {
  struct store *store = check_store(L, 2);
  struct store_search search = {.after = {.bytes = ""}, .now_ms = clock_ms(L, store)};
  struct store_found found;
  char room[STORE_KEY_BYTES_MAX];
  if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TSTRING);
  search.prefix.bytes = luaL_optlstring(L, 2, "", &search.prefix.size);
  lua_Integer max = luaL_optinteger(L, 3, KEYS_NORMAL), have = 0;
  luaL_argcheck(L, max >= 1 && max <= KEYS_MAX, 3, "must be 1 to 1000000 keys");
  lua_settop(L, 3);
  lua_newtable(L);
  for (;;) {
    search.count_max = (size_t)(max - have) + 1;
    int rc = store_keys(store, &search, &found);
    if (rc != 0) return push_failure(L, store, rc);
    if (found.count == 0) break;
    lua_pushlstring(L, found.bytes, found.size); /* a finalizer may read from the store meanwhile */
    have = append_keys(L, have, found.count, &search.after, room);
    lua_pop(L, 1);
    if (have <= max) continue;
    lua_pushnil(L);
    lua_rawseti(L, 4, have);
    lua_pushboolean(L, true);
    return 2;
  }
  lua_pushboolean(L, false);
  return 2;
}

/* --- Writing ------------------------------------------------------------------------------------- */

struct setting {
  struct store_entry entry;
  bool wants_old; /* there must be an entry, */
  bool wants_new; /* there must be none */
};

static int decide_set(void *context, const struct store_entry *was, struct store_entry *next) {
  const struct setting *setting = context;
  if (was && setting->wants_new) return -STORE_EXISTS;
  if (!was && setting->wants_old) return -STORE_MISSING;
  *next = setting->entry;
  return STORE_WRITE;
}

static int set(lua_State *L, bool wants_old, bool wants_new) {
  struct store *store = check_store(L, 3);
  struct store_key key = check_key(L, 2);
  const uint64_t now_ms = clock_ms(L, store);
  struct setting setting = {.entry = {check_value(L, 3), check_expiry(L, 4, now_ms)},
                            .wants_old = wants_old,
                            .wants_new = wants_new};
  return push_done(L, store, store_edit(store, &key, now_ms, decide_set, &setting));
}

/* store:set(key, value [, ttl]) -> true | nil, code, detail */
static int l_set(lua_State *L) {
  return set(L, false, false);
}

/* store:add(key, value [, ttl]) -> true | nil, "exists" | nil, code, detail */
static int l_add(lua_State *L) {
  return set(L, false, true);
}

/* store:replace(key, value [, ttl]) -> true | nil, "missing" | nil, code, detail */
static int l_replace(lua_State *L) {
  return set(L, true, false);
}

struct increase {
  struct store_value by;
  struct store_value first;
  uint64_t expires_ms; /* of an entry that is new */
  struct store_value sum;
};

static lua_Number number_of(const struct store_value *value) {
  return value->kind == STORE_INTEGER ? (lua_Number)value->integer : value->number;
}

static int decide_incr(void *context, const struct store_entry *was, struct store_entry *next) {
  struct increase *increase = context;
  const struct store_value *base = was ? &was->value : &increase->first, *by = &increase->by;
  struct store_value *sum = &increase->sum;
  if (base->kind != STORE_INTEGER && base->kind != STORE_FLOAT) return -STORE_WRONG_TYPE;
  if (base->kind == STORE_INTEGER && by->kind == STORE_INTEGER) {
    sum->kind = STORE_INTEGER;
    if (__builtin_add_overflow(base->integer, by->integer, &sum->integer)) return -STORE_OVERFLOW;
  } else {
    sum->kind = STORE_FLOAT;
    sum->number = number_of(base) + number_of(by);
  }
  *next = (struct store_entry){*sum, was ? was->expires_ms : increase->expires_ms};
  return STORE_WRITE;
}

/* store:incr(key [, by [, first [, ttl]]]) -> number | nil, code, detail */
static int l_incr(lua_State *L) {
  struct store *store = check_store(L, 4);
  struct store_key key = check_key(L, 2);
  const uint64_t now_ms = clock_ms(L, store);
  struct increase increase = {.by = check_number(L, 3, 1),
                              .first = check_number(L, 4, 0),
                              .expires_ms = check_expiry(L, 5, now_ms)};
  int rc = store_edit(store, &key, now_ms, decide_incr, &increase);
  if (rc != 0) return push_failure(L, store, rc);
  push_value(L, &increase.sum);
  return 1;
}

struct exchange {
  lua_State *L; /* the old value is at 3; its stack has room for one more */
  bool removes;
  struct store_value next;
};

/* As == has it. */
static bool is_value_at_3(lua_State *L, const struct store_value *value) {
  if (value->kind == STORE_STRING) {
    size_t size;
    if (lua_type(L, 3) != LUA_TSTRING) return false;
    const char *bytes = lua_tolstring(L, 3, &size);
    return size == value->size && memcmp(bytes, value->bytes, size) == 0;
  }
  push_value(L, value); /* no string: it takes no memory */
  bool is_same = lua_rawequal(L, 3, -1);
  lua_pop(L, 1);
  return is_same;
}

static int decide_cas(void *context, const struct store_entry *was, struct store_entry *next) {
  const struct exchange *exchange = context;
  bool is_same = was ? is_value_at_3(exchange->L, &was->value) : lua_isnil(exchange->L, 3);
  if (!is_same) return -STORE_CHANGED;
  if (exchange->removes) return was ? STORE_REMOVE : STORE_KEEP;
  *next = (struct store_entry){exchange->next, was ? was->expires_ms : 0};
  return STORE_WRITE;
}

/* store:cas(key, old, new) -> true | nil, "changed" | nil, code, detail */
static int l_cas(lua_State *L) {
  struct store *store = check_store(L, 3);
  struct store_key key = check_key(L, 2);
  lua_settop(L, 4);
  luaL_checkstack(L, 2, NULL);
  struct exchange exchange = {.L = L, .removes = lua_isnil(L, 4)};
  if (!lua_isnil(L, 3)) (void)check_value(L, 3);
  if (!exchange.removes) exchange.next = check_value(L, 4);
  return push_done(L, store, store_edit(store, &key, clock_ms(L, store), decide_cas, &exchange));
}

static int decide_delete(void *context, const struct store_entry *was, struct store_entry *next) {
  (void)next;
  *(bool *)context = was;
  return STORE_REMOVE;
}

/* store:delete(key) -> whether there was one | nil, code, detail */
static int l_delete(lua_State *L) {
  struct store *store = check_store(L, 1);
  struct store_key key = check_key(L, 2);
  bool was_there = false;
  int rc = store_edit(store, &key, clock_ms(L, store), decide_delete, &was_there);
  if (rc != 0) return push_failure(L, store, rc);
  lua_pushboolean(L, was_there);
  return 1;
}

/* store:transaction(f) -> what f returned, or true | nil, code, detail */
static int l_transaction(lua_State *L) {
  struct store *store = check_store(L, 1);
  struct vm *vm = vm_of(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  if (store_is_in_transaction(store))
    return luaL_error(L, "a transaction of this store is under way already");
  int rc = store_begin(store);
  if (rc != 0) return push_failure(L, store, rc);
  const char *before = vm_forbid_waiting(
      vm, "this is a transaction of moonport.shared, and others wait for its end");
  int status = lua_pcall(L, 0, LUA_MULTRET, 0);
  (void)vm_forbid_waiting(vm, before);
  rc = store_end(store, status != LUA_OK);
  if (status != LUA_OK) {
    vm_watchdog_caught(L);
    return lua_error(L);
  }
  if (rc != 0) return push_failure(L, store, rc);
  return lua_gettop(L) > 1 ? lua_gettop(L) - 1 : api_push_true(L);
}

/* --- The module ---------------------------------------------------------------------------------- */

static int push_open_failure(lua_State *L, const struct store_options *options, int rc,
                             const char *fault) {
  static const char *const codes[] = {[STORE_BUSY] = "busy", [STORE_DAMAGED] = "damaged"};
  if (rc == STORE_MISMATCH) {
    lua_pushfstring(L, "shared.open: %s", fault);
    return api_refuse(L);
  }
  if (rc == -ENOMEM) return luaL_error(L, "not enough memory");
  if (rc > 0) return api_push_failure(L, codes[rc], fault);
  if (*fault) return api_push_failure(L, uv_err_name(rc), fault);
  return api_push_error(L, rc, options->name);
}

/* open(name, bytes, evicts [, path]) -> store | nil, code, detail: of arguments that are checked */
static int l_open(lua_State *L) {
  struct runtime *runtime = runtime_of(L);
  char fault[STORE_FAULT_BYTES] = "";
  int failed;
  struct store_options options = {.name = luaL_checkstring(L, 1),
                                  .bytes = (uint64_t)luaL_checkinteger(L, 2),
                                  .evicts = lua_toboolean(L, 3)};
  lua_settop(L, 4);
  if (!lua_isnil(L, 4)) options.path = api_disk_path(L, 4, "shared.open", true, &failed);
  if (options.path && failed) return failed;
  if (!runtime->stores) return luaL_error(L, "not enough memory");
  struct shared_object *object = lua_newuserdatauv(L, sizeof *object, 0);
  object->store = NULL;
  luaL_setmetatable(L, type_name);
  struct store *store;
  int rc = stores_open(runtime->stores, &options, fault, &store);
  bool may_retry = rc < 0 && options.path && vm_free_descriptors(L, -rc);
  if (may_retry) rc = stores_open(runtime->stores, &options, fault, &store);
  if (rc != 0) return push_open_failure(L, &options, rc, fault);
  store_hold(store);
  object->store = store;
  return 1;
}

static int l_gc(lua_State *L) {
  struct shared_object *object = luaL_checkudata(L, 1, type_name);
  if (object->store) store_close(object->store);
  object->store = NULL;
  return 0;
}

static const luaL_Reg methods[] = {{"get", l_get},       {"set", l_set},
                                   {"add", l_add},       {"replace", l_replace},
                                   {"incr", l_incr},     {"cas", l_cas},
                                   {"delete", l_delete}, {"ttl", l_ttl},
                                   {"keys", l_keys},     {"transaction", l_transaction},
                                   {NULL, NULL}};

const struct api_type api_store_type = {.name = type_name, .methods = methods, .finalizer = l_gc};
const luaL_Reg api_shared_functions[] = {{"open", l_open}, {NULL, NULL}};
