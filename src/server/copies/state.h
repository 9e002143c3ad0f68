/* server/copies/state.h — what the files of server/copies/ know of each other. */
#pragma once

#include "base/list.h"
#include "base/worker.h"
#include "net/mesh.h"
#include "server/copies/copies.h"

#include <limits.h>
#include <stdint.h>
#include <uv.h>

struct version;

enum copy_what {
  COPY_HELLO,    /* to all: I have loaded my scripts */
  COPY_GREETED,  /* to who said so: what you are to have came before this */
  COPY_PREPARE,  /* load it, and say whether it can be put in force */
  COPY_READY,    /* yes */
  COPY_REFUSED,  /* no: the text is why */
  COPY_COMMIT,   /* put it in force */
  COPY_DONE,     /* it is */
  COPY_ABORT,    /* do not */
  COPY_DROP,     /* let it go */
  COPY_HAS,      /* to a home that starts again: I have a copy of that */
  COPY_CHANGED,  /* to a home: that file of it changed */
  COPY_NEWS,     /* to all: what listens here has changed */
  COPY_ROOM,     /* to all: let go what was removed, and with `workers` the welcome page */
  COPY_HAS_ROOM, /* it is */
};

/* How each message begins; then come the path and a text. */
struct copy_head {
  uint64_t id; /* of the question */
  uint32_t what;
  uint32_t number;  /* of the version */
  uint32_t workers; /* in how many it is to be */
  uint32_t path_size;
};

struct copy_message {
  struct copy_head head;
  char path[PATH_MAX];
  int fd;           /* came with it; or -1 */
  const char *text; /* not ended by 0 */
  size_t text_size;
};

enum ask_stage { ASK_PREPARING, ASK_READY, ASK_REFUSED, ASK_COMMITTED };

/* A script on its way into other workers. */
struct ask {
  struct list link;
  uint64_t id;
  char *path;
  char *refusal;
  enum ask_stage stage;
  bool is_late;     /* the version is in force at home, and only one worker lacks it */
  uint32_t number;  /* of the version */
  uint32_t workers; /* in how many it is to be */
  uint64_t asked;   /* a bit for each worker */
  uint64_t awaited; /* of those */
  uint64_t came;    /* started meanwhile, and may lack what is in force */
  uint64_t ends_ms; /* who has not answered by then will not */
  uint32_t generations[WORKERS_MAX]; /* of whom was asked; 0: it was not there */
  uint32_t sent[WORKERS_MAX];        /* the same, whether it was or not */
};

enum copy_stage { COPY_IDLE, COPY_AWAITS_NAMES, COPY_LOADED, COPY_SAME };

/* A script here whose home is in another worker. */
struct copy {
  struct list link;
  struct script *script;
  unsigned home;
  enum copy_stage stage;
  uint64_t id; /* of the question that it is in that stage for */
  uint32_t workers;
  uint64_t ends_ms;
  struct texts *texts; /* of them; NULL: they are read, or have been loaded */
  char *sources;       /* as the question has them */
  size_t sources_size;
};

/* What another worker has in force of a script whose home starts again here. */
struct given {
  struct list link;
  struct texts *texts;
  char path[];
};

struct copies {
  struct server *server;
  const struct copies_hooks *hooks;
  void (*on_time)(uv_timer_t *timer); /* ten times a second while something has an end */
  const struct worker *worker;
  struct mesh *mesh;
  uint64_t id_last;
  struct list asks;    /* struct ask */
  struct list held;    /* struct copy */
  struct list given;   /* struct given */
  struct list unsent;  /* struct unsent */
  struct list waiting; /* connections for scripts that are not in force yet */
  uint64_t lost;       /* connections that found no descriptor here, so far */
  uint64_t told_ms;    /* when that was told last; 0: never */
  uint64_t room_id;    /* of the last COPY_ROOM */
  uint64_t room_awaited;
  uint64_t room_ends_ms;
  uint64_t last_ms;  /* when nothing comes any more, for it drains; 0: it does not */
  uint64_t greeted;  /* whose COPY_HELLO came */
  uint64_t answered; /* whose COPY_GREETED */
  uv_timer_t timer;  /* runs while something has an end */
  char buffer[MESH_BYTES_MAX];
};

static inline uint64_t copies_bit(unsigned number) {
  return (uint64_t)1 << (number - 1);
}

/* server/copies/message.c */
struct copies_text {
  const char *path;
  const char *text; /* NULL: none */
  size_t size;
};
/* The same with a descriptor, which stays the caller's. */
void copies_send_file(struct copies *copies, unsigned to, const struct copy_head *head,
                      const struct copies_text *text, int fd);
/* Sends it now, or when the other has room; what does not fit into a message is cut. */
void copies_send(struct copies *copies, unsigned to, const struct copy_head *head,
                 const struct copies_text *text);
void copies_send_all(struct copies *copies, const struct copy_head *head);
void copies_forget_unsent(struct copies *copies);
void copies_on_room(void *context, unsigned to);
/* False: it is none. */
bool copies_read(const char *bytes, size_t size, struct copy_message *out);
/* The files that a version has read, for a message; into the buffer. */
size_t copies_write_sources(const struct version *version, char *out, size_t size);
/* Whether each file that `version` has read is among those, the same. */
bool copies_has_sources(const struct version *version, const char *sources, size_t size);

/* Looks ten times a second whether somebody's time is over. */
void copies_watch_time(struct copies *copies);
/* It has begun, and has not ended. */
bool copies_is_there(const struct copies *copies, unsigned number);

/* server/copies/facts.c */
uint64_t copies_hash(const char *path);

/* server/copies/lead.c */
void lead_let_go(struct copies *copies, struct script *script);
void lead_on_hello(struct copies *copies, unsigned from);
void lead_on_answer(struct copies *copies, unsigned from, const struct copy_message *message);
void lead_on_has(struct copies *copies, unsigned from, const struct copy_message *message);
void lead_on_changed(struct copies *copies, const struct copy_message *message);
void lead_on_has_room(struct copies *copies, unsigned from, uint64_t id);
/* True: somebody is awaited. */
bool lead_on_time(struct copies *copies);
void lead_free(struct copies *copies);

/* server/copies/follow.c */
void follow_on_hello(struct copies *copies, unsigned from);
void follow_on_prepare(struct copies *copies, unsigned from, const struct copy_message *message);
void follow_on_commit(struct copies *copies, unsigned from, const struct copy_message *message);
void follow_on_abort(struct copies *copies, const struct copy_message *message);
void follow_on_drop(struct copies *copies, const struct copy_message *message);
/* It has been let go here. */
void follow_forget(struct copies *copies, struct script *script);
bool follow_on_time(struct copies *copies);
void follow_free(struct copies *copies);

/* server/copies/hand_over.c */
/* A script has come into force. */
void hand_over_take_waiting(struct copies *copies);
void hand_over_begin(const struct copies *copies);
bool hand_over_on_time(struct copies *copies);
void hand_over_free(struct copies *copies);
void hand_over_on_message(void *context, unsigned from, const char *bytes, size_t size, int fd);
