/* server/control/upgrade.c — the command upgrade: answered when it is known what became of it. */
#include "base/handover.h"
#include "base/text.h"
#include "server/control/commands.h"
#include "server/server.h"

#include <stdlib.h>

/* One command, until it is answered. */
struct upgrading {
  struct upgrade_waiter waiter;
  struct control_client *client;
  bool is_waited_for;
  bool is_answered;
};

static void upgrading_on_done(void *context, long pid, const char *fault) {
  struct upgrading *upgrading = context;
  struct control_client *client = upgrading->client;
  upgrading->is_answered = true;
  if (fault) {
    control_fail(client, "no upgrade: %s", fault);
  } else {
    control_ok_with(client, json_pack("{s:I}", "pid", (json_int_t)pid));
  }
  if (upgrading->is_waited_for) control_end(client);
}

/* The job's end, which comes before the answer when the client is gone. */
static void upgrading_stop_waiting(void *state) {
  struct upgrading *upgrading = state;
  if (!upgrading->is_answered) {
    server_upgrade_forget(upgrading->client->control->server, &upgrading->waiter);
  }
  free(upgrading);
}

/* False: it was told what the word should be. */
static bool read_limit(const struct control_call *call, int64_t *limit_ms) {
  *limit_ms = UPGRADE_MS;
  if (call->word_count == 0 || text_parse_seconds(call->words[0].text, limit_ms) == 0) return true;
  control_fail(call->client, "upgrade takes how long the new process has to be ready: 10, or 0.5");
  return false;
}

void control_upgrade(const struct control_call *call) {
  struct control_client *client = call->client;
  int64_t limit_ms;
  if (!read_limit(call, &limit_ms)) return;
  struct upgrading *upgrading = calloc(1, sizeof *upgrading);
  if (!upgrading) {
    control_fail(client, "not enough memory");
    return;
  }
  upgrading->client = client;
  upgrading->waiter = (struct upgrade_waiter){.done = upgrading_on_done, .context = upgrading};
  server_upgrade(client->control->server, "command upgrade", limit_ms, &upgrading->waiter);
  if (upgrading->is_answered) {
    free(upgrading);
    return;
  }
  upgrading->is_waited_for = true;
  const struct control_job job = {
      .end = upgrading_stop_waiting, .state = upgrading, .answers_later = true};
  control_begin(client, &job);
}
