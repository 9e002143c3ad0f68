/* server/activation.h — sockets that the supervisor opened before the server started, and handed down
 * to it as sd_listen_fds(3) describes. */
#ifndef MOONPORT_SERVER_ACTIVATION_H
#define MOONPORT_SERVER_ACTIVATION_H

#include <sys/socket.h>

struct address;
struct log;
struct activation;    /* opaque; all of them. Everything takes NULL for "there are none" */
struct handed_socket; /* opaque; one of them, which lives as long as all */

/* Takes over what LISTEN_FDS names, and takes those variables out of the environment, so that no
 * child believes them. What cannot be listened on is named in a warning. NULL: there are none. */
struct activation *activation_new(struct log *log);
void activation_free(struct activation *activation);

/* A `listen` that names no host leaves that to the operator, who has answered by opening a socket:
 * the addresses of all that are on its port, at most `max`. 0 when it names a host, too. */
int activation_find(const struct activation *activation, const struct address *wanted,
                    struct sockaddr_storage *out, socklen_t *sizes, int max);

/* The socket at `address`, of type SOCK_STREAM or SOCK_DGRAM; nobody else gets it until
 * handed_socket_release(). NULL: there is none, or it is taken. */
struct handed_socket *activation_take(struct activation *activation, const struct sockaddr *address,
                                      socklen_t size, int type);
/* A descriptor of it that is the caller's to close; or UV_E*. The socket itself stays open, so that
 * a script which goes away and comes back finds it again. */
int handed_socket_open(const struct handed_socket *handed);
/* One more has it. */
struct handed_socket *handed_socket_share(struct handed_socket *handed);
void handed_socket_release(struct handed_socket *handed);

/* Warns of each socket that nobody took: those who connect to it wait for an answer in vain. */
void activation_report(const struct activation *activation, struct log *log);

#endif
