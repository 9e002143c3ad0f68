/* base/platform/linux_time_wait.c — whether the kernel keeps what is left of a connection in TIME_WAIT: sock_diag(7), for
 * one pair of addresses. Knows no connection. */
#include "base/platform.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

struct question {
  struct nlmsghdr head;
  struct inet_diag_req_v2 what;
};

/* What counts of the answer; attributes may follow. */
struct answer {
  struct nlmsghdr head;
  union {
    struct nlmsgerr error;
    struct inet_diag_msg found;
  } as;
  char rest[512];
};

static __be16 put_address(const struct sockaddr *address, __be32 out[4]) {
  if (address->sa_family == AF_INET6) {
    const struct sockaddr_in6 *ip6 = (const struct sockaddr_in6 *)(const void *)address;
    memcpy(out, &ip6->sin6_addr, sizeof ip6->sin6_addr);
    return ip6->sin6_port;
  }
  const struct sockaddr_in *ip4 = (const struct sockaddr_in *)(const void *)address;
  out[0] = ip4->sin_addr.s_addr;
  return ip4->sin_port;
}

/* One of a link is of an interface. */
static unsigned interface_of(const struct sockaddr *address) {
  if (address->sa_family != AF_INET6) return 0;
  return ((const struct sockaddr_in6 *)(const void *)address)->sin6_scope_id;
}

/* The answer is there when send() returns. 0 or a negative errno. */
static int ask(const struct question *question, struct answer *answer) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (fd < 0) return -errno;
  ssize_t size = send(fd, question, sizeof *question, 0);
  if (size >= 0) size = recv(fd, answer, sizeof *answer, MSG_DONTWAIT);
  int rc = size < 0 ? -errno : 0;
  close(fd);
  return rc == 0 && (size_t)size < sizeof answer->head + sizeof answer->as.error ? -EPROTO : rc;
}

int platform_time_wait(const struct sockaddr *local, const struct sockaddr *peer,
                       uint64_t *left_ms) {
  struct question question = {
      .head = {.nlmsg_len = sizeof question,
               .nlmsg_type = SOCK_DIAG_BY_FAMILY,
               .nlmsg_flags = NLM_F_REQUEST},
      .what = {.sdiag_family = (uint8_t)local->sa_family,
               .sdiag_protocol = IPPROTO_TCP,
               .idiag_states = 1u << TCP_TIME_WAIT,
               .id = {.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE},
                      .idiag_if = interface_of(local)}},
  };
  struct answer answer = {0};
  question.what.id.idiag_sport = put_address(local, question.what.id.idiag_src);
  question.what.id.idiag_dport = put_address(peer, question.what.id.idiag_dst);
  int rc = ask(&question, &answer);
  if (rc < 0) return rc;
  if (answer.head.nlmsg_type == NLMSG_ERROR) {
    int error = -answer.as.error.error;
    return error == ENOENT ? 0 : -error;
  }
  /* Where there is no such connection, it may be the listening socket that was found. */
  if (answer.as.found.idiag_state != TCP_TIME_WAIT) return 0;
  *left_ms = answer.as.found.idiag_expires;
  return 1;
}
