/* api/frame.h — frame formats as scripts write them, for api/ only. */
#pragma once

#include "base/frame.h"

#include <lua.h>

struct api_conn;
struct inbox;

/* Reads "line", "netstring", { delimiter = }, { length = }, { fixed = } or a moonport.frame at
 * `index`. NULL, or what is wrong and what to write (on the Lua stack). Raises when memory is out. */
const char *api_parse_frame(lua_State *L, int index, size_t message_bytes_max,
                            struct frame_format *out);
/* The format at `index`, which is read into `given`, or without one the service's. Raises where there is
 * neither. */
const struct frame_format *api_check_frame(lua_State *L, int index, struct frame_format *given);

/* Cuts the next message off what has arrived. */
enum frame_result api_next_message(struct inbox *inbox, const struct frame_format *format,
                                   const char **bytes, struct frame_slice *slice);

/* Pushes the message, and its prefix where the format has one. Returns how many. Raises. */
int api_push_message(lua_State *L, const struct frame_format *format, const char *bytes,
                     const struct frame_slice *slice);

/* Pushes what travels of the message at 2, with the prefix at 3 or none. NULL; or why the format cannot
 * carry it, "the message contains …", which is what was pushed. Raises. */
const char *api_push_wrapped(lua_State *L, const struct frame_format *format);

/* The fault of a message that is not too long, but for which there is no memory. */
extern const char api_frame_starved[];
