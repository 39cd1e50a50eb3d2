# shellcheck shell=bash
# What the scripts of this folder share; sourced from the root of the repository.

# The version in Cargo.toml, the commit and its time: the same sources give the same bytes.
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
commit=$(git rev-parse HEAD)
[ -z "$(git status --porcelain --untracked-files=no)" ] || commit+=-dirty
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
export LC_ALL=C TZ=UTC

# Where everything is made; an absolute path. MADE in the environment: another one.
made=${MADE:-$PWD/target/package}

need_arch() {
  case "$1" in
  x86_64 | aarch64) ;;
  *)
    echo "unknown architecture '$1': x86_64 or aarch64" >&2
    exit 2
    ;;
  esac
}

# How packages are pressed: small, or (QUICK=yes, for tests) fast.
deb_press=(-Zxz) rpm_press=w6.xzdio press=--best
[ "${QUICK:-no}" = no ] || deb_press=(-Zgzip -z1) rpm_press=w1.gzdio press=--fast

# Bytes that depend on names and contents only: sorted, one time, nobody's files, nobody's umask.
archive() { # FOLDER NAME.. > .tar.gz
  tar --create --directory "$1" --sort=name --owner=0 --group=0 --numeric-owner --format=gnu \
    --mode=u+w,go-w,a+rX --mtime="@$SOURCE_DATE_EPOCH" "${@:2}" | gzip --no-name "$press"
}
