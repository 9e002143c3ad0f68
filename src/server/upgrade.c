/* server/upgrade.c — another process takes this one's place: it is started, given the sockets, and waited
 * for. Knows the channel of base/handover.h, and not what the new one does with it.
 *
 * starting (the new process asks for one socket after the other, loads the scripts and opens what else they
 * want; here everything goes on but reloads) -> ready (it says so, and serves once it is told to; from then
 * on this one drains). Whatever goes wrong before that is told, the new process is killed, and this one
 * goes on. Time is up, its end, and the end of its channel are the three ways to fail. */
#include "server/upgrade.h"

#include "base/handover.h"
#include "base/home.h"
#include "base/log.h"
#include "base/offering.h"
#include "base/platform.h"
#include "base/stand_in.h"
#include "base/worker.h"
#include "net/keep.h"
#include "net/loop.h"
#include "net/process.h"
#include "server/server_state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  DIE_MS = 1000, /* after its channel has ended, and after SIGKILL */
  TEXT_BYTES = 1024,
  STDIO_COUNT = HANDOVER_ERRORS + 1,
  CODE_OF_SIGNAL = 128, /* as shells tell the end by a signal */
  /* Two ends each of the channel, its errors, the place, and libuv's own pipe. */
  DESCRIPTORS = 8,
};

struct upgrade {
  struct server *server; /* NULL: it has failed, and only its handles are left */
  struct upgrade_waiter *waiter;
  uv_process_t process;
  uv_poll_t channel;
  uv_poll_t errors;
  uv_timer_t timer;
  unsigned open_count; /* of these handles */
  int channel_fd;
  int errors_fd;
  int place_ends[2]; /* made for this upgrade; -1: there is one, or need not be */
  struct offering offering;
  int64_t limit_ms;
  bool is_done; /* the new process serves */
};

/* --- Its end ----------------------------------------------------------------------------------- */

static void upgrade_on_closed(uv_handle_t *handle) {
  struct upgrade *upgrade = handle->data;
  if (--upgrade->open_count > 0) return;
  offering_deinit(&upgrade->offering);
  free(upgrade);
}

/* One that was never opened is of no type. */
static void close_handle(void *handle) {
  if (uv_handle_get_type(handle) == UV_UNKNOWN_HANDLE || uv_is_closing(handle)) return;
  uv_close(handle, upgrade_on_closed);
}

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static void stop_poll(uv_poll_t *poll, int *fd) {
  if (*fd >= 0 && uv_is_active((uv_handle_t *)poll)) uv_poll_stop(poll);
  close_handle(poll);
  close_fd(fd);
}

static void stop_talking(struct upgrade *upgrade) {
  stop_poll(&upgrade->channel, &upgrade->channel_fd);
  stop_poll(&upgrade->errors, &upgrade->errors_fd);
}

static void close_all(struct upgrade *upgrade) {
  stop_talking(upgrade);
  close_handle(&upgrade->timer);
  close_handle(&upgrade->process);
}

static void upgrade_on_undead(uv_timer_t *timer) {
  close_all(timer->data);
}

static void tell_waiter(struct upgrade *upgrade, pid_t pid, const char *fault) {
  struct upgrade_waiter *waiter = upgrade->waiter;
  upgrade->waiter = NULL;
  if (waiter) waiter->done(waiter->context, pid, fault);
}

static void upgrade_fail(struct upgrade *upgrade, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void upgrade_fail(struct upgrade *upgrade, const char *format, ...) {
  struct server *server = upgrade->server;
  char fault[TEXT_BYTES];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(fault, sizeof fault, format, arguments);
  va_end(arguments);
  server->upgrade = NULL;
  upgrade->server = NULL;
  stop_talking(upgrade);
  if (upgrade->place_ends[0] >= 0) server->watched = -1;
  close_fd(&upgrade->place_ends[0]);
  close_fd(&upgrade->place_ends[1]);
  bool lives = uv_is_active((uv_handle_t *)&upgrade->process);
  if (lives) {
    uv_process_kill(&upgrade->process, SIGKILL);
    uv_timer_start(&upgrade->timer, upgrade_on_undead, DIE_MS, 0);
  } else {
    close_all(upgrade);
  }
  log_printf(server->options.log, LOG_ERROR, "no upgrade: %s; this process goes on", fault);
  tell_waiter(upgrade, 0, fault);
  net_loop_flush(server->loop);
  server_reload_missed(server);
}

/* --- What the new process says ----------------------------------------------------------------- */

static int child_id(const struct upgrade *upgrade) {
  return uv_process_get_pid(&upgrade->process);
}

static void upgrade_on_line(void *context, const char *line) {
  const struct upgrade *upgrade = context;
  if (!upgrade->server) return;
  log_printf(upgrade->server->options.log, LOG_WARN, "process %d: %s", child_id(upgrade), line);
}

/* False: there is nothing more now, or ever. */
static bool read_errors(struct upgrade *upgrade) {
  char bytes[TEXT_BYTES];
  ssize_t got = upgrade->errors_fd < 0 ? 0 : read(upgrade->errors_fd, bytes, sizeof bytes);
  if (got > 0) offering_take_text(&upgrade->offering, bytes, (size_t)got);
  if (got == 0 && upgrade->errors_fd >= 0) stop_poll(&upgrade->errors, &upgrade->errors_fd);
  return got > 0;
}

static void upgrade_on_errors(uv_poll_t *poll, int status, int events) {
  (void)status;
  (void)events;
  (void)read_errors(poll->data);
}

static const char *words_of(struct upgrade *upgrade) {
  for (int i = 0; i < 64 && read_errors(upgrade); i++) continue;
  return offering_words(&upgrade->offering);
}

static void upgrade_on_exit(uv_process_t *process, int64_t code, int signal) {
  struct upgrade *upgrade = process->data;
  char how[80];
  if (signal > 0) {
    snprintf(how, sizeof how, "signal %d (%s)", signal, strsignal(signal));
  } else {
    snprintf(how, sizeof how, "exit code %d", (int)code);
  }
  if (upgrade->server && upgrade->is_done) {
    struct server *server = upgrade->server;
    bool as_told = signal == 0 && code == 0;
    if (server->watched >= 0) {
      server->successor = stand_in_latest(server->watched, server->successor);
    }
    if (server->successor == child_id(upgrade)) {
      server->successor_code = signal > 0 ? CODE_OF_SIGNAL + signal : (int)code;
      server->watched = -1; /* there is nobody to stand in for */
    }
    log_printf(server->options.log, as_told ? LOG_INFO : LOG_ERROR,
               "process %d, which took this one's place, has ended with %s", child_id(upgrade),
               how);
  } else if (upgrade->server) {
    const char *words = words_of(upgrade);
    upgrade_fail(upgrade, "process %d ended with %s before it was ready%s%s", child_id(upgrade),
                 how, *words ? ": " : "", words);
  } else {
    close_all(upgrade);
  }
}

static void upgrade_on_time_up(uv_timer_t *timer) {
  struct upgrade *upgrade = timer->data;
  const char *words = words_of(upgrade);
  if (upgrade->channel_fd < 0) {
    upgrade_fail(upgrade, "process %d is no moonport that can take over%s%s", child_id(upgrade),
                 *words ? ": " : "", words);
  } else {
    upgrade_fail(upgrade, "process %d was not ready within %.3g s%s%s", child_id(upgrade),
                 (double)upgrade->limit_ms / 1000, *words ? ": " : "", words);
  }
}

/* --- Its success ------------------------------------------------------------------------------- */

static void retire(struct upgrade *upgrade) {
  struct server *server = upgrade->server;
  char cause[80];
  upgrade->is_done = true;
  if (server->watched >= 0) stand_in_begin();
  uv_timer_stop(&upgrade->timer);
  stop_talking(upgrade);
  close_fd(&upgrade->place_ends[1]);
  snprintf(cause, sizeof cause, "process %d serves now", child_id(upgrade));
  tell_waiter(upgrade, child_id(upgrade), NULL);
  net_loop_flush(server->loop);
  server->on_upgraded(server, cause);
}

static void upgrade_hand_over(struct upgrade *upgrade) {
  struct server *server = upgrade->server;
  const pid_t pid = child_id(upgrade);
  server->successor = pid;
  /* Before it may say that it is ready, for only the main process is listened to. */
  stand_in_announce(server->place, pid);
  if (server->place < 0) notify_main_pid(&server->notify, pid);
  int rc = handover_send(upgrade->channel_fd, "go", -1);
  if (rc == 0) {
    retire(upgrade);
    return;
  }
  server->successor = 0;
  stand_in_announce(server->place, getpid());
  upgrade_fail(upgrade, "process %d was ready, and has gone (%s)", pid, strerror(rc));
}

static void take_message(struct upgrade *upgrade, const char *message) {
  int rc = offering_take(&upgrade->offering, upgrade->channel_fd, message);
  if (rc < 0) {
    upgrade_fail(upgrade, "a socket could not be handed over (%s)", strerror(-rc));
  } else if (rc > 0) {
    upgrade_hand_over(upgrade);
  }
}

static void upgrade_on_channel(uv_poll_t *poll, int status, int events) {
  (void)status;
  (void)events;
  struct upgrade *upgrade = poll->data;
  char message[HANDOVER_BYTES_MAX];
  int fd = -1;
  ssize_t size = handover_receive(upgrade->channel_fd, false, message, &fd);
  if (fd >= 0) close(fd);
  if (size == -EAGAIN || size == -EINTR) return;
  if (size > 0) {
    take_message(upgrade, message);
    return;
  }
  /* It mostly ends now, and then it is known how. */
  stop_poll(&upgrade->channel, &upgrade->channel_fd);
  uv_timer_start(&upgrade->timer, upgrade_on_time_up, DIE_MS, 0);
}

/* --- Its start --------------------------------------------------------------------------------- */

static void collect_offers(struct upgrade *upgrade) {
  const struct server *server = upgrade->server;
  struct offering *offering = &upgrade->offering;
  *offering = (struct offering){.ignores_hangup = server->signals.ignores_hangup,
                                .on_line = upgrade_on_line,
                                .context = upgrade};
  offering_add_place(offering, server->place >= 0 ? server->place : upgrade->place_ends[1]);
  server->export_sockets(server, offering_add, offering);
}

/* Whoever started this process waits for it, unless it is told of another one, or there is process 1
 * to wait for. */
static void make_place(struct upgrade *upgrade) {
  struct server *server = upgrade->server;
  if (server->place >= 0 || server->notify.size > 0 || getppid() == 1) return;
  if (stand_in_open(upgrade->place_ends) == 0) server->watched = upgrade->place_ends[0];
}

/* In this process's group and session: what a terminal sends reaches it, too. */
static int spawn(struct upgrade *upgrade, const char *program, int channel, int errors) {
  const struct server *server = upgrade->server;
  const int fds[STDIO_COUNT] = {STDIN_FILENO, STDOUT_FILENO, errors, channel, STDERR_FILENO};
  uv_stdio_container_t stdio[STDIO_COUNT];
  struct home_visit visit;
  const struct notify *notify = &server->notify;
  char **environment = offering_make_environment(
      home_environment(server->home), notify->size > 0 ? notify->text : NULL, notify->watchdog_us);
  if (!environment) return UV_ENOMEM;
  for (int i = 0; i < STDIO_COUNT; i++) {
    stdio[i] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = fds[i]};
  }
  const uv_process_options_t options = {
      .exit_cb = upgrade_on_exit,
      .file = program,
      .args = (char **)(uintptr_t)server->options.arguments,
      .env = environment,
      .cwd = home_path(server->home),
      .stdio = stdio,
      .stdio_count = STDIO_COUNT,
  };
  upgrade->process.data = upgrade;
  upgrade->open_count++; /* it is initialised even where it fails */
  home_enter(server->home, &visit);
  int rc = uv_spawn(net_loop_uv(server->loop), &upgrade->process, &options);
  home_leave(server->home, &visit);
  offering_free_environment(environment);
  return rc;
}

static int watch(struct upgrade *upgrade, uv_poll_t *poll, int fd, uv_poll_cb on_poll) {
  int rc = uv_poll_init(net_loop_uv(upgrade->server->loop), poll, fd);
  if (rc < 0) return rc;
  poll->data = upgrade;
  upgrade->open_count++;
  return uv_poll_start(poll, UV_READABLE, on_poll);
}

/* Those of the new process are *channel and *errors. 0 or UV_E*. */
static int open_ends(struct upgrade *upgrade, int *channel, int *errors) {
  int pair[2], ends[2];
  int rc = handover_pair(pair);
  if (rc != 0) return uv_translate_sys_error(rc);
  upgrade->channel_fd = pair[0];
  *channel = pair[1];
  if (platform_pipe(true, ends) < 0) return uv_translate_sys_error(errno);
  upgrade->errors_fd = ends[0];
  *errors = ends[1];
  return fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? uv_translate_sys_error(errno) : 0;
}

static int start_child(struct upgrade *upgrade, const char *program) {
  int channel = -1, errors = -1;
  int rc = open_ends(upgrade, &channel, &errors);
  if (rc == 0) rc = watch(upgrade, &upgrade->channel, upgrade->channel_fd, upgrade_on_channel);
  if (rc == 0) rc = watch(upgrade, &upgrade->errors, upgrade->errors_fd, upgrade_on_errors);
  if (rc == 0) rc = spawn(upgrade, program, channel, errors);
  close_fd(&channel);
  close_fd(&errors);
  return rc;
}

/* NULL: nothing is in the way. */
static const char *upgrade_obstacle(const struct server *server) {
  if (server->phase != SERVING) return "the server ends";
  if (server->upgrade) return "one is under way already";
  if (server->round.is_open) return "a reload is under way: ask again when it has ended";
  if (!server->options.arguments) return "it is not known how this process was started";
  return NULL;
}

static void refuse(const struct server *server, const char *cause, const char *why,
                   const struct upgrade_waiter *waiter) {
  log_printf(server->options.log, LOG_WARN, "%s: no upgrade: %s", cause, why);
  if (waiter) waiter->done(waiter->context, 0, why);
}

static struct upgrade *upgrade_new(struct server *server) {
  struct upgrade *upgrade = calloc(1, sizeof *upgrade);
  if (!upgrade) return NULL;
  upgrade->server = server;
  upgrade->channel_fd = upgrade->errors_fd = -1;
  upgrade->place_ends[0] = upgrade->place_ends[1] = -1;
  uv_timer_init(net_loop_uv(server->loop), &upgrade->timer);
  upgrade->timer.data = upgrade;
  upgrade->open_count = 1;
  return upgrade;
}

/* All workers have one master, which is what another process takes the place of. */
static void ask_master(struct server *server, const char *cause, int64_t limit_ms,
                       struct upgrade_waiter *waiter) {
  if (server->phase != SERVING || server_is_upgrading(server) || (waiter && server->waiter)) {
    refuse(server, cause, server->phase != SERVING ? "the server ends" : "one is under way already",
           waiter);
    return;
  }
  server->waiter = waiter;
  keep_tell_upgrade(server->options.worker, limit_ms < UINT32_MAX ? (uint32_t)limit_ms : 0);
}

void upgrade_told(struct server *server, pid_t pid) {
  struct upgrade_waiter *waiter = server->waiter;
  server->waiter = NULL;
  const char *fault = pid > 0 ? NULL : server->options.worker->page->upgrade_fault;
  if (waiter) waiter->done(waiter->context, pid, fault);
  net_loop_flush(server->loop);
  if (pid == 0) server_reload_missed(server);
}

void upgrade_leave(struct server *server, pid_t pid) {
  char cause[80];
  if (server->phase != SERVING) return;
  server->successor = pid;
  snprintf(cause, sizeof cause, "process %ld serves now", (long)pid);
  server->on_upgraded(server, cause);
}

void server_upgrade(struct server *server, const char *cause, int64_t limit_ms,
                    struct upgrade_waiter *waiter) {
  if (server->options.worker) {
    ask_master(server, cause, limit_ms, waiter);
    return;
  }
  char program[TEXT_BYTES];
  const char *obstacle = upgrade_obstacle(server);
  struct upgrade *upgrade = obstacle ? NULL : upgrade_new(server);
  if (!upgrade) {
    refuse(server, cause, obstacle ? obstacle : "memory is out", waiter);
    return;
  }
  net_process_own_program(program, sizeof program);
  server->upgrade = upgrade;
  upgrade->waiter = waiter;
  upgrade->limit_ms = limit_ms;
  net_loop_lend_spares(server->loop, DESCRIPTORS);
  make_place(upgrade);
  collect_offers(upgrade);
  int rc = start_child(upgrade, program);
  (void)net_loop_refill_spares(server->loop);
  if (rc < 0) {
    upgrade_fail(upgrade, "%s cannot be started: %s", program, uv_strerror(rc));
    return;
  }
  log_printf(server->options.log, LOG_INFO, "%s: process %d is started from %s, to take over",
             cause, child_id(upgrade), program);
  if (limit_ms > 0) {
    uv_timer_start(&upgrade->timer, upgrade_on_time_up, (uint64_t)limit_ms, 0);
  }
}

void server_upgrade_forget(struct server *server, const struct upgrade_waiter *waiter) {
  if (server->waiter == waiter) server->waiter = NULL;
  if (server->upgrade && server->upgrade->waiter == waiter) server->upgrade->waiter = NULL;
}

void upgrade_pass_on(struct server *server, int number) {
  if (server->successor == 0 || server->watched < 0) return;
  server->successor = stand_in_latest(server->watched, server->successor);
  (void)kill(server->successor, number);
}

void upgrade_stop(struct server *server) {
  if (server->upgrade && !server->upgrade->is_done) {
    upgrade_fail(server->upgrade, "the server ends");
  }
}

void upgrade_close(struct server *server) {
  upgrade_stop(server);
  if (server->upgrade) close_all(server->upgrade);
  server->upgrade = NULL;
}
