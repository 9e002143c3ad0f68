/* api/modules.h — the types and modules of scripts, as their files define them for api/modules.c. */
#pragma once

#include <lauxlib.h>

/* Once for each runtime, which is its argument: in its state it makes the types that are there before
 * any script asks. Raises. */
int api_prepare(lua_State *L);
/* Gives a world of it the moonport modules. Raises. */
int api_furnish(lua_State *L);

/* A type of userdata, and what getmetatable() of one gives a script. */
struct api_type {
  const char *name;        /* "moonport.udp" */
  const luaL_Reg *methods; /* NULL: none */
  lua_CFunction finalizer; /* NULL: none */
  const char *closer;      /* the method that also ends a to-be-closed variable; NULL: none */
};
extern const struct api_type api_attempt_type, api_events_type, api_frame_type, api_listener_type,
    api_task_type, api_timer_type, api_tls_type, api_udp_type, api_json_box_type,
    api_json_writer_type, api_gate_type, api_waiter_type, api_bus_type;

/* Functions of modules, and methods of moonport.conn. */
extern const luaL_Reg api_conn_methods[], api_recv_methods[], api_http_methods[],
    api_http_functions[], api_frame_functions[], api_listener_functions[], api_option_functions[],
    api_server_functions[], api_socket_functions[], api_task_functions[], api_timer_functions[],
    api_udp_functions[], api_json_functions[], api_control_functions[], api_tls_functions[],
    api_starttls_methods[], api_starttls_functions[], api_calls_functions[],
    api_lending_functions[], api_proxy_functions[], api_codec_functions[], api_gate_functions[],
    api_assets_functions[], api_conn_timer_methods[], api_unpack_methods[];
/* Of one that speaks WebSocket; moonport.websocket.core. */
extern const luaL_Reg api_websocket_methods[], api_websocket_functions[];
extern const luaL_Reg api_address_functions[], api_bus_functions[];
extern const luaL_Reg api_forward_methods[]; /* conn:forward() and conn:join() */
/* server.group(), and what completes its type. */
extern const luaL_Reg api_group_functions[];
extern const struct api_type api_group_type;
int api_complete_group(lua_State *L);
/* moonport.file, and conn:send_file(). */
extern const luaL_Reg api_file_functions[], api_send_file_methods[];
extern const struct api_type api_disk_type, api_file_type, api_sending_type;
extern const luaL_Reg api_show_functions[]; /* moonport.show.core */
/* moonport.metrics. */
extern const luaL_Reg api_metrics_functions[];
/* Of the name at index 2 and the labels behind it, what get() says of it; nil: there is no such metric. Raises. */
struct meters;
int api_push_metric(lua_State *L, const struct meters *meters);
extern const struct api_type api_counter_type, api_gauge_type, api_histogram_type;
/* moonport.shared.core: without functions in a build without LMDB. */
extern const luaL_Reg api_shared_functions[];
extern const struct api_type api_store_type;
/* moonport.process.core. */
extern const luaL_Reg api_process_functions[];
extern const struct api_type api_process_type;
/* log.debug() and the like. Upvalues: the level, string.format. */
int api_log(lua_State *L);
int api_print(lua_State *L);          /* print() of a service: api/log.c */
int api_connections(lua_State *L);    /* server.connections() */
int api_open_testing(lua_State *L);   /* what moonport/test.lua stands on */
int api_complete_codec(lua_State *L); /* adds codec.base64 and its like to the module on top */
/* Adds json.null and the type of arrays to the module on top. */
int api_complete_json(lua_State *L);
/* Of moonport.cli, which is not for scripts. Each pushes nothing, or makes one: api/ending.c */
void api_open_ending(lua_State *L);
int api_new_ending(lua_State *L);
int api_new_standard(lua_State *L); /* api/standard.c */
