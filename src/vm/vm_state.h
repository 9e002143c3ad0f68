/* vm/vm_state.h — a state's fields, for vm/ only. */
#pragma once

#include "vm/blocks.h"
#include "vm/vm.h"

#include <stdint.h>

struct durations;
struct tap;
struct vm_failure;

/* One lua_resume() that is under way; lives on the C stack. */
struct vm_frame {
  lua_State *L; /* the coroutine that was resumed */
  struct vm_frame *caller;
};

/* Functions of Lua's own libraries that others stand in front of. They are kept here, for an upvalue
 * is what debug.getupvalue() hands out. */
enum standard {
  STANDARD_EXECUTE,
  STANDARD_GETENV,
  STANDARD_GETINFO,
  STANDARD_INPUT,
  STANDARD_LINES,
  STANDARD_OPEN,
  STANDARD_OUTPUT,
  STANDARD_POPEN,
  STANDARD_REMOVE,
  STANDARD_RENAME,
  STANDARD_SEARCHPATH,
  STANDARD_SEARCH_C,
  STANDARD_SEARCH_C_ROOT,
  STANDARD_SETLOCALE,
  STANDARD_TMPFILE,
  STANDARD_TMPNAME,
  STANDARD_COUNT,
};

/* One Lua state, and what runs in it. Mostly one script has all of it; a test shares its own with the
 * scripts that it tests, each of which has a struct vm. */
struct vm_shared {
  struct vm
      *vm; /* of the world in force, and before there is one the first; vm_of() reads it here */
  lua_State *L;
  struct vm *first; /* whose state it is: it was made with that one */
  struct vm_blocks blocks;
  char **read;             /* see vm_push_read(); until the next block is taken. NULL: none */
  size_t read_size;        /* of the block that a string takes which is made of it */
  bool takes_rooms;        /* this Lua lays strings out as that needs it */
  size_t memory_bytes;     /* in use, without what `blocks` has free */
  size_t memory_bytes_max; /* the budget of the first */
  struct vm_task *running;
  struct vm_task *ended;  /* of which something runs that is left; NULL: none */
  const char *ended_what; /* that: "the __close of " */
  struct vm_task *all;    /* every task ever made; they are freed with the state */
  struct vm_task *idle;   /* cached ones, most recently used first */
  size_t idle_count;      /* of those with a coroutine */
  struct vm_frame *frame; /* innermost; NULL outside Lua */
  struct vm_world *world; /* in force; NULL before the first */
  bool has_forked;        /* this is the child, and the entry is still that of the parent */
  bool collected;         /* the collector finished a cycle: its pause is due to be set */
  bool closing;           /* lua_close() is under way */
  char warning[1000];     /* the pieces of a warning, until its last one */
  bool waiting;           /* the yield under way is a vm_wait(), not the script's own */
};

struct vm {
  struct vm_shared *shared;
  struct vm_options options;
  lua_CFunction standard[STANDARD_COUNT];
  struct vm_budget budget;
  const char *no_wait_why;     /* see vm_forbid_waiting() */
  struct tap *tap;             /* see vm/tell.h */
  const char *script;          /* for it */
  bool is_freeing_descriptors; /* see vm_free_descriptors() */
};

struct vm_task {
  struct vm *vm; /* whose code it runs */
  lua_State *L;  /* NULL in a cached task whose coroutine was let go */
  int reference; /* keeps the coroutine alive, in the registry */
  uint64_t turn; /* counts the entries; a ticket of an earlier one is stale */
  bool waiting;
  bool condemned; /* somebody will cancel it: nobody else ends its wait */
  struct vm_task *idle_next;
  struct vm_world *world; /* whose code it runs; a reference of it */
  void *owner;
  const char *name; /* of what runs, for people */
  uint64_t conn_id;
  unsigned cpu_ms_max; /* 0: that of the state's budget */
  void (*on_fail)(void *owner, const struct vm_failure *failure);
  void (*on_end)(void *owner, bool failed);
  void (*on_cancel)(void *owner);
  struct vm_task *all_next;
  const char *told; /* the handler whose end is to be told; NULL: nobody watched when it began */
  uint64_t told_ns; /* when it began */
  uint64_t entered_ns;
  uint64_t lua_ns; /* in Lua so far */
  uint64_t waits;
  struct durations *durations; /* NULL: nobody counts the time that it takes */
  uint64_t lap_ns;             /* of the clock, when what runs now began, or went on */
  uint64_t took_ns;            /* before that */
};

/* vm/vm.c */
void vm_tune_collector(struct vm *vm);

/* vm/task.c */
void vm_free_tasks(struct vm_shared *shared);
/* vm/watch.c: around each entry into Lua; the end returns whether the entry had used up its time. */
void vm_watch(struct vm *vm, lua_State *L, unsigned cpu_ms_max);
void vm_watch_begin(struct vm *vm, lua_State *L); /* with the state's budget */
bool vm_watch_end(struct vm *vm);

/* vm/failure.c */
/* Tells the owner, and unwinds. `overdue`: it was ended by the watchdog, and no __close of it gets
 * the chance to go on where it looped. */
void vm_report(struct vm_task *task, int rc, bool overdue);
/* Unwinds what the coroutine still holds; to-be-closed variables run, within the same budget. The value
 * at `error` on the state's stack ended it; 0: it was cancelled. Its world is in force. */
void vm_unwind(struct vm_task *task, int error);

/* vm/tell.c, for a task that is told. `outcome` is "done" or "failed", or NULL when it waits. */
void vm_tell_wake(struct vm_task *task);
void vm_tell_left(struct vm_task *task, const char *outcome);
void vm_tell_cancelled(struct vm_task *task);

/* vm/error_text.c: error_text(value, coroutine), the text of what ended a task. Raises. */
int vm_error_text(lua_State *L);
/* The value on top was raised by a to-be-closed variable while others were closed. Lua gives it on to
 * whoever closes the coroutine, and here that is nobody's call. */
void vm_warn_of_close(lua_State *L);
/* By its address the error value of a task that a C function left by a yield of its own. */
extern const char vm_yielded;

/* vm/sandbox.c: opens the standard libraries, less what a script must not have. Raises. */
void vm_open_libraries(lua_State *L);
/* What stands in front of a function of the table on top: it calls vm_standard(). */
struct vm_front {
  const char *name;
  enum standard standard;
  lua_CFunction front;
};
/* Puts `count` of them there, in place of the functions that they stand for. Raises. */
void vm_put_fronts(lua_State *L, const struct vm_front *fronts, size_t count);
/* Calls the function of Lua's own with the running one's arguments, for `return`. */
int vm_standard(lua_State *L, enum standard standard);
/* vm/guard.c: puts fronts before io that look at what the operator grants, and collect garbage before
 * descriptors are out; and the same before os and package. Raise. */
void vm_guard_files(lua_State *L);
void vm_guard_libraries(lua_State *L);
/* vm/coroutine.c: once for each state. Raises. */
void vm_prepare_coroutines(lua_State *L);
/* vm/coroutine.c: no script may resume or close `co`, which is a task's. Raises. */
void vm_reserve_coroutine(lua_State *L, lua_State *co);
/* vm/coroutine.c: replaces resume, wrap and yield. Raises. */
void vm_open_coroutine(lua_State *L);
/* vm/protect.c */
void vm_open_protect(lua_State *L);
/* vm/library.c: where require() looks. Raises. */
void vm_open_searchers(lua_State *L);
