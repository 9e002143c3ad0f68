/* api/conn_inbox.c — an inbox for what has just been received, of a connection that mostly handles all of it
 * at once: then it needs none between two reads. Does not know what the bytes are. */
#include "api/conn.h"
#include "api/inbox.h"
#include "api/runtime.h"

bool api_take_inbox(struct api_conn *self, const char *bytes, size_t size) {
  struct runtime *runtime = self->runtime;
  if (!self->more->inbox && api_need_more(self)) {
    self->more->inbox = runtime->spare_inbox ? runtime->spare_inbox : inbox_new();
    runtime->spare_inbox = NULL;
  }
  if (!self->more->inbox) return false;
  self->more->inbox->fresh = bytes;
  self->more->inbox->fresh_size = size;
  return true;
}

void api_give_back_inbox(struct api_conn *self) {
  struct inbox *inbox = self->more->inbox;
  if (!inbox) return;
  if (!inbox_keep_fresh(inbox)) conn_close_starved(self->conn);
  if (self->busy || !inbox_is_unused(inbox)) return;
  if (self->runtime->spare_inbox) {
    inbox_free(inbox);
  } else {
    self->runtime->spare_inbox = inbox;
  }
  self->more->inbox = NULL;
}

bool api_next_fed(struct api_conn **self, conn_receiver receiver, enum handler handler) {
  const char *bytes;
  size_t size;
  for (;;) {
    api_give_back_inbox(*self);
    struct api_conn *next = api_next_received(*self, receiver, handler, &bytes, &size);
    if (!next) return false;
    *self = next;
    if (api_take_inbox(next, bytes, size)) return true;
    conn_close_starved(next->conn);
  }
}
