/* api/socket.h — what the end of a script needs to know of its connects and lookups. */
#ifndef MOONPORT_API_SOCKET_H
#define MOONPORT_API_SOCKET_H

struct runtime;

/* Ends those that are under way; whoever waited for them is gone. */
void api_end_attempts(struct runtime *runtime);

#endif
