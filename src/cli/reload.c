/* cli/reload.c — `moonport reload`: lets a running server take on what changed, and says what became
 * of each script. The exit code is 1 when one failed. */
#include "cli/answer.h"
#include "cli/prints.h"
#include "cli/shown.h"
#include "cli/table.h"

static void print_result(const json_t *result) {
  const json_int_t version = answer_number(result, "version");
  const char *error = answer_text(result, "error");
  shown_print(stdout, answer_text(result, "script"));
  (void)printf(": ");
  shown_print(stdout, answer_text(result, "outcome"));
  if (version > 0) {
    (void)printf(", version %lld is in force", (long long)version);
  }
  if (*error != '\0') {
    (void)printf(": ");
    shown_print_lines(stdout, error);
  }
  (void)putchar('\n');
}

void print_reload(const struct answer *answer) {
  size_t i = 0;
  const json_t *result = NULL;
  json_array_foreach(answer->lines, i, result) {
    print_result(result);
  }
}

int reload_command(const struct command_call *call) {
  const char *const words[] = {"reload"};
  struct answer answer;
  int code = answer_ask(call, words, 1, &answer);
  if (code != EXIT_DONE) {
    return code;
  }
  if (answer_is_for_people(call)) {
    print_reload(&answer);
    (void)fflush(stdout); /* before what answer_end() may say on stderr */
  }
  return answer_end(call, &answer);
}
