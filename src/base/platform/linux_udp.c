/* base/platform/linux_udp.c — base/platform.h on Linux: datagrams. */
#include "base/platform.h"

#include <assert.h>
#include <linux/sock_diag.h>
#include <stddef.h>
#include <string.h>

#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif

static_assert(sizeof(struct platform_message) == sizeof(struct mmsghdr) &&
                  offsetof(struct platform_message, msg_len) == offsetof(struct mmsghdr, msg_len),
              "one is taken for the other");

int platform_receive_many(int fd, struct platform_message *messages, unsigned count) {
  return recvmmsg(fd, (struct mmsghdr *)messages, count, 0, NULL);
}

int platform_send_many(int fd, struct platform_message *messages, unsigned count) {
  return sendmmsg(fd, (struct mmsghdr *)messages, count, 0);
}

int platform_hear_joined(int fd, int family) {
  const int off = 0;
  if (family == AF_INET) {
    return setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof off);
  }
  (void)setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, &off, sizeof off); /* since Linux 4.20 */
  return 0;
}

int platform_tell_own(int fd) {
  const int on = 1;
  return setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
}

bool platform_read_own(const struct cmsghdr *part, struct in_addr *own, struct in_addr *to) {
  if (part->cmsg_level != IPPROTO_IP || part->cmsg_type != IP_PKTINFO) return false;
  const struct in_pktinfo *info = (const struct in_pktinfo *)(const void *)CMSG_DATA(part);
  *own = info->ipi_spec_dst;
  *to = info->ipi_addr;
  return true;
}

static_assert(PLATFORM_OWN_BYTES >= CMSG_SPACE(sizeof(struct in_pktinfo)), "it has to have room");

void platform_put_own(struct msghdr *message, const struct in_addr *own) {
  const struct in_pktinfo info = {.ipi_spec_dst = *own};
  struct cmsghdr *header = CMSG_FIRSTHDR(message);
  header->cmsg_level = IPPROTO_IP;
  header->cmsg_type = IP_PKTINFO;
  header->cmsg_len = CMSG_LEN(sizeof info);
  memcpy(CMSG_DATA(header), &info, sizeof info);
  message->msg_controllen = CMSG_SPACE(sizeof info);
}

uint32_t platform_lost(int fd) {
  uint32_t figures[SK_MEMINFO_VARS] = {0};
  socklen_t size = sizeof figures;
  return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, figures, &size) < 0 ? 0 : figures[SK_MEMINFO_DROPS];
}
