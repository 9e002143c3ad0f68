/* base/platform/linux_holder.c — which process has an address, as far as /proc tells. Opens no socket.
 *
 * /proc/net lists sockets with their inodes, and the descriptors of a process are links to
 * "socket:[inode]". Those of other users cannot be read, and those of other containers are not there. */
#include "base/holder.h"

#include "base/address.h"
#include "base/reach.h"

#include <ctype.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LINE_BYTES = 512, STATE_LISTEN = 0x0a, UNIX_LISTENS = 0x10000, PROC_PATH_BYTES = 64 };

/* Whether one of them keeps the other from being bound: the ports are known to be the same. */
static bool overlap(const struct sockaddr *a, const struct sockaddr *b) {
  return reach_of(a) == REACH_ANY || reach_of(b) == REACH_ANY || address_same_host(a, b);
}

/* "0100007F": words of an address in the machine's order. */
static void read_words(const char *hex, size_t count, uint32_t *out) {
  for (size_t i = 0; i < count; i++) {
    char word[9];
    snprintf(word, sizeof word, "%.8s", hex + 8 * i);
    out[i] = (uint32_t)strtoul(word, NULL, 16);
  }
}

/* A line of /proc/net/tcp and its like: what it is bound to, and the inode; 0: nothing of interest. */
static unsigned long read_inet(const char *line, bool is_datagrams, struct sockaddr_storage *out) {
  char hex[33];
  unsigned port, state;
  unsigned long inode;
  memset(out, 0, sizeof *out);
  /* Of the kernel's own: no number in it is too large. NOLINTNEXTLINE(cert-err34-c) */
  if (sscanf(line, " %*d: %32[0-9A-F]:%x %*[0-9A-F]:%*x %x %*x:%*x %*x:%*x %*x %*d %*d %lu", hex,
             &port, &state, &inode) != 4) {
    return 0;
  }
  if (!is_datagrams && state != STATE_LISTEN) return 0;
  if (strlen(hex) == 8) {
    struct sockaddr_in *ip4 = (struct sockaddr_in *)out;
    ip4->sin_family = AF_INET;
    ip4->sin_port = htons((uint16_t)port);
    read_words(hex, 1, &ip4->sin_addr.s_addr);
  } else {
    struct sockaddr_in6 *ip6 = (struct sockaddr_in6 *)out;
    uint32_t words[4];
    ip6->sin6_family = AF_INET6;
    ip6->sin6_port = htons((uint16_t)port);
    read_words(hex, 4, words);
    memcpy(&ip6->sin6_addr, words, sizeof words);
  }
  return inode;
}

/* The inode of a socket in such a file that has the address; 0: none. */
static unsigned long find_inet(const char *path, const struct sockaddr *address, bool is_datagrams,
                               struct holder *out) {
  char line[LINE_BYTES];
  unsigned long found = 0;
  FILE *file = fopen(path, "re");
  if (!file) return 0;
  while (found == 0 && fgets(line, sizeof line, file)) {
    struct sockaddr_storage bound;
    const struct sockaddr *any = (const struct sockaddr *)&bound;
    unsigned long inode = read_inet(line, is_datagrams, &bound);
    if (inode == 0 || address_port(any) != address_port(address) || !overlap(any, address))
      continue;
    address_from_sockaddr(any, address_size(any), out->bound, sizeof out->bound);
    found = inode;
  }
  fclose(file);
  return found;
}

/* However the paths are spelt. */
static bool is_same_file(const char *a, const char *b) {
  struct stat first, second;
  return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

static unsigned long find_unix(const struct sockaddr_un *address, struct holder *out) {
  char line[LINE_BYTES], path[LINE_BYTES];
  char abstract[sizeof address->sun_path + 1];
  unsigned long found = 0;
  snprintf(abstract, sizeof abstract, "@%s", address->sun_path + 1);
  FILE *file = fopen("/proc/net/unix", "re");
  if (!file) return 0;
  while (found == 0 && fgets(line, sizeof line, file)) {
    unsigned long flags, inode;
    /* NOLINTNEXTLINE(cert-err34-c): the same */
    if (sscanf(line, "%*[^:]: %*x %*x %lx %*x %*x %lu %511[^\n]", &flags, &inode, path) != 3)
      continue;
    bool is_it =
        address->sun_path[0] ? is_same_file(path, address->sun_path) : strcmp(path, abstract) == 0;
    if (flags & UNIX_LISTENS && is_it) found = inode;
  }
  fclose(file);
  if (found > 0) snprintf(out->bound, sizeof out->bound, "unix:%.107s", path);
  return found;
}

/* Whether a process has the socket, and lets us look. */
static bool has_socket(const char *pid, unsigned long inode) {
  char path[PROC_PATH_BYTES], link[PROC_PATH_BYTES], wanted[PROC_PATH_BYTES];
  bool found = false;
  snprintf(path, sizeof path, "/proc/%.20s/fd", pid);
  snprintf(wanted, sizeof wanted, "socket:[%lu]", inode);
  DIR *directory = opendir(path);
  if (!directory) return false;
  for (struct dirent *each; !found && (each = readdir(directory));) {
    ssize_t size = readlinkat(dirfd(directory), each->d_name, link, sizeof link - 1);
    if (size <= 0) continue;
    link[size] = 0;
    found = strcmp(link, wanted) == 0;
  }
  closedir(directory);
  return found;
}

static void read_name(const char *pid, struct holder *out) {
  char path[PROC_PATH_BYTES];
  snprintf(path, sizeof path, "/proc/%.20s/comm", pid);
  FILE *file = fopen(path, "re");
  if (!file) return;
  if (fgets(out->name, sizeof out->name, file)) out->name[strcspn(out->name, "\n")] = 0;
  fclose(file);
}

static void find_process(unsigned long inode, struct holder *out) {
  out->is_us = has_socket("self", inode);
  if (out->is_us) return;
  DIR *directory = opendir("/proc");
  if (!directory) return;
  for (struct dirent *each; (each = readdir(directory));) {
    if (!isdigit((unsigned char)*each->d_name) || !has_socket(each->d_name, inode)) continue;
    out->pid = strtol(each->d_name, NULL, 10);
    read_name(each->d_name, out);
    break;
  }
  closedir(directory);
}

bool holder_find(const struct sockaddr *address, bool is_datagrams, struct holder *out) {
  static const char *const streams[] = {"/proc/net/tcp", "/proc/net/tcp6"};
  static const char *const datagrams[] = {"/proc/net/udp", "/proc/net/udp6"};
  unsigned long inode = 0;
  *out = (struct holder){0};
  if (address->sa_family == AF_UNIX) {
    inode = find_unix((const struct sockaddr_un *)address, out);
  }
  for (int i = 0; i < 2 && address->sa_family != AF_UNIX && inode == 0; i++) {
    inode = find_inet(is_datagrams ? datagrams[i] : streams[i], address, is_datagrams, out);
  }
  if (inode == 0) return false;
  find_process(inode, out);
  return true;
}
