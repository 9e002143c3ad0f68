/* cli/settings.c — the options of a command line as the server takes them. */
#include "cli/settings.h"

#include "base/control_address.h"
#include "base/grants.h"

#include <stdio.h>
#include <unistd.h>

enum { MESSAGE_BYTES = 512 };

struct log *settings_log_new(const struct options *options, enum log_format elsewhere) {
  enum log_format format = (enum log_format)options_choice(options, "log-format");
  if (format == LOG_AUTO && !isatty(STDERR_FILENO)) format = elsewhere;
  struct log *log =
      log_new(STDERR_FILENO, (enum log_level)options_choice(options, "log-level"), format);
  if (!log) fputs("moonport: out of memory\n", stderr);
  return log;
}

int settings_read_grants(const struct command_call *call, struct grants **out) {
  const char *text = options_string(call->options, "allow");
  char error[MESSAGE_BYTES];
  *out = NULL;
  if (!text) return EXIT_DONE;
  if (options_flag(call->options, "unsafe")) {
    return command_refuse(call->command,
                          "--allow bounds what scripts have, and --unsafe lets them out of every "
                          "bound: leave one of them out");
  }
  const char *source = options_given(call->options, "allow") ? "--allow" : "MOONPORT_ALLOW";
  *out = grants_read(text, error, sizeof error);
  return *out ? EXIT_DONE : command_refuse(call->command, "%s %s", source, error);
}

struct server_options settings_read(const struct command_call *call, const struct grants *grants,
                                    struct log *log) {
  return (struct server_options){
      .log = log,
      .paths = call->words,
      .path_count = call->word_count,
      .host = options_string(call->options, "host"),
      .listen = options_string(call->options, "listen"),
      .tls_cert = options_string(call->options, "tls-cert"),
      .tls_key = options_string(call->options, "tls-key"),
      .unsafe = options_flag(call->options, "unsafe"),
      .grants = grants,
      .lua_dir = options_string(call->options, "MOONPORT_LUA_DIR"),
  };
}

int settings_read_control(const struct command_call *call, struct control_address *out,
                          bool *wanted) {
  const char *text = options_string(call->options, "control");
  char error[MESSAGE_BYTES];
  *wanted = !control_address_is_off(text);
  if (*wanted && control_address_read(text, out, error, sizeof error) != 0) {
    return command_refuse(call->command, "%s", error);
  }
  if (*wanted) out->is_exact = options_given(call->options, "control");
  return EXIT_DONE;
}
