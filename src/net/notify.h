/* net/notify.h — tells the supervisor how far the server is, as sd_notify(3) does; a worker tells its
 * master, who waits for all of them. */
#ifndef MOONPORT_NET_NOTIFY_H
#define MOONPORT_NET_NOTIFY_H

#include <stddef.h>
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
};

/* Reads NOTIFY_SOCKET, and takes it out of the environment: what a script starts is not the service. */
void notify_init(struct notify *notify, struct log *log, const struct worker *worker);

/* Each is one datagram, and none waits. What cannot be sent is a warning in the log. */
void notify_ready(
    const struct notify *notify); /* also after a reload, whether it changed a thing */
void notify_reloading(const struct notify *notify);
void notify_stopping(const struct notify *notify);
/* That process is the service from now on: what this one tells is not listened to any more. */
void notify_main_pid(const struct notify *notify, pid_t pid);

#endif
