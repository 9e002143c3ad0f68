/* net/transport/socket.c — what a socket is asked, whoever waits for it. Knows no loop. */
#include "net/transport/socket.h"

#include "base/platform.h"

#include <errno.h>
#include <sys/uio.h>

static int descriptor_of(const struct transport *self) {
  return self->ops->facts->descriptor(self);
}

int socket_local(const struct transport *self, struct sockaddr *out, socklen_t *size) {
  int rc = getsockname(descriptor_of(self), out, size);
  return rc < 0 ? uv_translate_sys_error(errno) : 0;
}

int socket_peer(const struct transport *self, struct sockaddr *out, socklen_t *size) {
  int rc = getpeername(descriptor_of(self), out, size);
  return rc < 0 ? uv_translate_sys_error(errno) : 0;
}

int socket_tcp_info(const struct transport *self, struct platform_tcp *out) {
  return platform_tcp_read(descriptor_of(self), out);
}

int socket_error(const struct transport *self) {
  int error = 0;
  socklen_t size = sizeof error;
  int rc = getsockopt(descriptor_of(self), SOL_SOCKET, SO_ERROR, &error, &size);
  return rc < 0 ? 0 : uv_translate_sys_error(error);
}

size_t socket_unread(const struct transport *self) {
  return platform_unread_bytes(descriptor_of(self));
}

/* Nothing is queued below a connection's output, so that FIN goes out behind all of it. */
int socket_finish(struct transport *self) {
  return shutdown(descriptor_of(self), SHUT_WR) < 0 ? uv_translate_sys_error(errno) : 0;
}

/* A uv_buf_t is a struct iovec, as its documentation says. */
ssize_t socket_write(int fd, const uv_buf_t *bufs, unsigned count) {
  ssize_t taken;
  do {
    if (count == 1) {
      taken = platform_send(fd, bufs->base, bufs->len);
    } else {
      const struct msghdr message = {.msg_iov = (struct iovec *)(void *)bufs, .msg_iovlen = count};
      taken = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
  } while (taken < 0 && errno == EINTR);
  if (taken >= 0) return taken;
  return errno == EAGAIN || errno == ENOBUFS ? 0 : uv_translate_sys_error(errno);
}
