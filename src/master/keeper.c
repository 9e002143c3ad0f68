/* master/keeper.c — the listening sockets of all workers.
 *
 * What is queued on a listening socket is reset when its last descriptor is closed; so the one that is kept
 * here is what outlives a worker. A script that runs in one worker has one socket, whichever worker that
 * is. One that runs in several has a socket in each, which share the address (SO_REUSEPORT): the kernel
 * numbers them in the order in which they began to listen, as here. All of them stay open until nobody
 * listens there. A Unix path is one socket, of all workers.
 *
 * The first socket of an address is bound without SO_REUSEPORT, so that one of another server's, which
 * shares its own, is told from a free one. */
#include "master/keeper.h"

#include "base/address.h"
#include "master/keeper_state.h"
#include "net/keep_message.h"
#include "net/listener.h"
#include "net/udp.h"
#include "net/udp_socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

struct keeper *keeper_new(void) {
  struct keeper *keeper = calloc(1, sizeof *keeper);
  if (keeper) list_init(&keeper->all);
  return keeper;
}

static void free_kept(struct kept *kept) {
  list_remove(&kept->link);
  free(kept->script);
  free(kept->given);
  free(kept);
}

void keeper_close(struct kept *kept) {
  for (unsigned i = 0; i < kept->count; i++) bind_release(&kept->sockets[i].bound);
  free_kept(kept);
}

void keeper_free(struct keeper *keeper) {
  for (struct list *link; (link = list_shift(&keeper->all));) keeper_close(kept_of(link));
  free(keeper);
}

void keeper_leave(struct keeper *keeper) {
  for (struct list *link; (link = list_shift(&keeper->all));) {
    struct kept *kept = kept_of(link);
    for (unsigned i = 0; i < kept->count; i++) {
      close(kept->sockets[i].bound.fd);
      free(kept->sockets[i].bound.file);
    }
    free_kept(kept);
  }
  free(keeper);
}

/* --- Finding --------------------------------------------------------------------------------- */

static const struct sockaddr *any(const struct sockaddr_storage *address) {
  return (const struct sockaddr *)address;
}

static bool is_at(const struct kept *kept, const struct keep_request *request) {
  char ours[ADDRESS_TEXT_MAX], wanted[ADDRESS_TEXT_MAX];
  if (kept->type != request->type) return false;
  if (address_port(any(&request->address)) == 0) {
    return kept->given && kept->index == request->index &&
           strcmp(kept->given, request->given) == 0 && strcmp(kept->script, request->script) == 0;
  }
  address_from_sockaddr(any(&kept->address), kept->address_bytes, ours, sizeof ours);
  address_from_sockaddr(any(&request->address), request->address_bytes, wanted, sizeof wanted);
  return strcmp(ours, wanted) == 0;
}

static struct kept *find(struct keeper *keeper, const struct keep_request *request) {
  LIST_EACH (struct kept, kept, &keeper->all, link) {
    if (is_at(kept, request)) return kept;
  }
  return NULL;
}

static struct kept *find_id(struct keeper *keeper, uint32_t id) {
  LIST_EACH (struct kept, kept, &keeper->all, link) {
    if (kept->id == id) return kept;
  }
  return NULL;
}

/* --- Opening --------------------------------------------------------------------------------- */

static int bind_datagrams(const struct keep_request *request, const struct sockaddr *address,
                          bool is_beside, struct bound_socket *out) {
  const struct udp_options options = {
      .address = address, .beside = is_beside, .joins = true, .interface = request->interface};
  int fd = udp_socket_open(&options);
  *out = (struct bound_socket){.fd = fd};
  return fd < 0 ? fd : 0;
}

static int bind_stream(const struct keep_request *request, const struct sockaddr *address,
                       bool is_beside, struct bound_socket *out) {
  const struct listener_options options = {
      .address = address, .address_size = request->address_bytes, .beside = is_beside};
  int rc = bind_open(&options, out);
  if (rc < 0 || listen(out->fd, request->backlog) == 0) return rc;
  rc = uv_translate_sys_error(errno);
  bind_release(out);
  return rc;
}

/* One more socket there. 0 or UV_E*. */
static int add_socket(struct kept *kept, const struct keep_request *request,
                      const struct sockaddr *address, bool is_beside) {
  struct kept_one *one = &kept->sockets[kept->count];
  *one = (struct kept_one){0};
  int rc = request->type == SOCK_DGRAM ? bind_datagrams(request, address, is_beside, &one->bound)
                                       : bind_stream(request, address, is_beside, &one->bound);
  if (rc == 0) kept->count++;
  return rc;
}

static struct kept *new_kept(const struct keep_request *request) {
  struct kept *kept = calloc(1, sizeof *kept);
  if (!kept) return NULL;
  list_init(&kept->link);
  const bool is_picked = address_port(any(&request->address)) == 0;
  kept->script = strdup(request->script);
  if (is_picked) kept->given = strdup(request->given);
  kept->type = request->type;
  kept->index = request->index;
  if (kept->script && (kept->given || !is_picked)) return kept;
  free_kept(kept);
  return NULL;
}

static int open_first(struct keeper *keeper, const struct keep_request *request,
                      struct kept **out) {
  struct kept *kept = new_kept(request);
  if (!kept) return UV_ENOMEM;
  int rc = add_socket(kept, request, any(&request->address), request->is_beside);
  kept->address_bytes = sizeof kept->address;
  if (rc == 0 && getsockname(kept->sockets[0].bound.fd, (struct sockaddr *)&kept->address,
                             &kept->address_bytes) < 0) {
    rc = uv_translate_sys_error(errno);
  }
  if (rc < 0) {
    keeper_close(kept);
    return rc;
  }
  kept->id = ++keeper->last_id;
  list_append(&keeper->all, &kept->link);
  *out = kept;
  return 0;
}

static void share_port(const struct kept *kept) {
  const int on = 1;
  for (unsigned i = 0; i < kept->count; i++)
    (void)setsockopt(kept->sockets[i].bound.fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
}

static bool is_internet(const struct kept *kept) {
  return kept->address.ss_family != AF_UNIX;
}

/* The socket of that worker: its own one, or one that nobody has, or another one. Or UV_E*. */
static int place_of(struct kept *kept, const struct keep_request *request, unsigned number) {
  const bool has_own = is_internet(kept) && (request->copies > 1 || kept->count > 1);
  if (!has_own) return 0;
  for (unsigned i = 0; i < kept->count; i++)
    if (kept->sockets[i].owner == number) return (int)i;
  for (unsigned i = 0; i < kept->count; i++)
    if (kept->sockets[i].owner == 0) return (int)i;
  share_port(kept);
  kept->is_arranged = false;
  int rc = add_socket(kept, request, any(&kept->address), true);
  return rc < 0 ? rc : (int)kept->count - 1;
}

int keeper_open(struct keeper *keeper, unsigned number, const struct keep_request *request,
                struct keep_answer *answer) {
  struct kept *kept = find(keeper, request);
  answer->rc = kept ? 0 : open_first(keeper, request, &kept);
  if (kept && strcmp(kept->script, request->script) != 0) {
    snprintf(answer->script, sizeof answer->script, "%s", kept->script);
    answer->rc = UV_EADDRINUSE;
  }
  if (answer->rc < 0) return -1;
  int place = place_of(kept, request, number);
  if (place < 0) {
    answer->rc = place;
    return -1;
  }
  kept->is_arranged = false;
  kept->sockets[place].owner = number;
  kept->users |= bit_of(number);
  kept->held |= bit_of(number);
  kept->stale &= ~bit_of(number);
  answer->id = kept->id;
  answer->is_group = is_internet(kept) && request->copies > 1;
  return kept->sockets[place].bound.fd;
}

int keeper_lend(struct keeper *keeper, unsigned number, const struct keep_request *request,
                struct keep_answer *answer) {
  const struct kept *kept = find_id(keeper, request->id);
  const bool is_its =
      kept && request->index < kept->count && kept->sockets[request->index].adopter == number;
  if (!is_its) answer->rc = UV_ENOENT; /* it was given up, or is back, meanwhile */
  return is_its ? kept->sockets[request->index].bound.fd : -1;
}

void keeper_serve(struct keeper *keeper, unsigned number, const struct keep_request *request) {
  struct kept *kept = find_id(keeper, request->id);
  if (!kept) return;
  kept->held &= ~bit_of(number);
  kept->is_arranged = false;
}

void keeper_pass_on(struct keeper *keeper, const struct keep_request *request) {
  struct kept *kept = find_id(keeper, request->id);
  char *script = kept ? strdup(request->script) : NULL;
  if (!script) return;
  free(kept->script);
  kept->script = script;
}

/* --- Giving up ------------------------------------------------------------------------------- */

/* In a group its socket stays open as long as the others: what is queued there is served by them
 * (keeper_arrange()), and so is what comes where the kernel cannot be told to whom to give it. */
static void give_up(struct kept *kept, unsigned number) {
  kept->is_arranged = false;
  kept->users &= ~bit_of(number);
  kept->held &= ~bit_of(number);
  kept->stale &= ~bit_of(number);
  for (unsigned i = 0; i < kept->count; i++)
    if (kept->sockets[i].owner == number) kept->sockets[i].owner = 0;
  if (kept->users == 0) keeper_close(kept);
}

void keeper_give_up(struct keeper *keeper, unsigned number, const struct keep_request *request) {
  struct kept *kept = find_id(keeper, request->id);
  if (kept && kept->users & bit_of(number)) give_up(kept, number);
}

void keeper_put_by(struct keeper *keeper, unsigned number, const struct keep_request *request) {
  struct kept *kept = find_id(keeper, request->id);
  if (!kept) return;
  kept->stale |= kept->users & bit_of(number);
  kept->is_arranged = false;
}

void keeper_on_start(struct keeper *keeper, unsigned number) {
  LIST_EACH (struct kept, kept, &keeper->all, link) kept->stale |= kept->users & bit_of(number);
}

void keeper_sweep(struct keeper *keeper, unsigned number) {
  for (struct list *link = keeper->all.next, *next; link != &keeper->all; link = next) {
    next = link->next;
    if (kept_of(link)->stale & bit_of(number)) give_up(kept_of(link), number);
  }
}
