/* peers.c — the peers' ends, and the model: what each of them must get. Knows no script.
 *
 * What a peer sends is a stream of its own: each byte follows from its place. So what comes back is
 * checked byte by byte, without keeping any. */
#include "sim.h"

#include "net/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum {
  PEERS_MAX = 16,
  UPSTREAMS_MAX = 64,
  UPSTREAM_PORT = 7, /* of 10.0.0.9: sends back what it gets */
  CHATTERS_MAX = 512,
  PIECE_BYTES = 16384,
  DATAGRAM_BYTES_MAX = 2000,
  DATAGRAMS_MAX = 10000, /* of one world; then there are no more */
};

struct peer {
  struct memory_pipe *pipe; /* NULL: there is none */
  const struct service_kind *kind;
  uint64_t key; /* of its stream */
  uint64_t sent;
  uint64_t received;
  uint64_t lines_end; /* behind the last whole line that it sent */
  bool has_finished;
  bool has_reset;
  bool is_opening;
  bool is_owed; /* all that its kind promises */
  /* EXPECTS_CHAT: what it reads now, and what it had last of each other. */
  uint32_t number;
  uint32_t chatter;
  uint32_t last[CHATTERS_MAX];
};

struct upstream {
  struct memory_pipe *pipe;
  bool has_finished;
};

struct peers {
  struct network *network;
  struct port *port;       /* of the upstream */
  struct mailbox *mailbox; /* of who sends datagrams */
  uint32_t datagrams;
  bool came_back[DATAGRAMS_MAX];
  struct peer peers[PEERS_MAX];
  struct upstream upstreams[UPSTREAMS_MAX];
  uint64_t count; /* ever */
  uint64_t digest;
  bool is_calm;
};

static char stream_byte(uint64_t key, uint64_t place) {
  uint64_t value = random_mix(key ^ (place * 0x100000001B3u));
  return (char)(value % 24 == 0 ? '\n' : 'a' + (value >> 8) % 26);
}

static void note(struct peers *peers, uint64_t what) {
  peers->digest = random_mix(peers->digest ^ what);
}

/* --- What comes -------------------------------------------------------------------------------- */

static void expect(const struct peer *peer, char byte, char wanted) {
  if (byte == wanted) return;
  sim_fail("a peer of %s got 0x%02x as byte %llu, and not 0x%02x", peer->kind->file,
           (unsigned char)byte, (unsigned long long)peer->received, (unsigned char)wanted);
}

/* "12:7\n": the seventh of number 12. */
static void check_chat(struct peer *peer, char byte) {
  if (byte >= '0' && byte <= '9') {
    peer->number = peer->number * 10 + (uint32_t)(byte - '0');
    return;
  }
  if (byte == ':') peer->chatter = peer->number % CHATTERS_MAX;
  if (byte == '\n') {
    uint32_t *last = &peer->last[peer->chatter];
    if (*last && peer->number != *last + 1) {
      sim_fail("a peer of %s got message %u of #%u after %u", peer->kind->file, peer->number,
               peer->chatter, *last);
    }
    *last = peer->number;
  }
  peer->number = 0;
}

static void check_byte(struct peer *peer, char byte) {
  switch (peer->kind->expects) {
    case EXPECTS_ECHO:
    case EXPECTS_LINES:
    case EXPECTS_BLOCKS:
      if (peer->received >= peer->sent) {
        sim_fail("a peer of %s got more than the %llu bytes that it sent", peer->kind->file,
                 (unsigned long long)peer->sent);
      }
      expect(peer, byte, stream_byte(peer->key, peer->received));
      break;
    case EXPECTS_COUNTED: expect(peer, byte, (char)('A' + peer->received % 23)); break;
    case EXPECTS_ANYTHING: break;
    case EXPECTS_CHAT: check_chat(peer, byte); break;
  }
  peer->received++;
}

static size_t read_some(struct peers *peers, struct peer *peer, size_t max) {
  char bytes[PIECE_BYTES];
  size_t total = 0;
  size_t size;
  while (total < max &&
         (size = memory_take(peer->pipe, bytes,
                             max - total < sizeof bytes ? max - total : sizeof bytes)) > 0) {
    for (size_t i = 0; i < size; i++) check_byte(peer, bytes[i]);
    total += size;
  }
  if (total > 0) note(peers, peer->key + peer->received);
  return total;
}

/* --- What it does ------------------------------------------------------------------------------ */

static void send_some(struct peer *peer, size_t size) {
  char bytes[PIECE_BYTES];
  if (peer->has_finished || peer->has_reset) return;
  if (size > sizeof bytes) size = sizeof bytes;
  for (size_t i = 0; i < size; i++) bytes[i] = stream_byte(peer->key, peer->sent + i);
  size_t sent = memory_send(peer->pipe, bytes, size);
  for (size_t i = 0; i < size && i < sent; i++) {
    if (bytes[i] == '\n') peer->lines_end = peer->sent + i + 1;
  }
  peer->sent += sent;
}

static void open_peer(struct peer *peer) {
  if (peer->is_opening) memory_opened(peer->pipe, 0);
  peer->is_opening = false;
}

static void finish(struct peer *peer) {
  if (!peer->has_finished && !peer->has_reset) peer->has_finished = memory_finish(peer->pipe);
}

static void reset(struct peer *peer) {
  peer->is_owed = false;
  if (!peer->has_reset) peer->has_reset = memory_reset(peer->pipe);
}

static uint64_t owed_bytes(const struct peer *peer) {
  if (peer->kind->expects == EXPECTS_BLOCKS) return peer->sent / 16 * 16;
  /* Its FIN ends the last line. */
  bool whole = peer->kind->expects == EXPECTS_LINES && !peer->has_finished;
  return whole ? peer->lines_end : peer->sent;
}

static void check_owed(const struct peer *peer) {
  struct memory_seen seen = memory_seen(peer->pipe);
  if (!peer->has_finished) sim_fail("%s ended a connection by itself", peer->kind->file);
  bool has_bound = peer->kind->expects <= EXPECTS_BLOCKS;
  if (seen.reset) sim_fail("a peer of %s was reset", peer->kind->file);
  if (has_bound && peer->received != owed_bytes(peer)) {
    sim_fail("a peer of %s got %llu bytes, of %llu", peer->kind->file,
             (unsigned long long)peer->received, (unsigned long long)owed_bytes(peer));
  }
}

/* Forgets those whose connection has let go, once all of it is read. */
static void let_go(struct peers *peers, struct peer *peer) {
  if (!memory_seen(peer->pipe).closed) return;
  while (read_some(peers, peer, SIZE_MAX) > 0) continue;
  if (peer->is_owed) check_owed(peer);
  memory_free(peer->pipe);
  peer->pipe = NULL;
}

static struct peer *choose(struct peers *peers, uint32_t which) {
  for (unsigned i = 0; i < PEERS_MAX; i++) {
    struct peer *peer = &peers->peers[(which + i) % PEERS_MAX];
    if (peer->pipe) let_go(peers, peer);
    if (peer->pipe) return peer;
  }
  return NULL;
}

void peers_connect(struct peers *peers, const struct service_kind *kind, uint32_t value) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(kind->port)};
  struct peer *peer = NULL;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (unsigned i = 0; i < PEERS_MAX && !peer; i++) {
    if (!peers->peers[i].pipe) peer = &peers->peers[i];
  }
  if (!peer) return;
  memset(peer, 0, sizeof *peer);
  peer->kind = kind;
  peer->key = random_mix(++peers->count);
  const struct sockaddr *address = (const struct sockaddr *)&to;
  if (value % 3 == 0) to.sin_port = htons(kind->port + 100); /* where only some versions listen */
  int rc = network_connect(peers->network, address, NULL, &peer->pipe);
  /* That one may be given up while nothing can be accepted. */
  peer->is_owed = peers->is_calm && (rc < 0 || value % 3 > 0);
  to.sin_port = htons(kind->port);
  if (rc < 0) rc = network_connect(peers->network, address, NULL, &peer->pipe);
  if (rc < 0) return;
  if (value % 4 == 0) memory_settings(peer->pipe)->window_bytes = value + 1;
  peer->is_opening = value % 7 == 0;
  if (peer->is_opening) memory_hold_open(peer->pipe); /* as while a layer shakes hands */
}

static void break_transport(struct peer *peer, uint32_t value) {
  struct memory_settings *settings = memory_settings(peer->pipe);
  peer->is_owed = false;
  if (value % 2 == 0) settings->write_error = UV_EPIPE;
  if (value % 2 == 1) settings->finish_error = UV_ENOTCONN;
}

void peers_do(struct peers *peers, const struct step *step) {
  struct peer *peer = choose(peers, step->which);
  if (!peer) return;
  struct memory_settings *settings = memory_settings(peer->pipe);
  switch (step->kind) {
    case STEP_SEND: send_some(peer, step->value); break;
    case STEP_READ:
      open_peer(peer);
      read_some(peers, peer, step->value);
      break;
    case STEP_FIN: finish(peer); break;
    case STEP_RST: reset(peer); break;
    case STEP_WINDOW: settings->window_bytes = step->value + 1; break;
    case STEP_CUT: settings->cut_bytes = step->value; break;
    case STEP_DELAY: settings->delay_ms = step->value; break;
    case STEP_BREAK: break_transport(peer, step->value); break;
    case STEP_LOSE:
      peer->is_owed = false;
      settings->is_lost = true;
      break;
    default: break;
  }
}

/* --- The upstream ------------------------------------------------------------------------------ */

static void upstream_on_connect(void *owner, struct memory_pipe *pipe,
                                const struct sockaddr *peer) {
  struct peers *peers = owner;
  (void)peer;
  for (unsigned i = 0; i < UPSTREAMS_MAX; i++) {
    if (peers->upstreams[i].pipe) continue;
    peers->upstreams[i] = (struct upstream){.pipe = pipe};
    return;
  }
  sim_fail("more than %d connections go to the upstream", UPSTREAMS_MAX);
}

static bool send_back(struct upstream *upstream) {
  const char *bytes;
  size_t size = memory_waiting(upstream->pipe, &bytes);
  struct memory_seen seen = memory_seen(upstream->pipe);
  size_t sent = seen.closed ? size : memory_send(upstream->pipe, bytes, size);
  (void)memory_take(upstream->pipe, NULL, sent);
  if (seen.closed) {
    memory_free(upstream->pipe);
    upstream->pipe = NULL;
  } else if (seen.finished && sent == size && !upstream->has_finished) {
    upstream->has_finished = memory_finish(upstream->pipe);
    return true;
  }
  return sent > 0;
}

bool peers_answer(struct peers *peers) {
  bool did = false;
  for (unsigned i = 0; i < UPSTREAMS_MAX; i++) {
    if (peers->upstreams[i].pipe && send_back(&peers->upstreams[i])) did = true;
  }
  return did;
}

/* --- Datagrams --------------------------------------------------------------------------------- */

/* Its number, and as many bytes of a stream that follows from it. */
static size_t make_datagram(uint32_t number, size_t size, char out[DATAGRAM_BYTES_MAX]) {
  if (size > DATAGRAM_BYTES_MAX) size = DATAGRAM_BYTES_MAX;
  if (size < sizeof number) size = sizeof number;
  memcpy(out, &number, sizeof number);
  for (size_t i = sizeof number; i < size; i++) out[i] = stream_byte(number, i);
  return size;
}

static void peers_on_datagram(void *owner, const char *bytes, size_t size,
                              const struct sockaddr *peer) {
  struct peers *peers = owner;
  char wanted[DATAGRAM_BYTES_MAX];
  uint32_t number = DATAGRAMS_MAX;
  (void)peer;
  if (size >= sizeof number) memcpy(&number, bytes, sizeof number);
  if (number >= peers->datagrams) sim_fail("a datagram came that nobody sent");
  if (peers->came_back[number]) sim_fail("datagram %u came twice", number);
  if (make_datagram(number, size, wanted) != size || memcmp(bytes, wanted, size) != 0) {
    sim_fail("datagram %u came back as another", number);
  }
  peers->came_back[number] = true;
  note(peers, number);
}

void peers_post(struct peers *peers, uint16_t port, uint32_t size) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  char bytes[DATAGRAM_BYTES_MAX];
  if (peers->datagrams == DATAGRAMS_MAX) return;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  size_t made = make_datagram(peers->datagrams++, size, bytes);
  (void)mailbox_send(peers->mailbox, bytes, made, (const struct sockaddr *)&to, NULL);
}

/* --- All of them ------------------------------------------------------------------------------- */

struct peers *peers_new(struct network *network, uint64_t seed) {
  struct peers *peers = calloc(1, sizeof *peers);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(UPSTREAM_PORT)};
  if (!peers) sim_fail("not enough memory");
  peers->network = network;
  peers->digest = seed;
  peers->is_calm = seed_is_calm(seed);
  inet_pton(AF_INET, "10.0.0.9", &address.sin_addr);
  if (network_listen(network, (const struct sockaddr *)&address, upstream_on_connect, peers,
                     &peers->port) < 0) {
    sim_fail("the upstream cannot listen");
  }
  if (network_receive(network, (const struct sockaddr *)&address, peers_on_datagram, peers,
                      &peers->mailbox) < 0) {
    sim_fail("nobody receives datagrams");
  }
  (void)network_add_name(network, "upstream.example", (const struct sockaddr *)&address);
  inet_pton(AF_INET, "203.0.113.1", &address.sin_addr);
  (void)network_add_name(network, "silent.example", (const struct sockaddr *)&address);
  (void)network_silence(network, (const struct sockaddr *)&address);
  return peers;
}

bool peers_calm(struct peers *peers) {
  bool did = peers_answer(peers);
  for (unsigned i = 0; i < PEERS_MAX; i++) {
    struct peer *peer = &peers->peers[i];
    if (!peer->pipe) continue;
    struct memory_settings *settings = memory_settings(peer->pipe);
    settings->window_bytes = 65536;
    settings->cut_bytes = 0;
    open_peer(peer);
    if (!peer->has_finished && !peer->has_reset) did = true;
    finish(peer);
    if (read_some(peers, peer, SIZE_MAX) > 0) did = true;
    let_go(peers, peer);
  }
  return did;
}

void peers_check_all(struct peers *peers) {
  for (unsigned i = 0; i < PEERS_MAX; i++) {
    const struct peer *peer = &peers->peers[i];
    if (!peer->pipe || !peer->is_owed) continue;
    check_owed(peer);
    sim_fail("a peer of %s has finished, and its connection has not ended", peer->kind->file);
  }
}

void peers_reset(struct peers *peers) {
  for (unsigned i = 0; i < PEERS_MAX; i++) {
    if (peers->peers[i].pipe) reset(&peers->peers[i]);
    if (peers->peers[i].pipe) let_go(peers, &peers->peers[i]);
  }
  for (unsigned i = 0; i < UPSTREAMS_MAX; i++) {
    if (peers->upstreams[i].pipe) (void)memory_reset(peers->upstreams[i].pipe);
  }
  (void)peers_answer(peers);
}

uint64_t peers_digest(const struct peers *peers) {
  return peers->digest;
}

void peers_free(struct peers *peers) {
  peers_reset(peers);
  for (unsigned i = 0; i < PEERS_MAX; i++) {
    if (peers->peers[i].pipe) sim_fail("a pipe is held that no connection has");
  }
  port_close(peers->port);
  mailbox_close(peers->mailbox);
  free(peers);
}
