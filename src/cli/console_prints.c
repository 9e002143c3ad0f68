/* cli/console_prints.c — the server's answers in the words of a console. Asks nothing.
 *
 * An answer that nobody has words for, of a newer server say, is shown field by field. */
#include "cli/console.h"

#include "base/text.h"
#include "cli/answer.h"
#include "cli/client.h"
#include "cli/colours.h"
#include "cli/columns.h"
#include "cli/console_tcp.h"
#include "cli/prints.h"
#include "cli/shown.h"

#include <stdlib.h>
#include <string.h>

static long long id_of(const struct answer *answer) {
  return (long long)answer_number(answer->last, "id");
}

#define BYTES_SIZE_MAX (TEXT_UNITS_SIZE_MAX + 8)

/* "5 bytes", "1 byte", "1.5 KiB". */
static const char *bytes_text(const json_t *object, const char *name, char text[BYTES_SIZE_MAX]) {
  char number[TEXT_UNITS_SIZE_MAX];
  json_int_t bytes = answer_number(object, name);
  text_format_bytes((uint64_t)bytes, number);
  (void)snprintf(text, BYTES_SIZE_MAX, "%s%s", number,
                 bytes >= 1024 ? "" : (bytes == 1 ? " byte" : " bytes"));
  return text;
}

/* --- One connection ---------------------------------------------------------------------------- */

static void print_pause(const struct answer *answer) {
  char text[BYTES_SIZE_MAX];
  (void)printf("#%lld is not read any more; %s wait in the kernel\n", id_of(answer),
               bytes_text(answer->last, "unread_bytes", text));
}

static void print_resume(const struct answer *answer) {
  char text[BYTES_SIZE_MAX];
  (void)printf("#%lld is read again; %s waited in the kernel\n", id_of(answer),
               bytes_text(answer->last, "unread_bytes", text));
}

static void print_step(const struct answer *answer) {
  char text[BYTES_SIZE_MAX];
  if (answer_number(answer->last, "unread_bytes") == 0) {
    (void)printf("#%lld: nothing waits; the next chunk that comes goes to its handler\n",
                 id_of(answer));
  } else {
    (void)printf("#%lld: one chunk goes to its handler, of %s that waited in the kernel\n",
                 id_of(answer), bytes_text(answer->last, "unread_bytes", text));
  }
}

static void print_send(const struct answer *answer) {
  char size[BYTES_SIZE_MAX];
  char queue[BYTES_SIZE_MAX];
  (void)printf("#%lld: %s sent", id_of(answer), bytes_text(answer->last, "size", size));
  if (answer_number(answer->last, "queue_bytes") > 0) {
    (void)printf("; %s are queued, for the peer does not read",
                 bytes_text(answer->last, "queue_bytes", queue));
  }
  (void)putchar('\n');
}

static void print_reset(const struct answer *answer) {
  (void)printf("#%lld is reset\n", id_of(answer));
}

static void print_finish(const struct answer *answer) {
  if (json_object_get(answer->last, "id") == NULL) {
    print_shutdown(answer);
  } else {
    (void)printf("#%lld: FIN is sent; what the peer sends is still read\n", id_of(answer));
  }
}

static void print_fault(const struct answer *answer) {
  char text[BYTES_SIZE_MAX];
  long long delay_ms = (long long)answer_number(answer->last, "delay_ms");
  bool is_cut = answer_number(answer->last, "split_bytes") > 0;
  if (!is_cut && delay_ms == 0) {
    (void)printf("#%lld: what comes is handed over as it comes\n", id_of(answer));
    return;
  }
  (void)printf("#%lld: what comes is handed over", id_of(answer));
  if (is_cut) {
    (void)printf(" in pieces of %s", bytes_text(answer->last, "split_bytes", text));
  }
  if (delay_ms > 0) {
    (void)printf("%s %lld ms late", is_cut ? ", each" : "", delay_ms);
  }
  (void)putchar('\n');
}

/* --- Scripts ----------------------------------------------------------------------------------- */

static void add_number(struct columns *table, const json_t *object, const char *name) {
  char text[32];
  (void)snprintf(text, sizeof text, "%lld", (long long)answer_number(object, name));
  columns_add(table, text);
}

static void print_scripts(const struct answer *answer) {
  static const struct column columns[] = {{"NAME", COLUMN_LEFT},
                                          {"STATE", COLUMN_LEFT},
                                          {"VERSION", COLUMN_RIGHT},
                                          {"CONNS", COLUMN_RIGHT},
                                          {"FILE", COLUMN_LEFT}};
  struct columns *table = columns_new(columns, sizeof columns / sizeof columns[0]);
  size_t i = 0;
  const json_t *script = NULL;
  json_array_foreach(table != NULL ? answer->lines : NULL, i, script) {
    columns_add(table, answer_text(script, "name"));
    columns_add(table, answer_text(script, "state"));
    add_number(table, script, "version");
    add_number(table, script, "connections");
    columns_add(table, answer_text(script, "script"));
  }
  if (table != NULL) {
    columns_print(table, stdout);
  }
  columns_free(table);
}

static void print_versions(const struct answer *answer) {
  static const struct column columns[] = {{"SCRIPT", COLUMN_LEFT}, {"VERSION", COLUMN_RIGHT},
                                          {"STATE", COLUMN_LEFT},  {"CONNS", COLUMN_RIGHT},
                                          {"TASKS", COLUMN_RIGHT}, {"FILES", COLUMN_RIGHT}};
  struct columns *table = columns_new(columns, sizeof columns / sizeof columns[0]);
  size_t i = 0;
  const json_t *version = NULL;
  json_array_foreach(table != NULL ? answer->lines : NULL, i, version) {
    columns_add(table, answer_text(version, "script"));
    add_number(table, version, "version");
    columns_add(table, answer_flag(version, "in_force") ? "in force" : "finishes");
    add_number(table, version, "connections");
    add_number(table, version, "tasks");
    add_number(table, version, "files");
  }
  if (table != NULL) {
    columns_print(table, stdout);
  }
  columns_free(table);
}

/* As the lua prompt shows it: what was printed, then the values of the expression in one line. */
static void print_eval(const struct answer *answer) {
  size_t i = 0;
  const json_t *line = NULL;
  bool is_first = true;
  json_array_foreach(answer->lines, i, line) {
    bool is_result = json_object_get(line, "result") != NULL;
    (void)fputs(is_result && !is_first ? "\t" : "", stdout);
    shown_print_text(stdout, answer_text(line, is_result ? "result" : "print"));
    if (json_object_get(line, "size") != NULL) {
      (void)printf("... (%lld bytes)", (long long)answer_number(line, "size"));
    }
    (void)fputs(is_result ? "" : "\n", stdout);
    is_first = is_first && !is_result;
  }
  (void)fputs(is_first ? "" : "\n", stdout);
  if (answer_number(answer->last, "left_out") > 0) {
    (void)printf("(and %lld more that are not shown)\n",
                 (long long)answer_number(answer->last, "left_out"));
  }
}

/* --- The rest ---------------------------------------------------------------------------------- */

/* Where the right column starts. */
#define HELP_COLUMN 24

static void print_help(const struct answer *answer) {
  size_t i = 0;
  const json_t *line = NULL;
  json_array_foreach(answer->lines, i, line) {
    const char *usage = answer_text(line, "usage");
    size_t width = shown_width(answer_text(line, "command")) + 1 + shown_width(usage);
    shown_print(stdout, answer_text(line, "command"));
    (void)putchar(' ');
    shown_print(stdout, usage);
    if (width > HELP_COLUMN - 2) {
      (void)printf("\n%*s", HELP_COLUMN, "");
    } else {
      (void)printf("%*s", (int)(HELP_COLUMN - width), "");
    }
    shown_print(stdout, answer_text(line, "summary"));
    (void)putchar('\n');
  }
}

static void print_ping(const struct answer *answer) {
  (void)printf("the server (pid %ld) answers\n", answer->server_pid);
}

static void print_fields(const json_t *object) {
  const char *name = NULL;
  json_t *value = NULL;
  const char *gap = "";
  json_object_foreach((json_t *)(uintptr_t)object, name, value) {
    char *text = strcmp(name, "ok") == 0 ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    if (text != NULL) {
      (void)printf("%s%s=", gap, name);
      shown_print(stdout, text);
      gap = "  ";
    }
    free(text);
  }
  (void)fputs(*gap != '\0' ? "\n" : "", stdout);
}

static void print_any(const struct answer *answer) {
  size_t i = 0;
  const json_t *line = NULL;
  json_array_foreach(answer->lines, i, line) {
    print_fields(line);
  }
  print_fields(answer->last);
}

static const struct {
  const char *name;
  void (*print)(const struct answer *answer);
  bool even_if_it_failed; /* some of it may have been done */
} rows[] = {
    {"conns", print_conns, false},     {"eval", print_eval, true},
    {"fault", print_fault, false},     {"health", print_health, false},
    {"help", print_help, false},       {"kick", print_kick, false},
    {"pause", print_pause, false},     {"ping", print_ping, false},
    {"reload", print_reload, true},    {"reset", print_reset, false},
    {"resume", print_resume, false},   {"scripts", print_scripts, false},
    {"send", print_send, false},       {"shutdown", print_finish, false},
    {"status", print_status, false},   {"step", print_step, false},
    {"tcp", console_print_tcp, false}, {"versions", print_versions, false},
};

static void print_failure(const struct answer *answer) {
  (void)fflush(stdout);
  colours_put(stderr, COLOUR_RED);
  shown_print_lines(stderr, answer_text(answer->last, "error"));
  colours_put(stderr, COLOUR_OFF);
  if (*answer_text(answer->last, "traceback") != '\0') {
    (void)fputs("\n  ", stderr);
    shown_print_lines(stderr, answer_text(answer->last, "traceback"));
  }
  (void)fputc('\n', stderr);
}

void console_print(const char *name, const struct answer *answer) {
  bool ok = answer_flag(answer->last, "ok");
  size_t row = 0;
  while (row < sizeof rows / sizeof rows[0] && strcmp(rows[row].name, name) != 0) {
    row++;
  }
  bool is_known = row < sizeof rows / sizeof rows[0];
  if (ok || (is_known && rows[row].even_if_it_failed)) {
    (is_known ? rows[row].print : print_any)(answer);
  }
  if (!ok) {
    print_failure(answer);
  }
}
