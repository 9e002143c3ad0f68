/* net/resolve.c — from a host's name to addresses, without holding the loop up. Not Lua.
 *
 * c-ares does it, over sockets that this loop watches. (getaddrinfo() would need a thread for each
 * name server that is silent: libuv has four for all, and none of them can be called back.)
 * What can go wrong: the name is none; no server answers in time, `timeout` and `attempts` of
 * resolv.conf say when; there is no descriptor or memory to ask with. All of it comes to on_done. */
#include "net/resolve.h"

#include "base/address.h"
#include "base/list.h"
#include "net/defer.h"
#include "net/loop_state.h"
#include "net/network.h"

#include <ares.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char conf_path[] = "/etc/resolv.conf";

struct resolve {
  struct list link; /* in resolver.ended, once it has */
  struct resolver *resolver;
  void (*on_done)(void *owner, const struct sockaddr_storage *addresses, int count, int rc);
  void *owner;
  struct sockaddr_storage addresses[RESOLVE_ADDRESSES_MAX];
  int count;
  int rc;
  uint16_t port;
};

struct resolver {
  struct net_loop *loop;
  ares_channel channel; /* NULL: none is open */
  struct timespec conf_changed;
  unsigned asking;   /* lookups that c-ares is at */
  struct list ended; /* told in the next turn, so that no call comes from inside another */
  struct net_defer *turn;
  uv_timer_t timer;    /* when c-ares next gives up on a server */
  struct list sockets; /* struct question_socket */
};

/* A socket of c-ares', which opens and closes it. */
struct question_socket {
  struct list link;
  struct resolver *resolver;
  ares_socket_t fd;
  uv_poll_t poll;
};

/* --- The loop's part --------------------------------------------------------------------------- */

static void await_timeout(struct resolver *resolver);

static void process(struct resolver *resolver, ares_socket_t readable, ares_socket_t writable) {
  ares_process_fd(resolver->channel, readable, writable);
  await_timeout(resolver);
}

static void on_timeout(uv_timer_t *timer) {
  process(timer->data, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void await_timeout(struct resolver *resolver) {
  struct timeval left;
  if (!ares_timeout(resolver->channel, NULL, &left)) {
    uv_timer_stop(&resolver->timer);
    return;
  }
  uint64_t ms = (uint64_t)left.tv_sec * 1000 + (uint64_t)left.tv_usec / 1000;
  uv_timer_start(&resolver->timer, on_timeout, ms + 1, 0);
}

static void on_socket(uv_poll_t *poll, int status, int events) {
  const struct question_socket *socket = poll->data;
  bool reads = status < 0 || (events & UV_READABLE);
  bool writes = status < 0 || (events & UV_WRITABLE);
  process(socket->resolver, reads ? socket->fd : ARES_SOCKET_BAD,
          writes ? socket->fd : ARES_SOCKET_BAD);
}

static void on_socket_closed(uv_handle_t *handle) {
  free(handle->data);
}

static void forget_socket(struct question_socket *socket) {
  list_remove(&socket->link);
  uv_close((uv_handle_t *)&socket->poll, on_socket_closed);
}

static struct question_socket *find_socket(struct resolver *resolver, ares_socket_t fd) {
  for (struct list *link = resolver->sockets.next; link != &resolver->sockets; link = link->next) {
    struct question_socket *socket = LIST_ELEMENT(link, struct question_socket, link);
    if (socket->fd == fd) return socket;
  }
  return NULL;
}

/* Without memory for it nobody hears the answer, and the lookup ends by its time. */
static struct question_socket *watch_socket(struct resolver *resolver, ares_socket_t fd) {
  struct question_socket *socket = calloc(1, sizeof *socket);
  if (!socket) return NULL;
  if (uv_poll_init(net_loop_uv(resolver->loop), &socket->poll, fd) < 0) {
    free(socket);
    return NULL;
  }
  socket->resolver = resolver;
  socket->fd = fd;
  socket->poll.data = socket;
  list_append(&resolver->sockets, &socket->link);
  return socket;
}

static void on_socket_state(void *context, ares_socket_t fd, int reads, int writes) {
  struct question_socket *socket = find_socket(context, fd);
  if (!reads && !writes) {
    if (socket) forget_socket(socket);
    return;
  }
  if (!socket) socket = watch_socket(context, fd);
  int events = (reads ? UV_READABLE : 0) | (writes ? UV_WRITABLE : 0);
  if (socket) uv_poll_start(&socket->poll, events, on_socket);
}

/* --- What resolv.conf says --------------------------------------------------------------------- */

/* "options timeout:1 attempts:3", in the bounds of resolv.conf(5); c-ares reads neither before 1.19.
 */
static void read_number(const char *line, const char *name, int max, int *out) {
  const char *word = strstr(line, name);
  if (!word) return;
  long number = strtol(word + strlen(name), NULL, 10);
  *out = number < 1 ? 1 : number > max ? max : (int)number;
}

static void read_conf(struct ares_options *options) {
  enum { TIMEOUT_S_MAX = 30, ATTEMPTS_MAX = 5 };
  int timeout_s = 5;
  char line[1024];
  FILE *conf = fopen(conf_path, "re");
  options->tries = 2;
  while (conf && fgets(line, sizeof line, conf)) {
    if (strncmp(line, "options", 7) != 0) continue;
    read_number(line, " timeout:", TIMEOUT_S_MAX, &timeout_s);
    read_number(line, " attempts:", ATTEMPTS_MAX, &options->tries);
  }
  if (conf) fclose(conf);
  options->timeout = timeout_s * 1000;
}

static struct timespec conf_time(void) {
  struct stat status;
  return stat(conf_path, &status) == 0 ? status.st_mtim : (struct timespec){0};
}

static int open_channel(struct resolver *resolver) {
  struct ares_options options = {.sock_state_cb = on_socket_state, .sock_state_cb_data = resolver};
  resolver->conf_changed = conf_time();
  read_conf(&options);
  int mask = ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES;
  if (ares_init_options(&resolver->channel, &options, mask) == ARES_SUCCESS) return 0;
  resolver->channel = NULL;
  return UV_ENOMEM;
}

/* A machine that moves to another network has other name servers. */
static int refresh_channel(struct resolver *resolver) {
  struct timespec changed = conf_time();
  bool is_current = changed.tv_sec == resolver->conf_changed.tv_sec &&
                    changed.tv_nsec == resolver->conf_changed.tv_nsec;
  if (resolver->channel && (is_current || resolver->asking > 0)) return 0;
  if (resolver->channel) ares_destroy(resolver->channel);
  return open_channel(resolver);
}

/* --- The resolver ------------------------------------------------------------------------------ */

static void tell_ended(void *owner) {
  struct resolver *resolver = owner;
  struct list ended;
  list_take(&ended, &resolver->ended);
  for (struct list *link = ended.next; link != &ended;) {
    struct resolve *resolve = LIST_ELEMENT(link, struct resolve, link);
    link = link->next;
    if (resolve->on_done) {
      resolve->on_done(resolve->owner, resolve->addresses, resolve->count, resolve->rc);
    }
    free(resolve);
  }
}

static struct resolver *resolver_of(struct net_loop *loop) {
  struct resolver *resolver = loop->resolver;
  if (resolver) return resolver;
  resolver = calloc(1, sizeof *resolver);
  if (!resolver) return NULL;
  resolver->turn = net_defer_new(loop, tell_ended, resolver);
  if (!resolver->turn) {
    free(resolver);
    return NULL;
  }
  resolver->loop = loop;
  list_init(&resolver->ended);
  list_init(&resolver->sockets);
  uv_timer_init(net_loop_uv(loop), &resolver->timer);
  resolver->timer.data = resolver;
  loop->resolver = resolver;
  return resolver;
}

static void on_timer_closed(uv_handle_t *handle) {
  free(handle->data);
}

void resolver_close(struct resolver *resolver) {
  if (resolver->channel) ares_destroy(resolver->channel);
  for (struct list *link = resolver->ended.next; link != &resolver->ended;) {
    struct resolve *resolve = LIST_ELEMENT(link, struct resolve, link);
    link = link->next;
    free(resolve);
  }
  net_defer_close(resolver->turn);
  uv_close((uv_handle_t *)&resolver->timer, on_timer_closed);
}

/* --- One lookup -------------------------------------------------------------------------------- */

/* /etc/hosts may name one twice. */
static void add(struct resolve *resolve, const struct sockaddr *address, size_t size) {
  struct sockaddr_storage added = {0};
  if (resolve->count == RESOLVE_ADDRESSES_MAX || size > sizeof added) return;
  memcpy(&added, address, size);
  address_set_port((struct sockaddr *)&added, resolve->port);
  if (added.ss_family == AF_INET) memset(((struct sockaddr_in *)&added)->sin_zero, 0, 8);
  for (int i = 0; i < resolve->count; i++) {
    if (memcmp(&resolve->addresses[i], &added, sizeof added) == 0) return;
  }
  resolve->addresses[resolve->count++] = added;
}

static int error_of(int status) {
  switch (status) {
    case ARES_SUCCESS:
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
    case ARES_EBADNAME: return UV_EAI_NONAME;
    case ARES_ETIMEOUT:
    case ARES_ECONNREFUSED:
    case ARES_ESERVFAIL: return UV_EAI_AGAIN;
    case ARES_ENOMEM: return UV_EAI_MEMORY;
    default: return UV_EAI_FAIL;
  }
}

static void end(struct resolve *resolve, int rc) {
  resolve->rc = rc;
  list_append(&resolve->resolver->ended, &resolve->link);
  net_defer_ask(resolve->resolver->turn);
}

static void on_answer(void *context, int status, int timeouts, struct ares_addrinfo *found) {
  struct resolve *resolve = context;
  (void)timeouts;
  resolve->resolver->asking--;
  for (const struct ares_addrinfo_node *node = found ? found->nodes : NULL; node;
       node = node->ai_next) {
    add(resolve, node->ai_addr, node->ai_addrlen);
  }
  if (found) ares_freeaddrinfo(found);
  end(resolve, resolve->count > 0 ? 0 : error_of(status));
}

static bool is_numeric(struct resolve *resolve, const char *host) {
  struct address address = {.kind = ADDRESS_TCP};
  struct sockaddr_storage found;
  socklen_t size;
  snprintf(address.host, sizeof address.host, "%s", host);
  if (address_numeric(&address, &found, &size) < 0) return false;
  add(resolve, (const struct sockaddr *)&found, size);
  return true;
}

static void find_in_memory(struct resolve *resolve, const char *host) {
  struct sockaddr_storage found[RESOLVE_ADDRESSES_MAX];
  int count = network_find(resolve->resolver->loop->network, host, found, RESOLVE_ADDRESSES_MAX);
  for (int i = 0; i < count; i++) {
    add(resolve, (const struct sockaddr *)&found[i], sizeof found[i]);
  }
  end(resolve, count > 0 ? 0 : UV_EAI_NONAME);
}

static void ask(struct resolve *resolve, const char *host) {
  const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  resolve->resolver->asking++;
  ares_getaddrinfo(resolve->resolver->channel, host, NULL, &hints, on_answer, resolve);
  await_timeout(resolve->resolver);
}

int net_resolve(struct net_loop *loop, const char *host, unsigned port,
                void (*on_done)(void *owner, const struct sockaddr_storage *addresses, int count,
                                int rc),
                void *owner, struct resolve **out) {
  struct resolver *resolver = resolver_of(loop);
  int rc = resolver ? 0 : UV_ENOMEM;
  if (resolver && !loop->network) rc = refresh_channel(resolver);
  if (rc < 0) return rc;
  struct resolve *resolve = calloc(1, sizeof *resolve);
  if (!resolve) return UV_ENOMEM;
  resolve->resolver = resolver;
  resolve->on_done = on_done;
  resolve->owner = owner;
  resolve->port = (uint16_t)port;
  *out = resolve;
  if (is_numeric(resolve, host)) {
    end(resolve, 0);
  } else if (loop->network) {
    find_in_memory(resolve, host);
  } else {
    ask(resolve, host);
  }
  return 0;
}

void net_resolve_cancel(struct resolve *resolve) {
  resolve->on_done = NULL; /* the answer is let go when it comes */
}
