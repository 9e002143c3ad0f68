/* base/offering.c — the old process's side of base/handover.h. Knows no loop. */
#include "base/offering.h"

#include "base/handover.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- What is handed over ----------------------------------------------------------------------- */

void offering_add(void *context, const char *message, int fd) {
  struct offering *offering = context;
  struct offer *offers = realloc(offering->offers, (offering->count + 1) * sizeof *offers);
  if (offers) offering->offers = offers;
  char *copy = strdup(message);
  if (offers && copy) {
    offers[offering->count++] = (struct offer){copy, fd};
  } else {
    free(copy);
  }
}

void offering_add_place(struct offering *offering, int place) {
  if (place >= 0) offering_add(offering, "place", place);
}

static int answer_next(struct offering *offering, int channel) {
  if (offering->next < offering->count) {
    const struct offer *offer = &offering->offers[offering->next++];
    return -handover_send(channel, offer->message, offer->fd);
  }
  return -handover_send(channel, offering->ignores_hangup ? "end\nhangup=ignored" : "end", -1);
}

int offering_take(struct offering *offering, int channel, const char *message) {
  if (handover_is(message, "ready")) return 1;
  if (handover_is(message, "next")) return answer_next(offering, channel);
  if (handover_is(message, "error") && !*offering->error) {
    snprintf(offering->error, sizeof offering->error, "%s", message + strlen("error"));
    memmove(offering->error, offering->error + 1, strlen(offering->error)); /* the blank */
  }
  return 0;
}

void offering_deinit(struct offering *offering) {
  for (size_t i = 0; i < offering->count; i++) free(offering->offers[i].message);
  free(offering->offers);
}

/* --- What the new process writes --------------------------------------------------------------- */

static void take_line(struct offering *offering) {
  offering->text[offering->text_size] = '\0';
  if (offering->text_size == 0) return;
  offering->text_size = 0;
  snprintf(offering->error, sizeof offering->error, "%.*s", OFFERING_TEXT_BYTES - 1,
           offering->text);
  if (offering->lines > OFFERING_LINES_MAX) return;
  const bool is_last = offering->lines++ == OFFERING_LINES_MAX;
  offering->on_line(offering->context, is_last ? "… and more" : offering->text);
}

void offering_take_text(struct offering *offering, const char *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) {
    const bool is_full = offering->text_size == OFFERING_TEXT_BYTES;
    if (bytes[i] == '\n' || is_full) take_line(offering);
    if (bytes[i] != '\n') offering->text[offering->text_size++] = bytes[i];
  }
}

const char *offering_words(struct offering *offering) {
  take_line(offering);
  return offering->error;
}

/* --- What it is started with ------------------------------------------------------------------- */

char **offering_make_environment(char *const *before, const char *notify_socket,
                                 uint64_t watchdog_us) {
  size_t count = 0;
  while (before[count]) count++;
  char **environment = calloc(count + 4, sizeof *environment); /* those three, and NULL */
  char value[64];
  handover_describe(value, sizeof value);
  bool done = environment && asprintf(&environment[0], "%s=%s", HANDOVER_VARIABLE, value) >= 0;
  size_t used = 1;
  if (done && notify_socket) {
    done = asprintf(&environment[used++], "NOTIFY_SOCKET=%s", notify_socket) >= 0;
  }
  if (done && watchdog_us > 0) {
    done = asprintf(&environment[used++], "WATCHDOG_USEC=%" PRIu64, watchdog_us) >= 0;
  }
  for (size_t i = 0; done && i < count; i++) {
    environment[used] = strdup(before[i]);
    done = environment[used++] != NULL;
  }
  if (done) return environment;
  if (environment) environment[used - 1] = NULL; /* what asprintf(3) leaves there is not said */
  offering_free_environment(environment);
  return NULL;
}

void offering_free_environment(char **environment) {
  for (char **one = environment; one && *one; one++) free(*one);
  free(environment);
}
