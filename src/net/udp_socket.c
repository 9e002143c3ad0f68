/* net/udp_socket.c — a datagram socket's descriptor: opened, bound, sent from. Knows the kernel, not
 * the loop. */
#include "net/udp_socket.h"

#include "base/address.h"
#include "base/platform.h"
#include "base/reach.h"
#include "net/udp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

static int set(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value) < 0 ? uv_translate_sys_error(errno) : 0;
}

/* --- Groups ---------------------------------------------------------------------------------- */

/* Only what is sent to the group, and over its interface, is heard. */
static int join_ip4(int fd, const struct sockaddr_in *group, int interface) {
  const struct ip_mreqn member = {.imr_multiaddr = group->sin_addr, .imr_ifindex = interface};
  if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &member, sizeof member) < 0 &&
      errno != EADDRINUSE) { /* whoever handed it over has joined */
    return uv_translate_sys_error(errno);
  }
  int rc = platform_hear_joined(fd, AF_INET) < 0 ? uv_translate_sys_error(errno) : 0;
  const struct ip_mreqn sending = {.imr_ifindex = interface};
  if (rc == 0 && interface > 0 &&
      setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &sending, sizeof sending) < 0) {
    rc = uv_translate_sys_error(errno);
  }
  return rc;
}

static int join_ip6(int fd, const struct sockaddr_in6 *group) {
  const int interface = (int)group->sin6_scope_id;
  const struct ipv6_mreq member = {.ipv6mr_multiaddr = group->sin6_addr,
                                   .ipv6mr_interface = group->sin6_scope_id};
  if (setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &member, sizeof member) < 0 &&
      errno != EADDRINUSE) {
    return uv_translate_sys_error(errno);
  }
  (void)platform_hear_joined(fd, AF_INET6);
  return interface > 0 ? set(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, interface) : 0;
}

static int join(int fd, const struct udp_options *options) {
  const struct sockaddr *address = options->address;
  if (!options->joins || !address_is_group(address)) return 0;
  return address->sa_family == AF_INET
             ? join_ip4(fd, (const struct sockaddr_in *)(const void *)address, options->interface)
             : join_ip6(fd, (const struct sockaddr_in6 *)(const void *)address);
}

/* --- Opening --------------------------------------------------------------------------------- */

static int bind_it(int fd, const struct udp_options *options) {
  const struct sockaddr *address = options->address;
  bool shares = options->reuse_address || (options->joins && address_is_group(address));
  int rc = shares ? set(fd, SOL_SOCKET, SO_REUSEADDR, 1) : 0;
  if (rc == 0 && options->beside) rc = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (rc == 0 && bind(fd, address, address_size(address)) < 0) rc = uv_translate_sys_error(errno);
  return rc;
}

int udp_socket_open(const struct udp_options *options) {
  int fd = options->descriptor, rc = 0;
  if (fd > 0) {
    rc =
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 ? uv_translate_sys_error(errno) : 0;
  } else {
    fd = platform_socket(options->address->sa_family, SOCK_DGRAM, false);
    if (fd < 0) return uv_translate_sys_error(errno);
    rc = bind_it(fd, options);
  }
  if (rc == 0) rc = join(fd, options);
  if (rc == 0) return fd;
  close(fd);
  return rc;
}

bool udp_socket_tells_own(int fd, const struct sockaddr *address) {
  if (reach_of(address) != REACH_ANY) return false;
  return address->sa_family == AF_INET ? platform_tell_own(fd) == 0
                                       : set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) == 0;
}

/* --- Sending --------------------------------------------------------------------------------- */

static void put_own_ip6(struct msghdr *message, const struct in6_addr *own) {
  const struct in6_pktinfo info = {.ipi6_addr = *own};
  struct cmsghdr *header = CMSG_FIRSTHDR(message);
  header->cmsg_level = IPPROTO_IPV6;
  header->cmsg_type = IPV6_PKTINFO;
  header->cmsg_len = CMSG_LEN(sizeof info);
  memcpy(CMSG_DATA(header), &info, sizeof info);
  message->msg_controllen = CMSG_SPACE(sizeof info);
}

void udp_control_put_own(struct msghdr *message, int family, const struct in6_addr *own,
                         union udp_control *control) {
  *control = (union udp_control){0};
  message->msg_control = control;
  message->msg_controllen = sizeof *control;
  if (family == AF_INET6) {
    put_own_ip6(message, own);
  } else {
    struct in_addr ip4;
    memcpy(&ip4, own->s6_addr + 12, sizeof ip4);
    platform_put_own(message, &ip4);
  }
}

static int send_message(int fd, const struct msghdr *message) {
  ssize_t sent;
  do {
    sent = sendmsg(fd, message, 0);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return 0;
  return errno == ENOBUFS || errno == EWOULDBLOCK ? UV_EAGAIN : uv_translate_sys_error(errno);
}

int udp_socket_send(int fd, const char *bytes, size_t size, const struct sockaddr *peer,
                    const struct in6_addr *own) {
  union udp_control control;
  struct iovec part = {.iov_base = (char *)(uintptr_t)bytes, .iov_len = size};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (peer) {
    message.msg_name = (void *)(uintptr_t)peer;
    message.msg_namelen = address_size(peer);
  }
  if (own && peer) udp_control_put_own(&message, peer->sa_family, own, &control);
  int rc = send_message(fd, &message);
  if (rc == 0 || rc == UV_EAGAIN || !own) return rc;
  message.msg_control = NULL; /* this machine may have lost that address */
  message.msg_controllen = 0;
  return send_message(fd, &message);
}
