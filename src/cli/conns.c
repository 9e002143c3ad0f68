/* cli/conns.c — `moonport conns [FIELD=PATTERN...]`: the connections of a running server. */
#include "base/text.h"
#include "cli/answer.h"
#include "cli/columns.h"
#include "cli/prints.h"
#include "cli/table.h"

#include <string.h>

#include <stdlib.h>

static const struct column columns[] = {
    {"ID", COLUMN_RIGHT},      {"SCRIPT", COLUMN_LEFT}, {"PEER", COLUMN_LEFT},
    {"LISTENER", COLUMN_LEFT}, {"STATE", COLUMN_LEFT},  {"AGE", COLUMN_RIGHT},
    {"IN", COLUMN_RIGHT},      {"OUT", COLUMN_RIGHT},   {"QUEUE", COLUMN_RIGHT},
};

static void add_bytes(struct columns *table, const json_t *conn, const char *name) {
  char text[TEXT_UNITS_SIZE_MAX];
  text_format_bytes((uint64_t)answer_number(conn, name), text);
  columns_add(table, text);
}

/* "open", and what somebody at a console did to it. */
static void add_state(struct columns *table, const json_t *conn) {
  char text[160];
  const char *fault = answer_text(conn, "fault");
  bool is_paused = strcmp(answer_text(conn, "held_by"), "console") == 0;
  (void)snprintf(text, sizeof text, "%.40s%s%s%.80s", answer_text(conn, "state"),
                 is_paused ? ", paused" : "", *fault != '\0' ? ", " : "", fault);
  columns_add(table, text);
}

static void add_conn(struct columns *table, const json_t *conn) {
  char text[TEXT_UNITS_SIZE_MAX];
  bool accepted = json_is_string(json_object_get(conn, "listener"));
  (void)snprintf(text, sizeof text, "%lld", (long long)answer_number(conn, "id"));
  columns_add(table, text);
  columns_add(table, answer_text(conn, "script"));
  columns_add(table, answer_text(conn, "peer"));
  columns_add(table, accepted ? answer_text(conn, "listener") : "(outgoing)");
  add_state(table, conn);
  text_format_seconds(answer_seconds(conn, "age_s"), text);
  columns_add(table, text);
  add_bytes(table, conn, "bytes_in");
  add_bytes(table, conn, "bytes_out");
  add_bytes(table, conn, "queue_bytes");
}

void print_conns(const struct answer *answer) {
  size_t i = 0;
  const json_t *conn = NULL;
  struct columns *table = columns_new(columns, sizeof columns / sizeof columns[0]);
  if (table == NULL) {
    return;
  }
  json_array_foreach(answer->lines, i, conn) {
    add_conn(table, conn);
  }
  columns_print(table, stdout);
  columns_free(table);
}

int conns_command(const struct command_call *call) {
  const size_t count = call->word_count + 1;
  const char **words = calloc(count, sizeof *words);
  struct answer answer;
  if (words == NULL) {
    return EXIT_AT_FAULT;
  }
  words[0] = "conns";
  for (size_t i = 1; i < count; i++) {
    words[i] = call->words[i - 1];
  }
  int code = answer_ask(call, words, count, &answer);
  free((void *)words);
  if (code != EXIT_DONE) {
    return code;
  }
  if (answer_is_for_people(call) && answer_flag(answer.last, "ok")) {
    print_conns(&answer);
  }
  return answer_end(call, &answer);
}
