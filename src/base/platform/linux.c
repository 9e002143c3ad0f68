/* base/platform/linux.c — base/platform.h on Linux: descriptors, files, sockets, signals and time. */
#include "base/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

const struct platform_lack platform_lacks[] = {{NULL, NULL}};

/* --- Descriptors --------------------------------------------------------------------------------- */

int platform_socket(int family, int type, bool waits) {
  return socket(family, type | SOCK_CLOEXEC | (waits ? 0 : SOCK_NONBLOCK), 0);
}

int platform_socketpair(int type, bool waits, int ends[2]) {
  return socketpair(AF_UNIX, type | SOCK_CLOEXEC | (waits ? 0 : SOCK_NONBLOCK), 0, ends);
}

int platform_pipe(bool waits, int ends[2]) {
  return pipe2(ends, O_CLOEXEC | (waits ? 0 : O_NONBLOCK));
}

/* The C library's recv() and send() also see to it that a thread can be cancelled meanwhile, in a process
 * that ever had a second one. None of ours is, and it costs as much as the rest of the call. */
ssize_t platform_recv(int fd, void *buffer, size_t size) {
  return syscall(SYS_recvfrom, fd, buffer, size, MSG_DONTWAIT, NULL, NULL);
}

ssize_t platform_send(int fd, const void *bytes, size_t size) {
  return syscall(SYS_sendto, fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

int platform_accept(int listening, struct sockaddr *peer, socklen_t *size) {
  return accept4(listening, peer, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

ssize_t platform_receive(int fd, struct msghdr *message, int flags) {
  return recvmsg(fd, message, flags | MSG_CMSG_CLOEXEC);
}

int platform_memory_file(const char *name) {
  return memfd_create(name, MFD_CLOEXEC);
}

int platform_spare(void) {
  return eventfd(0, EFD_CLOEXEC); /* the cheapest that needs no file */
}

int platform_open_directory(const char *path) {
  return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int platform_reopen(int fd) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void platform_close_from(int first) {
#ifdef SYS_close_range
  syscall(SYS_close_range, first, UINT_MAX, 0);
#else
  (void)first;
#endif
}

/* --- Files --------------------------------------------------------------------------------------- */

/* The kernel knows where a descriptor leads, also through /proc/PID/root and its like. */
static int path_of(int fd, char out[PATH_MAX]) {
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, out, PATH_MAX - 1);
  if (size < 0) return -errno;
  out[size] = 0;
  return 0;
}

/* PROC_SUPER_MAGIC of <linux/magic.h>, which libc does not bring. */
enum { PROC_MAGIC = 0x9fa0 };

static bool is_memory(int fd, const char *path) {
  struct statfs system;
  const char *slash = strrchr(path, '/');
  return slash && strcmp(slash, "/mem") == 0 && fstatfs(fd, &system) == 0 &&
         system.f_type == PROC_MAGIC;
}

int platform_place(const char *path, bool follows, char out[PATH_MAX], bool *is_process_memory) {
  int fd = open(path, O_PATH | O_CLOEXEC | (follows ? 0 : O_NOFOLLOW));
  if (fd < 0) return -errno;
  int rc = path_of(fd, out);
  *is_process_memory = rc == 0 && is_memory(fd, out);
  close(fd);
  return rc;
}

/* The numbers are those of <linux/magic.h>; so is what they are compared with. */
static bool is_foreign(const struct statfs *system) {
  static const unsigned ours[] = {0xef53 /* ext2 to ext4 */, 0x58465342 /* xfs */,
                                  0x9123683e /* btrfs */,    0xf2f52010 /* f2fs */,
                                  0x2fc12fc1 /* zfs */,      0x01021994 /* tmpfs */,
                                  0x794c7630 /* overlay */,  0x73717368 /* squashfs */};
  for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
    if ((unsigned)system->f_type == ours[i]) return false;
  }
  return true;
}

/* Of what is missing, the nearest directory above answers. */
bool platform_may_hang(const char *path) {
  char place[PATH_MAX];
  struct statfs system;
  snprintf(place, sizeof place, "%s", path);
  while (statfs(place, &system) < 0) {
    char *slash = strrchr(place, '/');
    if (!slash || slash == place || (errno != ENOENT && errno != ENOTDIR)) return true;
    *slash = 0;
  }
  return is_foreign(&system);
}

const char *platform_mounts_file(void) {
  return "/proc/self/mountinfo";
}

/* --- Sockets ------------------------------------------------------------------------------------- */

const bool platform_has_abstract_sockets = true;

int platform_peer(int fd, struct platform_peer *out) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return -1;
  *out = (struct platform_peer){.pid = peer.pid, .uid = peer.uid, .gid = peer.gid};
  return 0;
}

int platform_random(void *bytes, size_t size, bool waits) {
  return getrandom(bytes, size, waits ? 0 : GRND_NONBLOCK) == (ssize_t)size ? 0 : -1;
}

/* --- Signals and time ---------------------------------------------------------------------------- */

bool platform_is_of_terminal(const siginfo_t *info) {
  return info->si_code == SI_KERNEL;
}

const char *platform_signal_name(int number) {
  return sigabbrev_np(number);
}

int platform_signals_open(const sigset_t *set) {
  return signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
}

bool platform_signals_read(int fd, struct platform_signal *out) {
  struct signalfd_siginfo info;
  if (read(fd, &info, sizeof info) != sizeof info) return false;
  *out = (struct platform_signal){(int)info.ssi_signo, info.ssi_code == SI_KERNEL};
  return true;
}

void platform_signals_leave(int fd) {
  close(fd);
}

#ifndef sigev_notify_thread_id /* glibc has the field, but no name for it */
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { TICK_SIGNAL = SIGURG }; /* ignored by default, so that a late one does no harm */

struct platform_ticker {
  timer_t timer;
  void (*on_tick)(void *context);
  void *context;
};

static void ticker_on_signal(int number, siginfo_t *info, void *context) {
  (void)number;
  (void)context;
  /* Anybody may send this signal; only our own timer's carries a pointer. */
  if (info->si_code != SI_TIMER) return;
  const int saved_errno = errno;
  const struct platform_ticker *ticker = info->si_value.sival_ptr;
  ticker->on_tick(ticker->context);
  errno = saved_errno;
}

struct platform_ticker *platform_ticker_new(void (*on_tick)(void *context), void *context) {
  struct platform_ticker *ticker = calloc(1, sizeof *ticker);
  struct sigaction action = {.sa_sigaction = ticker_on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = TICK_SIGNAL};
  if (!ticker) return NULL;
  *ticker = (struct platform_ticker){.on_tick = on_tick, .context = context};
  sigemptyset(&action.sa_mask);
  event.sigev_value.sival_ptr = ticker;
  event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
  if (sigaction(TICK_SIGNAL, &action, NULL) == 0 &&
      timer_create(CLOCK_MONOTONIC, &event, &ticker->timer) == 0) {
    return ticker;
  }
  free(ticker);
  return NULL;
}

void platform_ticker_free(struct platform_ticker *ticker) {
  timer_delete(ticker->timer);
  signal(TICK_SIGNAL, SIG_IGN); /* one that is still under way would find no ticker */
  free(ticker);
}

/* timer_settime() is async-signal-safe (POSIX.1, 2.4.3). */
void platform_ticker_set(struct platform_ticker *ticker, long ms) {
  const struct timespec interval = {.tv_nsec = ms * 1000000};
  const struct itimerspec each = {.it_interval = interval, .it_value = interval};
  (void)timer_settime(ticker->timer, 0, &each, NULL);
}
