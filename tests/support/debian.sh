# debian.sh — makes a small Debian in a directory, once — does not know what is done with it.
# To be sourced. Needs mmdebstrap, and `say` and `die` of who sources it.

# Where apt here gets a release of Debian from, whichever format its sources are written in.
configured_mirror() {
  # shellcheck disable=SC2016 # apt expands these
  apt-get indextargets --format '$(COMPONENT) $(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "main" && $2 !~ /-/ && $3 ~ /\/debian\/?$/ { print $3; exit }'
}

# copy_apt_settings MIRROR ROOT: proxies, certificates and retries of this machine's apt count inside.
copy_apt_settings() {
  apt-config dump | grep -E '^(Acquire::(http|https|Retries|Check-)|APT::Sandbox)' \
    >"$2/etc/apt/apt.conf.d/90host" || true
  if [[ $1 == https:* ]]; then
    mkdir -p "$2/etc/ssl/certs"
    cp /etc/ssl/certs/ca-certificates.crt "$2/etc/ssl/certs/"
  fi
}

# make_debian SUITE MIRROR ROOT [OPTION…]: as mmdebstrap makes it (in less than half of debootstrap's
# time), with the settings of this machine's apt. ROOT is there only when it is complete. An empty
# MIRROR is the one of this machine.
make_debian() {
  local suite=$1 mirror=${2:-$(configured_mirror)} target=$3
  shift 3
  if [ -d "$target" ]; then return; fi
  [ -n "$mirror" ] || die "this machine's apt names no mirror of Debian; give one with --mirror URL"
  say "making $target (once; takes a minute or two)"
  rm -rf --one-file-system "$target.part"
  mkdir -p "$(dirname "$target")"
  if ! mmdebstrap --mode=root --variant=minbase "$@" "$suite" "$target.part" "$mirror" \
    >"$target.log" 2>&1 </dev/null; then
    tail -n 20 "$target.log" >&2
    die "mmdebstrap failed, as shown above; is the mirror reachable?"
  fi
  copy_apt_settings "$mirror" "$target.part"
  rm -f "$target.log"
  mv "$target.part" "$target"
}
