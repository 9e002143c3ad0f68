/* cli/console_lines.c — the lines of a console, from a terminal or a pipe. Knows no command. */
#include "cli/console.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct console_lines {
  struct console_editor *editor; /* NULL: lines are taken as they come */
  bool is_terminal;
  char *line;
  size_t capacity;
};

struct console_lines *console_lines_open(struct console_names *names) {
  struct console_lines *lines = calloc(1, sizeof *lines);
  if (lines == NULL) {
    return NULL;
  }
  lines->is_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
  lines->editor = lines->is_terminal ? console_editor_open(names) : NULL;
  return lines;
}

const char *console_lines_next(struct console_lines *lines, const char *prompt) {
  if (lines->editor != NULL) {
    return console_editor_next(lines->editor, prompt);
  }
  if (lines->is_terminal) {
    (void)fputs(prompt, stdout);
  }
  (void)fflush(stdout);
  ssize_t size = getline(&lines->line, &lines->capacity, stdin);
  if (size < 0) {
    return NULL;
  }
  lines->line[strcspn(lines->line, "\r\n")] = '\0';
  return lines->line;
}

void console_lines_close(struct console_lines *lines) {
  if (lines->editor != NULL) {
    console_editor_close(lines->editor);
  }
  free(lines->line);
  free(lines);
}
