/* api/arguments.h — what a call is given and does not take, which would be dropped, for api/ only. */
#ifndef MOONPORT_API_ARGUMENTS_H
#define MOONPORT_API_ARGUMENTS_H

#include <lua.h>

/* Raises when there are more than `count` arguments, that of the colon included. A nil too many is
 * nothing that gets lost. `instead` says what to write, or is NULL. */
void api_check_count(lua_State *L, int count, const char *instead);

/* Raises unless the table at `index` is a list of strings or numbers, and nothing besides: only the
 * "n" of table.pack() may stand there. */
void api_check_list(lua_State *L, int index, const char *function);

#endif
