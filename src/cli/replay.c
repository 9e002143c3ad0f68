/* cli/replay.c — `moonport replay RECORDING SCRIPT`: what was recorded, against a script. The work is
 * done in lua/moonport/test/replay.lua. */
#include "cli/settings.h"
#include "cli/table.h"
#include "server/program.h"

#include <inttypes.h>
#include <stdio.h>

static const char code[] = "os.exit(require('moonport.test.replay').run(...))";

int replay_command(const struct command_call *call) {
  char seed[24];
  snprintf(seed, sizeof seed, "%" PRId64, options_number(call->options, "seed"));
  struct log *log = settings_log_new(call->options, LOG_TEXT);
  if (!log) return EXIT_AT_FAULT;
  const char *const words[] = {call->words[0], call->words[1],
                               replay_cuts[options_choice(call->options, "cut")], seed};
  const struct program_options options = {
      .log = log,
      .code = code,
      .words = words,
      .word_count = sizeof words / sizeof words[0],
      .lua_dir = options_string(call->options, "MOONPORT_LUA_DIR"),
  };
  int exit_code = program_run(&options);
  log_free(log);
  return exit_code;
}
