/* api/receive_main.c — bytes of a connection whose service has no handler for them: `main` reads with
 * recv(), as long as it runs, and what comes besides is dropped. */
#include "api/conn.h"
#include "api/inbox.h"

static void main_received(struct conn *conn, const char *bytes, size_t size) {
  (void)conn;
  (void)bytes;
  (void)size;
}

static bool main_deliver_kept(struct api_conn *self) {
  /* With a frame it is the beginning of a message that somebody may yet ask for. */
  bool framed = self->cohort->version->service.protocol == PROTOCOL_FRAMES;
  if (framed || !self->more->inbox || self->more->inbox->size == 0) return false;
  inbox_consume(self->more->inbox, self->more->inbox->size);
  return true;
}

const struct receiver api_receive_main = {.received = main_received,
                                          .deliver_kept = main_deliver_kept};
