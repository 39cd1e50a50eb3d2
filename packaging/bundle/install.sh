#!/bin/sh
# Installs or upgrades a Bellows coordinator from this bundle, without a network. Nothing of the bundle is trusted or
# run before its signature and every digest are proven; this script itself was to be proven before it was unpacked:
# docs/install.md says how. Exit status: 0 done, 1 failed (what is there now is said), 2 refused, nothing was changed.
set -eu
unset CDPATH
PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin
LC_ALL=C
export PATH LC_ALL
umask 022

readonly STATE=/var/lib/bellows-install
readonly UNIT=bellows.service

say() { printf '%s\n' "$*"; }
refuse() {
  printf 'install.sh: %s\nNothing was changed.\n' "$*" >&2
  exit 2
}
fail() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}

usage() {
  cat <<'END_OF_USAGE'
usage: install.sh [--key FILE | --fingerprint HEX] [--check]
       install.sh ... [--deb | --rpm | --tarball [--prefix DIR]] [--previous FILE] [--wait SECONDS]
       install.sh ... --agents
       install.sh ... --remove [--purge]

  --key FILE         the public key of who made the bundle, which came another way than the bundle
  --fingerprint HEX  its fingerprint, which came another way: then the key in the bundle will do
                     (neither of the two: the key of the last installation)
  --check            only prove the bundle; no root needed
  --deb, --rpm       install the package for dpkg or rpm; without a word: what this host has
  --tarball          install plain files below a prefix
  --prefix DIR       the prefix, /usr/local unless it is given
  --previous FILE    the package of the version that runs, to go back to it; needed only where that was not
                     installed by this script
  --wait SECONDS     how long the new coordinator may take to answer after an upgrade, 60
  --agents           only put this bundle's agent beside the installed ones, for `bellows host add --ssh`
  --remove           remove the coordinator; its data stay
  --purge            with --remove: the data too: site, authority, store, audit log
END_OF_USAGE
}

key='' fingerprint='' form='' prefix='' previous='' wait=60 verb=install purge=no
value() { # OPTION COUNT: says that its value is missing
  [ "$2" -ge 2 ] || refuse "$1 needs a value; see --help"
}
while [ $# -gt 0 ]; do
  case "$1" in
  --key) value "$1" $# && key=$2 && shift ;;
  --fingerprint) value "$1" $# && fingerprint=$2 && shift ;;
  --prefix) value "$1" $# && prefix=$2 && shift ;;
  --previous) value "$1" $# && previous=$2 && shift ;;
  --wait) value "$1" $# && wait=$2 && shift ;;
  --deb | --rpm | --tarball)
    [ -z "$form" ] || refuse "$1 and --$form: choose one"
    form=${1#--}
    ;;
  --check | --agents | --remove)
    [ "$verb" = install ] || refuse "$1 and --$verb: choose one"
    verb=${1#--}
    ;;
  --purge) purge=yes ;;
  --help | -h) usage && exit 0 ;;
  *) refuse "unknown argument '$1'; see --help" ;;
  esac
  shift
done
[ -z "$prefix" ] || [ "$form" = tarball ] || refuse "--prefix is of --tarball only"
[ "$purge" = no ] || [ "$verb" = remove ] || refuse "--purge is of --remove only"
[ -z "$key" ] || [ -z "$fingerprint" ] || refuse "--key and --fingerprint: choose one"
[ -z "$key" ] || [ -r "$key" ] || refuse "the key '$key' cannot be read"
[ -z "$previous" ] || [ -r "$previous" ] || refuse "the package '$previous' cannot be read"
case "$wait" in '' | *[!0-9]*) refuse "--wait: '$wait' is no number of seconds" ;; esac
case "${prefix:-/}" in
*[!A-Za-z0-9/._+-]* | *..* | [!/]*) refuse "--prefix: '$prefix' is no plain absolute path" ;;
esac
prefix=${prefix%/}

# Files that the caller named may be relative to where the caller is.
absolute() { # FILE
  case "$1" in '' | /*) printf '%s' "$1" ;; *) printf '%s/%s' "$(pwd -P)" "$1" ;; esac
}
key=$(absolute "$key") previous=$(absolute "$previous")
cd "$(dirname "$0")" || refuse "the folder of this script cannot be entered"

# Proving the bundle. Until the end of this part nothing of it but this script has been run.

need() {
  for program in "$@"; do
    command -v "$program" >/dev/null || refuse "the program '$program' is missing on this host"
  done
}

# The fingerprint of a public key: SHA-256 of its binary form, as `openssl pkey -pubin -outform DER | sha256sum`.
fingerprint_of() { # FILE
  openssl pkey -pubin -in "$1" -outform DER 2>/dev/null | sha256sum | cut -d ' ' -f 1
}

plain_folder() {
  odd=$(find . ! -type f ! -type d | head -n 5)
  [ -z "$odd" ] || refuse "the bundle has something that is neither file nor folder: $odd"
  odd=$(find . ! -type l -perm /022 | head -n 5)
  [ -z "$odd" ] || refuse "others than the owner may write in the bundle, and could change it meanwhile: $odd"
  for file in SHA256SUMS SHA256SUMS.sig signing-key.pub release; do
    [ -s "$file" ] || refuse "this is no whole bundle: the file $file is missing or empty"
  done
}

# Which key counts. The one in the bundle proves nothing by itself: whoever changes a bundle changes the key too.
choose_key() {
  inside=$(fingerprint_of signing-key.pub)
  if [ -n "$fingerprint" ]; then
    wanted=$(printf '%s' "$fingerprint" | tr -d ': \n' | tr 'A-F' 'a-f')
    [ "$wanted" = "$inside" ] ||
      refuse "the key in this bundle has the fingerprint $inside, not $wanted: it was signed by somebody else"
    key=./signing-key.pub
  elif [ -z "$key" ]; then
    key=$STATE/signing-key.pub
    [ -r "$key" ] || refuse "no key was given. Use --key FILE with the public key of who made the bundle, or" \
      "--fingerprint HEX, from another source than the bundle. The key in the bundle proves nothing by itself" \
      "(its fingerprint is $inside)"
  fi
  openssl pkey -pubin -in "$key" -noout 2>/dev/null || refuse "the file $key is no public key"
}

signature() {
  openssl dgst -sha256 -verify "$key" -signature SHA256SUMS.sig SHA256SUMS >/dev/null 2>&1 ||
    refuse "the signature is not of the key $key (fingerprint $(fingerprint_of "$key")):" \
      "the bundle was changed, or made by somebody else"
}

# Every file is listed, every listed file is there, every digest is right.
digests() {
  if grep -Evq '^[0-9a-f]{64}  [A-Za-z0-9_][A-Za-z0-9._+~/-]*$' SHA256SUMS || grep -q '\.\.' SHA256SUMS; then
    refuse "SHA256SUMS has a line that is no digest and plain name"
  fi
  listed=$(cut -c 67- SHA256SUMS | sort)
  there=$(find . -type f | cut -c 3- | grep -Ev '^SHA256SUMS(\.sig)?$' | sort)
  if [ "$listed" != "$there" ]; then
    for file in $listed; do
      [ -f "$file" ] || refuse "the file $file is missing in the bundle"
    done
    for file in $there; do
      printf '%s\n' "$listed" | grep -Fxq "$file" || refuse "the file $file does not belong to the bundle"
    done
    refuse "the files of the bundle are not those of SHA256SUMS"
  fi
  wrong=$(sha256sum --check --quiet SHA256SUMS 2>/dev/null) || refuse "the bundle is damaged: $wrong"
}

# Names of files are no patterns.
set -f
need openssl sha256sum find grep sort cut tr head sed
plain_folder
choose_key
signature
digests
set +f

# From here on all files of the bundle are what was signed.
field() { sed -n "s/^$1=//p" release; }
version=$(field VERSION) arch=$(field ARCH) kind=$(field SIGNATURE)
say "bundle: bellows $version for $arch, commit $(field COMMIT)"
say "signature: good, by the key with the fingerprint $(fingerprint_of "$key")"
[ "$kind" = release ] || say "WARNING: this is a DEVELOPMENT signature, by a throw-away key: not for a site"
[ "$verb" != check ] || exit 0

[ "$(id -u)" -eq 0 ] || refuse "run this as root (only --check needs no root)"
# shellcheck source=packaging/bundle/lib/forms.sh
. ./lib/forms.sh
# shellcheck source=packaging/bundle/lib/coordinator.sh
. ./lib/coordinator.sh
