/* server/control/state.h — the control socket's fields, for its own files only. */
#pragma once

#include "base/control_address.h"
#include "net/conn.h"
#include "server/control/client.h"

struct word;

enum { CONTROL_STREAMS_MAX = 24 };

struct control {
  struct server *server;
  /* Runs the command that the first of these words names, or answers that there is none. */
  void (*run)(struct control_client *client, const struct word *words, size_t count);
  struct net_loop *loop;
  struct log *log;
  struct mesh *mesh;            /* to the other workers; NULL: there are none */
  const struct worker *worker;  /* NULL: the same */
  struct listener *listener;    /* NULL once closed, or when it accepts nowhere */
  struct control_address place; /* where it is */
  struct net_defer *defer;      /* the turn in which clients with more to do go on */
  struct conn_group
      clients; /* an ordinary group of connections; their owners are control_clients */
  struct conn_group
      relayed;            /* the same; what a worker, or this one, asks for a client of its own */
  struct conn_group legs; /* the other ends of those; their owners are in ask.c */
  uint64_t opened_ms;
  struct net_timer *patience; /* at the end, with who has not asked yet; NULL before */
  uint64_t drains_ms;         /* since when that is */
};

/* One peer, as long as its connection. */
struct control_client {
  struct control *control;
  struct conn *conn;
  uint64_t heard_ms; /* when it last said something; a timeout of the connection leaves it alone */
  char *input;       /* bytes that are no command yet; NULL when there are none */
  size_t start;      /* where they begin */
  size_t size;
  size_t capacity;
  bool skipping; /* the rest of a line that is too long */
  bool finished; /* the peer sent FIN */
  bool has_asked;
  bool has_job;
  struct control_job job;
};

/* client.c. Of a client of another worker, or of this one: it is asked what is here. */
bool control_is_relayed(const struct control_client *client);

/* From the connection. */
void control_client_received(struct control_client *client, const char *bytes, size_t size);
void control_client_finished(struct control_client *client);
/* Does what there is to do next: one command, or one step of a job. */
void control_client_go_on(struct control_client *client);
/* Whether its job is one that ends when the client goes. */
bool control_client_streams(const struct control_client *client);
/* Whether it has asked something that is not answered yet, or nothing at all so far. */
bool control_client_is_awaited(const struct control_client *client);
/* Ends its job, if there is one. */
void control_client_end_job(struct control_client *client);
