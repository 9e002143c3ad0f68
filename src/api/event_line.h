/* api/event_line.h — reads lines of recordings, for moonport.test.core. */
#pragma once

#include <lua.h>

/* read_event(line) -> table of the texts, numbers and booleans in it | nil, fault. A field "base64"
 * also gives its bytes, as "bytes". */
int api_read_event(lua_State *L);
