/* cli/console_watch.c — events of a server as they come, a line each. Knows no kind of event but
 * close: which fields there are, the events say themselves. */
#include "cli/console.h"

#include "cli/answer.h"
#include "cli/client.h"
#include "cli/colours.h"
#include "cli/shown.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Set by Ctrl-C. A handler has nothing else to write to. */
static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int number) {
  (void)number;
  is_interrupted = 1;
}

struct watching {
  const struct command_call *call;
  bool as_it_is; /* --json */
  unsigned long long id;
  json_int_t last_ns; /* of the event before; 0: there was none */
};

/* --- One event ---------------------------------------------------------------------------------- */

/* What every event has, or what is said in another way. */
static bool is_common(const char *name) {
  static const char *const common[] = {"seq",    "time_ns", "event",  "source",
                                       "script", "conn",    "base64", "text"};
  for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
    if (strcmp(common[i], name) == 0) {
      return true;
    }
  }
  return false;
}

/* Milliseconds since the event before. */
static void print_time(struct watching *watching, const json_t *event) {
  json_int_t now_ns = answer_number(event, "time_ns");
  double passed_ms = watching->last_ns > 0 ? (double)(now_ns - watching->last_ns) / 1e6 : 0;
  watching->last_ns = now_ns;
  colours_put(stdout, COLOUR_DIM);
  (void)printf("%+12.3f ms  ", passed_ms);
  colours_put(stdout, COLOUR_OFF);
}

static void print_value(const char *name, const json_t *value) {
  (void)printf("  %s=", name);
  if (json_is_string(value)) {
    shown_print(stdout, json_string_value(value));
  } else {
    (void)printf("%lld", (long long)json_integer_value(value));
  }
}

static void print_event(struct watching *watching, const json_t *event) {
  const char *name = NULL;
  json_t *value = NULL;
  print_time(watching, event);
  if (watching->id == 0 && json_object_get(event, "conn") != NULL) {
    (void)printf("#%-4lld ", (long long)answer_number(event, "conn"));
  }
  colours_put(stdout, COLOUR_BOLD);
  (void)printf("%-8s", answer_text(event, "event"));
  colours_put(stdout, COLOUR_OFF);
  json_object_foreach((json_t *)(uintptr_t)event, name, value) {
    if (!is_common(name)) {
      print_value(name, value);
    }
  }
  const json_t *text = json_object_get(event, "text");
  if (text != NULL) {
    char *quoted = json_dumps(text, JSON_ENCODE_ANY);
    (void)fputs("  ", stdout);
    shown_print(stdout, quoted != NULL ? quoted : "");
    free(quoted);
  }
  if (strcmp(answer_text(event, "source"), "inferred") == 0) {
    (void)fputs("  (inferred)", stdout);
  }
  (void)putchar('\n');
}

/* Whether there is nothing more to see: its close was told, or is among the events that were
 * dropped. */
static bool is_over(const struct watching *watching, const json_t *event) {
  char command[64];
  struct answer answer;
  const char *kind = answer_text(event, "event");
  if (watching->id == 0 || strcmp(kind, "close") == 0) {
    return watching->id > 0;
  }
  (void)snprintf(command, sizeof command, "conns id=%llu", watching->id);
  if (strcmp(kind, "dropped") != 0 ||
      answer_ask_line(watching->call, command, false, &answer) != EXIT_DONE) {
    return false;
  }
  bool is_gone = answer_number(answer.last, "connections") == 0;
  answer_free(&answer);
  return is_gone;
}

/* False: it was the last one. */
static bool take_line(struct watching *watching, const char *line) {
  json_t *event = json_loads(line, 0, NULL);
  if (watching->as_it_is) {
    (void)puts(line);
  } else if (event != NULL) {
    print_event(watching, event);
  }
  bool is_last = is_over(watching, event);
  json_decref(event);
  return !is_last;
}

/* --- All of them ------------------------------------------------------------------------------- */

/* Whoever presses Enter has seen enough. What else is on the line is not a command. */
static void drop_input_line(void) {
  char bytes[256];
  ssize_t size = 0;
  do {
    size = read(STDIN_FILENO, bytes, sizeof bytes);
  } while (size > 0 && bytes[size - 1] != '\n');
}

/* 1: a line can be read; 0: enough was seen; -1: the server is gone, which is said by reading. */
static int wait_for_event(const struct client *client, bool is_terminal) {
  struct pollfd polled[] = {{.fd = client_descriptor(client), .events = POLLIN},
                            {.fd = STDIN_FILENO, .events = POLLIN}};
  if (client_has_line(client)) {
    return is_interrupted ? 0 : 1;
  }
  while (!is_interrupted) {
    int count = poll(polled, is_terminal ? 2 : 1, -1);
    if (count < 0 && errno != EINTR) {
      return 0;
    }
    if (count > 0 && is_terminal && polled[1].revents != 0) {
      drop_input_line();
      return 0;
    }
    if (count > 0) {
      return 1;
    }
  }
  return 0;
}

static int follow(struct watching *watching, struct client *client) {
  bool is_terminal = isatty(STDIN_FILENO) != 0;
  while (wait_for_event(client, is_terminal) > 0) {
    const char *line = client_read_line(client);
    if (line == NULL) {
      return EXIT_AT_FAULT;
    }
    bool goes_on = take_line(watching, line);
    if (!goes_on || !client_has_line(client)) {
      (void)fflush(stdout);
    }
    if (!goes_on) {
      return EXIT_DONE;
    }
  }
  return EXIT_DONE;
}

/* The first line says whether the server will tell anything. */
static int begin(const struct watching *watching, struct client *client) {
  const char *line = client_read_line(client);
  json_t *first = line != NULL ? json_loads(line, 0, NULL) : NULL;
  bool ok = answer_flag(first, "ok");
  if (line != NULL && watching->as_it_is) {
    (void)puts(line);
    (void)fflush(stdout);
  } else if (line != NULL && !ok) {
    client_complain("%s", answer_text(first, "error"));
  }
  json_decref(first);
  return ok ? EXIT_DONE : EXIT_AT_FAULT;
}

int console_watch(const struct command_call *call, const char *command, unsigned long long id) {
  struct watching watching = {.call = call, .as_it_is = !answer_is_for_people(call), .id = id};
  struct client *client = NULL;
  int code = client_open(call, &client);
  if (code != EXIT_DONE) {
    return code;
  }
  struct sigaction before;
  struct sigaction action = {.sa_handler = on_interrupt}; /* no SA_RESTART: poll() ends */
  is_interrupted = 0;
  (void)sigaction(SIGINT, &action, &before);
  code = client_send_line(client, command) ? begin(&watching, client) : EXIT_AT_FAULT;
  if (code == EXIT_DONE) {
    code = follow(&watching, client);
  }
  (void)sigaction(SIGINT, &before, NULL);
  client_close(client);
  return code;
}
