/* server/copies/copies.c — what workers say to each other of scripts reaches whom it concerns. */
#include "server/copies/state.h"
#include "server/server_state.h"

#include "net/loop.h"

#include <stdlib.h>
#include <unistd.h>

static void copies_on_time(uv_timer_t *timer) {
  struct copies *copies = timer->data;
  bool leads = lead_on_time(copies);
  bool follows = follow_on_time(copies);
  bool waits = hand_over_on_time(copies);
  if (!leads && !follows && !waits) uv_timer_stop(timer);
}

void copies_let_go(struct server *server, struct script *script) {
  struct copies *copies = server->copies;
  if (!copies) return;
  if (script->is_copy) {
    follow_forget(copies, script);
  } else {
    lead_let_go(copies, script);
  }
}

static void hear(struct copies *copies, unsigned from, const struct copy_message *message) {
  switch ((enum copy_what)message->head.what) {
    case COPY_HELLO:
      copies->greeted |= copies_bit(from);
      lead_on_hello(copies, from);
      follow_on_hello(copies, from);
      copies_send(copies, from, &(struct copy_head){.what = COPY_GREETED}, NULL);
      break;
    case COPY_GREETED: copies->answered |= copies_bit(from); break;
    case COPY_READY:
    case COPY_REFUSED:
    case COPY_DONE: lead_on_answer(copies, from, message); break;
    case COPY_HAS: lead_on_has(copies, from, message); break;
    case COPY_CHANGED: lead_on_changed(copies, message); break;
    case COPY_HAS_ROOM: lead_on_has_room(copies, from, message->head.id); break;
    case COPY_PREPARE: follow_on_prepare(copies, from, message); break;
    case COPY_COMMIT: follow_on_commit(copies, from, message); break;
    case COPY_ABORT: follow_on_abort(copies, message); break;
    case COPY_DROP: follow_on_drop(copies, message); break;
    case COPY_NEWS: copies->hooks->on_news(copies->server); break;
    case COPY_ROOM: {
      const struct copy_head answer = {.id = message->head.id, .what = COPY_HAS_ROOM};
      copies->hooks->make_room(copies->server, message->head.workers > 0);
      copies_send(copies, from, &answer, NULL);
      break;
    }
  }
}

static void copies_on_message(void *context, unsigned from, const char *bytes, size_t size,
                              int fd) {
  struct copies *copies = context;
  struct copy_message message;
  message.fd = fd;
  if (copies_read(bytes, size, &message)) hear(copies, from, &message);
  if (fd >= 0) close(fd);
}

struct copies *copies_new(struct server *server, const struct copies_hooks *hooks) {
  struct copies *copies = calloc(1, sizeof *copies);
  if (!copies) return NULL;
  copies->server = server;
  copies->hooks = hooks;
  copies->on_time = copies_on_time;
  copies->worker = server->options.worker;
  copies->mesh = server->mesh;
  /* Of no process before this one. */
  copies->id_last = (uint64_t)atomic_load(&worker_own_slot(copies->worker)->generation) << 32;
  list_init(&copies->asks);
  list_init(&copies->held);
  list_init(&copies->given);
  list_init(&copies->unsent);
  list_init(&copies->waiting);
  uv_timer_init(net_loop_uv(server->loop), &copies->timer);
  copies->timer.data = copies;
  mesh_on(copies->mesh, MESH_RELOAD, copies_on_message, copies);
  mesh_on_room(copies->mesh, MESH_RELOAD, copies_on_room);
  hand_over_begin(copies);
  mesh_on(copies->mesh, MESH_CONNECTION, hand_over_on_message, copies);
  return copies;
}

static void copies_on_closed(uv_handle_t *handle) {
  free(handle->data);
}

void copies_free(struct copies *copies) {
  if (!copies) return;
  mesh_on(copies->mesh, MESH_RELOAD, NULL, NULL);
  mesh_on_room(copies->mesh, MESH_RELOAD, NULL);
  mesh_on(copies->mesh, MESH_CONNECTION, NULL, NULL);
  lead_free(copies);
  follow_free(copies);
  hand_over_free(copies);
  copies_forget_unsent(copies);
  uv_close((uv_handle_t *)&copies->timer, copies_on_closed);
}
