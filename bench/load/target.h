/* load/target.h — the address that load is put on. Knows sockets, not what is sent through them. */
#pragma once

#include <stdint.h>
#include <sys/socket.h>

struct target {
  struct sockaddr_storage addr;
  socklen_t addr_size;
};

/* "127.0.0.1:7000", "[::1]:7000", "tcp://…", "/run/x.sock", "unix:…" or "unix://…". 0, or -1. */
int target_parse(const char *text, struct target *out);

/* Begins the connection number `number`. A non-blocking descriptor, or -1 with errno; EAGAIN means
 * that the backlog of a Unix socket is full and that it should be tried again later. */
int target_connect(const struct target *target, uint64_t number);

/* A non-blocking datagram socket that sends there and hears only from there, or -1 with errno. */
int target_open_datagrams(const struct target *target);
