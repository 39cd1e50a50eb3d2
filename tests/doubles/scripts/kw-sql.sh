#!/bin/bash
# The double of kw-sql: as kw-status, for one statement or more with -e.
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
etc=${here%/usr/local/kaiwudb/bin}/etc/kaiwudb
value() { sed -n "$1p" "$etc/info/MODE"; }
if [ "$(value 8)" = insecure ]; then security=--insecure; else security=--certs-dir=$etc/certs; fi
user=$(value 7)
# Below another root (a test's) there is no such user.
if [ "$etc" != /etc/kaiwudb ] || [ "$(id -un)" = "$user" ]; then as=(); else as=(sudo -u "$user"); fi
cd "$here" && "${as[@]}" ./kwbase sql "$security" --host="127.0.0.1:$(value 5)" "$@"
