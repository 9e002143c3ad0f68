/* base/platform.h — what systems have each in their own way, and some do not have at all. Knows no server.
 *
 * Linux has it in platform/linux*.c; any other system, and -DMOONPORT_PORTABLE=ON, in
 * platform/portable.c, which knows POSIX only. A port is one file in place of that: docs/porting.md.
 *
 * What is missing says so: a call fails with ENOTSUP, or tells that nothing is known, and
 * platform_lacks names it for `moonport --version`. Where it is not said otherwise a call is as
 * those of POSIX: -1 and errno. */
#pragma once

#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

/* What this build does not have, and what follows from that, to the first without a name. */
struct platform_lack {
  const char *name;
  const char *consequence;
};
extern const struct platform_lack platform_lacks[];

/* --- Descriptors, which no program that is started gets ------------------------------------------ */

/* Non-blocking, unless the caller waits. */
int platform_socket(int family, int type, bool waits);
int platform_socketpair(int type, bool waits, int ends[2]);
int platform_pipe(bool waits, int ends[2]);
/* Non-blocking, as accept4(2) does it in one call. */
int platform_accept(int listening, struct sockaddr *peer, socklen_t *size);
/* As recvmsg(2): so are the descriptors that come with it. */
ssize_t platform_receive(int fd, struct msghdr *message, int flags);
/* A file that has no name. */
int platform_memory_file(const char *name);
/* One that does nothing but take its place among those a process may have. */
int platform_spare(void);
/* Of a directory that need not be readable. */
int platform_open_directory(const char *path);
/* The open file of `fd` once more, for writing, with flags of its own: without waiting. */
int platform_reopen(int fd);
void platform_close_from(int first);

/* --- Files --------------------------------------------------------------------------------------- */

/* Where the path leads, without opening what is there. 0 or a negative errno. */
int platform_place(const char *path, bool follows, char out[PATH_MAX], bool *is_process_memory);
/* True unless its file system answers out of this machine's own memory and disks. */
bool platform_may_hang(const char *path);
/* What mounts_read() is to read; NULL: mounts are not told. */
const char *platform_mounts_file(void);

/* --- Sockets ------------------------------------------------------------------------------------- */

extern const bool platform_has_abstract_sockets; /* unix:@NAME */

struct platform_peer {
  pid_t pid;
  uid_t uid;
  gid_t gid;
};
/* Who is at the other end of a Unix socket. */
int platform_peer(int fd, struct platform_peer *out);

/* What the kernel knows of a connection: TCP_INFO and the queues of tcp(7). */
struct platform_tcp {
  const char *state; /* "established", "close-wait", …: static text */
  uint32_t rtt_us;   /* smoothed round-trip time */
  uint32_t rtt_variation_us;
  uint32_t retransmits;       /* segments sent again, since the connection began */
  uint32_t unacked;           /* segments sent and not acknowledged */
  uint32_t lost;              /* segments thought lost */
  uint32_t congestion_window; /* segments */
  uint32_t send_mss;          /* bytes in a segment */
  uint32_t receive_space;     /* bytes the kernel offers the peer, about */
  uint64_t receive_window;    /* bytes it offers now; EVENT_UNKNOWN: the kernel is older than 6.2 */
  uint64_t peer_window;       /* bytes the peer offers; EVENT_UNKNOWN: it is older than 5.4 */
  uint64_t unread;            /* platform_unread_bytes() */
  uint64_t in_flight;         /* bytes that went to the peer, and are not acknowledged */
  uint64_t unsent;            /* bytes that the kernel took, and has not sent yet */
  uint64_t bytes_in;          /* that came, read or not: on the wire, so with TLS its records */
};
/* 0 or a negative errno: -ENOTSUP also on a Unix socket. */
int platform_tcp_read(int fd, struct platform_tcp *out);

/* Of a listening socket: connections that nobody has accepted yet, and how many may wait. */
struct platform_backlog {
  uint32_t waiting, limit;
};
/* The same. */
int platform_backlog_read(int fd, struct platform_backlog *out);

/* As recv(2) and send(2), with MSG_DONTWAIT and MSG_NOSIGNAL. */
ssize_t platform_recv(int fd, void *buffer, size_t size);
ssize_t platform_send(int fd, const void *bytes, size_t size);

/* Bytes that arrived, and that nobody has read yet; 0 where the kernel does not tell. */
uint64_t platform_unread_bytes(int fd);
/* Bytes that the kernel took, and the peer has not acknowledged; 0 likewise. */
uint64_t platform_unacknowledged_bytes(int fd);

/* Whether the kernel keeps what is left of this connection in TIME_WAIT: 1, and for how long; 0: no; or a
 * negative errno. */
int platform_time_wait(const struct sockaddr *local, const struct sockaddr *peer,
                       uint64_t *left_ms);

/* Of `count` sockets that share an address, numbered in the order in which they began to listen, those
 * whose bit is set get new connections, by chance. Of datagrams each peer has one of all sockets by its
 * address, and if that is not among them, another one: so a peer stays where it is while others come and
 * go. `fd` is any of them. 0, or an errno: it is as it was before. */
int platform_steer(int fd, int type, unsigned count, uint64_t among);

/* --- Datagrams ----------------------------------------------------------------------------------- */

struct platform_message {
  struct msghdr msg_hdr;
  unsigned msg_len; /* bytes that were received, or sent */
};
/* Several at once. How many; -1: not even the first. */
int platform_receive_many(int fd, struct platform_message *messages, unsigned count);
int platform_send_many(int fd, struct platform_message *messages, unsigned count);

/* Only what is sent to a group that it has joined is heard, not to those that others have. */
int platform_hear_joined(int fd, int family);
/* With each datagram that comes it is told to which address of IPv4 it was sent. */
int platform_tell_own(int fd);
/* What a part of a message says of that; false: nothing. */
bool platform_read_own(const struct cmsghdr *part, struct in_addr *own, struct in_addr *to);
/* Makes `message`, which has room for PLATFORM_OWN_BYTES, leave from there. */
enum { PLATFORM_OWN_BYTES = CMSG_SPACE(16) };
void platform_put_own(struct msghdr *message, const struct in_addr *own);
/* Datagrams for which a socket's buffer had no room so far. */
uint32_t platform_lost(int fd);

/* --- Processes ----------------------------------------------------------------------------------- */

/* This program as it was started, to start what is there now. False: it cannot be told. */
bool platform_find_program(char *out, size_t size);
/* What starts it also when its file was replaced or removed; NULL: nothing does. */
const char *platform_own_image(void);
/* This process gets the signal when its parent has ended. */
int platform_end_with_parent(int number);
/* What its descendants leave behind becomes its own child. */
void platform_adopt_orphans(void);
/* When memory is out, it goes first. */
void platform_prefer_as_victim(void);

struct platform_facts {
  double started_s;       /* since 1970; 0: unknown */
  int64_t resident_bytes; /* -1: unknown */
};
void platform_facts_read(struct platform_facts *out);
int64_t platform_descriptors(void); /* that are open; -1: unknown */

/* Bytes that nobody can guess, up to 256. Early at boot the kernel has none yet, and one waits, or has -1. */
int platform_random(void *bytes, size_t size, bool waits);

/* --- Signals and time ---------------------------------------------------------------------------- */

struct platform_signal {
  int number;
  bool is_of_terminal; /* which sends it to the whole group */
};
/* Whether a terminal, or the kernel otherwise, sent it. */
bool platform_is_of_terminal(const siginfo_t *info);
const char *platform_signal_name(int number); /* "SEGV"; NULL: it is not known */
/* A descriptor that is readable while one of these signals, which are blocked, is to be read. */
int platform_signals_open(const sigset_t *set);
bool platform_signals_read(int fd, struct platform_signal *out);
/* Closes it where the process that opened it is another one. */
void platform_signals_leave(int fd);

/* Interrupts the thread that made it, by SIGNAL of one's own, again and again: one in a process. */
struct platform_ticker *platform_ticker_new(void (*on_tick)(void *context), void *context);
void platform_ticker_free(struct platform_ticker *ticker);
/* Every so many ms, up to 999, the first in as many; 0: no more. Also from on_tick(). */
void platform_ticker_set(struct platform_ticker *ticker, long ms);
