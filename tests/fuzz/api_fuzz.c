/* api_fuzz.c — any bytes as what peers of a script do, and as the calls of the API that it makes.
 *
 * An input is bytes in turn: one says who of four peers does what, and for sending the next says how
 * many bytes follow that the script (tests/random/service.lua) carries out as calls. The script
 * watches that on_close comes once and last and that no two handlers of a connection overlap; here
 * it is seen that all ends when the peers are gone, whatever came before. */
#include "served.h"

enum { INPUT_BYTES_MAX = 400, PEERS = 4, SETTLE_TURNS_MAX = 4000 };

static struct served served;

struct input {
  const uint8_t *data;
  size_t size;
};

static uint8_t take(struct input *input) {
  if (input->size == 0) return 0;
  input->size--;
  return *input->data++;
}

static void send_some(int fd, struct input *input) {
  size_t size = take(input) % 12 + 1U;
  if (size > input->size) size = input->size;
  (void)send(fd, input->data, size, MSG_NOSIGNAL);
  input->data += size;
  input->size -= size;
}

static void receive_some(int fd) {
  static char bytes[1 << 16];
  (void)recv(fd, bytes, sizeof bytes, 0);
}

static void leave(int *fd) {
  if (*fd >= 0) (void)close(*fd); /* with what came unread: the script's end is told of a reset */
  *fd = -1;
}

static void act(int peers[PEERS], struct input *input) {
  uint8_t what = take(input);
  int *fd = &peers[what & 3];
  if (*fd < 0) {
    *fd = served_connect(served.listen);
    if (*fd < 0) return;
  }
  switch (what >> 2 & 15) {
    case 10: receive_some(*fd); break;
    case 11: (void)shutdown(*fd, SHUT_WR); break;
    case 12: leave(fd); break;
    case 13: server_reload(served.server, NULL); break;
    case 14: break; /* a turn */
    case 15: usleep(500); break;
    default: send_some(*fd, input); break;
  }
  if (what & 64) served_turn(&served);
}

/* Nobody is connected any more: most connections notice, and those that wait for something else are
 * closed at once, as at the end of a server. Their handlers come to an end, too. */
static void settle(void) {
  struct script *script = served.server->scripts[0];
  int turns = 0;
  while (runtime_conn_count(&script->runtime) > 0) {
    served_turn(&served);
    if (++turns == 20) script_close_conns(script, true);
    if (turns > 20) usleep(200);
    MUST(turns < SETTLE_TURNS_MAX);
  }
  struct script_status status;
  script_status(script, &status);
  MUST(status.connections == 0);
  served_check_log(&served, "BROKEN");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > INPUT_BYTES_MAX) return -1;
  if (!served.server) {
    served_open(&served, FUZZ_SOURCE_DIR "/../random/service.lua", "api");
  }
  struct input input = {data, size};
  int peers[PEERS] = {-1, -1, -1, -1};
  while (input.size > 0) act(peers, &input);
  served_turn(&served);
  for (int i = 0; i < PEERS; i++) leave(&peers[i]);
  settle();
  return 0;
}
