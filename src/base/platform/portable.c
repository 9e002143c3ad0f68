/* base/platform/portable.c — base/platform.h by what POSIX has. What a system has beyond that, a port adds.
 *
 * What takes two calls here in place of one lets a program that another thread starts in between have
 * the descriptor. */
#include "base/platform.h"

#include "base/holder.h"
#include "base/processors.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

const struct platform_lack platform_lacks[] = {
    {"accept4", "descriptors are closed to what is started in a second call, not in the same one"},
    {"abstract-sockets", "unix:@NAME is refused"},
    {"affinity", "--workers auto counts all processors, also those that this process may not use"},
    {"descriptor-count", "status and metrics do not tell how many descriptors are open"},
    {"holder", "an address that is in use is not told to be whose"},
    {"joined-only", "a socket of a group may hear what others of this machine have joined"},
    {"memory-figures", "metrics do not tell the resident memory, nor since when the process runs"},
    {"mounts", "doctor and the log do not tell what a mount means for seeing changes"},
    {"own-image",
     "a server whose file was replaced or removed tries a change in no process of its own"},
    {"own-address",
     "a UDP socket bound to 0.0.0.0 answers from whichever address the kernel takes"},
    {"parent-death", "what the server started may outlive it when it is killed"},
    {"peer-credentials",
     "conn.peer_credentials is nil, the control socket trusts the mode of its file, and "
     "takes commands of the server's own scripts that may connect to it"},
    {"recvmmsg", "datagrams come and go with a system call each"},
    {"steering", "workers share connections as the kernel spreads them"},
    {"tcp-info", "the kernel's view of a connection is not in conn:stats(), trace and inspect"},
    {"time-wait", "TIME_WAIT is not traced"},
    {"unacknowledged",
     "timeouts.write tells of a full queue only, not of a peer that acknowledges nothing"},
    {"udp-lost", "datagrams that a full buffer lost are not counted"},
    {NULL, NULL},
};

static int unsupported(void) {
  errno = ENOTSUP;
  return -1;
}

/* --- Descriptors --------------------------------------------------------------------------------- */

/* As it is wanted; closed, and -1, when that cannot be. */
static int furnish(int fd, bool waits) {
  if (fd < 0) return fd;
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
      (waits || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0)) {
    return fd;
  }
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

static int furnish_both(int ends[2], bool waits) {
  if (furnish(ends[0], waits) < 0) {
    close(ends[1]);
    return -1;
  }
  if (furnish(ends[1], waits) >= 0) return 0;
  close(ends[0]);
  return -1;
}

int platform_socket(int family, int type, bool waits) {
  return furnish(socket(family, type, 0), waits);
}

int platform_socketpair(int type, bool waits, int ends[2]) {
  return socketpair(AF_UNIX, type, 0, ends) < 0 ? -1 : furnish_both(ends, waits);
}

int platform_pipe(bool waits, int ends[2]) {
  return pipe(ends) < 0 ? -1 : furnish_both(ends, waits);
}

int platform_accept(int listening, struct sockaddr *peer, socklen_t *size) {
  return furnish(accept(listening, peer, size), false);
}

ssize_t platform_receive(int fd, struct msghdr *message, int flags) {
  const ssize_t size = recvmsg(fd, message, flags);
  if (size < 0) return size;
  for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= part->cmsg_len; at += sizeof(int)) {
      int received;
      memcpy(&received, CMSG_DATA(part) + at, sizeof received);
      (void)fcntl(received, F_SETFD, FD_CLOEXEC);
    }
  }
  return size;
}

int platform_memory_file(const char *name) {
  const char *directory = getenv("TMPDIR");
  char path[PATH_MAX];
  const int size = snprintf(path, sizeof path, "%s/%s.XXXXXX",
                            directory && *directory ? directory : "/tmp", name);
  if ((size_t)size >= sizeof path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  const int fd = furnish(mkstemp(path), true);
  if (fd >= 0) (void)unlink(path);
  return fd;
}

int platform_spare(void) {
  return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

#ifndef O_SEARCH /* of POSIX; glibc has none */
#define O_SEARCH O_RDONLY
#endif

int platform_open_directory(const char *path) {
  return open(path, O_SEARCH | O_DIRECTORY | O_CLOEXEC);
}

int platform_reopen(int fd) {
  (void)fd;
  return unsupported();
}

void platform_close_from(int first) {
  enum { LAST = 65535 }; /* a limit may be without bounds */
  const long max = sysconf(_SC_OPEN_MAX);
  for (int fd = first; fd < (max < 0 || max > LAST ? LAST : max); fd++) (void)close(fd);
}

/* --- Files --------------------------------------------------------------------------------------- */

/* Of a link itself: its directory is followed. */
static int place_of_link(const char *path, char out[PATH_MAX]) {
  char directory[PATH_MAX];
  struct stat status;
  const char *slash = strrchr(path, '/');
  const char *name = slash ? slash + 1 : path;
  if (lstat(path, &status) < 0) return -errno;
  if (!S_ISLNK(status.st_mode)) return realpath(path, out) ? 0 : -errno;
  snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - path + 1) : 1,
           slash ? path : ".");
  char real[PATH_MAX];
  if (!realpath(directory, real)) return -errno;
  const int size = snprintf(out, PATH_MAX, "%s/%s", strcmp(real, "/") == 0 ? "" : real, name);
  return size < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Where procfs is by custom, on Linux and FreeBSD. */
static bool is_memory(const char *path) {
  const char *slash = strrchr(path, '/');
  return strncmp(path, "/proc/", strlen("/proc/")) == 0 && strcmp(slash, "/mem") == 0;
}

int platform_place(const char *path, bool follows, char out[PATH_MAX], bool *is_process_memory) {
  int rc = follows ? (realpath(path, out) ? 0 : -errno) : place_of_link(path, out);
  *is_process_memory = rc == 0 && is_memory(out);
  return rc;
}

bool platform_may_hang(const char *path) {
  (void)path; /* nobody knows */
  return true;
}

const char *platform_mounts_file(void) {
  return NULL;
}

/* --- Sockets ------------------------------------------------------------------------------------- */

const bool platform_has_abstract_sockets = false;

int platform_peer(int fd, struct platform_peer *out) {
  (void)fd, (void)out;
  return unsupported();
}

int platform_tcp_read(int fd, struct platform_tcp *out) {
  (void)fd, (void)out;
  return -ENOTSUP;
}

int platform_backlog_read(int fd, struct platform_backlog *out) {
  (void)fd, (void)out;
  return -ENOTSUP;
}

ssize_t platform_recv(int fd, void *buffer, size_t size) {
  return recv(fd, buffer, size, MSG_DONTWAIT);
}

ssize_t platform_send(int fd, const void *bytes, size_t size) {
  return send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

uint64_t platform_unread_bytes(int fd) {
  int bytes = 0;
  return ioctl(fd, FIONREAD, &bytes) < 0 ? 0 : (uint64_t)bytes;
}

uint64_t platform_unacknowledged_bytes(int fd) {
  (void)fd;
  return 0;
}

int platform_time_wait(const struct sockaddr *local, const struct sockaddr *peer,
                       uint64_t *left_ms) {
  (void)local, (void)peer, (void)left_ms;
  return -ENOTSUP;
}

int platform_steer(int fd, int type, unsigned count, uint64_t among) {
  (void)fd, (void)type, (void)count, (void)among;
  return ENOTSUP;
}

bool holder_find(const struct sockaddr *address, bool is_datagrams, struct holder *out) {
  (void)address, (void)is_datagrams;
  *out = (struct holder){0};
  return false;
}

/* --- Datagrams ----------------------------------------------------------------------------------- */

int platform_receive_many(int fd, struct platform_message *messages, unsigned count) {
  unsigned done = 0;
  for (; done < count; done++) {
    const ssize_t size = recvmsg(fd, &messages[done].msg_hdr, 0);
    if (size < 0) break;
    messages[done].msg_len = (unsigned)size;
  }
  return done > 0 ? (int)done : -1;
}

int platform_send_many(int fd, struct platform_message *messages, unsigned count) {
  unsigned done = 0;
  for (; done < count; done++) {
    const ssize_t size = sendmsg(fd, &messages[done].msg_hdr, 0);
    if (size < 0) break;
    messages[done].msg_len = (unsigned)size;
  }
  return done > 0 ? (int)done : -1;
}

int platform_hear_joined(int fd, int family) {
  (void)fd, (void)family; /* it does not say so: a socket without it is none that fails */
  return 0;
}

int platform_tell_own(int fd) {
  (void)fd;
  return unsupported();
}

bool platform_read_own(const struct cmsghdr *part, struct in_addr *own, struct in_addr *to) {
  (void)part, (void)own, (void)to;
  return false;
}

void platform_put_own(struct msghdr *message, const struct in_addr *own) {
  (void)own;
  message->msg_control = NULL;
  message->msg_controllen = 0;
}

uint32_t platform_lost(int fd) {
  (void)fd;
  return 0;
}

/* --- Processes ----------------------------------------------------------------------------------- */

bool platform_find_program(char *out, size_t size) {
  (void)out, (void)size;
  return false;
}

const char *platform_own_image(void) {
  return NULL;
}

int platform_end_with_parent(int number) {
  (void)number;
  return unsupported();
}

void platform_adopt_orphans(void) {}

void platform_prefer_as_victim(void) {}

void platform_facts_read(struct platform_facts *out) {
  *out = (struct platform_facts){.started_s = 0, .resident_bytes = -1};
}

int64_t platform_descriptors(void) {
  return -1;
}

unsigned processors_usable(void) {
  const long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count > 0 ? (unsigned)count : 1;
}

int platform_random(void *bytes, size_t size, bool waits) {
  (void)waits; /* it does, if need be */
  return getentropy(bytes, size);
}

/* --- Signals and time ---------------------------------------------------------------------------- */

/* Who sends by kill(2) or sigqueue(3) says so, of whatever system. */
bool platform_is_of_terminal(const siginfo_t *info) {
  return info->si_code != SI_USER && info->si_code != SI_QUEUE;
}

const char *platform_signal_name(int number) {
  static const char *const names[NSIG] = {
      [SIGHUP] = "HUP",   [SIGINT] = "INT",   [SIGQUIT] = "QUIT", [SIGILL] = "ILL",
      [SIGTRAP] = "TRAP", [SIGABRT] = "ABRT", [SIGBUS] = "BUS",   [SIGFPE] = "FPE",
      [SIGKILL] = "KILL", [SIGUSR1] = "USR1", [SIGSEGV] = "SEGV", [SIGUSR2] = "USR2",
      [SIGPIPE] = "PIPE", [SIGALRM] = "ALRM", [SIGTERM] = "TERM", [SIGXCPU] = "XCPU",
      [SIGSYS] = "SYS",
  };
  return number > 0 && number < NSIG ? names[number] : NULL;
}

/* A handler has no argument to find these by. */
static struct {
  int ends[2];
  pid_t owner;
  sigset_t set;
  volatile sig_atomic_t missed[NSIG]; /* in a child that has not left yet */
} signals = {.ends = {-1, -1}};

static void signals_on_signal(int number, siginfo_t *info, void *context) {
  const int saved_errno = errno;
  (void)context;
  if (getpid() == signals.owner) {
    const struct platform_signal taken = {number, platform_is_of_terminal(info)};
    ssize_t put = write(signals.ends[1], &taken, sizeof taken); /* whole: less than PIPE_BUF */
    (void)put; /* of those that nobody reads there are thousands, then */
  } else {
    signals.missed[number] = 1;
  }
  errno = saved_errno;
}

int platform_signals_open(const sigset_t *set) {
  struct sigaction action = {.sa_sigaction = signals_on_signal,
                             .sa_flags = SA_SIGINFO | SA_RESTART};
  if (platform_pipe(false, signals.ends) < 0) return -1;
  signals.owner = getpid();
  signals.set = *set;
  (void)sigfillset(&action.sa_mask);
  for (int number = 1; number < NSIG; number++) {
    if (sigismember(set, number) == 1) (void)sigaction(number, &action, NULL);
  }
  (void)sigprocmask(SIG_UNBLOCK, set, NULL);
  return signals.ends[0];
}

bool platform_signals_read(int fd, struct platform_signal *out) {
  return read(fd, out, sizeof *out) == (ssize_t)sizeof *out;
}

void platform_signals_leave(int fd) {
  (void)sigprocmask(SIG_BLOCK, &signals.set, NULL);
  for (int number = 1; number < NSIG; number++) {
    if (sigismember(&signals.set, number) == 1) (void)signal(number, SIG_DFL);
    if (signals.missed[number]) (void)raise(number); /* for when it is unblocked */
  }
  close(fd);
  close(signals.ends[1]);
}

/* setitimer(2) is not among what POSIX allows in a handler, and is a plain system call wherever it is. */
struct platform_ticker {
  pthread_t thread;
  void (*on_tick)(void *context);
  void *context;
};
static struct platform_ticker *volatile ticking;

enum { TICK_SIGNAL = SIGALRM };

/* The signal is for the process, and whichever thread has it hands it on. */
static void ticker_on_signal(int number) {
  const struct platform_ticker *ticker = ticking;
  const int saved_errno = errno;
  if (ticker && pthread_equal(pthread_self(), ticker->thread)) {
    ticker->on_tick(ticker->context);
  } else if (ticker) {
    (void)pthread_kill(ticker->thread, number);
  }
  errno = saved_errno;
}

struct platform_ticker *platform_ticker_new(void (*on_tick)(void *context), void *context) {
  const struct sigaction action = {.sa_handler = ticker_on_signal, .sa_flags = SA_RESTART};
  struct platform_ticker *ticker = ticking ? NULL : calloc(1, sizeof *ticker);
  if (!ticker) return NULL;
  *ticker = (struct platform_ticker){pthread_self(), on_tick, context};
  ticking = ticker;
  if (sigaction(TICK_SIGNAL, &action, NULL) == 0) return ticker;
  ticking = NULL;
  free(ticker);
  return NULL;
}

void platform_ticker_free(struct platform_ticker *ticker) {
  platform_ticker_set(ticker, 0);
  signal(TICK_SIGNAL, SIG_IGN); /* one that is still under way would find no ticker */
  ticking = NULL;
  free(ticker);
}

void platform_ticker_set(struct platform_ticker *ticker, long ms) {
  const struct timeval interval = {.tv_usec = ms * 1000};
  const struct itimerval each = {.it_interval = interval, .it_value = interval};
  (void)ticker;
  (void)setitimer(ITIMER_REAL, &each, NULL);
}
