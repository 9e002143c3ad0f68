/* peers/epoll.c — echo, broadcast and datagrams on epoll, without a library. Knows no Lua.
 *
 * Level-triggered, one registration for a connection's life; no option is set on an accepted
 * socket. What one does not take is copied, and until it is gone that connection is not read. */
#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 511, EVENTS_MAX = 1024, CONNECTIONS_MAX = 65536 };
enum { READ_BUFFER_BYTES = 128 * 1024, MAPPED_FROM_BYTES = 32 * 1024 * 1024 };
enum { DATAGRAMS = 64, DATAGRAM_BYTES_MAX = 65536 };

struct conn {
  int fd;
  size_t place; /* in conns */
  char *rest;   /* what the socket did not take; NULL: nothing */
  size_t rest_size;
};

static char buffer[READ_BUFFER_BYTES];
static struct conn *conns[CONNECTIONS_MAX];
static size_t conn_count;
static struct conn *closed[EVENTS_MAX + 1]; /* freed when no event of this turn can name them */
static size_t closed_count;
static int epoll_fd;
static bool broadcasting;

static void check(int rc, const char *what) {
  if (rc >= 0) return;
  fprintf(stderr, "epoll: %s: %s\n", what, strerror(errno));
  exit(EXIT_FAILURE);
}

static void conn_watch(struct conn *conn, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = conn};
  check(epoll_ctl(epoll_fd, operation, conn->fd, &event), "epoll_ctl");
}

static void conn_close(struct conn *conn) {
  close(conn->fd);
  conn->fd = -1;
  conns[conn->place] = conns[--conn_count];
  conns[conn->place]->place = conn->place;
  free(conn->rest);
  if (closed_count <= EVENTS_MAX) closed[closed_count++] = conn;
}

static void conn_keep(struct conn *conn, const char *bytes, size_t size) {
  if (conn->rest == NULL) conn_watch(conn, EPOLL_CTL_MOD, EPOLLOUT);
  char *all = realloc(conn->rest, conn->rest_size + size);
  if (all == NULL) abort();
  memcpy(all + conn->rest_size, bytes, size);
  conn->rest = all;
  conn->rest_size += size;
}

static void conn_send(struct conn *conn, const char *bytes, size_t size) {
  ssize_t sent = conn->rest ? 0 : send(conn->fd, bytes, size, MSG_NOSIGNAL);
  if (sent < 0 && errno == EAGAIN) sent = 0;
  if (sent < 0)
    conn_close(conn);
  else if ((size_t)sent < size)
    conn_keep(conn, bytes + sent, size - (size_t)sent);
}

static void conn_write(struct conn *conn) {
  ssize_t sent = send(conn->fd, conn->rest, conn->rest_size, MSG_NOSIGNAL);
  if (sent < 0 && errno == EAGAIN) return;
  if (sent < 0) {
    conn_close(conn);
    return;
  }
  conn->rest_size -= (size_t)sent;
  memmove(conn->rest, conn->rest + sent, conn->rest_size);
  if (conn->rest_size > 0) return;
  free(conn->rest);
  conn->rest = NULL;
  conn_watch(conn, EPOLL_CTL_MOD, EPOLLIN);
}

static void conn_read(struct conn *conn) {
  ssize_t size = recv(conn->fd, buffer, sizeof buffer, 0);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0)
    conn_close(conn);
  else if (!broadcasting)
    conn_send(conn, buffer, (size_t)size);
  else /* from the last one on: one that is closed gives its place to a later one */
    for (size_t i = conn_count; i > 0; i--) conn_send(conns[i - 1], buffer, (size_t)size);
}

static void accept_all(int listener) {
  int fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    struct conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL || conn_count == CONNECTIONS_MAX) abort();
    conn->fd = fd;
    conn->place = conn_count;
    conns[conn_count++] = conn;
    conn_watch(conn, EPOLL_CTL_ADD, EPOLLIN);
    if (broadcasting) conn_send(conn, "+", 1);
  }
}

static void serve(int listener) {
  static struct epoll_event events[EVENTS_MAX];
  struct epoll_event event = {.events = EPOLLIN};
  check(epoll_fd = epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  check(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event), "epoll_ctl");
  for (;;) {
    int count = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);
    for (int i = 0; i < count; i++) {
      struct conn *conn = events[i].data.ptr;
      if (conn == NULL)
        accept_all(listener);
      else if (conn->fd >= 0 && conn->rest)
        conn_write(conn);
      else if (conn->fd >= 0)
        conn_read(conn);
    }
    while (closed_count > 0) free(closed[--closed_count]);
  }
}

/* As many as there are with one call, and all answers with another. */
static void serve_datagrams(int fd) {
  static char bytes[DATAGRAMS][DATAGRAM_BYTES_MAX];
  static struct sockaddr_in peers[DATAGRAMS];
  static struct iovec pieces[DATAGRAMS];
  static struct mmsghdr messages[DATAGRAMS];
  for (;;) {
    for (int i = 0; i < DATAGRAMS; i++) {
      pieces[i] = (struct iovec){bytes[i], DATAGRAM_BYTES_MAX};
      messages[i].msg_hdr = (struct msghdr){.msg_name = &peers[i],
                                            .msg_namelen = sizeof peers[i],
                                            .msg_iov = &pieces[i],
                                            .msg_iovlen = 1};
    }
    int count = recvmmsg(fd, messages, DATAGRAMS, MSG_WAITFORONE, NULL);
    for (int i = 0; i < count; i++) pieces[i].iov_len = messages[i].msg_len;
    for (int sent = 0, rc; sent < count; sent += rc)
      check(rc = sendmmsg(fd, messages + sent, (unsigned)(count - sent), 0), "sendmmsg");
  }
}

/* On any free port; says which, in the line that bench/run waits for. */
static int open_socket(int type, const char *scheme) {
  struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof addr;
  int fd = socket(AF_INET, type, 0);
  int on = 1;
  check(fd, "socket");
  check(bind(fd, (struct sockaddr *)&addr, size), "bind");
  /* Each accepted socket inherits it. */
  if (strcmp(scheme, "tcp") == 0)
    check(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
  if (strcmp(scheme, "tcp") == 0) check(listen(fd, BACKLOG), "listen");
  check(getsockname(fd, (struct sockaddr *)&addr, &size), "getsockname");
  fprintf(stderr, "listening on %s://127.0.0.1:%d\n", scheme, ntohs(addr.sin_port));
  return fd;
}

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "echo";
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_MMAP_THRESHOLD, MAPPED_FROM_BYTES);
  signal(SIGPIPE, SIG_IGN);
  broadcasting = strcmp(mode, "broadcast") == 0;
  if (strcmp(mode, "udp") == 0)
    serve_datagrams(open_socket(SOCK_DGRAM, "udp"));
  else
    serve(open_socket(SOCK_STREAM | SOCK_NONBLOCK, "tcp"));
}
