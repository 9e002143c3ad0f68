/* api/conn_message.h — what the events and recv() of a connection need of its messages. */
#ifndef MOONPORT_API_CONN_MESSAGE_H
#define MOONPORT_API_CONN_MESSAGE_H

#include <lua.h>
#include <stdbool.h>

struct api_conn;
struct frame_format;
struct inbox;

/* The body of a task that calls on_message for each message there is; its argument is the
 * connection. A message over the limit closes the connection. */
int api_handle_messages(lua_State *L);
/* Whether that would have anything to do. */
bool api_has_message(struct api_conn *self);
/* The taker of conn:recv_message(): the message, with its prefix; or nil, code, detail; or nothing
 * yet. Returns how many values. Raises. */
int api_take_message(lua_State *L, struct inbox *inbox, const struct frame_format *format);

/* Adds send_message to the methods at the top of the stack. Raises. */
void api_set_conn_message(lua_State *L);

#endif
