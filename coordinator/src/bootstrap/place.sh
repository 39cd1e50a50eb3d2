# Puts the agent on a host, as root, one verb a call, and takes it away again. Everything that it makes
# stands in the ledger before it is made, so that whatever cuts it off, `undo` and another run know what
# is ours. What is not in the ledger is never written over and never removed.
# Called by `place.rs`. Standard input belongs to the verb: bytes of a file, or the token.
set -eu
umask 077
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
ledger=/var/lib/bellows-host-add
program=/usr/bin/bellows-agent
config=/etc/bellows/agent.toml
data=/var/lib/bellows-agent
unit=bellows-agent.service

fail() {
  echo "$*" >&2
  exit 1
}
ours() { grep -qxF "$1 $2" "$ledger"; }
note() { ours "$1" "$2" || printf '%s %s\n' "$1" "$2" >>"$ledger"; }
durable() { sync "$1" 2>/dev/null || sync; }
parents() {
  [ -d "$1" ] && return
  parents "$(dirname "$1")"
  note folder "$1"
  mkdir -m 0755 "$1"
}
digest() { sha256sum <"$1" | cut -d' ' -f1; }

# HOST
begin() {
  if [ -f "$ledger" ]; then
    other=$(sed -n 's/^host //p' "$ledger")
    [ -z "$other" ] || [ "$other" = "$1" ] || fail "an unfinished run for host $other is here: see $ledger"
    [ -n "$other" ] || printf 'host %s\n' "$1" >>"$ledger"
    return
  fi
  printf 'host %s\n' "$1" >"$ledger.new"
  durable "$ledger.new"
  mv "$ledger.new" "$ledger"
}

# PATH MODE DIGEST LENGTH, the bytes on standard input
put() {
  if [ -e "$1" ] && ! ours file "$1"; then
    [ "$(digest "$1")" = "$3" ] || fail "$1 is there already and is not ours: nothing was written over"
    return 0
  fi
  parents "$(dirname "$1")"
  note file "$1"
  head -c "$4" >"$1.bellows-new" || fail "$1 cannot be written"
  [ "$(digest "$1.bellows-new")" = "$3" ] || fail "$1 did not arrive whole"
  chown 0:0 "$1.bellows-new"
  chmod "$2" "$1.bellows-new"
  durable "$1.bellows-new"
  mv "$1.bellows-new" "$1"
  if command -v restorecon >/dev/null 2>&1; then restorecon "$1" || true; fi
}

# VERSION
prove() {
  said=$("$program" --version) || fail "$program does not run here"
  [ "$said" = "bellows-agent $1" ] || fail "$program says it is '$said', wanted: bellows-agent $1"
  "$program" check-config --config "$config" >/dev/null
}

# COORDINATOR, the token on standard input
enrol() {
  [ -e "$data" ] || note tree "$data"
  "$program" enrol --config "$config" --coordinator "$1" --token -
}

start() {
  note unit "$unit"
  systemctl daemon-reload
  systemctl enable --quiet "$unit"
  # Also one that has given up, or runs with an older identity.
  systemctl restart "$unit"
}

finish() { rm -f "$ledger" "$ledger.new"; }

undo() {
  rm -f "$ledger.new"
  [ -f "$ledger" ] || return 0
  left=0
  # Backwards: what was made last goes first.
  while read -r kind path; do
    case $kind in
    unit) systemctl disable --now --quiet "$path" || true ;;
    file) rm -f -- "$path" "$path.bellows-new" || true ;;
    folder) rmdir -- "$path" 2>/dev/null || true ;;
    tree) rm -rf -- "$path" || true ;;
    esac
    case $kind in file | folder | tree)
      if [ -e "$path" ]; then
        echo "left $path"
        left=1
      fi
      ;;
    esac
  done <<END
$(sed '1!G;h;$!d' "$ledger")
END
  systemctl daemon-reload || true
  systemctl reset-failed "$unit" 2>/dev/null || true
  if [ "$left" = 0 ]; then rm -f "$ledger"; else echo "left $ledger"; fi
}

"$@"
