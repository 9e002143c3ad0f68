/* server/server_state.h — the server's fields, for its own files only. */
#ifndef MOONPORT_SERVER_SERVER_STATE_H
#define MOONPORT_SERVER_SERVER_STATE_H

#include "server/notify.h"
#include "server/script.h"
#include "server/server.h"

#include <uv.h>

struct activation;
struct control;
struct net_defer;

enum phase { SERVING, DRAINING, CLOSING, ENDING };

struct server {
  struct server_options options;
  struct script_options script_options;
  struct net_loop *loop;
  struct vm_watchdog *watchdog;
  struct control *control;       /* NULL: none */
  struct activation *activation; /* NULL: the supervisor opened no socket */
  struct notify notify;
  struct net_defer *turn; /* for what must not happen inside an event: server_on_turn() */
  struct script **scripts;
  size_t script_count;
  enum phase phase;
  bool handles_open;
  bool sources_changed; /* since the watch was last told which files there are */
  uv_signal_t on_term;
  uv_signal_t on_int;
  uv_signal_t on_hup;
  uv_timer_t deadline;
  uv_prepare_t
      log_check; /* before the loop sleeps: is there a log line that could not be written? */
  uv_timer_t log_retry;
};

/* Takes it over; -1 when memory is out, and then it did not. */
int server_append_script(struct server *server, struct script *script);

/* server/reload.c */
void server_on_turn(void *server);
void server_sources_changed(void *server);
/* Frees, in the next turn, the scripts that were removed and have no connection left. */
void server_free_left(struct server *server);

#endif
