/* api/bus_broker.c — the bus, for the program in Lua that takes it to a broker. No script has these
 * functions. */
#include "api/bus_broker.h"

#include "api/runtime.h"
#include "base/bus.h"
#include "base/bus_address.h"

#include <lauxlib.h>
#include <string.h>

static struct bus_broker *broker_of(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

static bool has_come(const struct bus_broker *broker) {
  return broker->is_nudged || bus_has_changes(broker->bus) ||
         (broker->takes && bus_has_outgoing(broker->bus));
}

void bus_broker_wake(void *context) {
  struct bus_broker *broker = context;
  if (has_come(broker)) api_wait_wake_later(&broker->wait);
}

/* core.wait(takes): until patterns change, somebody nudges, or, if it takes them, messages are there */
static int l_wait(lua_State *L) {
  struct bus_broker *broker = broker_of(L);
  broker->takes = lua_toboolean(L, 1);
  if (has_come(broker)) {
    broker->is_nudged = false;
    return 0;
  }
  api_wait_begin(L, &broker->wait, 0, "wait() of the bus");
  return vm_wait(L, 0, vm_nothing_follows);
}

/* core.nudge(): the writer is to look again */
static int l_nudge(lua_State *L) {
  struct bus_broker *broker = broker_of(L);
  broker->is_nudged = !api_wait_pending(&broker->wait);
  api_wait_wake_later(&broker->wait);
  return 0;
}

/* core.change() -> pattern, wanted | nil */
static int l_change(lua_State *L) {
  bool is_wanted;
  const char *pattern = bus_take_change(broker_of(L)->bus, &is_wanted);
  if (!pattern) return 0;
  lua_pushstring(L, pattern);
  lua_pushboolean(L, is_wanted);
  return 2;
}

/* core.take() -> topic, data | nil */
static int l_take(lua_State *L) {
  struct bus_message *message = bus_take_outgoing(broker_of(L)->bus);
  if (!message) return 0;
  lua_pushlstring(L, message->bytes, message->topic_size);
  lua_pushlstring(L, bus_message_data(message), message->data_size);
  bus_message_unref(message);
  return 2;
}

/* core.deliver(pattern, topic, data): to the subscriptions with that pattern */
static int l_deliver(lua_State *L) {
  struct bus *bus = broker_of(L)->bus;
  size_t topic_size, size;
  const char *topic = luaL_checklstring(L, 2, &topic_size);
  const char *data = luaL_checklstring(L, 3, &size);
  if (strlen(topic) != topic_size) return 0; /* no pattern of ours means it */
  struct bus_message *message = bus_message_new(topic, topic_size, data, size);
  if (!message) return luaL_error(L, "not enough memory");
  bus_deliver_to(bus, luaL_checkstring(L, 1), message);
  bus_message_unref(message);
  return 0;
}

/* core.dropped(count): so many messages were lost on the way, which somebody tells of */
static int l_dropped(lua_State *L) {
  bus_count_dropped(broker_of(L)->bus, (uint64_t)luaL_checkinteger(L, 1));
  return 0;
}

/* core.connected(is_connected) */
static int l_connected(lua_State *L) {
  bus_set_connected(broker_of(L)->bus, lua_toboolean(L, 1));
  return 0;
}

static void set_text(lua_State *L, const char *name, const char *text) {
  if (!*text) return;
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

void bus_broker_push(lua_State *L, struct bus_broker *broker) {
  static const luaL_Reg functions[] = {
      {"wait", l_wait},       {"nudge", l_nudge},     {"change", l_change},       {"take", l_take},
      {"deliver", l_deliver}, {"dropped", l_dropped}, {"connected", l_connected}, {NULL, NULL}};
  const struct bus_address *address = broker->address;
  luaL_newlibtable(L, functions);
  lua_pushlightuserdata(L, broker);
  luaL_setfuncs(L, functions, 1);
  lua_newtable(L);
  set_text(L, "name", address->name);
  set_text(L, "protocol", address->protocol);
  set_text(L, "user", address->user);
  set_text(L, "password", address->password);
  set_text(L, "host", address->host);
  set_text(L, "port", address->port);
  set_text(L, "database", address->database);
  lua_pushboolean(L, address->has_tls);
  lua_setfield(L, -2, "has_tls");
}
