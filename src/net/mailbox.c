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
  union place to;
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

int mailbox_open(struct network *network, const struct mailbox_options *options,
                 void (*on_mail)(void *owner), void *owner, struct mailbox **out) {
  const struct list *head = &network->mailboxes;
  for (const struct list *link = head->next; link != head && !options->reuse; link = link->next) {
    const struct mailbox *other = LIST_ELEMENT(link, struct mailbox, link);
    if (place_collides(&other->address.any, options->address, options->beside)) {
      return UV_EADDRINUSE;
    }
  }
  struct mailbox *mailbox = calloc(1, sizeof *mailbox);
  if (!mailbox) return UV_ENOMEM;
  mailbox->network = network;
  mailbox->on_mail = on_mail;
  mailbox->owner = owner;
  network_keep_own(network, &mailbox->address, options->address);
  list_init(&mailbox->letters);
  list_append(&network->mailboxes, &mailbox->link);
  *out = mailbox;
  return 0;
}

int network_receive(struct network *network, const struct sockaddr *address,
                    void (*on_datagram)(void *owner, const char *bytes, size_t size,
                                        const struct sockaddr *peer),
                    void *owner, struct mailbox **out) {
  const struct mailbox_options options = {.address = address};
  int rc = mailbox_open(network, &options, NULL, owner, out);
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

static void post(struct mailbox *mailbox, const union place *from, const struct sockaddr *to,
                 const char *bytes, size_t size, int rc) {
  if (mailbox->on_datagram) {
    mailbox->on_datagram(mailbox->owner, bytes, size, &from->any);
    return;
  }
  if (mailbox->bytes + size + LETTER_COST_BYTES > MAILBOX_BYTES_MAX) return;
  struct letter *letter = calloc(1, sizeof *letter + size);
  if (!letter) return;
  letter->from = *from;
  place_keep(&letter->to, to);
  letter->rc = rc;
  letter->size = size;
  if (size > 0) memcpy(letter->bytes, bytes, size);
  mailbox->bytes += size + LETTER_COST_BYTES;
  list_append(&mailbox->letters, &letter->link);
  mailbox->on_mail(mailbox->owner);
}

/* Who has all addresses sends from `own`, or from the one that is on the way; who has a group as well. */
static void find_from(const struct mailbox *mailbox, const struct sockaddr *to,
                      const struct in6_addr *own, union place *from) {
  struct sockaddr_in6 chosen = {.sin6_family = AF_INET6};
  *from = mailbox->address;
  if (!place_is_any(&from->any) && !address_is_group(&from->any)) return;
  if (own) {
    chosen.sin6_addr = *own;
    place_keep(from, (const struct sockaddr *)&chosen);
    address_unmap(&from->storage);
  } else if (address_is_group(to)) {
    network_make_caller(mailbox->network, to, from);
  } else {
    place_keep(from, to);
  }
  address_set_port(&from->any, (uint16_t)address_port(&mailbox->address.any));
}

static void post_to_group(const struct mailbox *mailbox, const union place *from,
                          const struct sockaddr *group, const char *bytes, size_t size) {
  const struct list *head = &mailbox->network->mailboxes;
  for (const struct list *link = head->next; link != head; link = link->next) {
    struct mailbox *other = LIST_ELEMENT(link, struct mailbox, link);
    bool hears = !place_is_any(&other->address.any) && place_hears(&other->address.any, group);
    if (hears) post(other, from, group, bytes, size, 0);
  }
}

int mailbox_send(struct mailbox *mailbox, const char *bytes, size_t size,
                 const struct sockaddr *peer, const struct in6_addr *own) {
  union place from;
  const struct sockaddr *to = peer ? peer : &mailbox->peer.any;
  if (to->sa_family == AF_UNSPEC) return UV_EDESTADDRREQ;
  if (size > DATAGRAM_BYTES_MAX) return UV_EMSGSIZE;
  if (to->sa_family != mailbox->address.any.sa_family) return UV_EAFNOSUPPORT;
  find_from(mailbox, to, own, &from);
  if (address_is_group(to)) {
    post_to_group(mailbox, &from, to, bytes, size);
    return 0;
  }
  struct mailbox *other = find_mailbox(mailbox->network, to, &from.any);
  if (other) {
    post(other, &from, to, bytes, size, 0);
  } else if (is_connected(mailbox) && !mailbox->on_datagram) {
    post(mailbox, &from, to, NULL, 0, UV_ECONNREFUSED);
  }
  return 0;
}

static struct in6_addr own_of(const union place *to) {
  struct sockaddr_in6 own = {0};
  if (address_is_group(&to->any)) return own.sin6_addr;
  if (to->any.sa_family == AF_INET6) return ((const struct sockaddr_in6 *)to)->sin6_addr;
  address_map((const struct sockaddr_in *)to, &own);
  return own.sin6_addr;
}

ssize_t mailbox_take(struct mailbox *mailbox, const char **bytes, struct sockaddr_storage *peer,
                     struct in6_addr *own) {
  free(mailbox->taken);
  mailbox->taken = NULL;
  if (list_empty(&mailbox->letters)) return UV_EAGAIN;
  struct letter *letter = mailbox->taken = LIST_ELEMENT(mailbox->letters.next, struct letter, link);
  list_remove(&letter->link);
  mailbox->bytes -= letter->size + LETTER_COST_BYTES;
  *bytes = letter->bytes;
  *peer = letter->from.storage;
  *own = own_of(&letter->to);
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
