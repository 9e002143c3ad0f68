/* cli/editor.c — core.editor(): a line that is edited on a terminal, by libedit. Knows no command.
 *
 * What a word may become is found out between two calls of read(): Tab ends the first, and the second
 * goes on with the line as it is then. Without libedit at build time there is no editor. */
#include "cli/in_lua.h"

#ifndef MOONPORT_LIBEDIT

int editor_new(lua_State *L) {
  (void)L;
  return 0;
}

void editor_open(lua_State *L) {
  (void)L;
}

#else

#include <histedit.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HISTORY_LINES_MAX = 1000 };

static const char type_name[] = "moonport.cli.editor";

struct editor {
  EditLine *edit;
  History *history;
  FILE *nowhere; /* what libedit says of a terminal that it does not know */
  const char *prompt;
  enum { IS_EDITED, IS_DROPPED, IS_TO_COMPLETE } how;
  char *line; /* to be completed; NULL: memory was out */
  size_t before_size;
};

static struct editor *editor_of(EditLine *edit) {
  void *editor = NULL;
  el_get(edit, EL_CLIENTDATA, &editor);
  return editor;
}

static char *prompt_of(EditLine *edit) {
  return (char *)(uintptr_t)editor_of(edit)->prompt;
}

static unsigned char complete(EditLine *edit, int key) {
  (void)key;
  struct editor *editor = editor_of(edit);
  const LineInfo *info = el_line(edit);
  editor->line = strndup(info->buffer, (size_t)(info->lastchar - info->buffer));
  if (!editor->line) return CC_ERROR;
  editor->before_size = (size_t)(info->cursor - info->buffer);
  editor->how = IS_TO_COMPLETE;
  return CC_NEWLINE;
}

static unsigned char drop(EditLine *edit, int key) {
  (void)key;
  editor_of(edit)->how = IS_DROPPED;
  fputs("^C\n", stdout);
  fflush(stdout);
  return CC_NEWLINE;
}

static void prepare_keys(EditLine *edit) {
  el_set(edit, EL_EDITOR, "emacs");
  el_set(edit, EL_SIGNAL, 1); /* one that ends us leaves the terminal as it was */
  el_set(edit, EL_ADDFN, "moonport-complete", "complete a word", complete);
  el_set(edit, EL_BIND, "^I", "moonport-complete", NULL);
  el_set(edit, EL_ADDFN, "moonport-give-up", "drop the line", drop);
  el_set(edit, EL_BIND, "^C", "moonport-give-up", NULL);
  el_set(edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
  el_set(edit, EL_BIND, "\\e[3~", "ed-delete-next-char", NULL);
  for (int i = 0; i < 3; i++) {
    static const char *const home[] = {"\\e[H", "\\e[1~", "\\eOH"};
    static const char *const end[] = {"\\e[F", "\\e[4~", "\\eOF"};
    el_set(edit, EL_BIND, home[i], "ed-move-to-beg", NULL);
    el_set(edit, EL_BIND, end[i], "ed-move-to-end", NULL);
  }
  el_set(edit, EL_SETTY, "-d", "-isig", NULL); /* while a line is edited, Ctrl-C is a key */
  el_source(edit, NULL);                       /* the user's ~/.editrc */
}

/* Of a terminal that nothing is known of, for TERM is not set, or its name not in a database that a
 * container has: nearly all there are today take these. One that is "dumb" gets no editor. */
static void assume_capabilities(EditLine *edit) {
  static const char *const capabilities[][2] = {
      {"am", "yes"},    {"xn", "yes"},    {"ce", "\033[K"}, {"cd", "\033[J"},
      {"nd", "\033[C"}, {"up", "\033[A"}, {"dc", "\033[P"}, {"cl", "\033[H\033[J"},
  };
  char *known = NULL;
  if (el_get(edit, EL_GETTC, "ce", &known) == 0 && known && *known) return;
  for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++) {
    el_set(edit, EL_SETTC, capabilities[i][0], capabilities[i][1], NULL);
  }
}

static struct editor *check_editor(lua_State *L) {
  struct editor *editor = luaL_checkudata(L, 1, type_name);
  luaL_argcheck(L, editor->edit, 1, "the editor is closed");
  return editor;
}

/* editor:close() */
static int l_close(lua_State *L) {
  struct editor *editor = luaL_checkudata(L, 1, type_name);
  if (editor->history) history_end(editor->history);
  if (editor->edit) el_end(editor->edit);
  if (editor->nowhere) fclose(editor->nowhere);
  free(editor->line);
  *editor = (struct editor){0};
  return 0;
}

/* core.editor() -> an editor; nil where lines cannot be edited */
int editor_new(lua_State *L) {
  HistEvent event;
  struct editor *editor = lua_newuserdatauv(L, sizeof *editor, 0);
  *editor = (struct editor){0};
  luaL_setmetatable(L, type_name);
  editor->nowhere = fopen("/dev/null", "we");
  if (!editor->nowhere) return 0;
  editor->edit = el_init("moonport", stdin, stdout, editor->nowhere);
  editor->history = history_init();
  if (!editor->edit || !editor->history) return 0;
  assume_capabilities(editor->edit);
  el_set(editor->edit, EL_CLIENTDATA, editor);
  el_set(editor->edit, EL_PROMPT, prompt_of);
  history(editor->history, &event, H_SETSIZE, HISTORY_LINES_MAX);
  history(editor->history, &event, H_SETUNIQUE, 1);
  el_set(editor->edit, EL_HIST, history, editor->history);
  prepare_keys(editor->edit);
  return 1;
}

/* editor:remember(line): in the history */
static int l_remember(lua_State *L) {
  HistEvent event;
  history(check_editor(L)->history, &event, H_ENTER, luaL_checkstring(L, 2));
  return 0;
}

/* As if it were typed: `before`, `after`, and the cursor back between them. */
static void push_input(lua_State *L, struct editor *editor) {
  luaL_Buffer input;
  size_t after_size;
  const char *after = luaL_checklstring(L, 4, &after_size);
  luaL_buffinit(L, &input);
  luaL_addstring(&input, luaL_checkstring(L, 3));
  luaL_addstring(&input, after);
  for (size_t i = 0; i < after_size; i++) {
    if (((unsigned char)after[i] & 0xc0) != 0x80) luaL_addchar(&input, 'B' & 0x1f);
  }
  luaL_pushresult(&input);
  if (lua_rawlen(L, -1) > 0) el_push(editor->edit, lua_tostring(L, -1));
}

/* The terminal stays as the editor needs it, for the next call comes at once. */
static int push_incomplete(lua_State *L, struct editor *editor) {
  el_set(editor->edit, EL_PREP_TERM, 1);
  lua_pushliteral(L, "complete");
  lua_pushlstring(L, editor->line, editor->before_size);
  lua_pushstring(L, editor->line + editor->before_size);
  free(editor->line);
  editor->line = NULL;
  return 3;
}

/* editor:read(prompt, before, after) -> "line", text | "dropped" | "complete", before, after | nil.
 * Blocks; `before` and `after` are what stands on both sides of the cursor already. */
static int l_read(lua_State *L) {
  struct editor *editor = check_editor(L);
  int size = 0;
  editor->prompt = luaL_checkstring(L, 2);
  editor->how = IS_EDITED;
  push_input(L, editor);
  const char *line = el_gets(editor->edit, &size);
  if (editor->how == IS_TO_COMPLETE) return push_incomplete(L, editor);
  if (editor->how == IS_DROPPED) {
    lua_pushliteral(L, "dropped");
    return 1;
  }
  if (!line || size <= 0) return 0;
  lua_pushliteral(L, "line");
  lua_pushlstring(L, line, strcspn(line, "\r\n"));
  return 2;
}

void editor_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"read", l_read},   {"remember", l_remember},
                                       {"close", l_close}, {"__close", l_close},
                                       {"__gc", l_close},  {NULL, NULL}};
  luaL_newmetatable(L, type_name);
  luaL_setfuncs(L, functions, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

#endif
