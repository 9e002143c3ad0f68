/* server/control/eval.c — the command eval: Lua in a script's state, and its answer as lines.
 *
 * What is printed and returned is told as it comes, and cut: an answer is for somebody who reads
 * it, and one that is too long would cost the client its connection. */
#include "api/evaluate.h"
#include "base/log.h"
#include "server/control/find.h"
#include "server/script.h"

#include <stdlib.h>
#include <string.h>

enum {
  TEXT_BYTES_MAX = 64 * 1024,  /* of one value, or printed line */
  TOLD_BYTES_MAX = 256 * 1024, /* of all of them */
  LINES_MAX = 1000,
  LOGGED_BYTES_MAX = 200,
};

/* One command, until it is answered. */
struct asking {
  struct control_client *client;
  struct evaluation *evaluation; /* while it waits; NULL: it does not */
  size_t told_bytes;
  json_int_t told;
  json_int_t left_out; /* lines for which there was no more room */
  bool is_answered;
};

static void eval_tell(struct asking *asking, const char *what, const char *text, size_t size) {
  size_t room = TOLD_BYTES_MAX - asking->told_bytes;
  size_t shown = size < TEXT_BYTES_MAX ? size : TEXT_BYTES_MAX;
  if (shown > room || asking->told >= LINES_MAX) {
    asking->left_out++;
    return;
  }
  asking->told++;
  asking->told_bytes += shown;
  json_t *line = json_pack("{s:o}", what, control_text_bytes(text, shown));
  if (shown < size) json_object_set_new(line, "size", json_integer((json_int_t)size));
  control_put(asking->client, line);
}

static void eval_on_print(void *owner, const char *text, size_t size) {
  eval_tell(owner, "print", text, size);
}

static void eval_on_result(void *owner, const char *text, size_t size) {
  eval_tell(owner, "result", text, size);
}

static void eval_on_end(void *owner, const char *error, const char *traceback) {
  struct asking *asking = owner;
  bool was_waiting = asking->evaluation != NULL;
  json_t *last = json_pack("{s:b}", "ok", !error);
  if (asking->left_out > 0) {
    json_object_set_new(last, "left_out", json_integer(asking->left_out));
  }
  if (error) json_object_set_new(last, "error", control_text(error));
  if (traceback) json_object_set_new(last, "traceback", control_text(traceback));
  control_put(asking->client, last);
  asking->evaluation = NULL;
  asking->is_answered = true;
  if (was_waiting) control_end(asking->client);
}

/* The job's end, which comes before the answer when the client is gone. */
static void stop_asking(void *state) {
  struct asking *asking = state;
  if (asking->evaluation) api_evaluation_abandon(asking->evaluation);
  free(asking);
}

/* The script to be asked, or NULL after an answer. */
static struct script *find_script(const struct control_call *call) {
  struct script_status status;
  const char *name = call->word_count > 1 ? call->words[0].text : NULL;
  struct script *script = control_find_script(call, name);
  if (!script) return NULL;
  script_status(script, &status);
  if (status.version > 0) return script;
  control_fail(call->client, "%s is not in force: %s", status.path,
               status.reload_error ? status.reload_error : "it did not load");
  return NULL;
}

void control_eval(const struct control_call *call) {
  static const struct evaluation_events events = {
      .on_print = eval_on_print, .on_result = eval_on_result, .on_end = eval_on_end};
  const struct word *code = &call->words[call->word_count - 1];
  struct script *script = find_script(call);
  if (!script) return;
  struct asking *asking = calloc(1, sizeof *asking);
  if (!asking) {
    control_fail(call->client, "not enough memory");
    return;
  }
  asking->client = call->client;
  log_about(call->client->control->log, LOG_INFO, script->path, 0, "command eval: %s: %.*s",
            script->runtime.script, LOGGED_BYTES_MAX, code->text);
  asking->evaluation = api_evaluate(&script->runtime, code->text, code->size, &events, asking);
  if (asking->is_answered) {
    free(asking);
    return;
  }
  const struct control_job job = {.end = stop_asking, .state = asking, .answers_later = true};
  control_begin(call->client, &job);
}
