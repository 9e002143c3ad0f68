/* server/server_state.h — the server's fields, for its own files only. */
#pragma once

#include "base/durations.h"
#include "net/notify.h"
#include "server/activation.h"
#include "server/end_signals.h"
#include "server/reload/state.h"
#include "server/script.h"
#include "server/server.h"
#include "server/signals.h"

#include <uv.h>

enum {
  CLOSING_MS = 1000, /* for FIN and the last queued bytes, when the drain deadline has passed */
  /* From the deadline until all is closed: in peace, then at once. */
  DEADLINE_LEFT_MS = 2 * CLOSING_MS,
};

enum phase { SERVING, LEAVING, DRAINING, CLOSING, ENDING, CLOSED };

struct server {
  struct server_options options;
  struct script_options script_options;
  struct home *home; /* the paths that it was given go by that */
  struct net_loop *loop;
  struct bus *bus;
  struct bus_mesh *bus_mesh; /* NULL: there are no other workers */
  struct bus_host *bus_host; /* NULL: no broker */
  struct vm_watchdog *watchdog;
  bool freeing;                   /* scripts go one after the other: none is to be looked at */
  struct control *control;        /* NULL: none */
  struct metrics_server *metrics; /* NULL: none */
  struct durations lag;           /* of the loop; measured with --metrics */
  struct activation *activation;  /* NULL: the supervisor opened no socket */
  struct names *names;            /* of the hosts that scripts listen on */
  struct mesh *mesh;              /* to the other workers; NULL: there are none */
  struct copies *copies;          /* of scripts that are in several of them; NULL: the same */
  bool has_news;                  /* for other workers, of what is served */
  struct orders *orders;          /* of the master; NULL: there is none */
  struct notify notify;
  struct upgrade_waiter *waiter; /* of one of several workers: for what the master says of it */
  struct upgrade *upgrade;       /* under way, or done; NULL: neither */
  int place;                     /* where it is said who serves: base/stand_in.h; -1: nowhere */
  int watched; /* the other end, of who was started first and has been replaced; -1 */
  /* Of upgrade.c: hands each listening socket to `visit`; another process has taken them over. */
  void (*export_sockets)(const struct server *server, handover_visit *visit, void *context);
  void (*on_upgraded)(struct server *server, const char *cause);
  /* control_drain(), which is above drain.c */
  size_t (*drain_control)(struct control *control);
  int successor_code;     /* its exit code, if it has ended already */
  pid_t successor;        /* who serves now; 0: this one does, as far as it is up to it */
  struct watch *watch;    /* NULL: none, or it could not be made */
  struct net_defer *turn; /* for what must not happen inside an event: server_on_turn() */
  struct stores *stores;  /* of moonport.shared */
  struct script **scripts;
  size_t script_count;
  enum phase phase;
  volatile bool is_hurried;   /* a second signal came; a signal handler says so */
  volatile bool handles_open; /* the same reads it */
  uint64_t stalls;            /* how often a script held the loop up */
  unsigned stall_ms_max;      /* the longest of them */
  const char **directories;   /* those of options.paths that are such */
  size_t directory_count;
  size_t connections_max; /* what limits.connections add up to, as of server_fit_descriptors() */
  bool is_idle;           /* nothing is served, or only the welcome page, and that was told */
  bool sources_changed;   /* since the watch was last told which files there are */
  bool is_starting;       /* what was loaded is not served yet: it is no time to load it anew */
  struct reload_round round;
  struct end_signals end_signals;
  uv_signal_t on_hup;
  struct signals signals;
  uv_timer_t deadline;
  uv_timer_t beat;      /* shows the master, or the supervisor's watchdog, that the loop turns */
  uv_timer_t lag_probe; /* fires late when the loop is held up */
  uint64_t lag_due_ns;  /* when it is due, by the loop's clock */
  uv_timer_t log_retry; /* a line could not be written: it is tried again before the loop sleeps */
  uv_async_t quiet;     /* no script runs any more, for a while */
};

/* server/server_state.c. Takes it over; -1 when memory is out, and then it did not. */
int server_append_script(struct server *server, struct script *script);

/* server/server_state.c. Whether the script of that path is served by this process, and not by another
 * worker. */
bool server_is_home(const struct server *server, const char *path);

/* server/handles.c */
int server_open_handles(struct server *server);
void server_close_handles(struct server *server);
/* The supervisor's watchdog, if there is one, hears from here on that the loop turns. */
void server_tell_alive(struct server *server);
/* Measures how late the loop is. */
void server_begin_lag_probe(struct server *server);

/* server/start.c */
/* Whether another process was this worker before. */
bool server_starts_again(const struct worker *worker);
/* What is wrong with it, server_judge() knows; -1 when memory is out. */
int server_load_script(struct server *server, const char *path);
/* -1 when one is at fault, and those that are not are not served without it. */
int server_load_scripts(struct server *server, const struct script_paths *paths);
/* 0, or -2 after a log line. */
int server_check_options(const struct server *server);
/* Brings what was loaded into force. 0, -1 after each fault was logged, or -2 as above. */
int server_listen(struct server *server);

/* server/drain.c */
void drain_on_signal(void *context,
                     int number); /* a struct server: it is to end, or to end sooner */
/* Another process serves now: as after SIGTERM and --grace, and the sockets are left to it. */
void drain_hand_over(struct server *server, const char *cause);
/* Ends the loop when it drains and no connection is left. */
void drain_check(struct server *server);

/* server/capacity.c: makes room for what limits.connections add up to now; told when there is not
 * enough. */
void server_fit_descriptors(struct server *server);

/* server/loopback.c: warns, in one line, when this is a container and something is bound so that nobody
 * outside of it can connect. */
void loopback_warn(const struct server *server, struct log *log);

/* server/reload/reload.c */
/* Loads anew each script that is due; then adds what came to the served directories and lets go what
 * left them, where `rescans`. */
void server_reload_due(struct server *server, bool rescans);
/* What became due while it could not be done. */
void server_reload_missed(struct server *server);
void server_free_left_now(struct server *server);
/* Frees, in the next turn, the scripts that were removed and have no connection left. */
void server_free_left(struct server *server);

/* server/reload/follow.c */
/* Begins to look for changes, unless that is off; says which files can hide theirs. */
void server_follow_open(struct server *server);
void server_follow_close(struct server *server);
/* The scripts, or what they consist of, are others now. */
void server_sources_changed(struct server *server);
void server_follow_update(struct server *server);
