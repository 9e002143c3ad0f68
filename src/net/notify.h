/* net/notify.h — tells the supervisor how far the server is, as sd_notify(3) does; a worker tells its
 * master, who waits for all of them. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

struct log;
struct worker;

struct notify {
  struct log *log;
  const struct worker *worker; /* NULL: it speaks for the whole server */
  struct sockaddr_un address;
  socklen_t size; /* of the address; 0: nobody wants to know */
  char text[sizeof((struct sockaddr_un *)NULL)->sun_path]; /* as the variable had it */
  uint64_t watchdog_us; /* it ends who does not say for so long that it is alive; 0: it does not */
};

enum { NOTIFY_STATUS_BYTES = 200 };

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and takes them out of the environment: what a script
 * starts is not the service. */
void notify_init(struct notify *notify, struct log *log, const struct worker *worker);

/* How often the supervisor is to be told that this goes on, in milliseconds; 0: it does not ask. */
uint64_t notify_alive_ms(const struct notify *notify);

/* Each is one datagram, and none waits. What cannot be sent is a warning in the log. `status` is what people
 * are shown: one line. */
void notify_ready(const struct notify *notify,
                  const char *status); /* also after a reload, whether it changed a thing */
void notify_status(const struct notify *notify, const char *status);
void notify_reloading(const struct notify *notify);
void notify_stopping(const struct notify *notify);
/* One that cannot be sent is not told of: the next one follows. */
void notify_alive(const struct notify *notify);
/* That process is the service from now on: what this one tells is not listened to any more. */
void notify_main_pid(const struct notify *notify, pid_t pid);
