/* api/modules.h — the openers of the Lua types and modules, one per file. */
#ifndef MOONPORT_API_MODULES_H
#define MOONPORT_API_MODULES_H

#include <lua.h>

void api_open_conn(lua_State *L);     /* the type moonport.conn; pushes nothing. Raises. */
int api_open_task(lua_State *L);      /* moonport.task */
int api_open_socket(lua_State *L);    /* moonport.socket.core: what moonport/socket.lua stands on */
void api_open_udp(lua_State *L);      /* the type moonport.udp; pushes nothing */
int api_new_udp(lua_State *L);        /* makes one: api/udp.c */
void api_open_listener(lua_State *L); /* the type moonport.listener; pushes nothing */
int api_bind(lua_State *L);           /* makes one: api/listener.c */
int api_open_frame(lua_State *L);     /* moonport.frame */
int api_open_json(lua_State *L);      /* moonport.json */
int api_open_control(lua_State *L); /* moonport.control.core: what moonport/control.lua stands on */
int api_open_log(lua_State *L);     /* moonport.log */
int api_print(lua_State *L);        /* print() of a service: api/log.c */
int api_open_timer(lua_State *L);   /* moonport.timer */
int api_open_server(lua_State *L);  /* moonport.server */
int api_open_testing(lua_State *L); /* moonport.test.core: what moonport/test.lua stands on */
int api_connections(lua_State *L);  /* its connections() */
void api_open_ending(lua_State *L); /* the type moonport.ending; pushes nothing */
int api_new_ending(lua_State *L);   /* makes one: api/ending.c */

#endif
