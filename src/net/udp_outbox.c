/* net/udp_outbox.c — the answers to one batch of datagrams, to leave together. Knows no loop.
 * A system call costs more than what is done in it for a small datagram. */
#include "net/udp_outbox.h"

#include "base/address.h"
#include "base/platform.h"
#include "net/udp_batch.h"
#include "net/udp_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

enum { ANSWER_BYTES_MAX = 2048 }; /* for a larger one the system call does not count */

struct answer {
  struct iovec part;
  struct sockaddr_in6 peer;
  union udp_control control;
  char bytes[ANSWER_BYTES_MAX];
};

struct udp_outbox {
  int count;
  struct platform_message headers[UDP_BATCH_MAX];
  struct answer answers[UDP_BATCH_MAX];
};

struct udp_outbox *udp_outbox_new(void) {
  return calloc(1, sizeof(struct udp_outbox));
}

void udp_outbox_free(struct udp_outbox *outbox) {
  free(outbox);
}

bool udp_outbox_add(struct udp_outbox *outbox, const char *bytes, size_t size,
                    const struct sockaddr *peer, const struct in6_addr *own) {
  if (outbox->count == UDP_BATCH_MAX || size > ANSWER_BYTES_MAX) return false;
  struct answer *answer = &outbox->answers[outbox->count];
  struct msghdr *header = &outbox->headers[outbox->count++].msg_hdr;
  answer->part = (struct iovec){.iov_base = answer->bytes, .iov_len = size};
  if (size > 0) memcpy(answer->bytes, bytes, size);
  memcpy(&answer->peer, peer, address_size(peer));
  *header = (struct msghdr){.msg_name = &answer->peer,
                            .msg_namelen = address_size(peer),
                            .msg_iov = &answer->part,
                            .msg_iovlen = 1};
  if (own) udp_control_put_own(header, peer->sa_family, own, &answer->control);
  return true;
}

int udp_outbox_send(struct udp_outbox *outbox, int fd) {
  int at = 0, rc = 0;
  while (at < outbox->count) {
    int sent = platform_send_many(fd, outbox->headers + at, (unsigned)(outbox->count - at));
    if (sent > 0) {
      at += sent;
    } else if (errno != EINTR) {
      rc = errno == ENOBUFS ? UV_EAGAIN : uv_translate_sys_error(errno);
      if (rc == UV_EAGAIN) break; /* nor would the others find room */
      at++;
    }
  }
  outbox->count = 0;
  return rc;
}
