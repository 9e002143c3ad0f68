/* base/bus_address.c — the address of a broker, as --bus has it — does not know how one talks to it. */
#include "base/bus_address.h"

#include "base/percent.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static const struct {
  const char *scheme, *protocol, *port;
  bool has_tls;
} schemes[] = {{"redis://", "redis", "6379", false},
               {"rediss://", "redis", "6379", true},
               {"nats://", "nats", "4222", false}};

static bool fail(char *error, size_t size, const char *sentence) {
  snprintf(error, size,
           "%s: write redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], rediss://… for "
           "TLS, or nats://[USER:PASSWORD@]HOST[:PORT]",
           sentence);
  return false;
}

/* Cuts `text` at the first, or last, of that byte; what follows it, or NULL. */
static char *cut(char *text, char *at) {
  if (!at || !text) return NULL;
  *at = 0;
  return at + 1;
}

static bool is_number(const char *text, unsigned long max) {
  char *end;
  const unsigned long number = strtoul(text, &end, 10);
  return *text >= '0' && *text <= '9' && strlen(text) < 8 && !*end && number <= max;
}

/* "[::1]:6379", "host:6379", "host". */
static bool read_host(struct bus_address *out, char *text, const char *port) {
  char *after = NULL;
  if (*text == '[') {
    char *end = strchr(text, ']');
    if (!end || (end[1] && end[1] != ':')) return false;
    out->host = text + 1;
    after = end[1] ? end + 2 : NULL;
    *end = 0;
  } else {
    out->host = text;
    after = cut(text, strchr(text, ':'));
  }
  out->port = after ? after : (char *)(uintptr_t)port;
  return *out->host && is_number(out->port, 65535) && strcmp(out->port, "0") != 0;
}

static bool decode(char *text) {
  const ssize_t size = percent_decode(text, strlen(text), 0, text);
  if (size >= 0) text[size] = 0;
  return size >= 0 && !strpbrk(text, "\r\n");
}

static bool read_user(struct bus_address *out, char *text) {
  out->user = text;
  out->password = cut(text, strchr(text, ':'));
  if (!out->password) out->password = strchr(text, 0);
  return decode(out->user) && decode(out->password);
}

static bool read_parts(struct bus_address *out, char *rest, const char *port, char *error,
                       size_t size) {
  char *slash = strrchr(rest, '/');
  char *at = strrchr(rest, '@');
  if (slash && at && slash < at) slash = NULL; /* of a password */
  out->database = cut(rest, slash);
  char *host = at ? cut(rest, at) : rest;
  if (at && !read_user(out, rest))
    return fail(error, size, "has a user or password with a % that escapes nothing, or a line end");
  if (!read_host(out, host, port)) return fail(error, size, "has no host, or a port that is none");
  if (!out->database || !*out->database) {
    out->database = strchr(host, 0);
    return true;
  }
  if (strcmp(out->protocol, "redis") != 0)
    return fail(error, size, "has a path, which NATS has not");
  return is_number(out->database, 1000000) || fail(error, size, "has a database that is no number");
}

struct bus_address *bus_address_read(const char *text, char *error, size_t error_size) {
  size_t kind = 0, count = sizeof schemes / sizeof *schemes, size = strlen(text) + 1;
  while (kind < count && strncmp(text, schemes[kind].scheme, strlen(schemes[kind].scheme)) != 0) {
    kind++;
  }
  if (kind == count) {
    fail(error, error_size, "is no address of a broker");
    return NULL;
  }
  /* The address is cut up where it stands; the name is another copy. */
  struct bus_address *out = calloc(1, sizeof *out + 2 * size);
  if (!out) {
    snprintf(error, error_size, "needs memory, and there is none");
    return NULL;
  }
  char *rest =
      memcpy(out + 1, text + strlen(schemes[kind].scheme), size - strlen(schemes[kind].scheme));
  const char *at = strrchr(text, '@');
  out->name = (char *)(out + 1) + size;
  snprintf(out->name, size, "%s%s", schemes[kind].scheme,
           at ? at + 1 : text + strlen(schemes[kind].scheme));
  out->protocol = schemes[kind].protocol;
  out->has_tls = schemes[kind].has_tls;
  out->user = out->password = out->name + strlen(out->name);
  if (read_parts(out, rest, schemes[kind].port, error, error_size)) return out;
  free(out);
  return NULL;
}
