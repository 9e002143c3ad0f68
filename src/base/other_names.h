/* base/other_names.h — what others call what is here: LuaSocket, OpenResty, Node, Python. Knows no Lua. */
#pragma once

enum other_names {
  OTHER_FIELDS,   /* of the table that a script returns */
  OTHER_METHODS,  /* of a connection, or of a socket */
  OTHER_CALLS,    /* of modules, and globals */
  OTHER_MODULES,  /* that require() is asked for */
  OTHER_PACKAGES, /* modules of others: what Debian has them in */
  OTHER_PARTS,    /* fields of modules and connections that are no functions */
};

/* What somebody who writes `name` there looks for, as it is written here, so that "did you mean %s?"
 * is a sentence; or NULL. Case and underscores of `name` do not matter. Static text. */
const char *other_name(enum other_names kind, const char *name);
