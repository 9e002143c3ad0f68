/* net/loop_life.c — makes a loop with all that hangs off it, and frees it. Nothing in net/ calls it. */
#include "net/loop_state.h"

#include "net/conn_state.h"
#include "net/listener.h"
#include "net/network.h"
#include "net/resolve.h"
#include "net/tls/shared.h"
#include "net/tls/trust.h"
#include "net/transport/socket.h"
#include "net/udp_batch.h"
#include "net/udp_outbox.h"
#include "net/wheel.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void on_abort(int number) {
  static const char text[] = "moonport: not enough memory or descriptors to start\n";
  (void)number;
  ssize_t put = write(STDERR_FILENO, text, sizeof text - 1);
  (void)put; /* there is nobody else to tell */
  _exit(EXIT_FAILURE);
}

/* What it needs once in a process, libuv aborts without. */
static int init_uv(uv_loop_t *uv) {
  const struct sigaction ours = {.sa_handler = on_abort};
  struct sigaction before;
  sigaction(SIGABRT, &ours, &before);
  int rc = uv_loop_init(uv);
  sigaction(SIGABRT, &before, NULL);
  return rc;
}

static void on_starved(struct clock_timer *timer) {
  listener_retry_starved(timer->loop);
}

static void on_shut(struct clock_timer *timer) {
  listener_look_at_shut(timer->loop);
}

static void on_trim(struct clock_timer *timer) {
  if (!conn_trim_outputs(timer->loop)) clock_timer_stop(timer);
}

/* What connections are made of. False: memory or descriptors are out. */
static bool open_sockets(struct net_loop *loop) {
  loop->sockets = &plain_sockets;
#ifdef MOONPORT_DIRECT
  const char *wanted = getenv("MOONPORT_TRANSPORT");
  if (wanted && strcmp(wanted, "uv") == 0) return true;
  if (!ready_set_open(loop)) return false;
  loop->sockets = &direct_sockets;
#endif
  return true;
}

/* Also lets what closes come to its end. More than once: a stop of late ends a run at once. */
static void run_to_end(struct net_loop *loop) {
  do {
    net_loop_run(loop);
  } while (uv_loop_alive(&loop->uv));
}

static struct net_loop *new_loop(bool is_simulated, uint64_t start_ms) {
  struct net_loop *loop = calloc(1, sizeof *loop);
  if (!loop) return NULL;
  char *room = malloc(ROOM_SIZE);
  if (!room) goto free_loop;
  loop->read_buffer = room + ROOM_HEAD;
  if (init_uv(&loop->uv) < 0) goto free_buffer;
  loop->uv.data = loop;
  loop->is_simulated = is_simulated;
  loop->now_ms = start_ms;
  list_init(&loop->timers);
  list_init(&loop->turns);
  loop->wheel = wheel_new(loop, conn_due);
  if (!loop->wheel) goto close_loop;
  if (is_simulated) loop->network = network_new(loop);
  if (is_simulated ? !loop->network : !open_sockets(loop)) goto free_wheel;
  uv_prepare_init(&loop->uv, &loop->prepare); /* always 0 */
  uv_unref((uv_handle_t *)&loop->prepare);
  output_pool_init(&loop->pool);
  list_init(&loop->starved);
  tap_init(&loop->tap);
  list_init(&loop->shut);
  clock_timer_init(&loop->shut_timer, loop, on_shut);
  clock_timer_unref(&loop->shut_timer);
  clock_timer_init(&loop->starved_timer, loop, on_starved);
  clock_timer_unref(&loop->starved_timer);
  turn_init(&loop->turn, loop->ready ? NULL : &loop->uv);
  list_init(&loop->waiting);
  list_init(&loop->crowded);
  clock_timer_init(&loop->trim_timer, loop, on_trim);
  clock_timer_unref(&loop->trim_timer);
  return loop;

free_wheel:
  wheel_close(loop->wheel);
  uv_run(&loop->uv, UV_RUN_DEFAULT);
close_loop:
  uv_loop_close(&loop->uv);
free_buffer:
  free(loop->read_buffer - ROOM_HEAD);
free_loop:
  free(loop);
  return NULL;
}

struct net_loop *net_loop_new(void) {
  return new_loop(false, 0);
}

struct net_loop *net_loop_new_simulated(uint64_t start_ms) {
  return new_loop(true, start_ms);
}

void net_loop_free(struct net_loop *loop) {
  if (loop->is_simulated) (void)net_loop_settle(loop, UINT64_MAX);
  net_loop_close_spares(loop);
  wheel_close(loop->wheel);
  clock_timer_close(&loop->shut_timer, NULL);
  clock_timer_close(&loop->starved_timer, NULL);
  clock_timer_close(&loop->trim_timer, NULL);
  turn_close(&loop->turn);
  if (loop->resolver) resolver_close(loop->resolver);
  uv_close((uv_handle_t *)&loop->prepare, NULL);
  run_to_end(loop);
  tls_shared_free(loop->tls); /* no connection is left that has a part in it */
  trust_free(loop->trust);
  run_to_end(loop);
#ifdef MOONPORT_DIRECT
  if (loop->ready) ready_set_close(loop);
  piped_close(&loop->piped);
#endif
  int rc = uv_loop_close(&loop->uv);
  assert(rc == 0); /* UV_EBUSY: somebody forgot to close a handle */
  (void)rc;
  if (loop->network) network_free(loop->network);
  output_pool_deinit(&loop->pool);
  udp_batch_free(loop->batch);
  udp_outbox_free(loop->outbox);
  free(loop->read_buffer - ROOM_HEAD);
  free(loop);
}
