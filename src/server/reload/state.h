/* server/reload/state.h — a reload under way, for server/reload*.c and server/server.c only. */
#pragma once

#include "base/list.h"
#include "server/paths.h"

#include <uv.h>

struct server;

/* A script that is to be loaded: for the first time, or anew. */
struct candidate {
  char *path;
  bool is_tried;
  unsigned edition; /* of what it was tried with: script_edition() */
  bool is_done;     /* loaded, or refused, in this round */
  bool is_loaded;   /* it was loaded to ask other workers, and that gave `rc`, */
  bool is_asked;    /* and they were */
  bool was_absent;  /* no script was there, but `script`, until that is among the server's */
  int rc;
  struct script *script;  /* the same; or NULL */
  char *refusal;          /* why it must not be loaded, behind its path; NULL: it may be */
  char *traceback;        /* to that; NULL: there is none */
  int error;              /* the errno, when it is not to blame for that; or 0 */
  struct source *sources; /* what it consisted of when it was tried */
  size_t source_count;
};

/* From what changed, or was asked for, to what became of it. What is asked for meanwhile joins. */
struct reload_round {
  bool is_open;
  bool rescans_next; /* the served directories are to be looked at again */
  bool is_ending;    /* what is in force here comes into force in other workers */
  bool has_room;     /* they were asked to let go what was removed */
  bool any_left;     /* something was let go here */
  bool is_told;      /* the supervisor was told that a reload is under way */
  struct candidate *candidates;
  size_t count;
  struct script_paths found; /* the scripts that there are, when that was looked at */
  bool is_complete;          /* there is no other one */
  struct trial *trial;       /* NULL: none is under way */
  struct trial_script *trying;
  size_t *trying_at; /* their places among the candidates */
  unsigned tries;
  struct list waiters;  /* struct reload_waiter */
  bool impossible_told; /* that trials cannot be had */
  uv_timer_t again;     /* for what failed for want of descriptors */
  uint64_t again_ms;    /* the time that it waited last */
};

/* server/reload/round.c */
void reload_round_init(struct server *server); /* with the loop */
/* Does what is due, now or when it was tried. */
void reload_round_go_on(struct server *server);
void reload_round_on_names(void *context);          /* a struct server: hosts have been looked up */
void reload_round_on_copies(struct server *server); /* other workers have answered */
/* Gives up what is under way. Whoever waits is told so. */
void reload_round_stop(struct server *server);
void reload_round_close(struct server *server); /* after that, with the loop */
/* Of this round; NULL: it is not to be loaded. */
struct candidate *reload_round_find(const struct server *server, const char *path);

/* server/reload/reload.c */
/* The script that is served from there, and stays; or NULL. */
struct script *reload_script_at(const struct server *server, const char *path);
/* Lets those go that were removed, and the welcome page, when another worker `serves`. */
void reload_make_room(struct server *server, bool serves);
/* Another worker gave up an address, or serves something now, or no more. */
void reload_on_news(struct server *server);
/* A file of the script changed; if it is its own, that counts from now on, whatever somebody tried. */
void reload_note_change(struct script *script, const char *path);
/* Lets those go that are not among what the round found. */
void reload_let_go(struct server *server);
/* Takes on what the round found, between two events. */
void reload_apply(struct server *server);
