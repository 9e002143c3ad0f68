/* server/control/commands.c — the table of commands, and which row a line means. */
#include "server/control/commands.h"

#include "base/text.h"
#include "server/control/front.h"

#include <string.h>

enum { SHOWN_BYTES_MAX = 60 };

static void run_help(const struct control_call *call);
static void run_ping(const struct control_call *call);

struct command {
  const char *name;
  const char *usage;   /* what follows the name; "" for nothing */
  const char *summary; /* one line, no full stop */
  size_t words_min;    /* fewer are an error */
  size_t words_max;    /* more are an error */
  void (*run)(const struct control_call *call);
  enum command_reach reach;
};

static const struct command commands[] = {
    {"help", "[COMMAND]", "tell every command, or one", 0, 1, run_help, REACH_HERE},
    {"ping", "", "answer, and do nothing else", 0, 0, run_ping, REACH_ALL},
    {"status", "", "show the scripts and the process", 0, 0, control_status, REACH_ALL},
    {"metrics", "", "tell what is counted, a line for each sample (docs/metrics.md)", 0, 0,
     control_metrics, REACH_ALL},
    {"health", "", "say whether the server is serving, and what is in the way", 0, 0,
     control_health, REACH_ALL},
    {"conns", "[FIELD=PATTERN...]",
     "list connections; fields: id, script, peer, listener, state, direction", 0, 16, control_conns,
     REACH_ALL},
    {"events", "[conn=ID] [event=NAME,...] [script=PATTERN] [peer=PATTERN] [bytes=N|all]",
     "show what the sockets and the scripts do, until the client hangs up", 0, 16, control_events,
     REACH_STREAM},
    {"pause", "ID", "stop reading a connection: the kernel's buffers fill, then its window closes",
     1, 1, control_pause, REACH_CONN},
    {"resume", "ID", "read it again", 1, 1, control_resume, REACH_CONN},
    {"step", "ID", "hand one chunk of a paused connection to its handler", 1, 1, control_step,
     REACH_CONN},
    {"send", "ID TEXT", "send these bytes to the peer, as the script would", 2, 2, control_send,
     REACH_CONN},
    {"reset", "ID", "drop what is queued, send RST and close", 1, 1, control_reset, REACH_CONN},
    {"kick", "ID", "close a connection gracefully; a second time, at once", 1, 1, control_kick,
     REACH_CONN},
    {"tcp", "ID", "show what the kernel knows about a TCP connection", 1, 1, control_tcp,
     REACH_CONN},
    {"fault", "ID [split=BYTES] [delay=TIME] | off",
     "cut the input into pieces, and delay each, as a network may", 2, 3, control_fault,
     REACH_CONN},
    {"scripts", "", "list the scripts by the names that eval and versions take", 0, 0,
     control_scripts, REACH_ALL},
    {"versions", "[SCRIPT]", "list the versions that are in use", 0, 1, control_versions,
     REACH_SCRIPT},
    {"source", "SCRIPT [VERSION]", "show its Lua files as the version in force read them", 1, 2,
     control_source, REACH_SCRIPT},
    {"eval", "[SCRIPT] CODE", "run Lua in a script's state, and show what it returns", 1, 2,
     control_eval, REACH_SCRIPT},
    {"try", "SCRIPT TEXT",
     "put this text in force in place of the script's file, which stays as it is", 2, 2,
     control_try, REACH_SCRIPT},
    {"untry", "SCRIPT", "put in force again what is in its file", 1, 1, control_untry,
     REACH_SCRIPT},
    {"reload", "", "reload the scripts, and report what became of each", 0, 0, control_reload,
     REACH_ALL},
    {"upgrade", "[SECONDS]",
     "start the program's file anew, hand it the sockets when it is ready, and drain", 0, 1,
     control_upgrade, REACH_HERE},
    {"shutdown", "[ID]",
     "drain and end, as SIGTERM does; with an ID, only send FIN on that connection", 0, 1,
     control_shutdown, REACH_CONN},
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static const struct command *commands_find(const struct word *name) {
  for (size_t i = 0; i < COMMAND_COUNT; i++) {
    const struct command *command = &commands[i];
    if (strlen(command->name) == name->size && memcmp(command->name, name->text, name->size) == 0) {
      return command;
    }
  }
  return NULL;
}

static void commands_refuse_name(struct control_client *client, const struct word *name) {
  const char *names[COMMAND_COUNT];
  for (size_t i = 0; i < COMMAND_COUNT; i++) names[i] = commands[i].name;
  const char *nearest = text_nearest(name->text, names, COMMAND_COUNT);
  const char *shown_end = name->size > SHOWN_BYTES_MAX ? "..." : "";
  if (nearest) {
    control_fail(client, "there is no command \"%.*s%s\": did you mean %s?", SHOWN_BYTES_MAX,
                 name->text, shown_end, nearest);
  } else {
    control_fail(client, "there is no command \"%.*s%s\": help lists them", SHOWN_BYTES_MAX,
                 name->text, shown_end);
  }
}

/* It comes from outside, and there are other workers. */
static bool is_for_several(const struct control_client *client) {
  return client->control->worker && !control_is_relayed(client);
}

void control_run(struct control_client *client, const struct word *words, size_t count) {
  const struct command *command = commands_find(&words[0]);
  const struct control_call call = {client, command ? command->name : NULL,
                                    command ? command->reach : REACH_HERE, words + 1, count - 1};
  if (!command) {
    commands_refuse_name(client, &words[0]);
  } else if (call.word_count < command->words_min || call.word_count > command->words_max) {
    control_fail(client, "%s takes %s: write %s%s%s", command->name,
                 call.word_count < command->words_min ? "more words" : "fewer words", command->name,
                 *command->usage ? " " : "", command->usage);
  } else if (command->reach == REACH_HERE || !is_for_several(client)) {
    command->run(&call);
  } else if (command->reach == REACH_STREAM) {
    front_stream(&call);
  } else {
    front_run(&call);
  }
}

static void commands_tell(struct control_client *client, const struct command *command) {
  control_put(client, json_pack("{s:s, s:s, s:s}", "command", command->name, "usage",
                                command->usage, "summary", command->summary));
}

static void run_help(const struct control_call *call) {
  const struct command *about = call->word_count ? commands_find(&call->words[0]) : NULL;
  if (call->word_count && !about) {
    commands_refuse_name(call->client, &call->words[0]);
    return;
  }
  for (size_t i = 0; i < COMMAND_COUNT; i++) {
    if (!about || about == &commands[i]) commands_tell(call->client, &commands[i]);
  }
  control_ok(call->client);
}

static void run_ping(const struct control_call *call) {
  control_ok(call->client);
}
