/* net/udp_batch.c — several datagrams from the kernel in one call. Knows no loop. */
#include "net/udp_batch.h"

#include "base/address.h"
#include "base/platform.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

enum { TOLD_BYTES = PLATFORM_OWN_BYTES + CMSG_SPACE(sizeof(struct in6_pktinfo)) };

struct slot {
  struct iovec part;
  struct sockaddr_storage peer;
  alignas(struct cmsghdr) char told[TOLD_BYTES];
  struct in6_addr own;
  struct in6_addr to;
};

struct udp_batch {
  struct platform_message headers[UDP_BATCH_MAX];
  struct slot slots[UDP_BATCH_MAX];
  int used;                                      /* the last time */
  char bytes[UDP_BATCH_MAX][DATAGRAM_BYTES_MAX]; /* mostly pages that nobody touches */
};

/* The kernel writes what it used over what it may use. */
static void make_ready(struct udp_batch *batch, int index) {
  struct msghdr *header = &batch->headers[index].msg_hdr;
  header->msg_namelen = sizeof batch->slots[index].peer;
  header->msg_controllen = sizeof batch->slots[index].told;
}

struct udp_batch *udp_batch_new(void) {
  struct udp_batch *batch = malloc(sizeof *batch);
  if (!batch) return NULL;
  memset(batch->headers, 0, sizeof batch->headers);
  for (int i = 0; i < UDP_BATCH_MAX; i++) {
    struct slot *slot = &batch->slots[i];
    slot->part = (struct iovec){.iov_base = batch->bytes[i], .iov_len = DATAGRAM_BYTES_MAX};
    batch->headers[i].msg_hdr = (struct msghdr){.msg_name = &slot->peer,
                                                .msg_iov = &slot->part,
                                                .msg_iovlen = 1,
                                                .msg_control = slot->told};
  }
  batch->used = UDP_BATCH_MAX;
  return batch;
}

void udp_batch_free(struct udp_batch *batch) {
  free(batch);
}

int udp_batch_read(struct udp_batch *batch, int fd, int max) {
  int count;
  for (int i = 0; i < batch->used; i++) make_ready(batch, i);
  do {
    count = platform_receive_many(fd, batch->headers, (unsigned)max);
  } while (count < 0 && errno == EINTR);
  batch->used = count > 0 ? count : 0;
  return count < 0 ? uv_translate_sys_error(errno) : count;
}

static void map_ip4(struct in6_addr *out, const struct in_addr *ip4) {
  memset(out, 0, sizeof *out);
  out->s6_addr[10] = out->s6_addr[11] = 0xff;
  memcpy(out->s6_addr + 12, ip4, sizeof *ip4);
}

/* An answer cannot come from a group: then the kernel chooses. */
static void read_own(const struct msghdr *header, struct slot *slot, struct udp_letter *out) {
  const struct cmsghdr *told = CMSG_FIRSTHDR(header);
  out->to = out->own = NULL;
  if (!told) return;
  struct in_addr own, to;
  if (platform_read_own(told, &own, &to)) {
    map_ip4(&slot->own, &own);
    map_ip4(&slot->to, &to);
    out->own = &slot->own;
    out->to = &slot->to;
  }
  if (told->cmsg_level != IPPROTO_IPV6 || told->cmsg_type != IPV6_PKTINFO) return;
  slot->to = ((const struct in6_pktinfo *)(const void *)CMSG_DATA(told))->ipi6_addr;
  bool is_group = IN6_IS_ADDR_MULTICAST(&slot->to) ||
                  (IN6_IS_ADDR_V4MAPPED(&slot->to) && (slot->to.s6_addr[12] >= 0xe0));
  out->to = &slot->to;
  if (!is_group) out->own = &slot->to;
}

void udp_batch_letter(struct udp_batch *batch, int index, struct udp_letter *out) {
  struct slot *slot = &batch->slots[index];
  out->bytes = batch->bytes[index];
  out->size = batch->headers[index].msg_len;
  out->peer = &slot->peer;
  read_own(&batch->headers[index].msg_hdr, slot, out);
  address_unmap(&slot->peer);
}
