/* cli/client.c — the wire to a running server: commands out, lines of JSON in. Knows no command.
 *
 * A blocking socket whose calls have a time limit: a command has nothing else to do meanwhile. */
#include "cli/client.h"

#include "base/control_address.h"
#include "base/words.h"
#include "cli/settings.h"
#include "cli/shown.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE 65536
#define MESSAGE_SIZE_MAX 1024

struct client {
  int fd;
  bool is_quiet; /* what is wrong is nobody's business */
  int64_t timeout_ms;
  long server_pid;
  struct control_address address;
  char *input; /* what was received and not yet given out, `size` bytes from `start` on */
  size_t start;
  size_t size;
  size_t capacity;
};

void client_complain(const char *format, ...) {
  char message[MESSAGE_SIZE_MAX];
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  (void)fputs("moonport: ", stderr);
  shown_print_lines(stderr, message);
  (void)fputc('\n', stderr);
}

static void complain_of_connecting(const struct client *client, int error) {
  const char *path = client->address.text;
  if (client->is_quiet) {
    return;
  }
  switch (error) {
    case ENOENT:
      client_complain("no server at %s: start one, or say where its control socket is with "
                      "--control",
                      path);
      break;
    case ECONNREFUSED:
      client_complain("no server at %s (any more): start one, or say where its control socket is "
                      "with --control",
                      path);
      break;
    case EACCES:
      client_complain("the socket %s belongs to another user: ask as that user, or as root", path);
      break;
    case EAGAIN:
      client_complain("the server at %s takes on no connection: it is stuck, or too many ask",
                      path);
      break;
    default: client_complain("cannot connect to %s: %s", path, strerror(error)); break;
  }
}

static bool set_timeouts(const struct client *client) {
  const struct timeval timeout = {
      .tv_sec = (time_t)(client->timeout_ms / 1000),
      .tv_usec = (suseconds_t)(client->timeout_ms % 1000 * 1000),
  };
  return setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0 &&
         setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) == 0;
}

/* In /tmp anybody can put a socket at a name that is free. Root, who can be fooled by anybody,
 * believes another user's server only where it was named. */
static bool is_trusted(struct client *client, bool named) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    if (!client->is_quiet) {
      client_complain("cannot tell whose socket %s is: %s", client->address.text, strerror(errno));
    }
    return false;
  }
  client->server_pid = (long)peer.pid;
  if (peer.uid == geteuid() || peer.uid == 0 || (geteuid() == 0 && named)) {
    return true;
  }
  if (!client->is_quiet) {
    client_complain("at %s answers a process of user %ld: ask as that user, or name the socket of "
                    "your own server with --control",
                    client->address.text, (long)peer.uid);
  }
  return false;
}

static bool client_connect(struct client *client, bool named) {
  client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (client->fd < 0 || !set_timeouts(client)) {
    client_complain("no socket: %s", strerror(errno));
    return false;
  }
  if (connect(client->fd, (const struct sockaddr *)&client->address.sockaddr,
              client->address.size) != 0) {
    complain_of_connecting(client, errno);
    return false;
  }
  return is_trusted(client, named);
}

static int open_socket(struct client *client, const struct command_call *call) {
  bool wanted = false;
  int code = settings_read_control(call, &client->address, &wanted);
  if (code != EXIT_DONE) {
    return code;
  }
  if (!wanted) {
    client_complain("a server without a control socket cannot be asked: name one with --control");
    return EXIT_AT_FAULT;
  }
  bool named = options_string(call->options, "control") != NULL;
  return client_connect(client, named) ? EXIT_DONE : EXIT_AT_FAULT;
}

static int open_client(const struct command_call *call, int64_t timeout_ms, bool is_quiet,
                       struct client **out) {
  struct client *client = calloc(1, sizeof *client);
  *out = client;
  if (client == NULL) {
    client_complain("out of memory");
    return EXIT_AT_FAULT;
  }
  client->fd = -1;
  client->timeout_ms = timeout_ms;
  client->is_quiet = is_quiet;
  int code = open_socket(client, call);
  if (code != EXIT_DONE) {
    client_close(client);
    *out = NULL;
  }
  return code;
}

int client_open(const struct command_call *call, struct client **out) {
  return open_client(call, options_number(call->options, "timeout"), false, out);
}

struct client *client_open_quietly(const struct command_call *call, int64_t timeout_ms) {
  struct client *client = NULL;
  (void)open_client(call, timeout_ms, true, &client);
  return client;
}

long client_server_pid(const struct client *client) {
  return client->server_pid;
}

int client_descriptor(const struct client *client) {
  return client->fd;
}

bool client_has_line(const struct client *client) {
  return client->size > 0 && memchr(client->input + client->start, '\n', client->size) != NULL;
}

void client_close(struct client *client) {
  if (client->fd >= 0) {
    (void)close(client->fd);
  }
  free(client->input);
  free(client);
}

static void complain_of_silence(const struct client *client, int error) {
  if (client->is_quiet) {
    return;
  }
  if (error == EAGAIN) {
    client_complain("the server (pid %ld) did not answer within %.3g s: a handler may keep it "
                    "busy; --timeout waits longer",
                    client->server_pid, (double)client->timeout_ms / 1000);
  } else {
    client_complain("the server (pid %ld) is gone: %s", client->server_pid, strerror(error));
  }
}

/* The words as a line. NULL: out of memory. */
static char *make_line(const char *const *words, size_t count, size_t *size) {
  size_t needed = 1;
  for (size_t i = 0; i < count; i++) {
    needed += WORDS_QUOTED_SIZE_MAX(strlen(words[i]));
  }
  char *line = malloc(needed);
  if (line == NULL) {
    return NULL;
  }
  *size = 0;
  for (size_t i = 0; i < count; i++) {
    *size += words_quote(words[i], strlen(words[i]), line + *size);
    line[(*size)++] = i + 1 < count ? ' ' : '\n';
  }
  return line;
}

/* False after saying what is wrong. */
static bool send_all(const struct client *client, const char *bytes, size_t size) {
  size_t sent = 0;
  while (sent < size) {
    ssize_t taken = send(client->fd, bytes + sent, size - sent, MSG_NOSIGNAL);
    /* A server that refuses us says why before it hangs up: that is to be read. */
    if (taken < 0 && errno == EPIPE) {
      return true;
    }
    if (taken < 0 && errno != EINTR) {
      complain_of_silence(client, errno);
      return false;
    }
    sent += taken > 0 ? (size_t)taken : 0;
  }
  return true;
}

bool client_send(struct client *client, const char *const *words, size_t count) {
  size_t size = 0;
  char *line = make_line(words, count, &size);
  if (line == NULL) {
    client_complain("out of memory");
    return false;
  }
  bool sent = send_all(client, line, size);
  free(line);
  return sent;
}

bool client_send_line(struct client *client, const char *line) {
  return send_all(client, line, strlen(line)) && send_all(client, "\n", 1);
}

/* Makes room for some more. False: out of memory. */
static bool make_room(struct client *client) {
  if (client->start > 0) {
    memmove(client->input, client->input + client->start, client->size);
    client->start = 0;
  }
  if (client->capacity - client->size >= READ_SIZE) {
    return true;
  }
  size_t capacity = client->capacity * 2 + READ_SIZE;
  char *grown = realloc(client->input, capacity);
  if (grown == NULL) {
    return false;
  }
  client->input = grown;
  client->capacity = capacity;
  return true;
}

/* Receives some more: how many bytes, 0 at the end, or a negative errno. */
static ssize_t receive(struct client *client) {
  if (!make_room(client)) {
    return -ENOMEM;
  }
  ssize_t taken = 0;
  do {
    taken = recv(client->fd, client->input + client->size, READ_SIZE, 0);
  } while (taken < 0 && errno == EINTR);
  if (taken < 0) {
    return -errno;
  }
  client->size += (size_t)taken;
  return taken;
}

/* The first line that is there whole, or NULL. *searched: in how many bytes there is none. */
static const char *take_line(struct client *client, size_t *searched) {
  char *start = client->input + client->start;
  char *newline = NULL;
  if (client->size > *searched) {
    newline = memchr(start + *searched, '\n', client->size - *searched);
  }
  if (newline == NULL) {
    *searched = client->size;
    return NULL;
  }
  size_t taken = (size_t)(newline - start) + 1;
  *newline = '\0';
  client->start += taken;
  client->size -= taken;
  return start;
}

const char *client_read_line(struct client *client) {
  size_t searched = 0;
  for (;;) {
    const char *line = take_line(client, &searched);
    if (line != NULL) {
      return line;
    }
    ssize_t taken = receive(client);
    if (taken == 0 && !client->is_quiet) {
      client_complain("the server (pid %ld) hung up before it had answered", client->server_pid);
    } else if (taken == -ENOMEM) {
      client_complain("out of memory");
    } else if (taken < 0) {
      complain_of_silence(client, (int)-taken);
    }
    if (taken <= 0) {
      return NULL;
    }
  }
}

enum client_news client_wait_line(struct client *client, int timeout_ms, int wake_fd,
                                  const char **line) {
  size_t searched = 0;
  while ((*line = take_line(client, &searched)) == NULL) {
    struct pollfd fds[2] = {{.fd = client->fd, .events = POLLIN},
                            {.fd = wake_fd, .events = POLLIN}};
    int rc = poll(fds, 2, timeout_ms);
    if (rc == 0) {
      return CLIENT_QUIET;
    }
    if (rc > 0 && fds[1].revents != 0) {
      return CLIENT_WOKEN;
    }
    if (rc > 0 && receive(client) <= 0) {
      return CLIENT_GONE;
    }
  }
  return CLIENT_LINE;
}
