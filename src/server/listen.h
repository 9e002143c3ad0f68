/* server/listen.h — the sockets a script listens on: from its addresses to accepted connections. */
#ifndef MOONPORT_SERVER_LISTEN_H
#define MOONPORT_SERVER_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct runtime;
struct script_options;

struct listen_set {
  struct runtime *runtime;
  const struct script_options *options;
  struct listen_entry **entries; /* one for each socket */
  char **names;                  /* "tcp://127.0.0.1:12345", of the same index */
  size_t count;
  size_t connections_max;
  bool full;                /* paused at connections_max */
  uint64_t told_full_ms;    /* when the log last said so; 0: never */
  uint64_t told_starved_ms; /* the same for running out of descriptors */
};

void listen_set_init(struct listen_set *set, struct runtime *runtime,
                     const struct script_options *options);
/* Whether the addresses can be read and are of a kind there is; 0, or -1 after a log line for each
 * that is not. Opens and looks up nothing. */
int listen_set_check(struct listen_set *set, const char *const *addresses, size_t count);
/* Opens a socket for each address, and each address that a name stands for. 0, or -1 after each
 * fault was logged with what to do. */
int listen_set_open(struct listen_set *set, const char *const *addresses, size_t count,
                    size_t connections_max);
/* A connection has closed: accepts again if that was the limit. */
void listen_set_room(struct listen_set *set);
void listen_set_close(struct listen_set *set); /* stops listening; the names stay */
void listen_set_deinit(struct listen_set *set);

#endif
