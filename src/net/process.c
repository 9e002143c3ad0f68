/* net/process.c — programs that are started, ended, and waited for. Knows no connection, and no Lua. */
#include "net/process.h"

#include "base/platform.h"
#include "net/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <uv.h>

struct net_process {
  uv_process_t uv;
  void (*on_exit)(void *owner, int code, int signal); /* NULL: nobody wants to know */
  void *owner;
};

static void process_on_closed(uv_handle_t *handle) {
  free(handle->data);
}

static void process_on_exit(uv_process_t *uv, int64_t code, int signal) {
  struct net_process *process = uv->data;
  void (*on_exit)(void *owner, int code, int signal) = process->on_exit;
  process->on_exit = NULL;
  uv_close((uv_handle_t *)uv, process_on_closed);
  if (on_exit) on_exit(process->owner, (int)code, signal);
}

int net_process_start(struct net_loop *loop, const struct net_process_options *options,
                      void (*on_exit)(void *owner, int code, int signal), void *owner,
                      struct net_process **out) {
  struct net_process *process = calloc(1, sizeof *process);
  uv_stdio_container_t stdio[3];
  if (!process) return UV_ENOMEM;
  for (int i = 0; i < 3; i++) {
    int fd = options->descriptors[i];
    stdio[i].flags = fd < 0 ? UV_IGNORE : UV_INHERIT_FD;
    stdio[i].data.fd = fd;
  }
  const uv_process_options_t spawn = {
      .file = options->arguments[0],
      .args = options->arguments,
      .env = options->environ,
      .cwd = options->cwd,
      .flags = UV_PROCESS_DETACHED,
      .stdio = stdio,
      .stdio_count = 3,
      .exit_cb = process_on_exit,
  };
  process->uv.data = process;
  process->on_exit = on_exit;
  process->owner = owner;
  int rc = uv_spawn(net_loop_uv(loop), &process->uv, &spawn);
  if (rc < 0) {
    process->on_exit = NULL;
    uv_close((uv_handle_t *)&process->uv, process_on_closed); /* it is initialised all the same */
    return rc;
  }
  *out = process;
  return 0;
}

int net_process_id(const struct net_process *process) {
  return uv_process_get_pid(&process->uv);
}

int net_process_signal(const struct net_process *process, int signal) {
  return kill(-net_process_id(process), signal) < 0 ? uv_translate_sys_error(errno) : 0;
}

void net_process_end(struct net_process *process) {
  process->on_exit = NULL; /* libuv waits for it, so that it leaves no zombie */
  (void)net_process_signal(process, SIGKILL);
}

void net_process_own_program(char *out, size_t size) {
  if (!platform_find_program(out, size) && uv_exepath(out, &size) < 0) *out = '\0';
}
