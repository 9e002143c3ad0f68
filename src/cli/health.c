/* cli/health.c — `moonport health [--ready]`: an exit code for HEALTHCHECK and probes.
 *
 * The one command that asks a server in C: probes come every few seconds, also where processor time is
 * scarce, and what they need is one line. */
#include "base/control_peer.h"
#include "base/escape.h"
#include "base/platform.h"
#include "cli/settings.h"
#include "cli/table.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 65536, LINES_MAX = 16, MESSAGE_BYTES = 1024 };

static void print_shown(FILE *out, const char *text) {
  char shown[ESCAPE_SIZE_MAX];
  size_t taken;
  for (size_t size = strlen(text); size > 0; text += taken, size -= taken) {
    fwrite(shown, 1, escape_one(false, text, size, &taken, shown), out);
  }
}

__attribute__((format(printf, 1, 2))) static void complain(const char *format, ...) {
  char message[MESSAGE_BYTES];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  fputs("moonport: ", stderr);
  print_shown(stderr, message);
  fputc('\n', stderr);
}

/* Each call waits so long at most; 0: as long as it takes. */
static bool set_timeouts(int fd, int64_t timeout_ms) {
  const struct timeval timeout = {
      .tv_sec = (time_t)(timeout_ms / 1000),
      .tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000),
  };
  return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0 &&
         setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) == 0;
}

/* The server's process in *pid. False after saying what is wrong. */
static bool reach(int fd, const struct command_call *call, const struct control_address *address,
                  long *pid) {
  char message[CONTROL_MESSAGE_BYTES];
  bool named = options_string(call->options, "control") != NULL;
  if (fd < 0 || !set_timeouts(fd, options_number(call->options, "timeout"))) {
    complain("no socket: %s", strerror(errno));
    return false;
  }
  if (connect(fd, (const struct sockaddr *)&address->sockaddr, address->size) != 0) {
    control_explain(errno, address->text, message);
  } else if (control_is_trusted(fd, address->text, named, pid, message)) {
    return true;
  }
  complain("%s", message);
  return false;
}

/* The next line of the answer. False after saying why there is none. */
static bool read_line(FILE *server, const struct command_call *call, long pid,
                      char line[LINE_BYTES_MAX]) {
  if (fgets(line, LINE_BYTES_MAX, server) && strchr(line, '\n')) {
    line[strcspn(line, "\n")] = '\0';
    return true;
  }
  char shown[32] = "";
  if (pid > 0) snprintf(shown, sizeof shown, " (pid %ld)", pid);
  if (ferror(server) && errno == EAGAIN) {
    complain("the server%s did not answer within %.3g s: a handler may keep it busy; "
             "--timeout waits longer",
             shown, (double)options_number(call->options, "timeout") / 1000);
  } else {
    complain("the server%s hung up before it had answered", shown);
  }
  return false;
}

static void complain_of(const json_t *obstacles) {
  size_t i;
  const json_t *obstacle;
  json_array_foreach(obstacles, i, obstacle) {
    if (json_is_string(obstacle)) complain("not ready: %s", json_string_value(obstacle));
  }
}

/* Says how the server is, and returns the exit code. */
static int judge(const struct command_call *call, const json_t *answer) {
  bool is_json = options_flag(call->options, "json");
  bool ok = json_is_true(json_object_get(answer, "ok"));
  bool ready = json_is_true(json_object_get(answer, "ready"));
  bool refused = ok && !ready && options_flag(call->options, "ready");
  const char *error = json_string_value(json_object_get(answer, "error"));
  const char *phase = json_string_value(json_object_get(answer, "phase"));
  if (refused) {
    complain_of(json_object_get(answer, "obstacles"));
  } else if (ok && !is_json) {
    printf("%s, ", ready ? "ready" : "alive");
    print_shown(stdout, phase ? phase : "");
    putchar('\n');
  } else if (!is_json) {
    complain("%s", error ? error : "");
  }
  return ok && !refused ? EXIT_DONE : EXIT_AT_FAULT;
}

/* Asks, and reads up to the line that ends the answer. An exit code. */
static int ask(FILE *server, const struct command_call *call, long pid) {
  static const char command[] = "health\n";
  char line[LINE_BYTES_MAX];
  /* A server that refuses us says why before it hangs up: that is to be read. */
  send(fileno(server), command, sizeof command - 1, MSG_NOSIGNAL);
  for (int i = 0; i < LINES_MAX; i++) {
    if (!read_line(server, call, pid, line)) return EXIT_AT_FAULT;
    json_t *answer = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    bool is_last = json_is_boolean(json_object_get(answer, "ok"));
    int code = is_last ? judge(call, answer) : EXIT_AT_FAULT;
    if (json_is_object(answer) && options_flag(call->options, "json")) puts(line);
    bool is_none = !json_is_object(answer);
    json_decref(answer);
    if (is_last) return code;
    if (is_none) break;
  }
  complain("this is no answer of a moonport server: %.200s", line);
  return EXIT_AT_FAULT;
}

int health_command(const struct command_call *call) {
  struct control_address address;
  bool wanted;
  int code = settings_read_control(call, &address, &wanted);
  if (code != EXIT_DONE) return code;
  if (!wanted) {
    complain("a server without a control socket cannot be asked: name one with --control");
    return EXIT_AT_FAULT;
  }
  char several[CONTROL_MESSAGE_BYTES];
  if (!control_choose(&address, options_string(call->options, "control"), several,
                      sizeof several)) {
    complain("%s", several);
    return EXIT_AT_FAULT;
  }
  long pid = 0;
  int fd = platform_socket(AF_UNIX, SOCK_STREAM, true);
  FILE *server = reach(fd, call, &address, &pid) ? fdopen(fd, "r") : NULL;
  code = server ? ask(server, call, pid) : EXIT_AT_FAULT;
  if (server) {
    fclose(server);
  } else if (fd >= 0) {
    close(fd);
  }
  return code;
}
