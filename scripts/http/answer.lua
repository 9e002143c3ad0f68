-- http/answer.lua — the heads of HTTP answers, with a date that a timer keeps — knows no request.

local timer = require "moonport.timer"

local answer = {}
local date
local watchers = {}
