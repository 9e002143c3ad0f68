/* cli/console.c — `moonport console`: commands to a running server, a line at a time.
 *
 * Each command is a connection of its own: a console that hangs holds nothing of the server, and one
 * whose server was restarted goes on with the next command. What a line means is the server's to
 * say, but for a few commands of the console's own. */
#include "cli/console.h"

#include "base/words.h"
#include "cli/answer.h"
#include "cli/client.h"
#include "cli/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_SIZE_MAX 64
#define WORDS_MAX 8
#define PROMPT_SIZE_MAX 80

struct console {
  const struct command_call *call;
  struct console_names *names;
  struct console_lines *lines;
  char *script; /* chosen by `use`; NULL: none was */
  char prompt[PROMPT_SIZE_MAX];
  long server_pid; /* that answered last; 0: none did */
  bool is_json;
  bool is_interactive;
  bool has_failed; /* a command has */
  bool ends;
};

/* The first word of a line; "" when it is none that a command could have. */
static const char *first_word(const char *line, char name[NAME_SIZE_MAX]) {
  size_t size = strcspn(line, " \t");
  if (size >= NAME_SIZE_MAX) {
    size = 0;
  }
  memcpy(name, line, size);
  name[size] = '\0';
  return line + size + strspn(line + size, " \t");
}

static void print_json(const json_t *object) {
  char *text = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
  if (text != NULL) {
    (void)puts(text);
  }
  free(text);
}

/* Says what is wrong with a command before the server is asked. Returns false. */
static bool refuse(const struct console *console, const char *error) {
  if (!console->is_json) {
    client_complain("%s", error);
    return false;
  }
  json_t *last = json_pack("{s:b, s:s}", "ok", 0, "error", error);
  print_json(last);
  json_decref(last);
  return false;
}

/* --- Asking ------------------------------------------------------------------------------------ */

static void note_server(struct console *console, long pid) {
  if (console->server_pid != 0 && console->server_pid != pid) {
    client_complain("another server answers now: pid %ld, and no longer %ld", pid,
                    console->server_pid);
  }
  console->server_pid = pid;
}

/* Sends the line and shows the answer as that to the command `name`. */
static bool ask(struct console *console, const char *name, const char *line) {
  struct answer answer;
  if (answer_ask_line(console->call, line, console->is_json, &answer) != EXIT_DONE) {
    return false;
  }
  note_server(console, answer.server_pid);
  if (!console->is_json) {
    console_print(name, &answer);
  }
  bool ok = answer_flag(answer.last, "ok");
  answer_free(&answer);
  return ok;
}

/* Words as a line of the protocol. NULL: out of memory. */
static char *quote(const char *const *words, size_t count) {
  size_t room = 1;
  for (size_t i = 0; i < count; i++) {
    room += WORDS_QUOTED_SIZE_MAX(strlen(words[i])) + 1;
  }
  char *line = malloc(room);
  char *end = line;
  for (size_t i = 0; line != NULL && i < count; i++) {
    end += words_quote(words[i], strlen(words[i]), end);
    *end++ = ' ';
  }
  if (line != NULL) {
    *end = '\0';
  }
  return line;
}

static bool ask_words(struct console *console, const char *const *words, size_t count) {
  char *line = quote(words, count);
  bool ok = line != NULL && ask(console, words[0], line);
  free(line);
  return ok;
}

/* --- The console's own commands ------------------------------------------------------------------ */

static bool evaluate(struct console *console, const char *code) {
  const char *const with[] = {"eval", console->script, code};
  const char *const without[] = {"eval", code};
  if (*code == '\0') {
    return refuse(console, "run what? Write = and an expression, as in = #conns");
  }
  return console->script != NULL ? ask_words(console, with, 3) : ask_words(console, without, 2);
}

/* `eval CODE`, with the script that was chosen. */
static bool evaluate_word(struct console *console, const char *line, const char *rest) {
  (void)rest;
  struct word words[WORDS_MAX];
  char fault[160];
  char *copy = strdup(line);
  if (copy == NULL) {
    return false;
  }
  int count = words_split(copy, strlen(copy), words, WORDS_MAX, fault, sizeof fault);
  bool ok = count == 2 && console->script != NULL ? evaluate(console, words[1].text)
                                                  : ask(console, "eval", line);
  free(copy);
  return ok;
}

static void set_script(struct console *console, const char *name) {
  free(console->script);
  console->script = strdup(name);
  (void)snprintf(console->prompt, sizeof console->prompt, "moonport:%.60s> ", name);
}

static bool use_script(struct console *console, const char *line, const char *name) {
  (void)line;
  const char *const words[] = {"versions", name};
  struct answer answer;
  if (*name == '\0') {
    return refuse(console, "use what? Write use SCRIPT, with a name that scripts lists");
  }
  char *asked = quote(words, 2);
  bool answered = asked != NULL &&
                  answer_ask_line(console->call, asked, console->is_json, &answer) == EXIT_DONE;
  free(asked);
  if (!answered) {
    return false;
  }
  note_server(console, answer.server_pid);
  bool ok = answer_flag(answer.last, "ok");
  if (ok) {
    set_script(console, name);
  } else if (!console->is_json) {
    console_print("use", &answer);
  }
  answer_free(&answer);
  return ok;
}

/* Whether there is such a connection; says so when not. */
static bool find_conn(struct console *console, unsigned long long id) {
  char command[64];
  char text[100];
  struct answer answer;
  (void)snprintf(command, sizeof command, "conns id=%llu", id);
  if (answer_ask_line(console->call, command, false, &answer) != EXIT_DONE) {
    return false;
  }
  note_server(console, answer.server_pid);
  bool found = answer_number(answer.last, "connections") > 0;
  answer_free(&answer);
  if (found) {
    return true;
  }
  (void)snprintf(text, sizeof text, "there is no connection %llu (any more): conns lists them", id);
  return refuse(console, text);
}

static bool watch(struct console *console, const char *line, const char *word) {
  (void)line;
  char command[64];
  char *end = NULL;
  const char *number = *word == '#' ? word + 1 : word;
  unsigned long long id = strtoull(number, &end, 10);
  if (*number < '0' || *number > '9' || *end != '\0') {
    return refuse(console, "watch what? Write watch ID, with a number that conns lists");
  }
  if (!find_conn(console, id)) {
    return false;
  }
  (void)snprintf(command, sizeof command, "events conn=%llu", id);
  return console_watch(console->call, command, id) == EXIT_DONE;
}

/* The server's commands, and then our own. */
static bool help(struct console *console, const char *line, const char *about) {
  struct answer answer = {.lines = json_array()};
  if (*about != '\0' && console_own_describe(about, answer.lines) > 0) {
    answer.last = json_pack("{s:b}", "ok", 1);
  } else {
    json_decref(answer.lines);
    if (answer_ask_line(console->call, line, false, &answer) != EXIT_DONE) {
      return false;
    }
    if (*about == '\0') {
      (void)console_own_describe("", answer.lines);
    }
  }
  size_t i = 0;
  const json_t *row = NULL;
  bool ok = answer_flag(answer.last, "ok");
  if (!console->is_json) {
    console_print("help", &answer);
  } else {
    json_array_foreach(answer.lines, i, row) {
      print_json(row);
    }
    print_json(answer.last);
  }
  answer_free(&answer);
  return ok;
}

static bool watch_all(struct console *console, const char *line, const char *rest) {
  (void)rest;
  return console_watch(console->call, line, 0) == EXIT_DONE;
}

static bool quit(struct console *console, const char *line, const char *rest) {
  (void)line;
  (void)rest;
  console->ends = true;
  return true;
}

/* Without an ID it ends the server: where somebody may have forgotten it, only after asking. */
static bool shut_down(struct console *console, const char *line, const char *id) {
  static const char question[] = "this ends the server, and not a connection: write yes to do it: ";
  if (console->is_interactive && *id == '\0') {
    const char *said = console_lines_next(console->lines, question);
    if (said == NULL || strcmp(said, "yes") != 0) {
      return false;
    }
    line = "shutdown";
  }
  return ask(console, "shutdown", line);
}

/* --- Lines --------------------------------------------------------------------------------------- */

/* The commands that are not simply asked: `line` is all of it, `rest` what follows the name. */
static const struct {
  const char *name;
  bool (*run)(struct console *console, const char *line, const char *rest);
} special[] = {
    {"eval", evaluate_word}, {"events", watch_all}, {"exit", quit},   {"help", help},
    {"quit", quit},          {"use", use_script},   {"watch", watch}, {"shutdown", shut_down},
};

/* Does what the line says. False when that failed. */
static bool run_line(struct console *console, const char *line) {
  char name[NAME_SIZE_MAX];
  const char *rest = first_word(line, name);
  if (*line == '=') {
    return evaluate(console, line + 1 + strspn(line + 1, " \t"));
  }
  for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
    if (strcmp(special[i].name, name) == 0) {
      return special[i].run(console, line, rest);
    }
  }
  return ask(console, name, line);
}

/* A copy without the blanks around it. NULL: out of memory. */
static char *trim(const char *line) {
  line += strspn(line, " \t");
  size_t size = strlen(line);
  while (size > 0 && (line[size - 1] == ' ' || line[size - 1] == '\t')) {
    size--;
  }
  return strndup(line, size);
}

static void run(struct console *console) {
  const char *typed = NULL;
  while (!console->ends && (typed = console_lines_next(console->lines, console->prompt)) != NULL) {
    char *line = trim(typed);
    if (line == NULL || (*line != '\0' && !run_line(console, line))) {
      console->has_failed = true;
    }
    free(line);
  }
}

int console_command(const struct command_call *call) {
  struct console console = {.call = call, .prompt = "moonport> "};
  console.is_json = !answer_is_for_people(call);
  console.is_interactive = isatty(STDIN_FILENO) != 0;
  console.names = console_names_new(call);
  console.lines = console.names != NULL ? console_lines_open(console.names) : NULL;
  if (console.lines == NULL) {
    client_complain("out of memory");
  } else {
    run(&console);
    console_lines_close(console.lines);
  }
  bool failed = console.lines == NULL || (console.has_failed && !console.is_interactive);
  if (console.names != NULL) {
    console_names_free(console.names);
  }
  free(console.script);
  return failed ? EXIT_AT_FAULT : EXIT_DONE;
}
