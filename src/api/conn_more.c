/* api/conn_more.c — what few connections need, made at the first need. Does not know what for. */
#include "api/conn.h"
#include "api/inbox.h"

#include <lauxlib.h>
#include <stdlib.h>

#define NO_TIMERS ((struct list *)&api_nothing_more.timers)

const struct conn_more api_nothing_more = {.timers = {NO_TIMERS, NO_TIMERS}};

bool api_need_more(struct api_conn *self) {
  if (self->more != &api_nothing_more) return true;
  struct conn_more *more = calloc(1, sizeof *more);
  if (!more) return false;
  list_init(&more->timers);
  self->more = more;
  return true;
}

bool api_have_inbox(struct api_conn *self) {
  if (self->more->inbox) return true;
  return api_need_more(self) && (self->more->inbox = inbox_new());
}

bool api_is_read(const struct api_conn *self) {
  return self->more->inbox && api_wait_pending(&self->more->inbox->reader);
}

void api_need_inbox(lua_State *L, struct api_conn *self) {
  if (!api_have_inbox(self)) luaL_error(L, "not enough memory");
}
