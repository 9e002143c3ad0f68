/* cli/console_edit.c — a line that is edited on a terminal, with history and completion, by libedit.
 *
 * Without libedit at build time there is no editor, and the console takes lines as the terminal
 * gives them. */
#include "cli/console.h"

#ifndef MOONPORT_LIBEDIT

struct console_editor *console_editor_open(struct console_names *names) {
  (void)names;
  return NULL;
}

const char *console_editor_next(struct console_editor *editor, const char *prompt) {
  (void)editor;
  (void)prompt;
  return NULL;
}

void console_editor_close(struct console_editor *editor) {
  (void)editor;
}

#else

#include "cli/shown.h"

#include <histedit.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#define HISTORY_LINES_MAX 1000

struct console_editor {
  EditLine *edit;
  History *history;
  struct console_names *names;
  const char *prompt;
  char *line;
  bool is_given_up;
};

static struct console_editor *editor_of(EditLine *edit) {
  void *editor = NULL;
  (void)el_get(edit, EL_CLIENTDATA, &editor);
  return editor;
}

static char *prompt_of(EditLine *edit) {
  return (char *)(uintptr_t)editor_of(edit)->prompt;
}

/* --- Completion -------------------------------------------------------------------------------- */

/* What a word may become: what all of it has in common, and a list. */
struct proposal {
  char *common; /* NULL until there is one */
  char **words;
  size_t count;
  size_t capacity;
};

static void propose(void *context, const char *word) {
  struct proposal *proposal = context;
  if (proposal->count == proposal->capacity) {
    size_t capacity = proposal->capacity * 2 + 16;
    char **words = realloc((void *)proposal->words, capacity * sizeof *words);
    if (words == NULL) {
      return;
    }
    proposal->words = words;
    proposal->capacity = capacity;
  }
  char *copy = strdup(word);
  if (copy == NULL) {
    return;
  }
  proposal->words[proposal->count++] = copy;
  if (proposal->common == NULL) {
    proposal->common = strdup(word);
    return;
  }
  size_t same = 0;
  while (word[same] != '\0' && word[same] == proposal->common[same]) {
    same++;
  }
  proposal->common[same] = '\0';
}

static void list_words(const struct proposal *proposal) {
  (void)putchar('\n');
  for (size_t i = 0; i < proposal->count; i++) {
    (void)fputs(i > 0 ? "  " : "", stdout);
    shown_print(stdout, proposal->words[i]);
  }
  (void)putchar('\n');
  (void)fflush(stdout);
}

static unsigned char insert_proposal(EditLine *edit, const struct proposal *proposal,
                                     size_t typed) {
  if (proposal->common == NULL) {
    return CC_ERROR;
  }
  const char *rest = proposal->common + typed;
  bool is_whole = proposal->count == 1;
  size_t size = strlen(proposal->common);
  bool inserted = *rest != '\0' && el_insertstr(edit, rest) == 0;
  /* A word that ends in = goes on with a value. */
  if (is_whole && size > 0 && proposal->common[size - 1] != '=') {
    inserted = el_insertstr(edit, " ") == 0 || inserted;
  }
  if (inserted) {
    return CC_REFRESH;
  }
  list_words(proposal);
  return CC_REDISPLAY;
}

static unsigned char complete(EditLine *edit, int key) {
  (void)key;
  const LineInfo *info = el_line(edit);
  struct proposal proposal = {0};
  char *line = strndup(info->buffer, (size_t)(info->cursor - info->buffer));
  if (line == NULL) {
    return CC_ERROR;
  }
  const char *blank = strrchr(line, ' ');
  const char *word = blank != NULL ? blank + 1 : line;
  console_names_each(editor_of(edit)->names, line, propose, &proposal);
  unsigned char result = insert_proposal(edit, &proposal, strlen(word));
  for (size_t i = 0; i < proposal.count; i++) {
    free(proposal.words[i]);
  }
  free((void *)proposal.words);
  free(proposal.common);
  free(line);
  return result;
}

static unsigned char give_up(EditLine *edit, int key) {
  (void)key;
  editor_of(edit)->is_given_up = true;
  (void)fputs("^C\n", stdout);
  (void)fflush(stdout);
  return CC_NEWLINE;
}

/* --- The editor -------------------------------------------------------------------------------- */

static void remember(void *context, const char *line) {
  const struct console_editor *editor = context;
  HistEvent event;
  (void)history(editor->history, &event, H_ENTER, line);
}

static void prepare_history(struct console_editor *editor) {
  HistEvent event;
  (void)history(editor->history, &event, H_SETSIZE, HISTORY_LINES_MAX);
  (void)history(editor->history, &event, H_SETUNIQUE, 1);
  console_history_each(remember, editor);
}

static void prepare_keys(const struct console_editor *editor) {
  EditLine *edit = editor->edit;
  (void)el_set(edit, EL_EDITOR, "emacs");
  (void)el_set(edit, EL_SIGNAL, 1); /* one that ends us leaves the terminal as it was */
  (void)el_set(edit, EL_ADDFN, "moonport-complete", "complete a word", complete);
  (void)el_set(edit, EL_BIND, "^I", "moonport-complete", NULL);
  (void)el_set(edit, EL_ADDFN, "moonport-give-up", "drop the line", give_up);
  (void)el_set(edit, EL_BIND, "^C", "moonport-give-up", NULL);
  (void)el_set(edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
  /* While a line is edited, Ctrl-C is a key. */
  (void)el_set(edit, EL_SETTY, "-d", "-isig", NULL);
  (void)el_source(edit, NULL); /* the user's ~/.editrc */
}

struct console_editor *console_editor_open(struct console_names *names) {
  struct console_editor *editor = calloc(1, sizeof *editor);
  if (editor == NULL) {
    return NULL;
  }
  (void)setlocale(LC_CTYPE, ""); /* which bytes are a character */
  editor->names = names;
  editor->edit = el_init("moonport", stdin, stdout, stderr);
  editor->history = history_init();
  if (editor->edit == NULL || editor->history == NULL) {
    console_editor_close(editor);
    return NULL;
  }
  (void)el_set(editor->edit, EL_CLIENTDATA, editor);
  (void)el_set(editor->edit, EL_PROMPT, prompt_of);
  prepare_history(editor);
  (void)el_set(editor->edit, EL_HIST, history, editor->history);
  prepare_keys(editor);
  return editor;
}

const char *console_editor_next(struct console_editor *editor, const char *prompt) {
  int size = 0;
  editor->prompt = prompt;
  editor->is_given_up = false;
  const char *line = el_gets(editor->edit, &size);
  if (editor->is_given_up) {
    return "";
  }
  if (line == NULL || size <= 0) {
    (void)putchar('\n');
    return NULL;
  }
  free(editor->line);
  editor->line = strdup(line);
  if (editor->line == NULL) {
    return "";
  }
  editor->line[strcspn(editor->line, "\r\n")] = '\0';
  if (editor->line[strspn(editor->line, " \t")] != '\0') {
    remember(editor, editor->line);
    console_history_add(editor->line);
  }
  return editor->line;
}

void console_editor_close(struct console_editor *editor) {
  if (editor->history != NULL) {
    history_end(editor->history);
  }
  if (editor->edit != NULL) {
    el_end(editor->edit);
  }
  free(editor->line);
  free(editor);
}

#endif
