-- moonport.lesson.words — what the judge says by itself, in English and Korean — knows no lesson.

local M = {}

-- --- What is wrong with a script that no check gets to judge ----------------------------------

M.hints = {
  unreadable = {
    en = "The script cannot be read: %s",
    ko = "스크립트를 읽을 수 없습니다: %s",
  },
  large = {
    en = "This file is larger than 1 MiB. Is it really your script?",
    ko = "파일이 1 MiB보다 큽니다. 정말 여러분이 쓴 스크립트인가요?",
  },
  syntax = {
    en = "This is not Lua yet: %s",
    ko = "아직 올바른 Lua 코드가 아닙니다: %s",
  },
  ended = {
    en = "Your script ended, with exit code %d, before the check was done. Its last words:\n%s",
    ko = "검사가 끝나기 전에 스크립트가 종료 코드 %d로 끝났습니다. 마지막 출력은 다음과 같습니다:\n%s",
  },
  not_ready = {
    en = "Your script was started, but did not listen within %g seconds. Does it wait or loop " ..
      "while it is loaded? Only functions that handle something may do that.",
    ko = "스크립트를 시작했지만 %g초 안에 연결을 받을 준비가 되지 않았습니다. 스크립트를 읽어 들이는 동안 "
      .. "기다리거나 반복하고 있지 않나요? 그런 일은 핸들러 안에서만 할 수 있습니다.",
  },
  not_served = {
    en = "Your script was started, but it listens nowhere. Its table needs `listen`.",
    ko = "스크립트를 시작했지만 어디에서도 연결을 받지 않습니다. 반환하는 테이블에 `listen`이 필요합니다.",
  },
  no_port = {
    en = "Nobody listens on 127.0.0.1:%d within %g seconds. That port was given to your program as "
      .. "arg[1]: bind there, then listen.",
    ko = "%2$g초가 지나도 127.0.0.1:%1$d에서 연결을 받는 프로그램이 없습니다. 이 포트는 프로그램에 arg[1]로 "
      .. "전달됩니다. 이 포트에 bind한 다음 listen하세요.",
  },
  elsewhere = {
    en = "Your program listens on %s, and not on 127.0.0.1:%d. The port to bind is given to it as "
      .. "arg[1].",
    ko = "프로그램이 127.0.0.1:%2$d가 아니라 %1$s에서 연결을 받습니다. bind할 포트는 arg[1]로 전달됩니다.",
  },
  memory = {
    en = "Your script took more than %d MB of memory, and was stopped. What grows without a bound?",
    ko = "스크립트가 메모리를 %d MB 넘게 써서 중단했습니다. 무엇이 한없이 커지고 있나요?",
  },
  output = {
    en = "Your script printed more than %d KB, and was stopped. Does it print in a loop?",
    ko = "스크립트가 %d KB 넘게 출력해서 중단했습니다. 반복문 안에서 출력하고 있나요?",
  },
  busy = {
    en = "Your script keeps the processor busy and answers nobody: a loop in it does not end.",
    ko = "스크립트가 프로세서를 계속 붙잡고 아무에게도 응답하지 않습니다. 끝나지 않는 반복문이 있습니다.",
  },
  raised = {
    en = "An error was raised: %s",
    ko = "오류가 발생했습니다: %s",
  },
  deadline = {
    en = "This check did not come to an end within %g seconds.",
    ko = "이 검사가 %g초 안에 끝나지 않았습니다.",
  },
  refused = {
    en = "%s took no connection: %s",
    ko = "%s에 연결할 수 없습니다: %s",
  },
}

-- --- The checks that every lesson has ---------------------------------------------------------

M.checks = {
  reads = { en = "your file is a Lua script", ko = "파일이 Lua 스크립트입니다" },
  starts = { en = "your script starts, and listens", ko = "스크립트가 시작되어 연결을 받습니다" },
}

-- --- What the judge does, step by step --------------------------------------------------------

M.steps = {
  serve = { en = "your script is served at %s", ko = "%s에서 스크립트 서비스 시작" },
  run = { en = "your program is started: moonport run %s", ko = "프로그램 시작: moonport run %s" },
  connect = { en = "%s connects", ko = "%s: 연결" },
  send = { en = "%s sends %s", ko = "%s: %s 전송" },
  receive = { en = "%s receives %s", ko = "%s: %s 수신" },
  nothing = { en = "%s receives nothing within %g s", ko = "%s: %g초 동안 아무것도 받지 못함" },
  idle = { en = "%s does not read for %g s", ko = "%s: %g초 동안 읽지 않음" },
  eof = { en = "%s receives FIN: no more will come", ko = "%s: FIN 수신, 더 올 바이트 없음" },
  reset = { en = "%s receives RST: broken off", ko = "%s: RST 수신, 연결이 강제로 끊김" },
  shutdown = { en = "%s sends FIN: it will send no more", ko = "%s: FIN 전송, 더 보낼 바이트 없음" },
  more = { en = "... %d more times like this", ko = "... 같은 일이 %d번 더" },
  abort = { en = "%s sends RST", ko = "%s: RST 전송" },
  close = { en = "%s closes", ko = "%s: 연결 닫음" },
}

M.nouns = {
  peer = { en = "client %d", ko = "클라이언트 %d" },
  bytes = { en = "%d bytes %s", ko = "%d바이트 %s" },
  byte = { en = "1 byte %s", ko = "1바이트 %s" },
}

---@param words { en: string, ko: string }
---@param lang "en"|"ko"
function M.say(words, lang, ...)
  local told = { ... }
  -- %2$s, as in C, where a language has another order; all of a text or none are so.
  local format = words[lang]:gsub("%%(%d)%$(%a)", function(place, kind)
    return (("%" .. kind):format(told[tonumber(place)]):gsub("%%", "%%%%"))
  end)
  return select("#", ...) > 0 and format:format(...) or format
end

return M
