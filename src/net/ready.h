/* net/ready.h — which sockets are ready, from an epoll set of our own, and whose turn it is. For net/
 * only. */
#pragma once

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct net_loop;
struct ready_set;

/* For who does not know epoll: EPOLLIN, for as long as there is something; EPOLLET, or nothing. */
#define READY_INPUT UINT32_C(1)
#define READY_NOTHING (UINT32_C(1) << 31)

/* Part of what is watched. With EPOLLET readiness is told once, when it comes to be: who does not use it
 * up has to remember it, and ask for another turn. */
struct ready {
  void (*on_turn)(struct ready *self); /* may ask for the next one, and free it */
  struct list link;                    /* while it has a turn to come */
  uint32_t events;                     /* of epoll, since the last turn: its owner clears them */
  int fd;                              /* its owner's, who has the room here */
};

#ifdef MOONPORT_DIRECT
/* From now on it is what runs the loop. False: memory or descriptors are out. */
bool ready_set_open(struct net_loop *loop);
void ready_set_close(struct net_loop *loop); /* when nothing is left to run for */

void ready_init(struct ready *ready, void (*on_turn)(struct ready *self));
/* 0 or UV_E*. What is ready already is told, too; ready_watch_again() makes sure of that once more. */
int ready_watch(struct net_loop *loop, struct ready *ready, int fd, uint32_t events);
int ready_watch_again(struct net_loop *loop, struct ready *ready, int fd, uint32_t events);
/* Before the descriptor is closed: a child that has it too would keep it in the set. */
void ready_unwatch(struct net_loop *loop, int fd);
/* It gets a turn, in the loop's next one. */
void ready_ask(struct net_loop *loop, struct ready *ready);
/* It gets one turn more, before the loop's timers fire: once, and it was unwatched. */
void ready_end(struct net_loop *loop, struct ready *ready);
/* One more, or one less, for which the loop is to run on. */
void ready_keep(struct net_loop *loop, int change);
#else /* loop->ready is always NULL, and none of these is called */
static inline void ready_init(struct ready *ready, void (*on_turn)(struct ready *self)) {
  (void)ready, (void)on_turn;
}
static inline int ready_watch(struct net_loop *loop, struct ready *ready, int fd, uint32_t events) {
  (void)loop, (void)ready, (void)fd, (void)events;
  return -1;
}
static inline int ready_watch_again(struct net_loop *loop, struct ready *ready, int fd,
                                    uint32_t events) {
  return ready_watch(loop, ready, fd, events);
}
static inline void ready_unwatch(struct net_loop *loop, int fd) {
  (void)loop, (void)fd;
}
static inline void ready_ask(struct net_loop *loop, struct ready *ready) {
  (void)loop, (void)ready;
}
static inline void ready_end(struct net_loop *loop, struct ready *ready) {
  (void)loop, (void)ready;
}
static inline void ready_keep(struct net_loop *loop, int change) {
  (void)loop, (void)change;
}
#endif
