/* net/network.h — the network of a simulated loop, in memory: who listens where, and what goes between.
 * Knows no connection.
 *
 * Everything that listens, connects, sends datagrams or looks up names on such a loop does it here; no
 * socket is made and no file touched. The caller takes part by hand, as a peer. Addresses are as on one
 * machine with all addresses: 0.0.0.0 and :: hear what comes to any of their family, and everybody who
 * has a multicast group hears what comes to it.
 *
 * How it fails: nobody listens (UV_ECONNREFUSED), an address is taken (UV_EADDRINUSE), a host says
 * nothing (UV_ETIMEDOUT after two minutes), a backlog is full (the caller waits in it), a name is not
 * known (UV_EAI_NONAME), a datagram finds nobody, or no room (it is lost), memory is out. */
#pragma once

#include "net/transport/memory.h"

#include <sys/socket.h>

struct net_loop;
struct network; /* opaque; its loop's own */
struct port;    /* opaque; a stream's address that somebody listens on, or has bound */
struct mailbox; /* opaque; a datagram socket */
struct in6_addr;

struct network *net_loop_network(const struct net_loop *loop); /* NULL: not a simulated one */

/* --- By hand --------------------------------------------------------------------------------- */

/* What connections begin with, at both ends. A pipe of a connection can also be changed later. */
struct memory_settings *network_settings(struct network *network);
/* Nothing that is sent to `address`, whatever its port, arrives, or comes back. */
int network_silence(struct network *network, const struct sockaddr *address);
/* From now on `name` stands for one more address; "*" is all that are not known. 0 or UV_ENOMEM. */
int network_add_name(struct network *network, const char *name, const struct sockaddr *address);

/* Accepting fails with that errno, which 0 ends. */
void network_fail_accept(struct network *network, int error);

/* Connects to `to`; `from` may be NULL: a free port, or no name. *out has the peer's end; it is to be
 * freed with memory_free() once memory_seen() says that it is closed. 0 or UV_E*. */
int network_connect(struct network *network, const struct sockaddr *to, const struct sockaddr *from,
                    struct memory_pipe **out);
/* Listens on `address`: each connection comes to on_connect(), with a pipe as above. */
int network_listen(struct network *network, const struct sockaddr *address,
                   void (*on_connect)(void *owner, struct memory_pipe *pipe,
                                      const struct sockaddr *peer),
                   void *owner, struct port **out);
/* Receives datagrams at `address`: mailbox_send() and mailbox_close() are for this one, too. */
int network_receive(struct network *network, const struct sockaddr *address,
                    void (*on_datagram)(void *owner, const char *bytes, size_t size,
                                        const struct sockaddr *peer),
                    void *owner, struct mailbox **out);

/* --- For net/ -------------------------------------------------------------------------------- */

struct network *network_new(struct net_loop *loop); /* NULL when memory is out */
/* What is still under way is let go; all ports, mailboxes and connections must be closed. */
void network_free(struct network *network);

/* `beside` others that have the same port, but not the same address. Until port_listen() nobody can
 * connect. on_call(owner), from inside of a call: somebody waits to be accepted. */
int port_open(struct network *network, const struct sockaddr *address, bool beside,
              void (*on_call)(void *owner), void *owner, struct port **out);
void port_listen(struct port *port, int backlog);
/* *out has the pipe of who waits first, for a connection. 0, or an errno: EAGAIN when nobody waits. */
int port_accept(struct port *port, struct memory_pipe **out, struct sockaddr_storage *peer);
bool port_is_called(const struct port *port);
const struct sockaddr *port_address(const struct port *port);
void port_close(struct port *port); /* those who wait are reset */

/* A pipe to `address` for a connection that is to be opened on it. The network frees it. 0 or UV_E*. */
int network_call(struct network *network, const struct sockaddr *address, struct memory_pipe **out);

/* on_mail(owner), from inside of a call: there is something to be taken. */
struct mailbox_options {
  const struct sockaddr *address;
  bool reuse;  /* several may have it */
  bool beside; /* others may have the port, at other addresses */
};
int mailbox_open(struct network *network, const struct mailbox_options *options,
                 void (*on_mail)(void *owner), void *owner, struct mailbox **out);
/* Only `peer`'s are taken from now on; of what does not reach it, mailbox_take() says UV_ECONNREFUSED. */
void mailbox_connect(struct mailbox *mailbox, const struct sockaddr *peer);
/* `peer` is NULL on a connected one. What has all addresses sends from `own`, unless that is NULL. 0 or
 * UV_E*. */
int mailbox_send(struct mailbox *mailbox, const char *bytes, size_t size,
                 const struct sockaddr *peer, const struct in6_addr *own);
/* The first one's size, with its bytes, which stay until the next call; UV_EAGAIN: there is none.
 * `own`: to which address of ours it was sent, IPv4 inside of IPv6; all zeros: to a group. */
ssize_t mailbox_take(struct mailbox *mailbox, const char **bytes, struct sockaddr_storage *peer,
                     struct in6_addr *own);
const struct sockaddr *mailbox_address(const struct mailbox *mailbox);
void mailbox_unbind(struct mailbox *mailbox); /* nothing comes any more; what came stays */
void mailbox_close(struct mailbox *mailbox);

/* How many addresses `name` stands for, at most `max`. */
int network_find(const struct network *network, const char *name, struct sockaddr_storage *out,
                 int max);
