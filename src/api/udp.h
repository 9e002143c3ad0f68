/* api/udp.h — the datagram sockets of a service, for server/. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct runtime;
struct udp_options;
struct udp_object; /* the payload of a userdata "moonport.udp" */

/* A socket, bound as `options` say, whose datagrams go to on_datagram; a group that it is bound to is
 * joined. A descriptor in them is taken over also on failure. 0 and *out, or UV_E*. The object lives
 * until api_close_udp(). */
int api_serve_udp(struct runtime *runtime, const struct udp_options *options,
                  struct udp_object **out);
/* Of sockets that are open. */
struct udp_counts {
  size_t waiting;  /* handlers of on_datagram */
  uint64_t lost;   /* datagrams that the kernel dropped, for want of room */
  uint64_t denied; /* those that `allow` and `deny` do not let in */
};
void api_udp_count(const struct udp_object *object, struct udp_counts *sum);
int api_udp_descriptor(const struct udp_object *object); /* or UV_ENOTSUP */
/* Another descriptor of the same socket, or UV_E*. */
int api_udp_duplicate(const struct udp_object *object);
/* Leaves what comes in the kernel, or goes on. */
void api_udp_hold(struct udp_object *object, bool on);
void api_udp_share_port(const struct udp_object *object, bool on); /* as listener_share_port() */
/* What has come is handled now: the socket is about to be closed. */
void api_udp_receive_waiting(struct udp_object *object);
int api_udp_address(const struct udp_object *object, struct sockaddr_storage *out, socklen_t *size);
void api_close_udp(struct udp_object *object);
