/* net/keep.h — what a worker has the master do, which outlives it: sockets that stay open, and which
 * worker a script lives in. Knows no loop; each call waits for the master's answer, which has nothing else
 * to do. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct worker;
struct kept_socket; /* opaque; a socket that the master keeps open */

struct keep_wish {
  const struct sockaddr *address;
  socklen_t address_bytes;
  int type;           /* SOCK_STREAM, SOCK_DGRAM */
  const char *script; /* its path: with the address, by what the socket is found again */
  const char *given;  /* as the script wrote it; with port 0 it is found by that, and */
  unsigned index;     /* which one, of those that it wrote the same */
  unsigned copies;    /* in how many workers the script runs; each has a socket of its own */
  int backlog;
  int interface; /* an IPv4 group's; 0: as the routes say */
  bool beside;   /* others of this server have the port, at other addresses, and share it */
};

/* Opens the socket in the master, or finds it open there: a worker that was started again has what is
 * queued on it. It listens already. *fd is the caller's, *out lives until keep_release(). UV_E* as
 * listener_bind(); UV_EADDRINUSE also when another script of this server has it, whose path is in `holder`
 * then, or "". */
int keep_open(const struct worker *worker, const struct keep_wish *wish, struct kept_socket **out,
              int *fd, char *holder, size_t holder_size);
/* One more has it, and it is now that script's. NULL: NULL. */
struct kept_socket *keep_share(struct kept_socket *kept, const char *script);
/* A descriptor of another worker's socket of that address, as the master has ordered. It is asked for, and does not come
 * with the order: one that is not read yet would keep the port taken when all have given it up. UV_E*. */
int keep_adopt(const struct kept_socket *kept, uint32_t place, int *fd);
/* Who comes may come here from now on: the version that it was opened for is in force. NULL is nothing. */
void keep_tell_serving(const struct kept_socket *kept);
/* Closed in the master when nobody is left, in all workers. NULL is nothing. */
void keep_release(struct kept_socket *kept);
/* Whether other sockets have the address, too, so that its port stays shared. */
bool keep_is_group(const struct kept_socket *kept);
/* By which the master calls it. */
uint32_t keep_id(const struct kept_socket *kept);

/* In which worker that script is to live: where the fewest do. All workers get the same answer, until it is
 * forgotten. 0 or UV_E*. */
int keep_home(const struct worker *worker, const char *script, unsigned *number);
void keep_forget(const struct worker *worker, const char *script);

/* These do not wait. */
void keep_tell_ready(const struct worker *worker); /* also after a reload */
void keep_tell_reloading(const struct worker *worker);
/* The whole server is to end, all its workers. */
void keep_tell_shutdown(const struct worker *worker);
/* Another process is to take its place: the order ORDER_UPGRADE says what became of it. */
void keep_tell_upgrade(const struct worker *worker, uint32_t limit_ms);
