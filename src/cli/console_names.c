/* cli/console_names.c — what a word of the console may become: commands, connections, scripts.
 *
 * Which kind of word stands where is told by the usage of each command, which the server gives. */
#include "cli/console.h"

#include "cli/answer.h"
#include "cli/client.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum {
  ANSWER_MS_MAX = 700, /* somebody has pressed Tab and looks at the screen */
  WORDS_MAX = 200,     /* more are no help */
};

struct console_names {
  const struct command_call *call;
  json_t *commands; /* the lines of the server's help; NULL until it was asked */
};

/* One completion under way. */
struct search {
  const char *prefix; /* what is typed of the word */
  size_t size;
  size_t found;
  void (*each)(void *context, const char *word);
  void *context;
};

struct console_names *console_names_new(const struct command_call *call) {
  struct console_names *names = calloc(1, sizeof *names);
  if (names != NULL) {
    names->call = call;
  }
  return names;
}

void console_names_free(struct console_names *names) {
  json_decref(names->commands);
  free(names);
}

static void offer(struct search *search, const char *word) {
  if (search->found < WORDS_MAX && strncmp(word, search->prefix, search->size) == 0) {
    search->found++;
    search->each(search->context, word);
  }
}

/* --- What the server knows --------------------------------------------------------------------- */

/* Calls take(context, line) for each line of an answer before its last, up to WORDS_MAX of them. */
static void ask(const struct command_call *call, const char *command,
                void (*take)(void *context, json_t *line), void *context) {
  struct client *client = client_open_quietly(call, ANSWER_MS_MAX);
  if (client == NULL) {
    return;
  }
  const char *text = client_send_line(client, command) ? client_read_line(client) : NULL;
  for (size_t i = 0; text != NULL && i < WORDS_MAX; i++) {
    json_t *line = json_loads(text, 0, NULL);
    bool is_last = line == NULL || json_object_get(line, "ok") != NULL;
    if (!is_last) {
      take(context, line);
    }
    json_decref(line);
    text = is_last ? NULL : client_read_line(client);
  }
  client_close(client);
}

static void keep_line(void *context, json_t *line) {
  (void)json_array_append(context, line);
}

static const json_t *commands_of(struct console_names *names) {
  if (names->commands == NULL) {
    json_t *commands = json_array();
    ask(names->call, "help", keep_line, commands);
    if (json_array_size(commands) > 0) {
      names->commands = commands;
    } else {
      json_decref(commands);
    }
  }
  return names->commands;
}

static void offer_id(void *context, json_t *line) {
  char id[32];
  (void)snprintf(id, sizeof id, "%lld", (long long)answer_number(line, "id"));
  offer(context, id);
}

static void offer_conns(const struct console_names *names, struct search *search) {
  char command[64];
  /* Only digits: nothing of what is typed may act as a pattern. */
  size_t digits = strspn(search->prefix, "0123456789");
  (void)snprintf(command, sizeof command, "conns id=%.*s*", (int)(digits < 20 ? digits : 20),
                 search->prefix);
  ask(names->call, command, offer_id, search);
}

static void offer_script(void *context, json_t *line) {
  offer(context, answer_text(line, "name"));
}

static void offer_commands(struct console_names *names, struct search *search) {
  size_t i = 0;
  const json_t *line = NULL;
  json_array_foreach(commands_of(names), i, line) {
    offer(search, answer_text(line, "command"));
  }
  for (i = 0; i < console_own_count; i++) {
    if (isalpha((unsigned char)*console_own[i].name)) {
      offer(search, console_own[i].name);
    }
  }
}

/* --- What stands where ------------------------------------------------------------------------- */

/* NULL when there is no such command. */
static const char *usage_of(struct console_names *names, const char *command, size_t size) {
  size_t i = 0;
  const json_t *line = NULL;
  for (i = 0; i < console_own_count; i++) {
    if (strlen(console_own[i].name) == size && memcmp(console_own[i].name, command, size) == 0) {
      return console_own[i].usage;
    }
  }
  json_array_foreach(commands_of(names), i, line) {
    const char *name = answer_text(line, "command");
    if (strlen(name) == size && memcmp(name, command, size) == 0) {
      return answer_text(line, "usage");
    }
  }
  return NULL;
}

/* A usage is cut at these. */
static const char separators[] = " []|";

/* "split=" of split=BYTES, and "off": what is to be typed as it stands. */
static void offer_literal(struct search *search, const char *token, size_t size) {
  char word[64];
  const char *equals = memchr(token, '=', size);
  size_t length = equals != NULL ? (size_t)(equals - token) + 1 : size;
  if (!islower((unsigned char)*token) || length >= sizeof word) {
    return;
  }
  memcpy(word, token, length);
  word[length] = '\0';
  offer(search, word);
}

/* Of the word at `place`, 1 for the first behind the command. */
static void offer_words(struct console_names *names, struct search *search, const char *usage,
                        size_t place) {
  size_t number = 0;
  for (const char *token = usage + strspn(usage, separators); *token != '\0';
       token += strspn(token, separators)) {
    size_t size = strcspn(token, separators);
    number++;
    if (number == place && size == 2 && memcmp(token, "ID", 2) == 0) {
      offer_conns(names, search);
    } else if (number == place && size == 6 && memcmp(token, "SCRIPT", 6) == 0) {
      ask(names->call, "scripts", offer_script, search);
    } else if (number == place && size == 7 && memcmp(token, "COMMAND", 7) == 0) {
      offer_commands(names, search);
    } else {
      offer_literal(search, token, size);
    }
    token += size;
  }
}

void console_names_each(struct console_names *names, const char *line,
                        void (*each)(void *context, const char *word), void *context) {
  const char *first = line + strspn(line, " ");
  const char *word = first;
  size_t place = 0;
  for (const char *at = first; *at != '\0'; at++) {
    if (*at == ' ' && at[1] != ' ') {
      word = at + 1;
      place++;
    }
  }
  struct search search = {.prefix = word, .size = strlen(word), .each = each, .context = context};
  if (place == 0) {
    offer_commands(names, &search);
    return;
  }
  const char *usage = usage_of(names, first, strcspn(first, " "));
  if (usage != NULL) {
    offer_words(names, &search, usage, place);
  }
}
