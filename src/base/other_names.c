/* base/other_names.c — what others call what is here: LuaSocket, OpenResty, Node, Python. Knows no Lua.
 *
 * The one table of first guesses: `check`, errors at run time and require() read it, and
 * docs/coming-from.md tells the same at length. A row's names are in lower case, without underscores. */
#include "base/other_names.h"

#include <stddef.h>
#include <string.h>

enum { NAME_SIZE_MAX = 40 };

struct row {
  const char *names; /* each between blanks */
  const char *ours;
};

static const struct row fields[] = {
    {" onconnect onconnection onaccept onconnected onclient onjoin connect connection connected "
     "connectionmade ",
     "on_open"},
    {" onreceive onreceived onread onrecv onbytes onincoming onchunk ondatareceived data "
     "receive read recv datareceived handler handle handleclient callback ",
     "on_data"},
    {" online linereceived onlinereceived ", "on_message, with frame = \"line\""},
    {" onhttp onrequests onget onpost request fetch app ", "on_request, with frame = \"http\""},
    {" onpacket ondgram onudp datagramreceived onmsg ", "on_datagram, or on_message with a frame"},
    {" onend onfinish onhalfclose oneofreceived eofreceived ", "on_eof"},
    {" ondisconnect ondisconnected onclosed onleave onhangup disconnect close closed "
     "connectionlost ",
     "on_close"},
    {" onwritable onwrite onflush ", "on_drain"},
    {" onidle onerr ", "on_timeout, or on_error"},
    {" oninit onstart onstartup onlisten onready init setup start ", "on_load"},
    {" onstop onshutdown onexit onquit stop shutdown teardown ", "on_unload"},
    {" run loop serve onthread ", "main"},
    {" worker workerprocesses workerscount cluster copies instances processes replicas threads "
     "reuseport ",
     "workers = \"all\""},
    {" port ports listenport ", "listen = 7000"},
    {" host hostname address addr ip bind interface ", "listen = \"HOST:PORT\""},
    {" maxconnections maxclients maxconns connections ", "limits = { connections = N }"},
    {" maxmemory memory ", "limits = { memory = \"64M\" }"},
    {" timeout settimeout idletimeout readtimeout idle ", "timeouts = { idle = SECONDS }"},
    {" delimiter separator eol terminator ", "frame = { delimiter = \"\\n\" }"},
    {" framing protocol codec ", "frame"},
    {" ssl https certificate cert ", "tls = { cert = \"FILE\", key = \"FILE\" }"},
    {" tls.certificate tls.certfile tls.crt tls.certificates tls.chain tls.pem ", "cert"},
    {" tls.keyfile tls.privatekey tls.certificatekey ", "key"},
    {" tls.cafile tls.cacert tls.cacerts tls.clientca tls.trusted ", "ca"},
    {" tls.verify tls.clientauth tls.requestcert tls.clientcert tls.mtls ", "client"},
    {" tls.protocols tls.alpnprotocols tls.nextprotos ", "alpn"},
    {" tls.minversion tls.version tls.protocol tls.minprotocol ", "min"},
    {" tls.sni tls.servernames tls.vhosts tls.servers ", "hosts"},
    {" limits.maxconnections limits.clients limits.maxclients limits.conns ", "connections"},
    {" limits.perip limits.connectionsperip limits.perhost ", "per_address"},
    {" limits.rate limits.ratelimit limits.connectionrate limits.maxrate ", "accept_rate"},
    {" limits.burst ", "accept_burst"},
    {" proxyprotocol acceptproxy proxies trustedproxies setrealipfrom ", "proxy_protocol"},
    {" whitelist allowlist allowed ", "allow"},
    {" blacklist denylist blocklist denied ", "deny"},
    {" limits.maxmessage limits.line limits.maxline limits.frame limits.request limits.body "
     "limits.maxbody ",
     "message"},
    {" limits.header limits.headers limits.maxheader limits.maxheaders limits.maxhead ", "head"},
    {" limits.cpu limits.time limits.timeout ", "cpu_ms"},
    {" limits.queue limits.highwatermark limits.sendqueue limits.buffer ", "write_queue"},
    {" timeouts.read timeouts.recv timeouts.receive timeouts.keepalive timeouts.timeout "
     "timeouts.inactivity ",
     "idle"},
    {" timeouts.header timeouts.head timeouts.body timeouts.requests ", "request"},
    {" timeouts.send timeouts.drain ", "write"},
    {" timeouts.login ", "first"},
    {" timeouts.tls timeouts.ssl timeouts.tlshandshake ", "handshake"},
    {" timeouts.close timeouts.shutdown ", "linger"},
    {NULL, NULL},
};

static const struct row methods[] = {
    {" write sendall print puts put say reply respond answer tell emit ", "send"},
    {" receive recieve read readany readsome get recvsome onreceive ",
     "recv(), recv_line() or recv_exactly(n)"},
    {" readline receiveline gets getline lines ", "recv_line"},
    {" readexactly readn receiveexactly readfull recvall recvn ", "recv_exactly"},
    {" readuntil receiveuntil ", "recv_until"},
    {" receivemessage readmessage recvmsg ", "recv_message"},
    {" sendline writeline writeln println ", "send_message, with frame = \"line\""},
    {" disconnect hangup finish kick closed stop done ", "close"},
    {" closewrite shutdownwrite halfclose writeeof sendeof ", "shutdown"},
    {" destroy abort kill terminate resetanddestroy ", "reset"},
    {" settimeouts setconnecttimeout ", "settimeout"},
    {" setkeepalive ", "moonport.pool, or setoption(\"keepalive\", true)"},
    {" setnodelay nodelay settcpnodelay ", "setoption(\"nodelay\", true)"},
    {" setsockopt settcpoption ", "setoption"},
    {" getsockopt ", "getoption"},
    {" getpeername getpeer peername remoteaddress ", "the field conn.peer"},
    {" getid connid fd fileno ", "the field conn.id"},
    {" getsockname sockname localaddress ", "the field conn.sock"},
    {" getstats getstatus ", "stats"},
    {" pipe proxy splice tunnel ", "forward"},
    {" flush waitwritable ", "drain"},
    {" broadcast sendtoall ", "server.broadcast of moonport.server"},
    {" on once addlistener onclose ondata ",
     "a handler, on_…, in the table that the script returns"},
    {NULL, NULL},
};

static const struct row calls[] = {
    {" settimeout calllater runafter delay defer at ", "timer.after(seconds, f) of moonport.timer"},
    {" setinterval callevery runevery periodic repeat ",
     "timer.every(seconds, f) of moonport.timer"},
    {" cleartimeout clearinterval ", "cancel() of the timer"},
    {" sleep wait usleep ", "timer.sleep(seconds) of moonport.timer"},
    {" hrtime monotonic ", "timer.now() of moonport.timer"},
    {" gettime time ", "timer.time() of moonport.timer, os.time(), or timer.sleep(seconds)"},
    {" createserver listen serve bind startserver accept net dgram ",
     "listen = … in the table that a script returns, or socket.tcp() of moonport.socket"},
    {" on once addlistener ", "a handler, on_…, in the table that the script returns"},
    {" setsockopt getsockopt setoption ", "setoption(name, value) of a connection or socket"},
    {" try protect newtry ", "pcall and assert: calls that fail return nil, a code and a sentence"},
    {" reader writer transport ", "the connection that a handler is given"},
    {" createconnection openconnection dial tcpconnect ", "socket.connect of moonport.socket"},
    {" select selectors poll newset ",
     "handlers, or a task for each wait: task.spawn(f) of moonport.task"},
    {" gethostbyname toip lookup getaddrinfo dns ", "socket.resolve of moonport.socket"},
    {" spawn go createtask thread fork start ", "task.spawn(f) of moonport.task"},
    {" sendtoall sendall ", "server.broadcast of moonport.server"},
    {" clients getconnections conns getclients sockets ",
     "server.connections() of moonport.server"},
    {" log console puts printf println echo ", "print(…), or log.info(…) of moonport.log"},
    {" warning ", "log.warn(…) of moonport.log"},
    {" err critical ", "log.error(…) of moonport.log"},
    {" len ", "#value"},
    {" str ", "tostring"},
    {" int parseint parsefloat float ", "tonumber"},
    {" null none undefined ", "nil"},
    {" unpack ", "table.unpack"},
    {" loadstring ", "load"},
    {" setfenv getfenv ", "the fourth argument of load"},
    {" bit bit32 ", "the operators &, |, ~, << and >>"},
    {" socket tcp ", "local socket = require \"moonport.socket\""},
    {" timer ", "local timer = require \"moonport.timer\""},
    {" server ", "local server = require \"moonport.server\""},
    {" task ", "local task = require \"moonport.task\""},
    {" frame ", "local frame = require \"moonport.frame\""},
    {" address ", "local address = require \"moonport.address\""},
    {" pool ", "local pool = require \"moonport.pool\""},
    {" json cjson ", "local json = require \"moonport.json\""},
    {" bus pubsub ", "local bus = require \"moonport.bus\""},
    {" shared shdict ", "local shared = require \"moonport.shared\""},
    {" metrics prometheus ", "local metrics = require \"moonport.metrics\""},
    {" worker workers cluster ", "local worker = require \"moonport.worker\""},
    {" redis ", "local redis = require \"moonport.redis\""},
    {" http requests fetch axios ", "local http = require \"moonport.http\""},
    {" file fs ", "local file = require \"moonport.file\""},
    {" process subprocess childprocess ", "local process = require \"moonport.process\""},
    {" ngx copas asyncio uv luv threading ", "one of moonport's own modules (docs/coming-from.md)"},
    {NULL, NULL},
};

/* What is no function: `socket.dns.toip`, `conn.remoteAddress`. */
static const struct row parts[] = {
    {" dns ", "socket.resolve of moonport.socket"},
    {" http ", "http.get of moonport.http"},
    {" url smtp ftp ", "a module of that kind: moonport.socket has TCP, UDP and Unix sockets"},
    {" remoteaddress peername peeraddress address ", "conn.peer, or conn.peer_ip"},
    {" remoteport ", "conn.peer_port"},
    {" localaddress localport sockname ", "conn.sock"},
    {NULL, NULL},
};

static const struct row modules[] = {
    {" timer timers moonport.timers copas.timer uv luv ev ", "moonport.timer"},
    {" log logging logger moonport.logger ", "moonport.log"},
    {" server moonport.servers ", "moonport.server"},
    {" socket socket.core moonport.sockets moonport.tcp moonport.udp net dgram posix.sys.socket "
     "cqueues.socket ngx.socket lsocket luasocket ",
     "moonport.socket"},
    {" task tasks asyncio copas coxpcall cqueues moonport.tasks thread threads lanes ",
     "moonport.task"},
    {" frame frames framing moonport.frames ", "moonport.frame"},
    {" addresses ip ipaddr ipaddress inet moonport.ip moonport.addresses ", "moonport.address"},
    {" pool moonport.pools ", "moonport.pool"},
    {" bus pubsub nats moonport.pubsub moonport.nats ", "moonport.bus"},
    {" shared shdict lmdb lightningmdb ngx.shared resty.lrucache resty.lock resty.limit.req "
     "resty.limit.count moonport.store moonport.cache moonport.dict ",
     "moonport.shared"},
    {" metrics prometheus resty.prometheus promclient moonport.prometheus ", "moonport.metrics"},
    {" worker cluster ngx.worker moonport.workers moonport.cluster ", "moonport.worker"},
    {" redis resty.redis moonport.valkey valkey ", "moonport.redis"},
    {" http resty.http requests https moonport.https moonport.fetch socket.http ", "moonport.http"},
    {" file files fs moonport.fs moonport.files ", "moonport.file"},
    {" process subprocess childprocess moonport.processes ", "moonport.process"},
    {" test testing moonport.testing ", "moonport.test"},
    {" moonport ", "one of moonport.socket, .timer, .task, .server, .log, .frame, .pool"},
    {" ngx ", "one of moonport's own modules (docs/coming-from.md)"},
    {" bit bit32 ", "the operators &, |, ~, << and >> of Lua itself"},
    {NULL, NULL},
};

static const struct row packages[] = {
    {" cjson cjson.safe ", "lua-cjson"},
    {" dkjson json ", "lua-dkjson"},
    {" socket socket.core socket.http socket.url mime ltn12 ", "lua-socket"},
    {" ssl ssl.https openssl ", "lua-sec"},
    {" lfs ", "lua-filesystem"},
    {" lpeg re ", "lua-lpeg"},
    {" posix posix.unistd posix.signal posix.sys.stat ", "lua-posix"},
    {" zlib ", "lua-zlib"},
    {" lxp lxp.lom ", "lua-expat"},
    {" yaml lyaml ", "lua-yaml"},
    {" luasql.sqlite3 lsqlite3 sqlite3 ", "lua-sql-sqlite3"},
    {" luasql.postgres pgmoon ", "lua-sql-postgres"},
    {" luasql.mysql ", "lua-sql-mysql"},
    {" dbi ", "lua-dbi-sqlite3, lua-dbi-postgresql or lua-dbi-mysql"},
    {" messagepack ", "lua-messagepack"},
    {" pl pl.pretty pl.class pl.stringx pl.tablex penlight ", "lua-penlight"},
    {" inspect ", "lua-inspect"},
    {" luv ", "lua-luv"},
    {" md5 ", "lua-md5"},
    {" iconv ", "lua-iconv"},
    {" rexpcre2 rexpcre ", "lua-rex-pcre2"},
    {" busted luassert ", "lua-busted"},
    {" cqueues ", "lua-cqueues"},
    {NULL, NULL},
};

/* The row that has " name ", of a size with its blanks. */
static const char *find(const struct row *row, const char *name) {
  while (row->names && !strstr(row->names, name)) row++;
  return row->ours;
}

const char *other_name(enum other_names kind, const char *name) {
  static const struct row *const tables[] = {
      [OTHER_FIELDS] = fields,   [OTHER_METHODS] = methods,   [OTHER_CALLS] = calls,
      [OTHER_MODULES] = modules, [OTHER_PACKAGES] = packages, [OTHER_PARTS] = parts,
  };
  char key[NAME_SIZE_MAX + 3] = " ";
  size_t size = 1;
  for (; *name; name++) {
    if (*name == '_') continue;
    if (size > NAME_SIZE_MAX || *name == ' ') return NULL;
    key[size++] = *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name;
  }
  if (size == 1) return NULL;
  key[size] = ' ';
  return find(tables[kind], key);
}
