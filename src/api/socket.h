/* api/socket.h — what the end of a script needs to know of its connects and lookups. */
#pragma once

struct runtime;

/* Ends those that are under way; whoever waited for them is gone. */
void api_end_attempts(struct runtime *runtime);
