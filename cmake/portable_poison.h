/* portable_poison.h — with MOONPORT_PORTABLE, what only some systems have is an error of the compiler, but
 * in src/base/platform/. Included before everything else; to use one of these after all, give
 * src/base/platform.h a call for it. */
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

/* A macro cannot be poisoned. */
#undef SIGEV_THREAD_ID
#undef CPU_COUNT
#undef SO_PEERCRED
#undef SO_MEMINFO
#undef SO_ATTACH_REUSEPORT_CBPF
#undef TCP_INFO
#undef TCP_USER_TIMEOUT
#undef TCP_DEFER_ACCEPT
#undef TCP_QUICKACK
#undef IP_PKTINFO
#undef IP_MULTICAST_ALL
#undef IPV6_MULTICAST_ALL
#undef SOCK_CLOEXEC
#undef SOCK_NONBLOCK
#undef MSG_CMSG_CLOEXEC
#undef O_PATH
#undef O_TMPFILE
#undef POLLRDHUP
#undef SI_KERNEL
#undef SI_TIMER
#undef CLOCK_BOOTTIME
#undef CLOCK_MONOTONIC_COARSE
#undef SIOCOUTQ
#undef SIOCINQ

#pragma GCC poison accept4 pipe2 dup3 memfd_create mremap splice tee vmsplice sendfile
#pragma GCC poison epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait eventfd signalfd
#pragma GCC poison inotify_init inotify_init1 inotify_add_watch timerfd_create fanotify_init
#pragma GCC poison timer_create timer_settime timer_delete SIGEV_THREAD_ID sigabbrev_np
#pragma GCC poison prctl getauxval sched_getaffinity CPU_COUNT statfs fstatfs getrandom memrchr
#pragma GCC poison recvmmsg sendmmsg mmsghdr ucred in_pktinfo syscall gettid
#pragma GCC poison SO_PEERCRED SO_MEMINFO SO_ATTACH_REUSEPORT_CBPF
#pragma GCC poison TCP_INFO TCP_USER_TIMEOUT TCP_DEFER_ACCEPT TCP_QUICKACK IP_PKTINFO IP_MULTICAST_ALL
#pragma GCC poison IPV6_MULTICAST_ALL SOCK_CLOEXEC SOCK_NONBLOCK MSG_CMSG_CLOEXEC SIOCOUTQ SIOCINQ
#pragma GCC poison O_PATH O_TMPFILE POLLRDHUP SI_KERNEL SI_TIMER CLOCK_BOOTTIME CLOCK_MONOTONIC_COARSE
