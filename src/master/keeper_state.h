/* master/keeper_state.h — the sockets that are kept, for master/keeper*.c only. */
#pragma once

#include "base/list.h"
#include "base/worker.h"
#include "master/keeper.h"
#include "net/bind.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct kept_one {
  struct bound_socket bound;
  unsigned owner;   /* number of the worker; 0: it gave it up, or never had it */
  unsigned adopter; /* of the one that serves it in the owner's place; 0: none does */
};

/* All sockets of one address. */
struct kept {
  struct list link;
  uint32_t id;
  int type;
  char *script;
  char *
      given; /* as it was written, when port 0 was asked for: with `index` that is the name; or NULL */
  unsigned index;
  struct sockaddr_storage address; /* as bound */
  socklen_t address_bytes;
  unsigned count;
  uint64_t users;     /* bit i: worker i + 1 listens there */
  uint64_t held;      /* the same; its version is not in force yet, so it does not accept */
  uint64_t stale;     /* the same; it did so before it was started again, and did not ask again */
  bool inherits_file; /* of a Unix path, which another process's keeper has made */
  bool is_arranged;
  uint64_t steered_to; /* bit i: sockets[i] gets new connections; 0: all do, as the kernel likes */
  struct kept_one sockets[WORKERS_MAX];
};

struct keeper {
  struct list all;
  uint32_t last_id;
  uint64_t serving; /* as keeper_arrange() was last told */
};

/* master/keeper.c */
void keeper_close(struct kept *kept);

static inline uint64_t bit_of(unsigned number) {
  return UINT64_C(1) << (number - 1);
}

static inline struct kept *kept_of(struct list *link) {
  return LIST_ELEMENT(link, struct kept, link);
}
