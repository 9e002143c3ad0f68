/* api/udp.h — the datagram sockets of a service, for server/. */
#ifndef MOONPORT_API_UDP_H
#define MOONPORT_API_UDP_H

#include <sys/socket.h>

struct runtime;
struct udp_object; /* the payload of a userdata "moonport.udp" */

/* A socket bound to `address` whose datagrams go to on_datagram; `descriptor` is one that is bound
 * there already, taken over also on failure, or 0. 0 and *out, or UV_E*. The object lives until
 * api_close_udp(). */
int api_serve_udp(struct runtime *runtime, const struct sockaddr *address, int descriptor,
                  struct udp_object **out);
int api_udp_address(const struct udp_object *object, struct sockaddr_storage *out, socklen_t *size);
void api_close_udp(struct udp_object *object);

#endif
