/* api/group.c — server.group(): some of a script's connections under one name, a room of a chat, say. Opens and
 * closes none of them. */
#include "api/arguments.h"
#include "api/broadcast.h"
#include "api/conn.h"
#include "api/errors.h"
#include "api/membership.h"
#include "api/modules.h"
#include "api/runtime.h"

#include <lauxlib.h>

static const char type_name[] = "moonport.group";

static struct group *check(lua_State *L) {
  return luaL_checkudata(L, 1, type_name);
}

/* Pushes the group's table of members. */
static void push_members(lua_State *L, const struct group *group) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, group);
}

static void push_new(lua_State *L) {
  struct group *group = lua_newuserdatauv(L, sizeof *group, 1); /* its value: true, with a name */
  list_init(&group->members);
  group->count = 0;
  luaL_setmetatable(L, type_name);
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, group);
}

/* Pushes the table of the script's groups by name, which are those of all of its versions. */
static void push_names(lua_State *L) {
  struct runtime *runtime = runtime_of(L);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &runtime->anchors) != LUA_TNIL) return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &runtime->anchors);
}

/* server.group([name]) -> group: a new one; or that of the name, which all who ask for it get */
static int l_group(lua_State *L) {
  api_check_count(L, 1, "members are added with group:add(conn)");
  lua_settop(L, 1);
  if (lua_isnil(L, 1)) {
    push_new(L);
    return 1;
  }
  luaL_checktype(L, 1, LUA_TSTRING);
  push_names(L);
  lua_pushvalue(L, 1);
  if (lua_rawget(L, 2) != LUA_TNIL) return 1;
  push_new(L);
  lua_pushboolean(L, true);
  lua_setiuservalue(L, -2, 1);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, -2);
  lua_rawset(L, 2);
  return 1;
}

/* The membership of the connection at 2; NULL: there is none. */
static struct membership *find(lua_State *L, const struct group *group,
                               const struct api_conn *self) {
  push_members(L, group);
  lua_rawgeti(L, -1, (lua_Integer)self->id);
  struct membership *membership = lua_touserdata(L, -1);
  lua_pop(L, 2);
  return membership;
}

/* group:add(conn) -> true | nil, "closed" */
static int l_add(lua_State *L) {
  struct group *group = check(L);
  struct api_conn *self = api_check_conn(L, 2);
  api_check_count(L, 2, "one connection is added with each call");
  if (!self->conn) return api_push_closed(L);
  if (find(L, group, self)) return api_push_true(L);
  push_members(L, group);
  bool has_name = lua_getiuservalue(L, 1, 1) == LUA_TBOOLEAN;
  lua_pop(L, 1);
  if (has_name) {
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 0);
  }
  lua_newuserdatauv(L, sizeof(struct membership), 1);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, 1);
  api_membership_begin(L, group, self);
  return api_push_true(L);
}

/* group:remove(conn) -> whether it was a member */
static int l_remove(lua_State *L) {
  struct group *group = check(L);
  const struct api_conn *self = api_check_conn(L, 2);
  api_check_count(L, 2, NULL);
  struct membership *membership = find(L, group, self);
  if (membership) api_membership_end(L, membership);
  lua_pushboolean(L, membership != NULL);
  return 1;
}

/* group:has(conn) -> whether it is a member */
static int l_has(lua_State *L) {
  const struct group *group = check(L);
  const struct api_conn *self = api_check_conn(L, 2);
  api_check_count(L, 2, NULL);
  lua_pushboolean(L, find(L, group, self) != NULL);
  return 1;
}

/* group:count() -> how many they are; #group is the same */
static int l_count(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check(L)->count);
  return 1;
}

/* group:connections() -> list of them, in the order of their coming */
static int l_connections(lua_State *L) {
  const struct group *group = check(L);
  lua_Integer index = 0;
  api_check_count(L, 1, NULL);
  lua_createtable(L, (int)group->count, 0);
  push_members(L, group);
  for (struct list *link = group->members.next; link != &group->members; link = link->next) {
    const struct membership *membership = LIST_ELEMENT(link, struct membership, link);
    lua_rawgeti(L, -1, (lua_Integer)membership->self->id);
    lua_getiuservalue(L, -1, 1);
    lua_rawseti(L, -4, ++index);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return 1;
}

/* Upvalues: the list, and how far it is. */
static int next_member(lua_State *L) {
  lua_Integer index = lua_tointeger(L, lua_upvalueindex(2)) + 1;
  lua_pushinteger(L, index);
  lua_replace(L, lua_upvalueindex(2));
  lua_rawgeti(L, lua_upvalueindex(1), index);
  return 1;
}

/* for conn in group:each(): who is in it now, whatever the body of the loop does to that */
static int l_each(lua_State *L) {
  if (l_connections(L) == 1) lua_pushinteger(L, 0);
  lua_pushcclosure(L, next_member, 2);
  return 1;
}

static const struct conn *check_except(lua_State *L, int index) {
  return lua_isnoneornil(L, index) ? NULL : api_check_conn(L, index)->conn;
}

/* group:broadcast(data [, except]) -> number of connections it was queued for */
static int l_group_broadcast(lua_State *L) {
  struct audience audience = {.group = check(L)};
  api_check_count(L, 3, "only one connection can be left out");
  audience.except = check_except(L, 3);
  return api_broadcast(L, &audience, 2);
}

/* group:broadcast_message(message [, kind] [, except]) -> number of connections it was queued for */
static int l_group_broadcast_message(lua_State *L) {
  struct audience audience = {.group = check(L)};
  api_check_count(L, 4, "only one connection can be left out");
  if (lua_isuserdata(L, 3)) { /* no kind */
    api_check_count(L, 3, "the kind comes before who is left out");
    lua_settop(L, 3);
    lua_pushnil(L);
    lua_insert(L, 3);
  }
  audience.except = check_except(L, 4);
  return api_broadcast_message(L, &audience, 2, 3);
}

static int l_gc(lua_State *L) {
  api_membership_end_group(L, check(L));
  return 0;
}

static const luaL_Reg methods[] = {
    {"add", l_add},
    {"remove", l_remove},
    {"has", l_has},
    {"count", l_count},
    {"connections", l_connections},
    {"each", l_each},
    {"broadcast", l_group_broadcast},
    {"broadcast_message", l_group_broadcast_message},
    {NULL, NULL},
};

/* For #group, which the metatable has. */
int api_complete_group(lua_State *L) {
  luaL_getmetatable(L, type_name);
  lua_pushcfunction(L, l_count);
  lua_setfield(L, -2, "__len");
  lua_pop(L, 1);
  return 1;
}

const struct api_type api_group_type = {.name = type_name, .methods = methods, .finalizer = l_gc};
const luaL_Reg api_group_functions[] = {{"group", l_group}, {NULL, NULL}};
