/* net/option.h — socket options by name: setsockopt(2), getsockopt(2) on any of our descriptors. */
#pragma once

#include <stdbool.h>

enum net_option_kind { NET_OPTION_SWITCH, NET_OPTION_NUMBER, NET_OPTION_SECONDS };

struct net_option {
  const char *name; /* "nodelay" */
  int level;
  int option;
  enum net_option_kind kind;
  int usual; /* what a connection begins with, here and on Linux */
};

/* NULL when there is none of that name. */
const struct net_option *net_option_find(const char *name);
/* All of them; ends with a name of NULL. */
extern const struct net_option net_options[];

/* A switch is 0 or 1; linger is in seconds, negative for off. 0 or UV_E*. */
int net_option_set(int fd, const struct net_option *option, int value);
int net_option_get(int fd, const struct net_option *option, int *value);
/* "join" or "leave" a multicast group, an IPv4 or IPv6 address in text. 0 or UV_E*. */
int net_option_membership(int fd, const char *group, bool join);
