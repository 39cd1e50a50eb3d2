# shellcheck shell=sh
# Install, upgrade, go back, remove. Sourced by install.sh once the bundle is proven.

# One at a time, and what it keeps is for root only.
begin() {
  mkdir -p "$STATE"
  chmod 0700 "$STATE"
  if command -v flock >/dev/null; then
    exec 9>"$STATE/lock"
    flock -n 9 || refuse "another run of install.sh is at work on this host"
  fi
}

# A file is in place whole, or not at all, also after a power cut.
keep() { # FILE NAME
  cp "$1" "$STATE/$2.new"
  sync
  mv "$STATE/$2.new" "$STATE/$2"
}

# The shell heeds no failure inside of what stands behind `if` or before `||`: so this, and then a look at $status.
attempt() { # FUNCTION ARGUMENTS
  set +e
  (
    set -e
    "$@"
  )
  status=$?
  set -e
}

newer() { # A B: is A newer?
  [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | tail -n 1)" = "$1" ]
}

runs() { [ -d /run/systemd/system ] && systemctl is-active --quiet "$UNIT"; }

main_process() { systemctl show -p MainPID "$UNIT" | sed 's/^MainPID=//'; }

answers() { timeout 10 "$prefix/bin/bellows" host list >/dev/null 2>&1; }

# Does the coordinator run the program that is installed now, and answer, three times in a row as the same process?
# One that could not be asked before the upgrade (another socket than the usual one) must only go on running.
comes_up() {
  # The package asked for it already; but a host may keep maintainer scripts from that, or its power failed since.
  act=start
  if runs && ! [ "/proc/$(main_process)/exe" -ef "$prefix/bin/bellows" ]; then act=restart; fi
  systemctl --no-block "$act" "$UNIT" || true
  end=$(($(date +%s) + wait))
  good=0 last=
  while [ "$(date +%s)" -lt "$end" ]; do
    process=$(main_process)
    if [ "$process" != 0 ] && [ "/proc/$process/exe" -ef "$prefix/bin/bellows" ] &&
      { [ "$could_be_asked" = no ] || answers; }; then
      if [ "$process" = "$last" ]; then good=$((good + 1)); else good=1; fi
      last=$process
      [ "$good" -lt 3 ] || return 0
    else
      good=0
    fi
    sleep 1
  done
  return 1
}

next_steps() {
  cat <<END_OF_STEPS
The coordinator is installed, and not started. Next:
  runuser -u bellows -- $prefix/bin/bellows init --name SITE --enrolment-address HOST:7421
  systemctl enable --now bellows
Then the hosts: $prefix/share/doc/bellows/docs/install.md
END_OF_STEPS
}

do_install() {
  [ "$arch" = "$(uname -m)" ] || refuse "this bundle is for $arch, and this host is $(uname -m)"
  new_version=$(printf '%s' "$version" | tr - '~')
  old_version=$(installed_version "$form")
  new=$(package "$form")
  if [ -n "$old_version" ] && newer "$old_version" "$new_version"; then
    refuse "bellows $old_version is installed, which is newer: an older version may not read its store"
  fi
  begin
  # A run that was interrupted in the middle knows what was before it.
  ran=$(unfinished RAN)
  if [ -z "$ran" ] && [ "$old_version" = "$new_version" ] && cmp -s "$new" "$STATE/package" && intact "$form"; then
    say "bellows $version is installed already: nothing was changed"
    return 0
  fi
  if [ -n "$ran" ]; then
    could_be_asked=$(unfinished ASKED) old_version=$(unfinished FROM)
    say "an upgrade from ${old_version:-nothing} was interrupted: it goes on"
  else
    ran=no could_be_asked=no
    if [ -n "$old_version" ] && runs; then
      ran=yes
      before_upgrade
    fi
    printf 'RAN=%s\nASKED=%s\nFROM=%s\n' "$ran" "$could_be_asked" "$old_version" >"$STATE/unfinished.new"
    sync
    mv "$STATE/unfinished.new" "$STATE/unfinished"
  fi
  attempt put_package "$form" "$new"
  if [ "$status" -ne 0 ]; then
    [ "$ran" = no ] || go_back
    fail "the package could not be installed: see above. Mend it and run this again"
  fi
  if [ "$ran" = yes ] && ! comes_up; then
    go_back
  fi
  keep "$new" package
  keep_key
  record "$version"
  if [ "$ran" = yes ]; then
    say "bellows: upgraded from $old_version to $version; the coordinator runs and answers"
  else
    say "bellows: $version is installed ($form, prefix $prefix)"
    [ -e /var/lib/bellows/site.toml ] || next_steps
  fi
}

unfinished() { # NAME
  [ ! -r "$STATE/unfinished" ] || sed -n "s/^$1=//p" "$STATE/unfinished"
}

keep_key() {
  [ "$key" -ef "$STATE/signing-key.pub" ] || keep "$key" signing-key.pub
}

record() { # VERSION
  printf 'FORM=%s\nVERSION=%s\nPREFIX=%s\n' "$form" "$1" "$prefix" >"$STATE/installed.new"
  mv "$STATE/installed.new" "$STATE/installed"
  rm -f "$STATE/unfinished"
  sync
}

# What is needed to go back: the package of the version that runs, and a backup of its store.
before_upgrade() {
  if [ -n "$previous" ]; then
    keep "$previous" package
  elif [ ! -e "$STATE/package" ] || [ "$(recorded VERSION | tr - '~')" != "$old_version" ]; then
    refuse "the coordinator runs, and the package of its version ($old_version) is not kept here: without it there is" \
      "no way back. Name it with --previous FILE, or stop the coordinator first"
  fi
  answers || return 0
  could_be_asked=yes
  backup=$STATE/store-of-$old_version.backup
  rm -f "$backup"
  "$prefix/bin/bellows" store backup "$backup" >/dev/null ||
    refuse "the store could not be backed up (see above); the upgrade is not begun"
  say "store: backed up to $backup"
}

go_back() {
  say "bellows $version did not come up within $wait s; back to the version before" >&2
  systemctl --no-pager --lines=10 status "$UNIT" >&2 || true
  old=$STATE/package
  # Both tools want to see the kind of file in its name.
  cp "$old" "$STATE/back.$form"
  attempt put_package "$form" "$STATE/back.$form"
  [ "$status" -eq 0 ] || fail "the package of before could not be installed again (see above): it is $old"
  rm -f "$STATE/back.$form"
  back_version=$(unfinished FROM)
  if comes_up; then
    rm -f "$STATE/unfinished"
    fail "bellows $version did not come up: $back_version is back, and runs. Why: journalctl -u bellows"
  fi
  fail "bellows $version did not come up, and $back_version, which is back, does not either." \
    "Why: journalctl -u bellows. The backup of the store is in $STATE"
}

do_agents() {
  folder=$prefix/share/bellows/agent/$version/$arch
  if [ -d "$folder" ] && cmp -s programs/bellows-agent "$folder/bellows-agent"; then
    say "the agent $version for $arch is there already: nothing was changed"
    return 0
  fi
  begin
  rm -rf "$folder.new"
  mkdir -p "$folder.new"
  cp programs/bellows-agent systemd/bellows-agent.service "$folder.new/"
  chmod 0755 "$folder.new/bellows-agent"
  chmod 0644 "$folder.new/bellows-agent.service"
  (cd "$folder.new" && sha256sum bellows-agent bellows-agent.service >SHA256SUMS)
  sync
  rm -rf "$folder"
  mv "$folder.new" "$folder"
  keep_key
  say "the agent $version for $arch is in $folder"
}

do_remove() {
  begin
  if [ -n "$(installed_version "$form")" ]; then
    attempt remove_package "$form" "$purge"
    [ "$status" -eq 0 ] || fail "it could not be removed: see above"
    rm -rf "$prefix/share/bellows/agent"
    rmdir "$prefix/share/bellows" 2>/dev/null || true
    say "bellows is removed"
  elif [ "$purge" = yes ]; then
    remove_rest
  else
    say "bellows is not installed: nothing was changed"
  fi
  rm -f "$STATE/installed" "$STATE/package" "$STATE/unfinished"
  if [ "$purge" = yes ]; then
    rm -rf "$STATE"
    say "its data are gone"
  else
    say "its data stay in /var/lib/bellows; --remove --purge removes them"
  fi
}

# The data of one that was removed earlier.
remove_rest() {
  [ "$form" != deb ] || dpkg --purge bellows
  [ "$form" = deb ] || purge_data
}

choose_form
"do_$verb"
