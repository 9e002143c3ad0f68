/* net/socket_wishes.c — what a socket that is listened on is to be, beside its address. Opens none. */
#include "net/socket_wishes.h"

#include "net/option.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <uv.h>

enum { GROUP_BYTES_MAX = 128 };

void socket_wishes_deinit(struct socket_wishes *wishes) {
  free(wishes->groups);
  wishes->groups = NULL;
}

/* Nobody can connect before listen(2), so it is not too late. */
static int set_mode(int fd, int mode) {
  struct sockaddr_un address = {0};
  socklen_t size = sizeof address;
  if (getsockname(fd, (struct sockaddr *)&address, &size) < 0) return uv_translate_sys_error(errno);
  if (address.sun_family != AF_UNIX || !address.sun_path[0]) return 0;
  char path[sizeof address.sun_path + 1] = {0}; /* it need not end with a NUL */
  memcpy(path, address.sun_path, sizeof address.sun_path);
  return chmod(path, (mode_t)mode) < 0 ? uv_translate_sys_error(errno) : 0;
}

/* The next of the words; false: there is none. */
static bool next_group(const char **words, char out[GROUP_BYTES_MAX]) {
  if (!*words) return false;
  *words += strspn(*words, " ");
  const size_t size = strcspn(*words, " ");
  if (size == 0 || size >= GROUP_BYTES_MAX) return false;
  memcpy(out, *words, size);
  out[size] = '\0';
  *words += size;
  return true;
}

static bool has_group(const char *words, const char *group) {
  char each[GROUP_BYTES_MAX];
  while (next_group(&words, each)) {
    if (strcmp(each, group) == 0) return true;
  }
  return false;
}

static int change_groups(int fd, const char *before, const char *after) {
  char group[GROUP_BYTES_MAX];
  const char *words = before;
  while (next_group(&words, group)) { /* one that is gone with its interface has been left */
    if (!has_group(after, group)) (void)net_option_membership(fd, group, false);
  }
  words = after;
  while (next_group(&words, group)) {
    int rc = has_group(before, group) ? 0 : net_option_membership(fd, group, true);
    if (rc < 0 && rc != UV_EADDRINUSE) return rc; /* whoever handed it over has joined */
  }
  return 0;
}

int socket_wishes_fulfil(const struct socket_wishes *wishes, int fd, const char *before,
                         const char **fault) {
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < wishes->option_count; i++) {
    *fault = wishes->options[i].option->name;
    rc = net_option_set(fd, wishes->options[i].option, wishes->options[i].value);
  }
  if (rc < 0) return rc;
  *fault = "join";
  rc = change_groups(fd, before, wishes->groups);
  if (rc < 0) return rc;
  *fault = "mode";
  return wishes->mode >= 0 ? set_mode(fd, wishes->mode) : 0;
}

const struct socket_wish *socket_wishes_lacking(const struct socket_wishes *wishes, int fd,
                                                int *given) {
  for (size_t i = 0; i < wishes->option_count; i++) {
    const struct socket_wish *wish = &wishes->options[i];
    bool is_size = strstr(wish->option->name, "buf") != NULL;
    if (!is_size || net_option_get(fd, wish->option, given) < 0) continue;
    *given /= 2; /* the kernel doubles it, for what it keeps beside the bytes: socket(7) */
    if (*given < wish->value) return wish;
  }
  return NULL;
}
