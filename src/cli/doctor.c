/* cli/doctor.c — `moonport doctor [PATH...]`: looks at what would keep scripts from working here. It
 * starts nothing and changes nothing. The words for it are in lua/moonport/cli/doctor.lua. */
#include "cli/doctor.h"

#include "base/control_peer.h"
#include "base/descriptors.h"
#include "base/escape.h"
#include "base/grants.h"
#include "base/platform.h"
#include "base/reach.h"
#include "cli/in_lua.h"
#include "cli/settings.h"
#include "cli/table.h"
#include "cli/version.h"
#include "net/tls/context.h"
#include "server/reload/mount_advice.h"
#include "server/reload/mounts.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

json_t *doctor_text(const char *text) {
  size_t size = strlen(text), used = 0, taken;
  char *shown = malloc(size * ESCAPE_SIZE_MAX + 1);
  if (!shown) return NULL;
  for (; size > 0; text += taken, size -= taken) {
    used += escape_one(false, text, size, &taken, shown + used);
  }
  json_t *string = json_stringn(shown, used);
  free(shown);
  return string;
}

static void add_trait(void *context, enum mount_trait trait, const char *sentence) {
  const char *finding = trait == MOUNT_REPLACED     ? "FAULT"
                        : trait == MOUNT_CONFIG_MAP ? "ok"
                                                    : "note";
  json_array_append_new(context,
                        json_pack("{s:s, s:o}", "finding", finding, "text", doctor_text(sentence)));
}

/* What the mounts mean for seeing changes, by path; NULL: it cannot be told. */
static json_t *look_at_mounts(const struct command_call *call) {
  struct mounts *mounts = mounts_read(platform_mounts_file());
  if (!mounts) return NULL;
  json_t *paths = json_array();
  for (size_t i = 0; i < call->word_count; i++) {
    json_t *traits = json_array();
    mount_advice(mounts, call->words[i], add_trait, traits);
    json_array_append_new(
        paths, json_pack("{s:o, s:o}", "path", doctor_text(call->words[i]), "traits", traits));
  }
  mounts_free(mounts);
  return paths;
}

static const void *bytes_of(const struct sockaddr *address) {
  return address->sa_family == AF_INET
             ? (const void *)&((const struct sockaddr_in *)(const void *)address)->sin_addr
             : (const void *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
}

/* The addresses at which others may reach what listens on 0.0.0.0 or [::]; NULL: they cannot be told. */
static json_t *look_at_networks(void) {
  struct ifaddrs *list = NULL;
  if (getifaddrs(&list) != 0) return NULL;
  json_t *networks = json_array();
  for (const struct ifaddrs *item = list; item; item = item->ifa_next) {
    const struct sockaddr *address = item->ifa_addr;
    char ip[INET6_ADDRSTRLEN];
    if (!address || !(item->ifa_flags & IFF_UP) || reach_of(address) != REACH_ONE) continue;
    if (!inet_ntop(address->sa_family, bytes_of(address), ip, sizeof ip)) continue;
    json_array_append_new(networks, json_pack("{s:s, s:s}", "ip", ip, "name", item->ifa_name));
  }
  freeifaddrs(list);
  return networks;
}

/* Who runs already, and may have the ports. */
static json_t *find_servers(const struct control_address *first, bool named) {
  struct control_found found[CONTROL_PLACES];
  int count = control_find(first, named, found);
  json_t *servers = json_array();
  for (int i = 0; i < count; i++) {
    json_array_append_new(servers, doctor_text(found[i].address.text));
  }
  return servers;
}

static json_t *look_at_control(const struct command_call *call) {
  struct control_address address;
  char error[512];
  const char *text = options_string(call->options, "control");
  if (control_address_is_off(text)) return NULL;
  if (control_address_read(text, &address, error, sizeof error) != 0) {
    return json_pack("{s:o}", "error", doctor_text(error));
  }
  char directory[sizeof address.text];
  snprintf(directory, sizeof directory, "%s", address.text);
  char *slash = strrchr(directory, '/');
  if (slash) slash[slash == directory ? 1 : 0] = '\0';
  bool may = address.text[0] == '@' || access(slash ? directory : ".", W_OK | X_OK) == 0;
  address.is_exact = options_given(call->options, "control");
  return json_pack("{s:o, s:b, s:o}", "path", doctor_text(address.text), "may", may, "servers",
                   find_servers(&address, text));
}

static json_t *look(const struct command_call *call, const struct grants *grants) {
  json_t *facts = json_object();
  size_t connections = 0;
  char lua[32];
  version_lua(lua, sizeof lua);
  if (call->word_count > 0) {
    doctor_look_at_scripts(call, grants, facts, &connections);
    json_object_set_new(facts, "mounts", look_at_mounts(call));
  }
  json_object_update_new(
      facts,
      json_pack("{s:s?, s:o*, s:o*, s:o*, s:I, s:I, s:I, s:s, s:s, s:s}", "container",
                reach_container(), "grants", grants ? doctor_text(grants_text(grants)) : NULL,
                "networks", look_at_networks(), "control", look_at_control(call), "connections",
                (json_int_t)connections, "descriptors", /* as serve does */
                (json_int_t)descriptors_raise(connections), "reserve",
                (json_int_t)DESCRIPTORS_RESERVE, "lua", lua, "libuv", uv_version_string(),
                "openssl", tls_library_version()));
  return facts;
}

int doctor_command(const struct command_call *call) {
  struct grants *grants = NULL;
  int code = settings_read_grants(call, &grants);
  if (code != EXIT_DONE) return code;
  json_t *facts = look(call, grants);
  char *text = json_dumps(facts, JSON_COMPACT);
  struct command_call found = *call;
  found.facts = text ? text : "{}";
  code = in_lua_run(&found);
  free(text);
  json_decref(facts);
  grants_free(grants);
  return code;
}
