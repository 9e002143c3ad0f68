/* api/json.h — what both halves of moonport.json go by. */
#pragma once

#include <lua.h>

enum {
  JSON_BYTES_MAX = 4 * 1024 * 1024,
  JSON_DEPTH_MAX = 100, /* lists and objects inside of each other */
  JSON_SLOTS = 4,       /* of Lua's stack, for each level of them */
};

/* The name of the metatable that marks an array. */
extern const char api_json_array[];

/* json.encode(value) -> text | nil, message */
int api_json_encode(lua_State *L);
