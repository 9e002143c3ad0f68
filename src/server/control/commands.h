/* server/control/commands.h — the commands of the control socket, as one table. */
#pragma once

#include "base/words.h"
#include "server/control/state.h"

/* Where there are several workers: who has what a command is about. */
enum command_reach {
  REACH_HERE,   /* whoever was asked */
  REACH_ALL,    /* each of them */
  REACH_CONN,   /* who has the connection that the first word names; without one, the master */
  REACH_SCRIPT, /* who has the script that the first word names */
  REACH_STREAM, /* each of them, and who comes later */
};

struct control_call {
  struct control_client *client;
  const char *name;         /* of the command */
  enum command_reach reach; /* of the command */
  const struct word *words; /* what follows the name */
  size_t word_count;
};

/* Runs the command that the first word names, or answers that there is none; `count` >= 1. */
void control_run(struct control_client *client, const struct word *words, size_t count);

/* A new command is one row of the table in commands.c, and one function. */
void control_status(const struct control_call *call);
void control_metrics(const struct control_call *call);
void control_health(const struct control_call *call);
void control_conns(const struct control_call *call);
void control_kick(const struct control_call *call);
void control_pause(const struct control_call *call);
void control_resume(const struct control_call *call);
void control_step(const struct control_call *call);
void control_send(const struct control_call *call);
void control_finish(const struct control_call *call);
void control_reset(const struct control_call *call);
void control_tcp(const struct control_call *call);
void control_fault(const struct control_call *call);
void control_scripts(const struct control_call *call);
void control_versions(const struct control_call *call);
void control_source(const struct control_call *call);
void control_eval(const struct control_call *call);
void control_events(const struct control_call *call);
void control_try(const struct control_call *call);
void control_untry(const struct control_call *call);
void control_reload(const struct control_call *call);
void control_upgrade(const struct control_call *call);
void control_shutdown(const struct control_call *call);

/* Answers why nothing can be changed now: the server ends, or an upgrade is under way. */
void control_refuse_change(struct control_client *client);
