/* api/arguments.h — arguments that cannot be meant: what a call does not take, and would drop, or what is
 * no object of its method. For api/ only. */
#pragma once

#include <lua.h>

/* Raises when there are more than `count` arguments, that of the colon included. A nil too many is
 * nothing that gets lost. `instead` says what to write, or is NULL. */
void api_check_count(lua_State *L, int count, const char *instead);

/* Raises unless the table at `index` is a list of strings or numbers, and nothing besides: only the
 * "n" of table.pack() may stand there. */
void api_check_list(lua_State *L, int index, const char *function);
/* How many bytes the strings of such a list have together. */
size_t api_list_size(lua_State *L, int index);

/* Pushes what is said of the argument at `index`, beyond the `count` that the call takes. */
void api_push_dropped(lua_State *L, int count, int index, const char *instead);

/* Raises unless the first argument is an object of the class at `class`, which one calls `object`. Of a
 * method of that name, in Lua or standing in for one. */
void api_check_object(lua_State *L, int class, const char *object, const char *name);

/* What luaL_checkudata() does, without looking the type up for each call of a method: of a userdata of `size`
 * bytes that begins with the pointer `first`. No script writes into one, and no other of that size begins so.
 * Raises. */
void *api_check_known(lua_State *L, int index, const char *type_name, size_t size,
                      const void *first);

/* Raises the message on top, in the innermost line of the author's: that of the library is not his. */
int api_refuse(lua_State *L);

/* A string that C reads as a whole: no NUL is in it. Raises. */
const char *api_check_text(lua_State *L, int index);
