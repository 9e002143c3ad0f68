/* api/codec.h — what else in api/ needs of moonport.codec. */
#ifndef MOONPORT_API_CODEC_H
#define MOONPORT_API_CODEC_H

#include <lua.h>
#include <stddef.h>

/* Pushes the parameters of the query of an address as a table, in which the last one of a name wins; or
 * nil and what is wrong. Returns how many values it pushed. Raises. */
int api_push_query(lua_State *L, const char *text, size_t size);

#endif
