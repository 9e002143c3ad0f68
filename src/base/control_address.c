/* base/control_address.c — where a server's control socket is. Opens no socket. */
#include "base/control_address.h"

#include "base/platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Room for a path that is longer than a Unix socket's may be, so that it can be shown. */
enum { PATH_SIZE_MAX = 512 };

bool control_address_is_off(const char *text) {
  return text && strcmp(text, "off") == 0;
}

static const char *variable(const char *name) {
  const char *value = getenv(name);
  return value && *value ? value : NULL;
}

static void write_default(char out[PATH_SIZE_MAX]) {
  const char *runtime = variable("RUNTIME_DIRECTORY");
  const char *user = variable("XDG_RUNTIME_DIR");
  if (runtime) {
    /* systemd.exec(5): several directories are separated by colons. */
    snprintf(out, PATH_SIZE_MAX, "%.*s/control.sock", (int)strcspn(runtime, ":"), runtime);
  } else if (user) {
    snprintf(out, PATH_SIZE_MAX, "%s/moonport.sock", user);
  } else {
    snprintf(out, PATH_SIZE_MAX, "/tmp/moonport-%lu.sock", (unsigned long)geteuid());
  }
}

static void fill_sockaddr(struct control_address *address) {
  size_t length = strlen(address->text);
  address->sockaddr = (struct sockaddr_un){.sun_family = AF_UNIX};
  memcpy(address->sockaddr.sun_path, address->text, length);
  address->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
  if (*address->text == '@') {
    address->sockaddr.sun_path[0] = '\0'; /* unix(7): an abstract name, as long as `size` says */
  } else {
    address->size++; /* the NUL of a path */
  }
}

bool control_address_place(const struct control_address *first, int number,
                           struct control_address *out) {
  if (number > (first->is_exact ? 1 : CONTROL_PLACES)) return false;
  *out = *first;
  if (number == 1) return true;
  const char *name = strrchr(first->text, '/');
  const char *dot = strrchr(name ? name : first->text, '.');
  const char *end = dot ? dot : strchr(first->text, '\0');
  int length = snprintf(out->text, sizeof out->text, "%.*s-%d%s", (int)(end - first->text),
                        first->text, number, end);
  if ((size_t)length >= sizeof out->text) return false;
  fill_sockaddr(out);
  return true;
}

int control_address_read(const char *text, struct control_address *out, char *error,
                         size_t error_size) {
  char fallback[PATH_SIZE_MAX];
  if (!text) {
    write_default(fallback);
    text = fallback;
  }
  size_t length = strlen(text);
  if (length >= sizeof out->text) {
    snprintf(error, error_size,
             "a control socket's path is at most %zu bytes, and \"%.120s\" has %zu: name a "
             "shorter one with --control",
             sizeof out->text - 1, text, length);
    return -1;
  }
  if (strcmp(text, "@") == 0) {
    snprintf(error, error_size, "\"@\" is followed by a name: write @moonport, or a path");
    return -1;
  }
  if (*text == '@' && !platform_has_abstract_sockets) {
    snprintf(error, error_size,
             "\"%.120s\" is a name in no file system, as only Linux has: write a path", text);
    return -1;
  }
  *out = (struct control_address){0};
  memcpy(out->text, text, length);
  fill_sockaddr(out);
  return 0;
}
