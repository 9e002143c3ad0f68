/* server/control/commands.h — the commands of the control socket, as one table. */
#ifndef MOONPORT_SERVER_CONTROL_COMMANDS_H
#define MOONPORT_SERVER_CONTROL_COMMANDS_H

#include "base/words.h"
#include "server/control/client.h"

struct control_call {
  struct control_client *client;
  const char *name;         /* of the command */
  const struct word *words; /* what follows the name */
  size_t word_count;
};

/* A new command is one row of the table and one function, declared below. */
struct control_command {
  const char *name;
  const char *usage;   /* what follows the name; "" for nothing */
  const char *summary; /* one line, no full stop */
  size_t words_min;    /* fewer are an error */
  size_t words_max;    /* more are an error */
  void (*run)(const struct control_call *call);
};

extern const struct control_command control_commands[];
extern const size_t control_command_count;

/* Runs the command that the first word names, or answers that there is none; `count` >= 1. */
void control_run(struct control_client *client, const struct word *words, size_t count);

/* control_status.c */
void control_status(const struct control_call *call);
void control_health(const struct control_call *call);
/* control_conns.c */
void control_conns(const struct control_call *call);
/* control_one.c */
void control_kick(const struct control_call *call);
void control_pause(const struct control_call *call);
void control_resume(const struct control_call *call);
void control_step(const struct control_call *call);
void control_send(const struct control_call *call);
void control_finish(const struct control_call *call);
void control_reset(const struct control_call *call);
void control_tcp(const struct control_call *call);
/* control_fault.c */
void control_fault(const struct control_call *call);
/* control_scripts.c */
void control_scripts(const struct control_call *call);
void control_versions(const struct control_call *call);
/* control_eval.c */
void control_eval(const struct control_call *call);
/* taps.c */
void control_events(const struct control_call *call);
/* control_life.c */
void control_reload(const struct control_call *call);
void control_shutdown(const struct control_call *call);

#endif
