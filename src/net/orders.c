/* net/orders.c — what the master tells a worker that has not asked. */
#include "net/orders.h"

#include "base/passing.h"
#include "base/worker.h"
#include "net/keep_message.h"
#include "net/loop.h"

#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uv.h>

struct orders {
  uv_poll_t poll;
  int fd;
  void (*on_order)(void *context, const struct keep_order *order);
  void *context;
};

static void orders_on_poll(uv_poll_t *poll, int status, int events) {
  struct orders *orders = poll->data;
  struct keep_order order;
  const struct iovec part = {&order, sizeof order};
  int fd = -1;
  (void)events;
  ssize_t size = status < 0 ? -1 : passing_receive(orders->fd, &part, 1, &fd, MSG_DONTWAIT);
  if (size == sizeof order) orders->on_order(orders->context, &order);
  if (fd >= 0) close(fd);            /* none comes */
  if (size == 0) uv_poll_stop(poll); /* the master is gone, and a signal tells that */
}

struct orders *orders_open(struct net_loop *loop, const struct worker *worker,
                           void (*on_order)(void *context, const struct keep_order *order),
                           void *context) {
  struct orders *orders = calloc(1, sizeof *orders);
  if (!orders) return NULL;
  *orders = (struct orders){.fd = worker->orders_fd, .on_order = on_order, .context = context};
  if (uv_poll_init(net_loop_uv(loop), &orders->poll, orders->fd) < 0) {
    free(orders);
    return NULL;
  }
  orders->poll.data = orders;
  uv_unref((uv_handle_t *)&orders->poll);
  (void)uv_poll_start(&orders->poll, UV_READABLE, orders_on_poll);
  return orders;
}

static void orders_on_closed(uv_handle_t *handle) {
  free(handle->data);
}

void orders_close(struct orders *orders) {
  if (orders) uv_close((uv_handle_t *)&orders->poll, orders_on_closed);
}
