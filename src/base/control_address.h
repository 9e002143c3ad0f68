/* base/control_address.h — where a server's control socket is. Opens no socket. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

struct control_address {
  struct sockaddr_un sockaddr;
  socklen_t size;                                          /* of what is used of it */
  char text[sizeof((struct sockaddr_un *)NULL)->sun_path]; /* the path, or "@name" */
  bool is_exact; /* that one and no other, for somebody named it for this one server */
};

/* Servers that would be at the same place are beside each other: at moonport.sock, moonport-2.sock, … */
enum { CONTROL_PLACES = 9 };

/* Whether the text says that there is to be none: "off". */
bool control_address_is_off(const char *text);

/* Reads a path, or "@name" for a name of Linux that is in no file system; NULL stands for the
 * default: control.sock in $RUNTIME_DIRECTORY (systemd sets it), else moonport.sock in
 * $XDG_RUNTIME_DIR, else /tmp/moonport-UID.sock.
 * Returns 0, or -1 with a sentence in `error`. */
int control_address_read(const char *text, struct control_address *out, char *error,
                         size_t error_size);

/* Place `number` of those beside each other, from 1 on. False: there is none. */
bool control_address_place(const struct control_address *first, int number,
                           struct control_address *out);
