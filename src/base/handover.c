/* base/handover.c — the channel between a process and the one that takes its place. Knows no server. */
#include "base/handover.h"

#include "base/passing.h"
#include "base/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* "PID:CHANNEL:ERRORS" */
static bool read_variable(const char *text, struct handover *out, int *errors) {
  char *end = NULL;
  out->pid = strtol(text, &end, 10);
  if (end == text || *end != ':') return false;
  out->channel = (int)strtol(end + 1, &end, 10);
  if (*end != ':') return false;
  *errors = (int)strtol(end + 1, &end, 10);
  return *end == '\0';
}

bool handover_inherit(struct handover *out) {
  const char *text = getenv(HANDOVER_VARIABLE);
  int errors = -1;
  *out = (struct handover){.channel = -1, .place = -1};
  const bool is_read = text && read_variable(text, out, &errors);
  unsetenv(HANDOVER_VARIABLE);
  /* Whoever else was started with it, by a script say, is not meant. */
  if (!is_read || out->pid != (long)getppid()) return false;
  if (fcntl(out->channel, F_SETFD, FD_CLOEXEC) < 0) return false;
  if (dup2(errors, STDERR_FILENO) >= 0) close(errors);
  return true;
}

void handover_describe(char *out, size_t size) {
  snprintf(out, size, "%ld:%d:%d", (long)getpid(), HANDOVER_CHANNEL, HANDOVER_ERRORS);
}

int handover_pair(int ends[2]) {
  return platform_socketpair(SOCK_SEQPACKET, true, ends) < 0 ? errno : 0;
}

void left_socket_deinit(struct left_socket *left) {
  free(left->script);
  free(left->given);
}

/* --- Messages -------------------------------------------------------------------------------- */

int handover_send(int channel, const char *text, int descriptor) {
  const struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
  return passing_send(channel, &part, 1, descriptor, MSG_DONTWAIT) < 0 ? errno : 0;
}

ssize_t handover_receive(int channel, bool may_wait, char out[HANDOVER_BYTES_MAX],
                         int *descriptor) {
  const struct iovec part = {out, HANDOVER_BYTES_MAX - 1};
  ssize_t size = passing_receive(channel, &part, 1, descriptor, may_wait ? 0 : MSG_DONTWAIT);
  if (size < 0) return errno == ECONNRESET ? 0 : -errno;
  out[size] = '\0';
  return size;
}

bool handover_is(const char *message, const char *word) {
  size_t size = strlen(word);
  return strncmp(message, word, size) == 0 && strchr(" \n", message[size]); /* or NUL */
}

bool handover_field(const char *message, const char *name, char *out, size_t size) {
  const size_t length = strlen(name);
  const char *line = message;
  while ((line = strchr(line, '\n'))) {
    line++;
    if (strncmp(line, name, length) != 0 || line[length] != '=') continue;
    const char *value = line + length + 1;
    snprintf(out, size, "%.*s", (int)strcspn(value, "\n"), value);
    return true;
  }
  *out = '\0';
  return false;
}

void handover_add(char message[HANDOVER_BYTES_MAX], const char *name, const char *value) {
  size_t used = strlen(message);
  if (!value || strchr(value, '\n')) return;
  if (used + strlen(name) + strlen(value) + sizeof "\n=" > HANDOVER_BYTES_MAX) return;
  snprintf(message + used, HANDOVER_BYTES_MAX - used, "\n%s=%s", name, value);
}
