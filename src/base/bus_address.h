/* base/bus_address.h — the address of a broker, as --bus has it — does not know how one talks to it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Each text is empty where the address has none. Freed as one, with free(). */
struct bus_address {
  const char *protocol; /* "redis", or "nats" */
  bool has_tls;         /* from the first byte: rediss:// */
  char *user;
  char *password;
  char *host; /* without brackets */
  char *port;
  char *database;
  char *name; /* for people: without user and password */
};

/* NULL after a sentence in `error`, which follows "--bus " and does not tell the password. */
struct bus_address *bus_address_read(const char *text, char *error, size_t error_size);
