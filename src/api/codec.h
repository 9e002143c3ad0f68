/* api/codec.h — what else in api/ needs of moonport.codec. */
#pragma once

#include <lua.h>
#include <stddef.h>

/* Pushes what a text with "%20" and the like means; `how`: base/percent.h. Or nothing, and returns the
 * byte that is wrong, from 1 on. Raises. */
size_t api_push_decoded(lua_State *L, const char *text, size_t size, unsigned how);

/* Pushes the parameters of the query of an address as a table, in which the last one of a name wins; a "%"
 * without two digits is one. Raises. */
void api_push_query(lua_State *L, const char *text, size_t size);
