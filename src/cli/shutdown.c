/* cli/shutdown.c — `moonport shutdown`: lets a running server drain and end. */
#include "cli/answer.h"
#include "cli/prints.h"
#include "cli/shown.h"
#include "cli/table.h"

void print_shutdown(const struct answer *answer) {
  (void)printf("the server is ");
  shown_print(stdout, answer_text(answer->last, "phase"));
  (void)putchar('\n');
}

int shutdown_command(const struct command_call *call) {
  const char *const words[] = {"shutdown"};
  struct answer answer;
  int code = answer_ask(call, words, 1, &answer);
  if (code != EXIT_DONE) {
    return code;
  }
  if (answer_is_for_people(call) && answer_flag(answer.last, "ok")) {
    print_shutdown(&answer);
  }
  return answer_end(call, &answer);
}
