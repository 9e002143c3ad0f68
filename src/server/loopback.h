/* server/loopback.h — the mistake that everybody makes once: loopback inside of a container. */
#ifndef MOONPORT_SERVER_LOOPBACK_H
#define MOONPORT_SERVER_LOOPBACK_H

struct log;
struct server;

/* Warns, in one line, when this is a container and something is bound so that nobody outside of it
 * can connect. */
void loopback_warn(const struct server *server, struct log *log);

#endif
