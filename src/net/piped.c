/* net/piped.c — bytes from one socket to another by splice(2). Knows no connection. Linux only. */
#include "net/piped.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>
#include <uv.h>

size_t piped_take(struct piped *piped, int fd, size_t max) {
  assert(piped->size == 0);
  bool is_open = piped->ends[1] || pipe2(piped->ends, O_NONBLOCK | O_CLOEXEC) == 0;
  if (!is_open) return 0;
  ssize_t size = splice(fd, NULL, piped->ends[1], NULL, max, SPLICE_F_NONBLOCK);
  piped->size = size > 0 ? (size_t)size : 0;
  return piped->size;
}

ssize_t piped_give(struct piped *piped, int fd) {
  ssize_t size = splice(piped->ends[0], NULL, fd, NULL, piped->size, SPLICE_F_NONBLOCK);
  if (size < 0) return errno == EAGAIN || errno == EINTR ? 0 : uv_translate_sys_error(errno);
  piped->size -= (size_t)size;
  return size;
}

void piped_read(struct piped *piped, char *buffer) {
  while (piped->size > 0) {
    ssize_t size = read(piped->ends[0], buffer, piped->size);
    if (size < 0 && errno == EINTR) continue;
    assert(size > 0);
    buffer += size;
    piped->size -= (size_t)size;
  }
}

void piped_close(struct piped *piped) {
  if (!piped->ends[1]) return;
  close(piped->ends[0]);
  close(piped->ends[1]);
}
