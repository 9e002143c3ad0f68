/* cli/shutdown.c — `moonport shutdown`: lets a running server drain and end. */
#include "cli/answer.h"
#include "cli/shown.h"
#include "cli/table.h"

int shutdown_command(const struct command_call *call) {
  const char *const words[] = {"shutdown"};
  struct answer answer;
  int code = answer_ask(call, words, 1, &answer);
  if (code != EXIT_DONE) {
    return code;
  }
  if (answer_is_for_people(call) && answer_flag(answer.last, "ok")) {
    (void)printf("the server is ");
    shown_print(stdout, answer_text(answer.last, "phase"));
    (void)putchar('\n');
  }
  return answer_end(call, &answer);
}
