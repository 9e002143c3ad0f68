/* cli/console.h — what the parts of moonport console tell each other. */
#ifndef MOONPORT_CLI_CONSOLE_H
#define MOONPORT_CLI_CONSOLE_H

#include "cli/command.h"

#include <jansson.h>

struct answer;
struct console_names;

/* --- console_own.c: the commands that are the console's own, not the server's ----------------- */

struct console_own {
  const char *name;
  const char *usage;
  const char *summary;
};
extern const struct console_own console_own[];
extern const size_t console_own_count;
/* Adds them, or the one called `about` unless that is "", to the lines of the server's help. How many
 * that were. */
size_t console_own_describe(const char *about, json_t *lines);

/* --- console_names.c: what can be completed --------------------------------------------------- */

/* NULL: out of memory. `call` is borrowed. */
struct console_names *console_names_new(const struct command_call *call);
void console_names_free(struct console_names *names);
/* Calls each(context, word) for what the word that ends at the end of `line` may become; asks the
 * server, and tells nothing when it does not answer soon. */
void console_names_each(struct console_names *names, const char *line,
                        void (*each)(void *context, const char *word), void *context);

/* --- console_lines.c, console_edit.c: where lines come from ----------------------------------- */

struct console_lines; /* opaque */

/* Edited, with a history, when both ends are a terminal and libedit was there at build time. NULL: out
 * of memory. `names` is borrowed. */
struct console_lines *console_lines_open(struct console_names *names);
/* The next line without its newline, valid until the next call; NULL: no more. On a terminal the
 * prompt stands before it, static text or text that stays. */
const char *console_lines_next(struct console_lines *lines, const char *prompt);
void console_lines_close(struct console_lines *lines);

struct console_editor; /* opaque */

/* NULL where lines cannot be edited. */
struct console_editor *console_editor_open(struct console_names *names);
/* As console_lines_next(); "" for a line that was given up with Ctrl-C. */
const char *console_editor_next(struct console_editor *editor, const char *prompt);
void console_editor_close(struct console_editor *editor);

/* --- console_history.c: the lines of earlier consoles ------------------------------------------- */

/* Calls each(context, line) for each of them, oldest first. */
void console_history_each(void (*each)(void *context, const char *line), void *context);
void console_history_add(const char *line);

/* --- console_prints.c: answers in words -------------------------------------------------------- */

/* The answer to the command `name`, on stdout; one that is not ok on stderr. */
void console_print(const char *name, const struct answer *answer);

/* --- console_watch.c: events as they come ------------------------------------------------------ */

/* Tells what `command`, "events conn=7", streams: until Enter or Ctrl-C, until the connection `id` is
 * closed (0: any may be), or on a pipe until the server ends it. An exit code. */
int console_watch(const struct command_call *call, const char *command, unsigned long long id);

#endif
