/* net/mailbox.c — datagrams of the network in memory. What finds nobody, or no room, is lost. */
#include "net/network_state.h"

#include "base/address.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum {
  MAILBOX_BYTES_MAX = 212992, /* net.core.rmem_default */
  LETTER_COST_BYTES = 768,    /* what Linux counts beside the bytes, about */
  DATAGRAM_BYTES_MAX = 65507, /* over IPv4: 65535 less the headers of IP and UDP */
};

struct letter {
  struct list link;
  union place from;
  int rc; /* an earlier one did not arrive; else 0 */
  size_t size;
  char bytes[];
};

struct mailbox {
  struct list link;
  struct network *network;
  union place address;
  union place peer; /* of a connected one, else without a family */
  struct list letters;
  struct letter *taken; /* the last one */
  size_t bytes;
  void (*on_mail)(void *owner);
  void (*on_datagram)(void *owner, const char *bytes, size_t size, const struct sockaddr *peer);
  void *owner;
};

int mailbox_open(struct network *network, const struct sockaddr *address, bool reuse,
                 void (*on_mail)(void *owner), void *owner, struct mailbox **out) {
  const struct list *head = &network->mailboxes;
  for (const struct list *link = head->next; link != head && !reuse; link = link->next) {
    const struct mailbox *other = LIST_ELEMENT(link, struct mailbox, link);
    if (place_collides(&other->address.any, address, false)) return UV_EADDRINUSE;
  }
  struct mailbox *mailbox = calloc(1, sizeof *mailbox);
  if (!mailbox) return UV_ENOMEM;
  mailbox->network = network;
  mailbox->on_mail = on_mail;
  mailbox->owner = owner;
  network_keep_own(network, &mailbox->address, address);
  list_init(&mailbox->letters);
  list_append(&network->mailboxes, &mailbox->link);
  *out = mailbox;
  return 0;
}

int network_receive(struct network *network, const struct sockaddr *address,
                    void (*on_datagram)(void *owner, const char *bytes, size_t size,
                                        const struct sockaddr *peer),
                    void *owner, struct mailbox **out) {
  int rc = mailbox_open(network, address, false, NULL, owner, out);
  if (rc == 0) (*out)->on_datagram = on_datagram;
  return rc;
}

void mailbox_connect(struct mailbox *mailbox, const struct sockaddr *peer) {
  place_keep(&mailbox->peer, peer);
}

static bool is_connected(const struct mailbox *mailbox) {
  return mailbox->peer.any.sa_family != AF_UNSPEC;
}

static struct mailbox *find_mailbox(const struct network *network, const struct sockaddr *to,
                                    const struct sockaddr *from) {
  struct mailbox *found = NULL;
  const struct list *head = &network->mailboxes;
  for (const struct list *link = head->next; link != head; link = link->next) {
    struct mailbox *mailbox = LIST_ELEMENT(link, struct mailbox, link);
    if (!place_hears(&mailbox->address.any, to)) continue;
    if (is_connected(mailbox) && !place_hears(&mailbox->peer.any, from)) continue;
    if (!found || place_is_any(&found->address.any)) found = mailbox;
  }
  return found;
}

static void post(struct mailbox *mailbox, const union place *from, const char *bytes, size_t size,
                 int rc) {
  if (mailbox->on_datagram) {
    mailbox->on_datagram(mailbox->owner, bytes, size, &from->any);
    return;
  }
  if (mailbox->bytes + size + LETTER_COST_BYTES > MAILBOX_BYTES_MAX) return;
  struct letter *letter = calloc(1, sizeof *letter + size);
  if (!letter) return;
  letter->from = *from;
  letter->rc = rc;
  letter->size = size;
  if (size > 0) memcpy(letter->bytes, bytes, size);
  mailbox->bytes += size + LETTER_COST_BYTES;
  list_append(&mailbox->letters, &letter->link);
  mailbox->on_mail(mailbox->owner);
}

/* Who has all addresses sends from the one that is on the way. */
static void find_from(const struct mailbox *mailbox, const struct sockaddr *to, union place *from) {
  *from = mailbox->address;
  if (!place_is_any(&from->any)) return;
  place_keep(from, to);
  address_set_port(&from->any, (uint16_t)address_port(&mailbox->address.any));
}

int mailbox_send(struct mailbox *mailbox, const char *bytes, size_t size,
                 const struct sockaddr *peer) {
  union place from;
  const struct sockaddr *to = peer ? peer : &mailbox->peer.any;
  if (to->sa_family == AF_UNSPEC) return UV_EDESTADDRREQ;
  if (size > DATAGRAM_BYTES_MAX) return UV_EMSGSIZE;
  if (to->sa_family != mailbox->address.any.sa_family) return UV_EAFNOSUPPORT;
  find_from(mailbox, to, &from);
  struct mailbox *other = find_mailbox(mailbox->network, to, &from.any);
  if (other) {
    post(other, &from, bytes, size, 0);
  } else if (is_connected(mailbox) && !mailbox->on_datagram) {
    post(mailbox, &from, NULL, 0, UV_ECONNREFUSED);
  }
  return 0;
}

ssize_t mailbox_take(struct mailbox *mailbox, const char **bytes, struct sockaddr_storage *peer) {
  free(mailbox->taken);
  mailbox->taken = NULL;
  if (list_empty(&mailbox->letters)) return UV_EAGAIN;
  struct letter *letter = mailbox->taken = LIST_ELEMENT(mailbox->letters.next, struct letter, link);
  list_remove(&letter->link);
  mailbox->bytes -= letter->size + LETTER_COST_BYTES;
  *bytes = letter->bytes;
  *peer = letter->from.storage;
  return letter->rc < 0 ? letter->rc : (ssize_t)letter->size;
}

const struct sockaddr *mailbox_address(const struct mailbox *mailbox) {
  return &mailbox->address.any;
}

void mailbox_unbind(struct mailbox *mailbox) {
  list_remove(&mailbox->link);
}

void mailbox_close(struct mailbox *mailbox) {
  mailbox_unbind(mailbox);
  for (struct list *link = mailbox->letters.next; link != &mailbox->letters;) {
    struct letter *letter = LIST_ELEMENT(link, struct letter, link);
    link = link->next;
    free(letter);
  }
  free(mailbox->taken);
  free(mailbox);
}
