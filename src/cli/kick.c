/* cli/kick.c — `moonport kick ID`: closes one connection of a running server. */
#include "cli/answer.h"
#include "cli/prints.h"
#include "cli/table.h"

#include <stdio.h>

void print_kick(const struct answer *answer) {
  (void)printf("connection %lld %s\n", (long long)answer_number(answer->last, "id"),
               answer_flag(answer->last, "at_once") ? "is closed at once" : "closes");
}

int kick_command(const struct command_call *call) {
  const char *const words[] = {"kick", call->words[0]};
  struct answer answer;
  int code = answer_ask(call, words, 2, &answer);
  if (code != EXIT_DONE) {
    return code;
  }
  if (answer_is_for_people(call) && answer_flag(answer.last, "ok")) {
    print_kick(&answer);
  }
  return answer_end(call, &answer);
}
