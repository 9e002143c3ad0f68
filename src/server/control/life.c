/* server/control/life.c — the commands that change what the server does: reload and shutdown. */
#include "base/text.h"
#include "net/loop.h"
#include "server/control/commands.h"
#include "server/server_state.h"

#include <stdlib.h>

/* One command, until it is answered. */
struct reloading {
  struct reload_waiter waiter;
  struct control_client *client;
  unsigned count;
  unsigned failed;
  bool is_waited_for;
  bool is_answered;
};

static void tell_result(void *context, const struct reload_result *result) {
  struct reloading *reloading = context;
  json_t *line =
      json_pack("{s:o, s:s, s:I}", "script", control_text(result->path), "outcome",
                reload_outcome_name(result->outcome), "version", (json_int_t)result->version);
  if (line && result->outcome == RELOAD_FAILED) {
    reloading->failed++;
    json_object_set_new(line, "error", control_text(result->error));
  }
  reloading->count++;
  control_put(reloading->client, line);
}

void control_refuse_change(struct control_client *client) {
  if (server_is_upgrading(client->control->server)) {
    control_fail(client, "an upgrade is under way: reload when it has ended");
    return;
  }
  control_fail(client, "the server is %s: it accepts no more changes",
               server_phase_name(client->control->server));
}

static void life_on_done(void *context) {
  struct reloading *reloading = context;
  struct control_client *client = reloading->client;
  reloading->is_answered = true;
  if (client->control->server->phase != SERVING) {
    control_refuse_change(client);
  } else if (reloading->failed > 0) {
    control_fail(client,
                 "%u of %u script%s could not be reloaded: what was in force before still is",
                 reloading->failed, reloading->count, text_plural(reloading->count));
  } else {
    control_ok(client);
  }
  if (!reloading->is_waited_for) return;
  struct net_loop *loop = client->control->loop;
  control_end(client);
  net_loop_flush(loop); /* it comes from another worker, or a process, and not from an event */
}

/* The job's end, which comes before the answer when the client is gone. */
static void life_stop_waiting(void *state) {
  struct reloading *reloading = state;
  if (!reloading->is_answered) server_reload_forget(&reloading->waiter);
  free(reloading);
}

void control_reload(const struct control_call *call) {
  struct control_client *client = call->client;
  if (client->control->server->phase != SERVING || server_is_upgrading(client->control->server)) {
    control_refuse_change(client);
    return;
  }
  struct reloading *reloading = calloc(1, sizeof *reloading);
  if (!reloading) {
    control_fail(client, "not enough memory");
    return;
  }
  reloading->client = client;
  reloading->waiter =
      (struct reload_waiter){.each = tell_result, .done = life_on_done, .context = reloading};
  server_reload(client->control->server, &reloading->waiter);
  if (reloading->is_answered) {
    free(reloading);
    return;
  }
  reloading->is_waited_for = true;
  const struct control_job job = {
      .end = life_stop_waiting, .state = reloading, .answers_later = true};
  control_begin(client, &job);
}

void control_shutdown(const struct control_call *call) {
  if (call->word_count > 0) {
    control_finish(call);
    return;
  }
  struct server *server = call->client->control->server;
  server_drain(server, "command shutdown");
  control_ok_with(call->client, json_pack("{s:s}", "phase", server_phase_name(server)));
}
