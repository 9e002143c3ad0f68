/* cli/status.c — `moonport status`: the scripts of a running server, and how it is. */
#include "base/text.h"
#include "cli/answer.h"
#include "cli/columns.h"
#include "cli/prints.h"
#include "cli/shown.h"
#include "cli/table.h"

static const struct column columns[] = {
    {"SCRIPT", COLUMN_LEFT}, {"VERSION", COLUMN_RIGHT}, {"STATE", COLUMN_LEFT},
    {"CONNS", COLUMN_RIGHT}, {"MEMORY", COLUMN_RIGHT},  {"LISTENS ON", COLUMN_LEFT},
};

/* "45 of 1024 descriptors"; what the server could not find out is left out. */
static void print_descriptors(const json_t *server) {
  json_int_t used = answer_number(server, "descriptors");
  json_int_t max = answer_number(server, "descriptors_max");
  if (used >= 0 && max > 0) {
    (void)printf(", %lld of %lld descriptors", (long long)used, (long long)max);
  }
}

static void print_stalls(const json_t *server) {
  long long count = (long long)answer_number(server, "stalls");
  if (count > 0) {
    (void)printf("\nthe loop was held up %lld time%s, for %.1f s at most: see the log", count,
                 count == 1 ? "" : "s", answer_seconds(server, "stall_max_s"));
  }
}

static void print_server(const json_t *server) {
  char uptime[TEXT_UNITS_SIZE_MAX];
  text_format_seconds(answer_seconds(server, "uptime_s"), uptime);
  (void)printf("moonport ");
  shown_print(stdout, answer_text(server, "version"));
  (void)printf(", pid %lld, ", (long long)answer_number(server, "pid"));
  shown_print(stdout, answer_text(server, "phase"));
  (void)printf(", up %s", uptime);
  print_descriptors(server);
  const char *allow = json_string_value(json_object_get(server, "allow"));
  if (allow != NULL) {
    (void)printf("\nscripts may only: ");
    shown_print(stdout, allow);
  }
  print_stalls(server);
  (void)printf("\n\n");
}

static void add_empty(struct columns *table, size_t count) {
  for (size_t i = 0; i < count; i++) {
    columns_add(table, "");
  }
}

/* "7", or "7 (3 in use)" while connections keep two earlier ones. */
static void format_version(const json_t *script, char text[TEXT_UNITS_SIZE_MAX]) {
  long long number = (long long)answer_number(script, "version");
  long long alive = (long long)answer_number(script, "versions");
  if (alive > 1) {
    (void)snprintf(text, TEXT_UNITS_SIZE_MAX, "%lld (%lld in use)", number, alive);
  } else {
    (void)snprintf(text, TEXT_UNITS_SIZE_MAX, "%lld", number);
  }
}

/* A row, and one more for each further listener. */
static void add_script(struct columns *table, const json_t *script) {
  const json_t *listeners = json_object_get(script, "listeners");
  const char *first = json_string_value(json_array_get(listeners, 0));
  char text[TEXT_UNITS_SIZE_MAX];
  columns_add(table, answer_text(script, "script"));
  format_version(script, text);
  columns_add(table, text);
  columns_add(table, answer_text(script, "state"));
  (void)snprintf(text, sizeof text, "%lld", (long long)answer_number(script, "connections"));
  columns_add(table, text);
  text_format_bytes((uint64_t)answer_number(script, "memory_bytes"), text);
  columns_add(table, text);
  columns_add(table, first != NULL ? first : "nothing");
  for (size_t i = 1; i < json_array_size(listeners); i++) {
    const char *further = json_string_value(json_array_get(listeners, i));
    add_empty(table, 5);
    columns_add(table, further != NULL ? further : "");
  }
}

static void print_reload_error(const json_t *script) {
  const json_t *error = json_object_get(script, "reload_error");
  if (!json_is_object(error)) {
    return;
  }
  (void)printf("\nlast reload failed at %s: ", answer_text(error, "time"));
  shown_print_lines(stdout, answer_text(error, "message"));
  (void)putchar('\n');
}

void print_status(const struct answer *answer) {
  size_t i = 0;
  const json_t *script = NULL;
  struct columns *table = columns_new(columns, sizeof columns / sizeof columns[0]);
  print_server(answer->last);
  if (table == NULL) {
    return;
  }
  json_array_foreach(answer->lines, i, script) {
    add_script(table, script);
  }
  columns_print(table, stdout);
  columns_free(table);
  json_array_foreach(answer->lines, i, script) {
    print_reload_error(script);
  }
}

int status_command(const struct command_call *call) {
  const char *const words[] = {"status"};
  struct answer answer;
  int code = answer_ask(call, words, 1, &answer);
  if (code != EXIT_DONE) {
    return code;
  }
  if (answer_is_for_people(call) && answer_flag(answer.last, "ok")) {
    print_status(&answer);
  }
  return answer_end(call, &answer);
}
