/* api/bus_broker.h — the bus, for the program in Lua that takes it to a broker. */
#pragma once

#include "api/wait.h"

#include <lua.h>

struct bus;
struct bus_address;

/* Lives longer than the program's runtime. */
struct bus_broker {
  struct bus *bus;
  struct bus_address *address;
  struct api_wait wait; /* the program's writer, until there is something to be sent */
  bool takes;           /* what it waits for may be a message, and not only a change of patterns */
  bool is_nudged;
};

/* There is news, as bus_begin_broker() tells it: `context` is the broker. */
void bus_broker_wake(void *context);
/* Pushes the functions that moonport/bus/broker.lua works with. Raises. */
void bus_broker_push(lua_State *L, struct bus_broker *broker);
