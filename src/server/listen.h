/* server/listen.h — the sockets a script listens on: from its addresses to accepted connections. */
#pragma once

#include "server/activation.h"
#include "server/door.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct listen_set {
  struct runtime *runtime;
  const struct script_options *options;
  const char *path;              /* of the script, for people */
  struct listen_entry **entries; /* one for each socket there ever was, by the connections' index */
  char **names;                  /* "tcp://127.0.0.1:12345", of the same index */
  size_t count;
  size_t connections_max;
  struct door door;         /* who may come in */
  size_t workers;           /* of the same script: hands over to them; 0 and 1: there are none */
  size_t workers_next;      /* the same of the version that is prepared */
  unsigned home;            /* the worker that leads it; 0: this one */
  bool is_brought;          /* another worker accepted what is accepted now */
  bool is_quiet;            /* where it listens is told by another worker */
  bool full;                /* paused at connections_max */
  uint64_t told_full_ms;    /* when the log last said so; 0: never */
  uint64_t told_starved_ms; /* the same for running out of descriptors */
};

/* `path`, of the script, is kept. */
void listen_set_init(struct listen_set *set, const char *path, struct runtime *runtime,
                     const struct script_options *options);
/* Whether `service` can be served at these addresses; 0, or -1 after each fault was logged. Opens
 * and looks up nothing. */
int listen_set_check(struct listen_set *set, const struct service *service,
                     const char *const *addresses, size_t count);
/* Begins to look up the hosts among the addresses; true: some answer is not there yet. */
bool listen_set_awaits_names(struct listen_set *set, const char *const *addresses, size_t count);
/* Where a service is to listen from now on. */
struct listen_change {
  struct listen_set *set;
  const struct service *service;
  const char *const *addresses;
  size_t count;
  int rc; /* what became of it: 0; or -1 after each fault was logged with what to do */
};
/* Opens a socket for each address, and each address that a name stands for, where none is open. What
 * is open goes on as before; no name is awaited. Changes that are prepared together may exchange
 * addresses: what one of them gives up, another has. Of one that fails nothing has changed, and the
 * others are done without it. */
void listen_prepare(struct listen_change *changes, size_t count);
/* What keeps `name`, "tcp://127.0.0.1:12345", from being bound, of what is open and stays: the same, or
 * that port on all addresses, or on any when those are wanted. NULL: nothing does. */
const char *listen_set_conflict(const struct listen_set *set, const char *name);
/* Handles the datagrams that have come to sockets that are about to be given up. */
void listen_set_receive_waiting(struct listen_set *set);
/* What was prepared is not to be: closes what was opened for it. */
void listen_give_up_prepared(struct listen_set *set);
/* From now on only those are listened on, within the limits of `service`. */
void listen_set_commit(struct listen_set *set, const struct service *service);
/* Tells which are new since then. */
void listen_set_tell(struct listen_set *set);
/* `gone`, or with NULL something else, has ended: accepts again if that was the limit. */
void listen_set_room(struct listen_set *set, const struct conn *gone);
/* Whether the version in force listens at a socket of that name. */
bool listen_set_serves(const struct listen_set *set, const char *name);
/* A connection that another worker accepted, at the listener of that name. False: there never was one. */
bool listen_set_bring(struct listen_set *set, const char *name, int fd,
                      const struct sockaddr *peer);
/* Serves one more socket of the address that the master calls `id`, in place of the worker that it
 * is of. False: the address is none of these. */
bool listen_set_adopt(struct listen_set *set, uint32_t id, uint32_t place);
/* Not any more. */
void listen_set_return(struct listen_set *set, uint32_t id, uint32_t place);
/* Stops accepting, after those that already connected were accepted. */
void listen_set_drain(struct listen_set *set);
/* Nobody has to be waited for any more (worker_is_held()). */
void listen_set_go_on(struct listen_set *set);
/* server/listen_handover.c. Hands each socket that is this process's own to `visit`, with its record. */
void listen_set_export(const struct listen_set *set, handover_visit *visit, void *context);
/* The files of its Unix sockets are this process's from now on, or another one's. */
void listen_set_own_files(struct listen_set *set, bool on);
/* Closes every socket; the names stay. */
void listen_set_close(struct listen_set *set);
void listen_set_deinit(struct listen_set *set);
struct udp_counts;
/* Of its datagram sockets that are open. */
void listen_set_count_datagrams(const struct listen_set *set, struct udp_counts *out);
/* Calls `visit` with the name of each open socket. */
void listen_set_each(const struct listen_set *set, void (*visit)(void *context, const char *name),
                     void *context);
