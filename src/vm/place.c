/* vm/place.c — where a state is, read without touching it — does not know who asks, or why.
 *
 * lua_getstack() and lua_getinfo("Sln") only read: they follow the list of calls and look into the
 * bytecode, push nothing and allocate nothing. A signal handler asks when a C function has run for
 * long; that function's call, and those below it, then stand still. It may yet meet the interpreter
 * between two stores of one call, and find a pointer that is not set yet: what faults then is caught
 * and leaves the place empty. */
#include "vm/place.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 320, LEVELS_MAX = 20 };

struct named {
  lua_CFunction function;
  char name[sizeof(((struct place *)0)->call)];
};

struct place_names {
  size_t count;
  bool has_learned;
  bool reads_functions; /* function_of() works with this Lua */
  struct named rows[NAMES_MAX];
};

/* The C function of a call, without pushing it, which would write to the stack. A CallInfo of Lua 5.4
 * begins with the function's slot, a slot is a value and a tag, and 0x16 is the tag of a C function
 * without upvalues. place_names_learn() makes sure. */
static lua_CFunction function_of(const lua_Debug *activation) {
  struct slot {
    lua_CFunction function;
    unsigned char tag;
  };
  enum { TAG_LIGHT_C_FUNCTION = 0x16 };
  struct slot *slot;
  memcpy(&slot, (const void *)activation->i_ci, sizeof slot);
  return slot->tag == TAG_LIGHT_C_FUNCTION ? slot->function : NULL;
}

static int l_probe(lua_State *L) {
  lua_Debug activation;
  struct place_names *names = lua_touserdata(L, 1);
  names->reads_functions = lua_getstack(L, 0, &activation) && function_of(&activation) == l_probe;
  return 0;
}

struct place_names *place_names_new(void) {
  return calloc(1, sizeof(struct place_names));
}

void place_names_free(struct place_names *names) {
  free(names);
}

static const char *find(const struct place_names *names, lua_CFunction function) {
  for (size_t i = 0; i < names->count; i++) {
    if (names->rows[i].function == function) return names->rows[i].name;
  }
  return NULL;
}

static void add(struct place_names *names, lua_CFunction function, const char *prefix,
                const char *name) {
  if (!function || names->count == NAMES_MAX || find(names, function)) return;
  struct named *row = &names->rows[names->count];
  row->function = function;
  const size_t last = sizeof row->name - 1;
  strncat(row->name, prefix, last); /* each start adds two hundred: snprintf() is dear */
  strncat(row->name, name, last - strlen(row->name));
  names->count++;
}

void place_names_add(struct place_names *names, const char *prefix, const luaL_Reg *functions) {
  for (; functions->name; functions++) add(names, functions->func, prefix, functions->name);
}

/* Adds the C functions of the table on top, of a fresh world. */
static void add_table(struct place_names *names, lua_State *L, const char *library,
                      const char *separator) {
  char prefix[16];
  snprintf(prefix, sizeof prefix, "%s%s", library, separator);
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    add(names, lua_tocfunction(L, -1), prefix, lua_tostring(L, -2));
    lua_pop(L, 1);
  }
}

void place_names_learn(struct place_names *names, lua_State *L) {
  static const char *const libraries[] = {"os",        "io",   "string", "table",
                                          "coroutine", "utf8", "debug",  "math"};
  if (names->has_learned) return;
  names->has_learned = true;
  lua_pushcfunction(L, l_probe);
  lua_pushlightuserdata(L, names);
  lua_call(L, 1, 0);
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
    lua_getglobal(L, libraries[i]);
    add_table(names, L, libraries[i], ".");
    lua_pop(L, 1);
  }
  luaL_getmetatable(L, LUA_FILEHANDLE);
  lua_getfield(L, -1, "__index");
  add_table(names, L, "file", ":");
  lua_pop(L, 2);
  lua_pushglobaltable(L);
  add_table(names, L, "", "");
  lua_pop(L, 1);
}

/* NULL: it is not known. */
static const char *name_of(const struct place_names *names, const lua_Debug *activation) {
  lua_CFunction function = names && names->reads_functions ? function_of(activation) : NULL;
  const char *name = function ? find(names, function) : NULL;
  return name ? name : activation->name;
}

/* That of the C function that runs; where another one in C has called it, Lua mostly knows that one's. NULL:
 * the author's own code runs. */
static const char *read_call(lua_State *L, const struct place_names *names) {
  lua_Debug activation;
  const char *call = NULL;
  for (int level = 0; level < LEVELS_MAX && lua_getstack(L, level, &activation); level++) {
    if (!lua_getinfo(L, "Sn", &activation) || *activation.what != 'C') break;
    const char *name = name_of(names, &activation);
    if (name) return name;
    call = "a C function";
  }
  return call;
}

bool place_read_line(lua_State *L, struct place *out) {
  static const char library[] = "=[moonport]/";
  lua_Debug activation;
  *out = (struct place){0};
  for (int level = 0; level < LEVELS_MAX && lua_getstack(L, level, &activation); level++) {
    if (!lua_getinfo(L, "Sl", &activation)) return false;
    if (activation.currentline < 0) continue; /* of C */
    bool is_author = strncmp(activation.source, library, sizeof library - 1) != 0;
    if (!is_author && out->file[0]) continue;
    strncpy(out->file, activation.short_src, sizeof out->file - 1);
    out->line = activation.currentline;
    if (is_author) return true;
  }
  return false;
}

void place_read(lua_State *L, const struct place_names *names, struct place *out) {
  (void)place_read_line(L, out);
  const char *call = read_call(L, names);
  if (call) strncpy(out->call, call, sizeof out->call - 1);
}

/* Where place_on_fault() goes. Written and read by one thread: a signal handler has no other. */
static sigjmp_buf fault_exit;

static void place_on_fault(int number) {
  (void)number;
  siglongjmp(fault_exit, 1);
}

void place_read_from_signal(lua_State *L, const struct place_names *names, struct place *out) {
  struct sigaction caught = {.sa_handler = place_on_fault}, before_segv, before_bus;
  struct place read;
  *out = (struct place){0};
  sigemptyset(&caught.sa_mask);
  sigaction(SIGSEGV, &caught, &before_segv);
  sigaction(SIGBUS, &caught, &before_bus);
  if (sigsetjmp(fault_exit, 1) == 0) {
    place_read(L, names, &read);
    *out = read;
  }
  sigaction(SIGSEGV, &before_segv, NULL);
  sigaction(SIGBUS, &before_bus, NULL);
}
