# shellcheck shell=sh
# The three forms of an installation: a package of dpkg, a package of rpm, plain files below a prefix. Sourced by
# install.sh once the bundle is proven. It knows files and package managers, and no service.

# What this script did last on this host: FORM, VERSION, PREFIX.
recorded() { # NAME
  [ ! -r "$STATE/installed" ] || sed -n "s/^$1=//p" "$STATE/installed"
}

choose_form() {
  was=$(recorded FORM)
  if [ -z "$form" ]; then
    if [ -n "$was" ]; then
      form=$was
    elif [ "$(dpkg-query -W -f '${Status}' dpkg 2>/dev/null)" = "install ok installed" ]; then
      form=deb
    elif rpm -q rpm >/dev/null 2>&1; then
      form=rpm
    else
      form=tarball
    fi
  fi
  [ -z "$was" ] || [ "$was" = "$form" ] ||
    refuse "the coordinator was installed here as $was: go on with --$was, or remove it first (--$was --remove)"
  if [ "$form" = tarball ]; then
    for other in deb rpm; do
      [ -z "$(installed_version "$other")" ] ||
        refuse "a package ($other) of bellows is installed: go on with --$other, or remove it first"
    done
    where=$(recorded PREFIX)
    prefix=${prefix:-${where:-/usr/local}}
    [ -z "$where" ] || [ "$where" = "$prefix" ] || refuse "the coordinator was installed below $where, not $prefix"
  else
    prefix=/usr
  fi
}

# The version that is there, or nothing; one that dpkg did not finish counts as there.
installed_version() { # FORM
  case "$1" in
  deb)
    status=$(dpkg-query -W -f '${Status} ${Version}' bellows 2>/dev/null) || return 0
    case "$status" in *' not-installed '* | *' config-files '*) return 0 ;; esac
    printf '%s' "${status##* }"
    ;;
  rpm) rpm -q --qf '%{VERSION}' bellows 2>/dev/null | grep -v ' ' || true ;;
  tarball) [ "$(recorded FORM)" != tarball ] || recorded VERSION | tr - '~' ;;
  esac
}

# Is it there whole? Pages may have been left out by the host's own settings.
intact() { # FORM
  cmp -s programs/bellows "$prefix/bin/bellows" || return 1
  case "$1" in
  deb) [ "$(dpkg-query -W -f '${Status}' bellows)" = "install ok installed" ] ;;
  rpm) rpm -q bellows >/dev/null ;;
  tarball) (cd / && sha256sum --check --status "$STATE/files") ;;
  esac
}

# The bundle's package of the coordinator.
package() { # FORM
  case "$1" in
  deb) set -- packages/bellows_*.deb ;;
  rpm) set -- packages/bellows-[0-9]*.rpm ;;
  tarball) set -- "packages/bellows-$version-$arch.tar.gz" ;;
  esac
  [ $# -eq 1 ] && [ -f "$1" ] || refuse "the bundle has no package of this form"
  printf '%s' "$1"
}

put_package() { # FORM FILE
  case "$1" in
  deb) DEBIAN_FRONTEND=noninteractive dpkg --install "$2" </dev/null ;;
  rpm) rpm --upgrade --oldpackage --replacepkgs "$2" </dev/null ;;
  tarball) put_files "$2" ;;
  esac
}

# Runs what the other forms have as maintainer scripts.
hook() { # NAME UPGRADE
  (
    # shellcheck disable=SC2034
    upgrade=$2
    # shellcheck disable=SC1090
    . "$prefix/share/bellows/hooks/$1"
  )
}

# Each file is replaced by a rename, so that a program that runs goes on with its old one. $STATE/files lists what
# is there, with digests: written before the first file is replaced, so that an interrupted run leaves nothing unknown.
put_files() { # TARBALL
  tar --list --gzip --file "$1" >"$STATE/names"
  ! grep -Eq '^/|(^|/)\.\.(/|$)' "$STATE/names" || fail "the tarball has paths that lead out of its folder"
  mkdir -p "$prefix"
  rm -rf "$prefix/.bellows-install"
  mkdir -m 0700 "$prefix/.bellows-install"
  tar --extract --gzip --no-same-owner --file "$1" --directory "$prefix/.bellows-install"
  upgrade=no
  [ ! -s "$STATE/files" ] || upgrade=yes
  (
    cd "$prefix/.bellows-install"
    # systemd looks below /usr and /usr/local only; and the unit names the program's place.
    unit=lib/systemd/system/$UNIT
    sed "s,/usr/bin/,$prefix/bin/," "$unit" >unit && mv unit "$unit"
    find . -type f | sed 's,^\./,,' | sort | xargs sha256sum | sed "s,^\(.\{66\}\),\1${prefix#/}/,"
  ) >"$STATE/files.new"
  old=
  [ ! -s "$STATE/files" ] || old=$(cut -c 67- "$STATE/files")
  { cat "$STATE/files.new"; [ -z "$old" ] || cat "$STATE/files"; } >"$STATE/files.both"
  mv "$STATE/files.both" "$STATE/files"
  (
    cd "$prefix/.bellows-install"
    find . -type d | while read -r folder; do mkdir -p "$prefix/$folder"; done
    find . -type f | while read -r file; do mv -f "$file" "$prefix/$file"; done
  )
  rm -rf "$prefix/.bellows-install"
  for file in $old; do
    cut -c 67- "$STATE/files.new" | grep -Fxq "$file" || rm -f "/$file"
  done
  mv "$STATE/files.new" "$STATE/files"
  empty_folders "$old"
  case "$prefix" in
  /usr | /usr/local) ;;
  *) install -D -m 0644 "$prefix/lib/systemd/system/$UNIT" "/usr/local/lib/systemd/system/$UNIT" ;;
  esac
  ! command -v restorecon >/dev/null || cut -c 67- "$STATE/files" | sed 's,^,/,' | xargs restorecon -F || true
  hook after-install "$upgrade"
}

# Folders of ours that are empty by now.
empty_folders() { # FILES
  for file in $1; do
    case "$file" in
    *share/bellows/* | *share/doc/bellows/*)
      folder=$(dirname "/$file")
      while rmdir "$folder" 2>/dev/null; do folder=$(dirname "$folder"); done
      ;;
    esac
  done
}

remove_package() { # FORM PURGE
  case "$1" in
  deb)
    if [ "$2" = yes ]; then dpkg --purge bellows; else dpkg --remove bellows; fi
    ;;
  rpm)
    rpm --erase bellows
    [ "$2" = no ] || purge_data
    ;;
  tarball)
    hook before-remove no
    hooks=$(cat "$prefix/share/bellows/hooks/after-remove")
    purging=$(cat "$prefix/share/bellows/hooks/purge")
    files=$(cut -c 67- "$STATE/files")
    for file in $files; do rm -f "/$file"; done
    case "$prefix" in /usr | /usr/local) ;; *) rm -f "/usr/local/lib/systemd/system/$UNIT" ;; esac
    (eval "$hooks")
    empty_folders "$files"
    rm -f "$STATE/files"
    [ "$2" = no ] || (eval "$purging")
    ;;
  esac
}

# rpm knows no purge: what the others do at theirs.
purge_data() {
  # shellcheck source=packaging/hooks/bellows/purge
  . ./lib/purge.sh
}
