/* base/passing.c — messages of a SOCK_SEQPACKET socket, each with at most one descriptor. */
#include "base/passing.h"

#include "base/platform.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

ssize_t passing_send(int to, const struct iovec *parts, size_t count, int fd, int flags) {
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
  struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = count};
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(part), &fd, sizeof fd);
  }
  ssize_t rc;
  do rc = sendmsg(to, &message, flags | MSG_NOSIGNAL);
  while (rc < 0 && errno == EINTR);
  return rc;
}

static int descriptor_of(struct msghdr *message) {
  for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    int fd = -1;
    memcpy(&fd, CMSG_DATA(part), sizeof fd);
    return fd;
  }
  return -1;
}

ssize_t passing_receive(int from, const struct iovec *parts, size_t count, int *fd, int flags) {
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts,
                           .msg_iovlen = count,
                           .msg_control = control,
                           .msg_controllen = sizeof control};
  ssize_t rc;
  do rc = platform_receive(from, &message, flags);
  while (rc < 0 && errno == EINTR);
  *fd = rc < 0 ? -1 : descriptor_of(&message);
  return rc;
}
