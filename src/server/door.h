/* server/door.h — who may come in, and how fast: limits.per_address, limits.accept_rate, allow, deny and
 * proxy_protocol of a script. Counts, and tells who was not let in. Knows no socket. */
#pragma once

#include "server/peer_counts.h"

#include <stdbool.h>
#include <stdint.h>

struct conn;
struct service;

/* Why a connection was reset before its script heard of it. */
enum door_refusal {
  DOOR_PER_ADDRESS, /* limits.per_address */
  DOOR_DENIED,      /* allow, deny */
  DOOR_PROXY,       /* it is not of proxy_protocol */
  DOOR_HEADER,      /* it is, and began with no header */
  DOOR_REFUSAL_COUNT,
};

struct door {
  struct runtime *runtime;
  void (*on_pace)(void *owner); /* accepting goes on */
  void *owner;
  size_t per_address_max; /* limits.per_address; 0: no bound, and nobody counts */
  struct peer_counts peers;
  uint64_t refused[DOOR_REFUSAL_COUNT]; /* so far */
  uint64_t told_ms[DOOR_REFUSAL_COUNT]; /* when the log last said so; 0: never */
  uint64_t paid_until_us;               /* the time for which limits.accept_rate is used up */
  struct net_timer *timer; /* while that is far ahead, and nobody is accepted; or NULL */
  uint64_t slowed;         /* how often that was so */
  uint64_t told_slowed_ms;
};

void door_init(struct door *door, struct runtime *runtime, void (*on_pace)(void *owner),
               void *owner);
/* From now on `service` says who may. */
void door_commit(struct door *door, const struct service *service);
/* Whether who has just connected may come in, or pass on who may: else it is to be refused. */
bool door_admits(struct door *door, const struct sockaddr *peer);
/* The same of whom a proxy passes on. */
bool door_admits_client(struct door *door, const struct conn *conn);
/* A proxy said nothing that can be believed. */
void door_note_fault(struct door *door, const struct conn *conn, const char *fault);
/* It has come in. */
void door_note_accepted(struct door *door, const struct sockaddr *peer, bool by_proxy);
void door_note_gone(struct door *door, const struct conn *conn);
/* Those who come now wait in the kernel's backlog, until on_pace. */
bool door_is_slowed(const struct door *door);
uint64_t door_refused(const struct door *door); /* for any reason */
/* Whether something that may happen often, and was told last at *told_ms, is to be logged now. */
bool door_is_news(const struct door *door, uint64_t *told_ms);
void door_close(struct door *door); /* nobody is let in any more; on_pace never comes */
void door_deinit(struct door *door);
