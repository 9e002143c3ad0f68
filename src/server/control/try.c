/* server/control/try.c — the commands try and untry: a script whose text is in memory, and in no file. */
#include "base/log.h"
#include "net/loop.h"
#include "server/control/find.h"
#include "server/server_state.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES_MAX = 128 * 1024 };

/* One command, until it is answered. */
struct trying {
  struct reload_waiter waiter;
  struct control_client *client;
  char *path;
  char *error;   /* why it is not in force; NULL: it is */
  bool is_told;  /* what became of it */
  bool was_gone; /* it was that the script was removed */
  bool is_waited_for;
  bool is_answered;
};

static void try_tell(void *context, const struct reload_result *result) {
  struct trying *trying = context;
  if (strcmp(result->path, trying->path) != 0 || trying->is_told) return;
  trying->is_told = true;
  trying->was_gone = result->outcome == RELOAD_REMOVED;
  if (result->outcome == RELOAD_FAILED) trying->error = strdup(result->error);
  const struct script *script =
      trying->was_gone ? NULL : reload_script_at(trying->client->control->server, trying->path);
  struct script_status status = {0};
  if (script) script_status(script, &status);
  control_put(trying->client,
              json_pack("{s:o, s:s, s:I, s:b}", "script", control_text(result->path), "outcome",
                        reload_outcome_name(result->outcome), "version",
                        (json_int_t)result->version, "in_memory", status.is_in_memory));
}

static void try_answer(struct trying *trying) {
  struct control_client *client = trying->client;
  trying->is_answered = true;
  if (client->control->server->phase != SERVING) {
    control_refuse_change(client);
  } else if (!trying->is_told || trying->was_gone) {
    control_fail(client, "%s is not served any more", trying->path);
  } else if (trying->error) {
    control_fail(client, "%s", trying->error);
  } else {
    control_ok(client);
  }
}

/* A reload that was under way when the command came may have ended without it: then there is another one. */
static void try_on_done(void *context) {
  struct trying *trying = context;
  struct control_client *client = trying->client;
  const struct script *script = reload_script_at(client->control->server, trying->path);
  if (!trying->is_told && script && script->is_trying &&
      client->control->server->phase == SERVING) {
    server_await_reload(client->control->server, &trying->waiter);
    return;
  }
  try_answer(trying);
  if (!trying->is_waited_for) return;
  struct net_loop *loop = client->control->loop;
  control_end(client);
  net_loop_flush(loop); /* it comes from another worker, or a process, and not from an event */
}

static void try_end(void *state) {
  struct trying *trying = state;
  if (!trying->is_answered) server_reload_forget(&trying->waiter);
  free(trying->error);
  free(trying->path);
  free(trying);
}

/* NULL after an answer. */
static struct trying *trying_new(const struct control_call *call, const struct script *script) {
  struct trying *trying = calloc(1, sizeof *trying);
  if (trying) trying->path = strdup(script->path);
  if (!trying || !trying->path) {
    free(trying);
    control_fail(call->client, "not enough memory");
    return NULL;
  }
  trying->client = call->client;
  trying->waiter = (struct reload_waiter){.each = try_tell, .done = try_on_done, .context = trying};
  log_about(call->client->control->log, LOG_INFO, script->path, 0, "command %s", call->name);
  return trying;
}

static void wait_for(struct trying *trying) {
  if (trying->is_answered) {
    try_end(trying);
    return;
  }
  trying->is_waited_for = true;
  const struct control_job job = {.end = try_end, .state = trying, .answers_later = true};
  control_begin(trying->client, &job);
}

/* The script that may be changed now; or NULL after an answer. */
static struct script *find_changeable(const struct control_call *call) {
  const struct server *server = call->client->control->server;
  struct script *script = control_find_script(call, call->words[0].text);
  if (!script) return NULL;
  if (script->is_copy) {
    control_ok(call->client); /* the worker where its home is answers */
  } else if (server->phase != SERVING || server_is_upgrading(server)) {
    control_refuse_change(call->client);
  } else if (script->is_trying) {
    control_fail(call->client, "another change of %s is being tried: ask again when that has ended",
                 script->runtime.script);
  } else {
    return script;
  }
  return NULL;
}

void control_try(const struct control_call *call) {
  const struct word *text = &call->words[1];
  if (text->size > TEXT_BYTES_MAX) {
    control_fail(
        call->client,
        "the text has %zu bytes: in memory a script has at most %d; write it into its file",
        text->size, TEXT_BYTES_MAX);
    return;
  }
  struct script *script = find_changeable(call);
  if (!script) return;
  struct trying *trying = trying_new(call, script);
  if (!trying) return;
  const int error =
      server_try(call->client->control->server, script, text->text, text->size, &trying->waiter);
  if (error == 0) {
    wait_for(trying);
    return;
  }
  control_fail(call->client, "%s cannot be read (%s), and so no change of it be tried",
               trying->path, strerror(error));
  trying->is_answered = true;
  try_end(trying);
}

void control_untry(const struct control_call *call) {
  struct script *script = find_changeable(call);
  if (!script) return;
  if (!script->runtime.memory) {
    control_fail(call->client, "%s is in force as its file has it: there is nothing to undo",
                 script->runtime.script);
    return;
  }
  struct trying *trying = trying_new(call, script);
  if (!trying) return;
  server_untry(call->client->control->server, script, &trying->waiter);
  wait_for(trying);
}
