/* api/membership.c — that a connection is in a group: both know, and either may go first. Knows no script. */
#include "api/membership.h"

#include "api/conn.h"
#include "api/runtime.h"

#include <lauxlib.h>

static void unlink_conn(struct membership *membership) {
  struct membership **place = &membership->self->more->memberships;
  while (*place != membership) place = &(*place)->next;
  *place = membership->next;
}

static void unlink_group(struct membership *membership) {
  list_remove(&membership->link);
  membership->group->count--;
}

/* Its entry is in the table: what is set to nil there needs no memory. */
static void forget(lua_State *L, const struct group *group, lua_Integer id) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, group);
  lua_pushnil(L);
  lua_rawseti(L, -2, id);
  if (group->count == 0) { /* the name alone does not keep it */
    lua_pushnil(L);
    lua_rawseti(L, -2, 0);
  }
  lua_pop(L, 1);
}

void api_membership_begin(lua_State *L, struct group *group, struct api_conn *self) {
  struct membership *membership = lua_touserdata(L, -1);
  if (!api_need_more(self)) luaL_error(L, "not enough memory");
  lua_pushvalue(L, -1);
  lua_rawseti(L, -3, (lua_Integer)self->id);
  membership->group = group;
  membership->self = self;
  membership->next = self->more->memberships;
  self->more->memberships = membership;
  list_append(&group->members, &membership->link);
  group->count++;
}

void api_membership_end(lua_State *L, struct membership *membership) {
  const struct group *group = membership->group;
  unlink_conn(membership);
  unlink_group(membership);
  forget(L, group,
         (lua_Integer)membership->self->id); /* the memory of both may go with the next step */
}

void api_membership_end_all(struct api_conn *self) {
  /* Of a test's script, what is collected last has no runtime any more, and no memberships. */
  while (self->more->memberships) {
    api_membership_end(vm_state(self->runtime->vm), self->more->memberships);
  }
}

void api_membership_end_group(lua_State *L, struct group *group) {
  for (struct list *link; (link = list_shift(&group->members));) {
    unlink_conn(LIST_ELEMENT(link, struct membership, link));
  }
  group->count = 0;
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, group);
}
