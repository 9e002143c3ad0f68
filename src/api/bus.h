/* api/bus.h — subscriptions of scripts, as their runtime sees them, for api/ and server/. */
#pragma once

struct bus;
struct list;
struct net_timer;
struct runtime;

/* Calls the functions of subscriptions with what came for them. For the runtime's turn, and before
 * another version takes the place of theirs. Not while Lua runs. */
void api_bus_tell(struct runtime *runtime);
/* Nothing dropped is told of any more. */
void api_bus_end(struct runtime *runtime);
