/* server/activation.h — sockets that were open before the server started: the supervisor opened them, and
 * handed them down as sd_listen_fds(3) describes, or the process before this one did (base/handover.h). */
#pragma once

#include "base/handover.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct address;
struct log;
struct activation;    /* opaque; all of them. Everything takes NULL for "there are none" */
struct handed_socket; /* opaque; one of them, which lives as long as all */

/* Takes over what LISTEN_FDS names, and takes those variables out of the environment, so that no
 * child believes them. What cannot be listened on is named in a warning. NULL: there are none. */
struct activation *activation_new(struct log *log);
/* Asks the process before this one for its sockets, instead: those that it has from a supervisor, and its
 * own. 0, or -1 after a log line. */
int activation_inherit(struct handover *handover, struct log *log, struct activation **out);
void activation_free(struct activation *activation);

/* Hands each socket of the supervisor to `visit`, with its record. */
void activation_export(const struct activation *activation, handover_visit *visit, void *context);
/* One of those that the process before this one opened by itself for a script; takes it out. False: there is
 * none, or no more. */
bool activation_shift(struct activation *activation, struct left_socket *out);
/* The script of a socket of the process before this one which nobody has taken, and that `is_wanted`; NULL:
 * there is none. */
const char *activation_missed(const struct activation *activation,
                              bool (*is_wanted)(const void *context, const char *script),
                              const void *context);
/* This process serves from now on: its predecessor's own sockets that nobody has taken are closed. */
void activation_settle(struct activation *activation);

/* A `listen` that names no host leaves that to the operator, who has answered by opening a socket:
 * the addresses of all that are on its port, at most `max`. 0 when it names a host, too. */
int activation_find(const struct activation *activation, const struct address *wanted,
                    struct sockaddr_storage *out, socklen_t *sizes, int max);

struct wanted_socket {
  const struct sockaddr *address;
  socklen_t size;
  int type;           /* SOCK_STREAM or SOCK_DGRAM */
  bool picks;         /* port 0: what the same script has got for the same words will do */
  const char *script; /* its path */
  const char *given;
};

/* The socket that is wanted; nobody else gets it until handed_socket_release(). NULL: there is none, or it
 * is taken. */
struct handed_socket *activation_take(struct activation *activation,
                                      const struct wanted_socket *wanted);
/* The control socket that the process before this one had at that place; -1: none. The caller's to close. */
int activation_take_control(struct activation *activation, const char *place);
/* A descriptor of it that is the caller's to close; or UV_E*. A socket of the supervisor's stays open,
 * so that a script which goes away and comes back finds it again. */
int handed_socket_open(struct handed_socket *handed);
/* Whether it goes with its user, and is no socket of the supervisor's. */
bool handed_socket_is_own(const struct handed_socket *handed);
/* The groups that it has joined; NULL: none. */
const char *handed_socket_groups(const struct handed_socket *handed);
/* One more has it. */
struct handed_socket *handed_socket_share(struct handed_socket *handed);
void handed_socket_release(struct handed_socket *handed);

/* Where several workers have the same sockets: adds a bit for each that this one took to `taken`, of 4
 * words. */
void activation_share_taken(const struct activation *activation, _Atomic uint64_t *taken);
/* Warns of each socket that nobody took, neither here nor, unless that is NULL, in `taken`: those who connect
 * to it wait for an answer in vain. */
void activation_report(const struct activation *activation, const _Atomic uint64_t *taken,
                       struct log *log);
