/* server/activation_handover.c — sockets of the process before this one, by the messages of base/handover.h. */
#include "server/activation_state.h"

#include "base/handover.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIELD_BYTES = 4200 }; /* a path, PATH_MAX long, and more */

static char *field(const char *message, const char *name) {
  char value[FIELD_BYTES];
  return handover_field(message, name, value, sizeof value) ? strdup(value) : NULL;
}

static unsigned number(const char *message, const char *name) {
  char value[FIELD_BYTES];
  return handover_field(message, name, value, sizeof value) ? (unsigned)strtoul(value, NULL, 10)
                                                            : 0;
}

static bool field_is(const char *message, const char *name, const char *wanted) {
  char value[FIELD_BYTES];
  return handover_field(message, name, value, sizeof value) && strcmp(value, wanted) == 0;
}

/* One that is of no use here, since another version has sent it, is let go. */
static void take_socket(struct activation *activation, const char *message, int fd,
                        struct log *log) {
  struct handed_socket *handed;
  const char *fault = activation_add(activation, fd, &handed);
  if (fault) {
    log_printf(log, LOG_WARN, "a socket of the process before this one %s; not used", fault);
    close(fd);
    return;
  }
  handover_field(message, "name", handed->name, sizeof handed->name);
  handed->is_control = field_is(message, "for", "control");
  handed->is_own = handed->is_control || field_is(message, "from", "server");
  handed->owns_file = field_is(message, "file", "own");
  handed->script = field(message, "script");
  handed->given = field(message, "given");
  handed->groups = field(message, "groups");
  handed->index = number(message, "index");
  handed->worker = number(message, "worker");
}

static void take(struct handover *handover, struct activation *activation, const char *message,
                 int fd, struct log *log) {
  if (fd < 0) return;
  if (handover_is(message, "socket")) {
    take_socket(activation, message, fd, log);
  } else if (handover_is(message, "place") && handover->place < 0) {
    handover->place = fd;
  } else {
    close(fd);
  }
}

int activation_inherit(struct handover *handover, struct log *log, struct activation **out) {
  char message[HANDOVER_BYTES_MAX];
  int fd;
  *out = activation_create();
  while (*out && handover_send(handover->channel, "next", -1) == 0 &&
         handover_receive(handover->channel, true, message, &fd) > 0) {
    if (handover_is(message, "end")) {
      handover->ignores_hangup = field_is(message, "hangup", "ignored");
      return 0;
    }
    take(handover, *out, message, fd, log);
  }
  log_printf(log, LOG_ERROR, "process %ld, whose place this one was to take, %s", handover->pid,
             *out ? "has not handed over its sockets"
                  : "has more sockets than there is memory for");
  return -1;
}

void activation_export(const struct activation *activation, handover_visit *visit, void *context) {
  const struct list *link = activation ? activation->sockets.next : NULL;
  for (; activation && link != &activation->sockets; link = link->next) {
    const struct handed_socket *handed = LIST_ELEMENT(link, struct handed_socket, link);
    char message[HANDOVER_BYTES_MAX] = "socket";
    if (handed->is_own) continue;
    handover_add(message, "for", "listen");
    handover_add(message, "from", "supervisor");
    handover_add(message, "name", handed->name);
    visit(context, message, handed->fd);
  }
}
