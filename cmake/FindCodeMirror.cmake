# Finds CodeMirror 5 and sets CODEMIRROR_ASSETS for embed_assets(). Optional: the inspector's editor.
#
# To choose one by hand: -DCODEMIRROR_DIR=...
find_path(CODEMIRROR_DIR lib/codemirror.js PATH_SUFFIXES share/javascript/codemirror
  share/nodejs/codemirror lib/node_modules/codemirror)

if(CODEMIRROR_DIR)
  file(STRINGS "${CODEMIRROR_DIR}/lib/codemirror.js" line REGEX "CodeMirror\\.version = \"")
  string(REGEX REPLACE ".*\"([0-9.]+)\".*" "\\1" CODEMIRROR_VERSION "${line}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CodeMirror
  REQUIRED_VARS CODEMIRROR_DIR
  VERSION_VAR CODEMIRROR_VERSION
  REASON_FAILURE_MESSAGE "without CodeMirror 5 the inspector's editor is a plain text area.
  Debian, Ubuntu:  apt install libjs-codemirror
  elsewhere:       npm install codemirror@5, and -DCODEMIRROR_DIR=DIR")

set(CODEMIRROR_ASSETS "")
if(CodeMirror_FOUND)
  set(CODEMIRROR_ASSETS
    "inspector/vendor/codemirror.css=${CODEMIRROR_DIR}/lib/codemirror.css"
    "inspector/vendor/codemirror.js=${CODEMIRROR_DIR}/lib/codemirror.js"
    "inspector/vendor/lua.js=${CODEMIRROR_DIR}/mode/lua/lua.js")
endif()
mark_as_advanced(CODEMIRROR_DIR)
