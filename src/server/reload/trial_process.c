/* server/reload/trial_process.c — the child process of a trial: its start, its time, its end. Knows nothing
 * of scripts.
 *
 * The child leads a process group of its own. When its time is up it is asked to say where it is, by
 * SIGTERM, and ends itself with its group; if it does not, SIGKILL follows. It counts as ended when
 * it was waited for and its records have come to their end, for these two come in any order. */
#include "server/reload/trial_process.h"

#include "base/home.h"
#include "base/platform.h"
#include "net/loop.h"
#include "net/process.h"
#include "server/reload/trial_state.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum {
  SAY_MS = 1000, /* to say where it is */
  DIE_MS = 1000, /* after SIGKILL: unless a file system holds it, for which nobody waits */
  TEXT_BYTES = 1024,
  STDIO_COUNT = TRIAL_TEXTS_FD + 1,
  /* Two ends each of records, errors and libuv's own pipe to the child that is not yet one; two of
   * them stay open. */
  DESCRIPTORS = 6,
};

struct trial_process {
  uv_process_t uv;
  uv_timer_t timer;
  uv_pipe_t records;
  uv_pipe_t errors;
  unsigned open_count;                       /* of these handles */
  const struct trial_process_events *events; /* NULL: nobody cares any more */
  void *context;
  struct trial_exit exit;
  bool has_exited;
  bool records_ended;
  bool was_killed;
  char record[2 * TRIAL_RECORD_BYTES_MAX];
  size_t record_size;
  char piece[TEXT_BYTES];    /* as it was read from stderr */
  char text[TEXT_BYTES + 1]; /* the end of what it wrote to stderr */
  size_t text_size;
};

static void process_on_closed(uv_handle_t *handle) {
  struct trial_process *process = handle->data;
  if (--process->open_count == 0) free(process);
}

static void close_one(void *handle) {
  if (!uv_is_closing(handle)) uv_close(handle, process_on_closed);
}

static void close_all(struct trial_process *process) {
  close_one(&process->uv);
  close_one(&process->timer);
  close_one(&process->records);
  close_one(&process->errors);
}

/* Cuts `text` to its last line that is not empty. */
static const char *last_line(char *text, size_t size) {
  while (size > 0 && text[size - 1] == '\n') size--;
  text[size] = '\0';
  const char *newline = strrchr(text, '\n');
  return newline ? newline + 1 : text;
}

static void process_keep_text(struct trial_process *process, const char *bytes, size_t size) {
  if (size > TEXT_BYTES) size = TEXT_BYTES; /* never: a piece is no longer */
  size_t kept = TEXT_BYTES - size < process->text_size ? TEXT_BYTES - size : process->text_size;
  memmove(process->text, process->text + process->text_size - kept, kept);
  memcpy(process->text + kept, bytes, size);
  process->text_size = kept + size;
}

/* What it wrote last may still be in the pipe; a child of its own may hold that open. */
static void read_last_text(struct trial_process *process) {
  uv_os_fd_t fd;
  char bytes[TEXT_BYTES];
  ssize_t got;
  if (uv_fileno((uv_handle_t *)&process->errors, &fd) < 0) return;
  for (int i = 0; i < 64 && (got = read(fd, bytes, sizeof bytes)) > 0; i++) {
    process_keep_text(process, bytes, (size_t)got);
  }
}

static void process_settle(struct trial_process *process) {
  if (!process->has_exited || !process->records_ended || uv_is_closing((uv_handle_t *)&process->uv))
    return;
  read_last_text(process);
  process->exit.last_words = last_line(process->text, process->text_size);
  const struct trial_process_events *events = process->events;
  process->events = NULL;
  close_all(process);
  if (events) events->on_exit(process->context, &process->exit);
}

static void process_on_exit_of(uv_process_t *uv, int64_t code, int signal) {
  struct trial_process *process = uv->data;
  process->has_exited = true;
  process->exit.code = (int)code;
  process->exit.signal = signal;
  process_settle(process);
}

/* --- What it says ---------------------------------------------------------------------------- */

static void allocate_record(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  (void)suggested;
  struct trial_process *process = handle->data;
  if (process->record_size == sizeof process->record)
    process->record_size = 0; /* no record of ours */
  *buffer = uv_buf_init(process->record + process->record_size,
                        (unsigned)(sizeof process->record - process->record_size));
}

static void take_records(struct trial_process *process) {
  char *start = process->record;
  char *end = process->record + process->record_size;
  char *zero;
  while (process->events && (zero = memchr(start, '\0', (size_t)(end - start)))) {
    process->events->on_record(process->context, start);
    start = zero + 1;
  }
  process->record_size = (size_t)(end - start);
  memmove(process->record, start, process->record_size);
}

static void process_on_records(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer) {
  (void)buffer;
  struct trial_process *process = stream->data;
  if (got < 0) {
    uv_read_stop(stream);
    process->records_ended = true;
    process_settle(process);
    return;
  }
  process->record_size += (size_t)got;
  take_records(process);
}

static void allocate_text(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  (void)suggested;
  struct trial_process *process = handle->data;
  *buffer = uv_buf_init(process->piece, sizeof process->piece);
}

static void process_on_text(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer) {
  if (got > 0) process_keep_text(stream->data, buffer->base, (size_t)got);
  if (got < 0) uv_read_stop(stream);
}

/* --- Its time -------------------------------------------------------------------------------- */

static void process_on_undead(uv_timer_t *timer) {
  close_all(timer->data);
}

/* Nothing has waited for it yet, so the group is still its own. */
static void kill_group(struct trial_process *process) {
  if (!process->has_exited) kill(-process->uv.pid, SIGKILL);
}

static void process_on_silence(uv_timer_t *timer) {
  kill_group(timer->data);
}

static void process_on_time_up(uv_timer_t *timer) {
  struct trial_process *process = timer->data;
  if (process->has_exited) return;
  process->exit.timed_out = true;
  uv_process_kill(&process->uv, SIGTERM);
  uv_timer_start(timer, process_on_silence, SAY_MS, 0);
}

void trial_process_extend(struct trial_process *process, uint64_t limit_ms) {
  if (process->exit.timed_out || process->was_killed) return;
  uv_update_time(process->timer.loop); /* the loop may have been busy since its last look */
  uv_timer_start(&process->timer, process_on_time_up, limit_ms, 0);
}

void trial_process_kill(struct trial_process *process) {
  process->events = NULL;
  process->was_killed = true;
  kill_group(process);
  uv_timer_start(&process->timer, process_on_undead, DIE_MS, 0);
}

/* --- Its start ------------------------------------------------------------------------------- */

static uv_stdio_container_t pipe_from(uv_pipe_t *pipe) {
  return (uv_stdio_container_t){
      .flags = (uv_stdio_flags)(UV_CREATE_PIPE | UV_WRITABLE_PIPE),
      .data.stream = (uv_stream_t *)pipe,
  };
}

static void init(struct trial_process *process, uv_loop_t *loop) {
  uv_timer_init(loop, &process->timer);
  uv_pipe_init(loop, &process->records, 0);
  uv_pipe_init(loop, &process->errors, 0);
  process->uv.data = process->timer.data = process;
  process->records.data = process->errors.data = process;
  process->open_count = 4;
}

/* A server without a free descriptor has what it keeps back for this. */
static int spawn(struct trial_process *process, struct net_loop *loop, const char *const *arguments,
                 const struct home *home, int texts_fd) {
  char found[PATH_MAX];
  const char *program = platform_own_image();
  if (!program) {
    net_process_own_program(found, sizeof found);
    program = found;
  }
  uv_stdio_container_t stdio[STDIO_COUNT] = {{.flags = UV_IGNORE}, {.flags = UV_IGNORE}};
  stdio[STDERR_FILENO] = pipe_from(&process->errors);
  stdio[TRIAL_FD] = pipe_from(&process->records);
  stdio[TRIAL_TEXTS_FD] = (uv_stdio_container_t){.flags = texts_fd < 0 ? UV_IGNORE : UV_INHERIT_FD,
                                                 .data.fd = texts_fd};
  const uv_process_options_t options = {
      .exit_cb = process_on_exit_of,
      .file = program,
      .args = (char **)(uintptr_t)arguments,
      .cwd = home_path(home),
      .env = home_environment(home),
      .flags = UV_PROCESS_DETACHED, /* a group of its own */
      .stdio = stdio,
      .stdio_count = STDIO_COUNT,
  };
  net_loop_lend_spares(loop, DESCRIPTORS);
  int rc = uv_spawn(net_loop_uv(loop), &process->uv, &options);
  (void)net_loop_refill_spares(loop);
  if (rc == 0)
    rc = uv_read_start((uv_stream_t *)&process->records, allocate_record, process_on_records);
  if (rc == 0) rc = uv_read_start((uv_stream_t *)&process->errors, allocate_text, process_on_text);
  return rc;
}

int trial_process_start(struct net_loop *loop, const char *const *arguments,
                        const struct home *home, int texts_fd,
                        const struct trial_process_events *events, void *context,
                        struct trial_process **out) {
  struct trial_process *process = calloc(1, sizeof *process);
  if (!process) return UV_ENOMEM;
  process->events = events;
  process->context = context;
  init(process, net_loop_uv(loop));
  int rc = spawn(process, loop, arguments, home, texts_fd);
  if (rc < 0) {
    close_all(process);
    return rc;
  }
  *out = process;
  return 0;
}
