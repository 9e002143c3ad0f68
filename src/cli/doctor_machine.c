/* cli/doctor_machine.c — limits and settings of this machine, or container, that matter. */
#include "base/control_address.h"
#include "base/descriptors.h"
#include "base/reach.h"
#include "cli/doctor.h"
#include "cli/settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOMAXCONN_PATH "/proc/sys/net/core/somaxconn"

static void look_at_container(struct doctor *doctor) {
  const char *container = reach_container();
  if (container != NULL) {
    doctor_say(doctor, FINDING_OK, "this is a container (%s): loopback is its own", container);
  } else {
    doctor_say(doctor, FINDING_OK, "this is no container, as far as shows");
  }
}

/* The addresses at which others may reach what listens on 0.0.0.0 or [::]. */
static void look_at_networks(struct doctor *doctor) {
  struct ifaddrs *list = NULL;
  if (getifaddrs(&list) != 0) {
    doctor_say(doctor, FINDING_WARNING, "its addresses cannot be listed: %s", strerror(errno));
    return;
  }
  for (const struct ifaddrs *item = list; item != NULL; item = item->ifa_next) {
    char ip[INET6_ADDRSTRLEN];
    if (item->ifa_addr == NULL || !(item->ifa_flags & IFF_UP) ||
        reach_of(item->ifa_addr) != REACH_ONE) {
      continue;
    }
    const void *bytes =
        item->ifa_addr->sa_family == AF_INET
            ? (const void *)&((const struct sockaddr_in *)(const void *)item->ifa_addr)->sin_addr
            : (const void *)&((const struct sockaddr_in6 *)(const void *)item->ifa_addr)->sin6_addr;
    if (inet_ntop(item->ifa_addr->sa_family, bytes, ip, sizeof ip) != NULL) {
      doctor_say(doctor, FINDING_OK, "it has the address %s (%s)", ip, item->ifa_name);
    }
  }
  freeifaddrs(list);
}

static void look_at_descriptors(struct doctor *doctor) {
  /* As serve does, so that it is compared with what a server gets. */
  const unsigned long long have = descriptors_raise(doctor->connections_max);
  const unsigned long long needed = doctor->connections_max + DESCRIPTORS_RESERVE;
  if (doctor->scripts == 0) {
    doctor_say(doctor, FINDING_OK, "a process may have %llu descriptors, one a connection", have);
  } else if (have >= needed) {
    doctor_say(doctor, FINDING_OK, "%llu descriptors are enough for limits.connections = %zu", have,
               doctor->connections_max);
  } else {
    doctor_say(doctor, FINDING_WARNING,
               "%llu descriptors are fewer than limits.connections = %zu need: from there on "
               "connections wait; ulimit -n %llu, LimitNOFILE= or --ulimit nofile= raise it",
               have, doctor->connections_max, needed);
  }
}

static void look_at_backlog(struct doctor *doctor) {
  const long long backlog = options_number(doctor->call->options, "backlog");
  long long most = 0;
  FILE *file = fopen(SOMAXCONN_PATH, "re");
  bool is_read = file != NULL && fscanf(file, "%lld", &most) == 1; // NOLINT(cert-err34-c)
  if (file != NULL) {
    (void)fclose(file);
  }
  if (!is_read) {
    doctor_say(doctor, FINDING_WARNING, "net.core.somaxconn cannot be read: is /proc there?");
  } else if (most < backlog) {
    doctor_say(doctor, FINDING_WARNING,
               "net.core.somaxconn is %lld, so a backlog of %lld is one of %lld: sysctl -w "
               "net.core.somaxconn=%lld raises it",
               most, backlog, most, backlog);
  } else {
    doctor_say(doctor, FINDING_OK, "net.core.somaxconn is %lld, a backlog of %lld fits", most,
               backlog);
  }
}

/* Names are looked up in /etc/hosts and by asking name servers, whatever else there may be. */
static void look_at_names(struct doctor *doctor) {
  char line[256];
  char others[128] = "";
  FILE *file = fopen("/etc/nsswitch.conf", "re");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    if (strncmp(line, "hosts:", 6) != 0) {
      continue;
    }
    for (char *rest, *word = strtok_r(line + 6, " \t\n", &rest); word != NULL && word[0] != '#';
         word = strtok_r(NULL, " \t\n", &rest)) {
      if (word[0] != '[' && strcmp(word, "files") != 0 && strcmp(word, "dns") != 0) {
        size_t used = strlen(others);
        (void)snprintf(others + used, sizeof others - used, "%s%s", used > 0 ? ", " : "", word);
      }
    }
  }
  if (file != NULL) {
    (void)fclose(file);
  }
  if (others[0] != '\0') {
    doctor_say(
        doctor, FINDING_WARNING,
        "names are looked up in /etc/hosts and by DNS only: /etc/nsswitch.conf names %s too, "
        "and what only those know is not found",
        others);
  } else {
    doctor_say(doctor, FINDING_OK, "names are looked up in /etc/hosts and by DNS");
  }
}

static void look_at_control(struct doctor *doctor) {
  struct control_address address;
  char error[512];
  const char *text = options_string(doctor->call->options, "control");
  if (control_address_is_off(text)) {
    doctor_say(doctor, FINDING_WARNING,
               "no control socket: moonport status, health and reload will not work");
    return;
  }
  if (control_address_read(text, &address, error, sizeof error) != 0) {
    doctor_say(doctor, FINDING_FAULT, "%s", error);
    return;
  }
  char directory[sizeof address.text];
  (void)snprintf(directory, sizeof directory, "%s", address.text);
  char *slash = strrchr(directory, '/');
  if (slash != NULL) {
    slash[slash == directory ? 1 : 0] = '\0';
  }
  bool named = address.text[0] == '@';
  if (named || access(slash != NULL ? directory : ".", W_OK | X_OK) == 0) {
    doctor_say(doctor, FINDING_OK, "the control socket is %s", address.text);
  } else {
    doctor_say(doctor, FINDING_WARNING,
               "the control socket cannot be made at %s: name a path that this user may write to "
               "with --control, or @NAME",
               address.text);
  }
}

void doctor_look_at_machine(struct doctor *doctor) {
  doctor_head(doctor, reach_container() != NULL ? "this container" : "this machine");
  look_at_container(doctor);
  look_at_networks(doctor);
  look_at_descriptors(doctor);
  look_at_backlog(doctor);
  look_at_names(doctor);
  look_at_control(doctor);
}
