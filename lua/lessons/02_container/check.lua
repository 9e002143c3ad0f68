-- Where the script can be reached from, asked of the kernel: of two network namespaces with a cable
-- between them where we may make them; else of another address of this machine, which is not
-- 127.0.0.1 either.

local process = require "moonport.process"
local learner = require "moonport.lesson.learner"

local PUBLIC, ADMIN = 12345, 12346
local STAND_IN = "127.0.0.2" -- plays the container's own address where there is no container
local LOOK_S = 15

-- The host: it makes the container, a network of its own with an address of its own, and asks at
-- both doors from inside, and then from here. The server ends with it, also when it is killed.
-- $1 program, $2 what it may, $3 script, $4 the asking.
local HOST = [[
  set -eu
  ip link set lo up
  unshare -n sleep 60 & container=$!
  ours=$(readlink /proc/self/ns/net)
  until [ "$(readlink /proc/$container/ns/net)" != "$ours" ]; do sleep 0.02; done
  inside() { nsenter -t $container -n "$@"; }
  ip link add host0 type veth peer name eth0 netns $container
  ip addr add 10.77.0.1/24 dev host0
  ip link set host0 up
  inside ip link set lo up
  inside ip addr add 10.77.0.2/24 dev eth0
  inside ip link set eth0 up
  echo "container: ready"
  nsenter -t $container -n "$1" serve --with-parent $$ --control off --no-watch --drain 0 \
    --allow "$2" --log-format text -- "$3" &
  server=$!
  tries=0
  until inside cat /proc/net/tcp /proc/net/tcp6 | grep -q " 0A " || [ $tries -gt 200 ]; do
    kill -0 $server || exit 3
    tries=$((tries + 1)); sleep 0.05
  done
  inside "$1" run -e "$4" inside 127.0.0.1
  "$1" run -e "$4" outside 10.77.0.2
]]

-- Asks at both doors, and prints: door: outside 12345 you reached me at …
local ASK = ([[
  local socket = require "moonport.socket"
  for _, port in ipairs { %d, %d } do
    local conn, code = socket.connect(arg[2], port, { timeout = 3 })
    if conn then conn:settimeout(3) end
    local told = conn and conn:recv_line() or code or "open"
    print(("\ndoor: %%s %%d %%s"):format(arg[1], port, told))
  end
]]):format(PUBLIC, ADMIN)

local look -- what was seen, for all checks: a script has these ports once

local function program_path()
  local found = process.run { "sh", "-c", "readlink /proc/$PPID/exe", timeout = 5 }
  return found and found.stdout:match("^[^\n]+")
end

local function read_doors(output)
  local doors = {}
  for from, port, told in output:gmatch("door: (%l+) (%d+) ([^\n]*)") do
    doors[from .. port] = told
  end
  return doors
end

-- Who is root makes namespaces as root: in a chroot nobody can make one of users.
local IN_NETWORK = 'unshare -rn true 2>/dev/null && how=-rn || how=-n; exec unshare $how sh -c "$@"'

local function look_in_container(judge)
  local program = program_path()
  if not program then return nil end
  local host = judge:start("sh", { "-c", IN_NETWORK, "sh", HOST, "sh", program, learner.allow,
    judge.path, ASK })
  local code = host:wait(LOOK_S)
  local output = host:output()
  if not output:find("container: ready", 1, true) then return nil end
  if code == 3 then judge:fail_for_end(host) end
  return { is_real = true, doors = read_doors(output), address = "10.77.0.2" }
end

local function look_at_home(judge)
  local server = judge:serve()
  local doors = {}
  for from, address in pairs { inside = "127.0.0.1", outside = STAND_IN } do
    local asked = process.run { learner.program, "run", "-e", ASK, from, address, timeout = 10 }
    for name, told in pairs(read_doors(asked and asked.stdout or "")) do doors[name] = told end
  end
  return { doors = doors, address = STAND_IN, server = server }
end

local STEPS = {
  real = { en = "in a network namespace of its own, a container with the address %s, your " ..
    "script is served", ko = "주소가 %s인 컨테이너, 곧 따로 만든 네트워크 네임스페이스에서 스크립트 서비스 시작" },
  simulated = { en = "namespaces are not allowed here, so this is simulated: %s plays the " ..
    "container's own address", ko = "여기서는 네임스페이스를 만들 수 없어 흉내 냄: %s이(가) 컨테이너의 주소 " ..
    "역할을 함" },
  inside = { en = "a client inside of it connects to 127.0.0.1:%d: %s",
    ko = "컨테이너 안의 클라이언트가 127.0.0.1:%d에 연결: %s" },
  outside = { en = "a client outside connects to %s:%d: %s",
    ko = "바깥의 클라이언트가 %s:%d에 연결: %s" },
}

-- What a client from there is told at this door; nil: it is not let in.
local function door(judge, from, port)
  look = look or look_in_container(judge) or look_at_home(judge)
  local told = look.doors[from .. port] or "ETIMEDOUT"
  judge:tell(look.is_real and STEPS.real or STEPS.simulated, look.address)
  if from == "inside" then judge:tell(STEPS.inside, port, told)
  else judge:tell(STEPS.outside, look.address, port, told) end
  return told:match("^you reached me at (%S+)$"), told
end

return {
  listen = false,
  in_turn = true,
  hints = {
    nobody_inside = {
      en = "Inside of the container nobody is at 127.0.0.1:%d (%s). Did you leave out that " ..
        "door, or bind one address where all are meant?",
      ko = "컨테이너 안에서 127.0.0.1:%d에 아무도 없습니다(%s). 그 문을 빼놓았거나, 모든 주소를 뜻해야 할 곳에 " ..
        "주소 하나만 쓰지 않았나요?",
    },
    only_inside = {
      en = "From outside nobody is there (%s). A container has a localhost of its own: " ..
        "127.0.0.1 is the container talking to itself. 0.0.0.0 stands for all of its addresses.",
      ko = "바깥에서 보면 아무도 없습니다(%s). 컨테이너에는 자기만의 localhost가 있습니다. 127.0.0.1은 컨테이너가 " ..
        "자기 자신과 이야기하는 주소입니다. 0.0.0.0은 컨테이너의 모든 주소를 뜻합니다.",
    },
    admin_open = {
      en = "The administrators' door stands open: a client from outside came in at port %d. " ..
        "Bind to 0.0.0.0 what everybody may use, and nothing else.",
      ko = "관리자용 문이 열려 있습니다. 바깥의 클라이언트가 %d번 포트로 들어왔습니다. 누구나 써도 되는 것만 " ..
        "0.0.0.0에 bind하세요.",
    },
  },
  checks = {
    {
      en = "a client inside of the container reaches port 12345",
      ko = "컨테이너 안의 클라이언트가 12345번 포트에 닿습니다",
      judge = function(judge)
        local reached, told = door(judge, "inside", PUBLIC)
        judge:expect(reached, "nobody_inside", PUBLIC, told)
      end,
    },
    {
      en = "a client outside of it does, too",
      ko = "컨테이너 밖의 클라이언트도 닿습니다",
      judge = function(judge)
        local reached, told = door(judge, "outside", PUBLIC)
        judge:expect(reached, "only_inside", told)
      end,
    },
    {
      en = "port 12346 is reached from inside",
      ko = "12346번 포트는 안에서 닿습니다",
      judge = function(judge)
        local reached, told = door(judge, "inside", ADMIN)
        judge:expect(reached, "nobody_inside", ADMIN, told)
      end,
    },
    {
      en = "port 12346 is closed to the outside",
      ko = "12346번 포트는 바깥에서 닿지 않습니다",
      judge = function(judge)
        judge:expect(not door(judge, "outside", ADMIN), "admin_open", ADMIN)
      end,
    },
  },
}
