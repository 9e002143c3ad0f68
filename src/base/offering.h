/* base/offering.h — the old process's side of base/handover.h: what it hands over, and what it hears. Knows
 * neither a loop nor how the new process was started. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OFFERING_TEXT_BYTES = 1024, OFFERING_LINES_MAX = 20 };

struct offer {
  char *message;
  int fd; /* borrowed: nothing closes while an upgrade is under way */
};

struct offering {
  struct offer *offers;
  size_t count;
  size_t next;
  bool ignores_hangup; /* handover.ignores_hangup of the new process */
  /* The first error that the new process told of, or the last line of its standard error; "": none. */
  char error[OFFERING_TEXT_BYTES];
  char text[OFFERING_TEXT_BYTES + 1]; /* of the next line, as far as it has come */
  size_t text_size;
  unsigned lines; /* that on_line() was given */
  /* A line that it has written to its standard error, before it found the one that it is to have. After
   * OFFERING_LINES_MAX comes "… and more", and then nothing: it may write without end. */
  void (*on_line)(void *context, const char *line);
  void *context;
};

/* `context` is a struct offering: a handover_visit. What there is no memory for, the new process cannot open. */
void offering_add(void *context, const char *message, int fd);
/* What stands for the server, where that is to go on: base/stand_in.h. */
void offering_add_place(struct offering *offering, int place);
/* Takes a message of the new process, and answers it. 0; 1: it is ready; or a negative errno. */
int offering_take(struct offering *offering, int channel, const char *message);
void offering_take_text(struct offering *offering, const char *bytes, size_t size);
/* Takes what has come without a newline. What is known of why it fails, or "". */
const char *offering_words(struct offering *offering);
void offering_deinit(struct offering *offering);
/* A copy of `before`, with what the new process is to know; `notify_socket` is NULL without a supervisor,
 * `watchdog_us` 0 where that has no watchdog. To be freed with offering_free_environment(). NULL when memory is
 * out. */
char **offering_make_environment(char *const *before, const char *notify_socket,
                                 uint64_t watchdog_us);
void offering_free_environment(char **environment);
