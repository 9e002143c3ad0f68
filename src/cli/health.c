/* cli/health.c — `moonport health [--ready]`: an exit code for HEALTHCHECK and probes. */
#include "cli/answer.h"
#include "cli/client.h"
#include "cli/prints.h"
#include "cli/shown.h"
#include "cli/table.h"

/* Says what is in the way, a line each. */
static void complain_of(const json_t *obstacles) {
  size_t i = 0;
  const json_t *obstacle = NULL;
  json_array_foreach(obstacles, i, obstacle) {
    if (json_is_string(obstacle)) {
      client_complain("not ready: %s", json_string_value(obstacle));
    }
  }
}

void print_health(const struct answer *answer) {
  (void)printf("%s, ", answer_flag(answer->last, "ready") ? "ready" : "alive");
  shown_print(stdout, answer_text(answer->last, "phase"));
  (void)putchar('\n');
}

int health_command(const struct command_call *call) {
  const char *const words[] = {"health"};
  struct answer answer;
  int code = answer_ask(call, words, 1, &answer);
  if (code != EXIT_DONE) {
    return code;
  }
  bool answered = answer_flag(answer.last, "ok");
  bool ready = answer_flag(answer.last, "ready");
  bool refused = answered && !ready && options_flag(call->options, "ready");
  if (refused) {
    complain_of(json_object_get(answer.last, "obstacles"));
  } else if (answered && answer_is_for_people(call)) {
    print_health(&answer);
  }
  code = answer_end(call, &answer);
  return refused ? EXIT_AT_FAULT : code;
}
