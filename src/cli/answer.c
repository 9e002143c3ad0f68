/* cli/answer.c — one command to a running server, and its whole answer. Knows no command. */
#include "cli/answer.h"

#include "cli/client.h"

#include <stdio.h>

/* Puts a line where it belongs. False: it is no line of an answer. */
static bool take_line(struct answer *answer, const char *line) {
  json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
  if (!json_is_object(object)) {
    json_decref(object);
    return false;
  }
  if (json_is_boolean(json_object_get(object, "ok"))) {
    answer->last = object;
    return true;
  }
  return json_array_append_new(answer->lines, object) == 0;
}

static bool read_answer(struct client *client, bool as_it_is, struct answer *answer) {
  while (answer->last == NULL) {
    const char *line = client_read_line(client);
    if (line == NULL) {
      return false;
    }
    if (!take_line(answer, line)) {
      client_complain("this is no answer of a moonport server: %.200s", line);
      return false;
    }
    if (as_it_is) {
      (void)puts(line);
    }
  }
  return true;
}

/* Reads the answer to what was sent, and closes the client. */
static int finish(struct client *client, bool sent, bool as_it_is, struct answer *out) {
  *out = (struct answer){.lines = json_array(), .server_pid = client_server_pid(client)};
  bool answered = sent && read_answer(client, as_it_is, out);
  client_close(client);
  if (answered) {
    return EXIT_DONE;
  }
  answer_free(out);
  return EXIT_AT_FAULT;
}

int answer_ask(const struct command_call *call, const char *const *words, size_t count,
               struct answer *out) {
  struct client *client = NULL;
  int code = client_open(call, &client);
  if (code != EXIT_DONE) {
    return code;
  }
  bool sent = client_send(client, words, count);
  return finish(client, sent, !answer_is_for_people(call), out);
}

int answer_ask_line(const struct command_call *call, const char *line, bool as_it_is,
                    struct answer *out) {
  struct client *client = NULL;
  int code = client_open(call, &client);
  if (code != EXIT_DONE) {
    return code;
  }
  return finish(client, client_send_line(client, line), as_it_is, out);
}

void answer_free(struct answer *answer) {
  json_decref(answer->lines);
  json_decref(answer->last);
}

bool answer_is_for_people(const struct command_call *call) {
  return !options_flag(call->options, "json");
}

int answer_end(const struct command_call *call, struct answer *answer) {
  bool ok = answer_flag(answer->last, "ok");
  if (!ok && answer_is_for_people(call)) {
    client_complain("%s", answer_text(answer->last, "error"));
  }
  answer_free(answer);
  return ok ? EXIT_DONE : EXIT_AT_FAULT;
}

const char *answer_text(const json_t *object, const char *name) {
  const char *text = json_string_value(json_object_get(object, name));
  return text != NULL ? text : "";
}

json_int_t answer_number(const json_t *object, const char *name) {
  return json_integer_value(json_object_get(object, name));
}

double answer_seconds(const json_t *object, const char *name) {
  return json_number_value(json_object_get(object, name));
}

bool answer_flag(const json_t *object, const char *name) {
  return json_is_true(json_object_get(object, name));
}
