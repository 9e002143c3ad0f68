/* api/membership.h — that a connection is in a group, for api/ only. */
#pragma once

#include "base/list.h"

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

struct api_conn;

/* The payload of a userdata "moonport.group". What keeps its members is a table of the registry, by the
 * group's address: memberships by the ids of connections, and at 0 the group itself, where it has a name
 * and members. */
struct group {
  struct list members; /* struct membership, in the order of their coming */
  size_t count;
};

/* The payload of a userdata; its user value is the connection. */
struct membership {
  struct list link; /* in the group's members */
  struct group *group;
  struct api_conn *self;
  struct membership *next; /* of the same connection */
};

/* Puts a connection that is open into a group that it is not in: the membership is on top, and the table of
 * the group below it. Raises before anything is changed. */
void api_membership_begin(lua_State *L, struct group *group, struct api_conn *self);
/* No memory is taken, and nothing is raised. */
void api_membership_end(lua_State *L, struct membership *membership);
/* The connection has closed, or is collected: it leaves its groups. */
void api_membership_end_all(struct api_conn *self);
/* The group is collected: nobody is in it any more. */
void api_membership_end_group(lua_State *L, struct group *group);
