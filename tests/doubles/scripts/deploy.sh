#!/bin/bash
# The double of deploy.sh of KWDB 3.0 and 3.1: facts section 7, with its defects, which are marked (a) to (f) as there.
# It installs on this host alone; the real one also goes to the hosts of [cluster] by ssh.
# Unconfirmed: every text that the facts do not quote; how the real one sets vm.max_map_count (here a failure is passed over, containers refuse it).

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# The double's own file: where "/" is, and how fast time goes.
root=$(sed -n 's/^root *= *"\(.*\)"/\1/p' "$here/double.toml" 2>/dev/null)
pace=$(sed -n 's/^pace *= *\([0-9]*\).*/\1/p' "$here/double.toml" 2>/dev/null)
two=$(awk -v p="${pace:-1}" 'BEGIN { if (p < 1) p = 1; print 2 / p }')
etc=$root/etc/kaiwudb
bin=$root/usr/local/kaiwudb/bin
unit=$root/etc/systemd/system/kaiwudb.service

log() { mkdir -p "$here/log" && printf '%s\n' "$1" >>"$here/log/$(date +%F)"; }
say() {
	local line
	line="[$1] $(date '+%F %T') $3"
	printf '   \r\033[%sm%s\033[0m\n' "$2" "$line"
	log "$line"
}
info() { say INFO 32 "$1"; }
fail() { say ERROR 31 "$1"; exit 1; }

usage() {
	cat <<-EOF
	Usage: $(basename "$0") COMMAND [OPTIONS]

	Commands:
	  install    --multi-replica | --single-replica | --single [--use-certs FILE]
	  join       --addr IP:PORT [--tls | --tlcp]
	  decommission
	  cluster    -i, --init | -s, --status
	  start | stop | restart | status | uninstall | upgrade
	EOF
	# An unknown word is no error to it.
	exit 0
}

SUDO=
privilege() {
	[ "$(id -u)" = 0 ] && return
	if sudo -n true 2>/dev/null; then SUDO=sudo; return; fi
	local password
	read -r -s -t 60 -p "Please input $(id -un)'s password:" password || fail "Timeout of password input."
	printf '%s\n' "$password" | sudo -S -v 2>/dev/null || fail "Incorrect password."
	SUDO=sudo
}

cfg() { awk -F= -v want="[$1]" -v key="$2" '
	/^\[/ { section = $0 } section == want && $1 ~ "^[ \t]*" key "[ \t]*$" { gsub(/[ \t\r]/, "", $2); print $2; exit }' "$here/deploy.cfg"; }
mode() { sed -n "$1p" "$etc/info/MODE" 2>/dev/null; }
local_addr() { sed -n '$p' "$etc/info/MODE" 2>/dev/null; }
security() { if [ "$(mode 8)" = insecure ]; then echo --insecure; else echo "--certs-dir=$etc/certs"; fi; }
kwbase() { "$bin/kwbase" "$@"; }
running() { systemctl is-active --quiet kaiwudb; }
installed() { [ -f "$unit" ]; }

certificates() { # addresses
	kwbase cert create-node "$@" --certs-dir="$etc/certs" --ca-key="$etc/certs/ca.key" &&
		kwbase cert create-client root --certs-dir="$etc/certs" --ca-key="$etc/certs/ca.key" &&
		$SUDO chmod 700 "$etc"/certs/*.key && $SUDO chmod 644 "$etc"/certs/*.crt &&
		$SUDO chown -R kaiwudb:kaiwudb "$etc/certs" 2>/dev/null
	[ -f "$etc/certs/client.root.crt" ]
}

do_install() {
	local kind= start= use= word
	while [ $# -gt 0 ]; do
		word=$1; shift
		case $word in
		--multi-replica) kind=multi-replication start=start ;;
		--single-replica) kind=single-replication start=start-single-replica ;;
		--single) kind=single start=start-single-node ;;
		--use-certs) use=$1; shift ;;
		*) usage ;;
		esac
	done
	[ -n "$kind" ] || usage
	installed && fail "KaiwuDB already installed."
	local sec user rest port brpc data addr answer
	sec=$(cfg global secure_mode) user=$(cfg global management_user) rest=$(cfg global rest_port)
	port=$(cfg global kaiwudb_port) brpc=$(cfg global brpc_port) data=$(cfg global data_root) addr=$(cfg local node_addr)
	[ -n "$(cfg cluster node_addr)" ] && fail "The double installs on this host alone: leave [cluster] node_addr empty."
	printf '%s\n' "================= KaiwuDB Basic Info =================" "Deploy Mode: bare-metal" "Start Mode: $kind" \
		"RESTful Port: $rest" "KaiwuDB Port: $port" "BRPC Port: $brpc" "Data Root: $data" "Node Address: $addr" "Secure Mode: $sec"
	read -r -t 60 -p "Please confirm the installation information above(Y/n):" answer
	case $answer in n | N) exit 0 ;; esac
	if [ "$(id -u)" != 0 ]; then privilege; fi
	[ "$sec" = tlcp ] && fail "tlcp is not in the double."
	# Below another root the machine's own users are left alone.
	[ -n "$root" ] || id "${user:-kaiwudb}" >/dev/null 2>&1 || $SUDO useradd -r -s /bin/bash "${user:-kaiwudb}" || fail "Install failed: user."
	$SUDO mkdir -p "$bin" "$root/usr/bin" "$etc/info" "$etc/script" "$etc/certs" "$root$data" "$(dirname "$unit")" || fail "Install failed."
	$SUDO cp "$here/kwbase" "$here/kw-status.sh" "$here/kw-sql.sh" "$bin/" && $SUDO chmod 755 "$bin"/* || fail "Install failed."
	[ -f "$here/double.toml" ] && $SUDO cp "$here/double.toml" "$bin/"
	$SUDO ln -sf "$bin/kw-status.sh" "$root/usr/bin/kw-status"
	$SUDO ln -sf "$bin/kw-sql.sh" "$root/usr/bin/kw-sql"
	printf '%s\n' bare "$kind" "$root/usr/local/kaiwudb" "$root$data" "$port" "$rest" "${user:-kaiwudb}" "$sec" false "$addr" | $SUDO tee "$etc/info/MODE" >/dev/null
	printf '%s\n' "" "$(cfg cluster ssh_port)" "$(cfg cluster ssh_user)" | $SUDO tee "$etc/info/NODE" >/dev/null
	kwbase version | sed -n 's/^KaiwuDB Version: *V*//p' | $SUDO tee "$etc/info/.version" >/dev/null
	printf 'KAIWUDB_START_ARG=""\n' | $SUDO tee "$etc/script/kaiwudb_env" >/dev/null
	if [ "$sec" = tls ]; then
		if [ -n "$use" ]; then
			$SUDO tar -xzf "$use" -C "$etc/certs" || fail "Install failed: $use."
		else
			kwbase cert create-ca --certs-dir="$etc/certs" --ca-key="$etc/certs/ca.key" || fail "Install failed: certificates."
		fi
		certificates "$addr" 127.0.0.1 0.0.0.0 localhost || fail "Install failed: certificates."
	fi
	local flags join=
	flags=$(security)
	[ "$kind" = single ] || join=" --join $addr:$port"
	$SUDO tee "$unit" >/dev/null <<-EOF
	[Unit]
	Description=KaiwuDB Service
	After=network.target

	[Service]
	Type=simple
	User=${user:-kaiwudb}
	EnvironmentFile=$etc/script/kaiwudb_env
	ExecStartPre=-+/sbin/sysctl -w vm.max_map_count=10000000
	ExecStart=$bin/kwbase $start \$KAIWUDB_START_ARG $flags --listen-addr=0.0.0.0:$port --advertise-addr=$addr:$port --http-addr=0.0.0.0:$rest --brpc-addr=0.0.0.0:$brpc --store=$root$data$join
	ExecStop=/bin/kill \$MAINPID
	KillMode=control-group

	[Install]
	WantedBy=multi-user.target
	EOF
	$SUDO chown -R "${user:-kaiwudb}" "$root$data" "$etc" 2>/dev/null
	systemctl daemon-reload
	info "[INSTALL COMPLETED]:KaiwuDB has been installed successfully."
}

status_csv() { kwbase node status "$@" $(security) --host="127.0.0.1:$(mode 5)"; }

do_join() {
	local addr= sec=insecure dir
	while [ $# -gt 0 ]; do
		case $1 in
		--addr) addr=$2; shift ;;
		--tls) sec=tls ;;
		--tlcp) sec=tlcp ;;
		*) usage ;;
		esac
		shift
	done
	[ -n "$addr" ] || usage
	installed || fail "KaiwuDB does not exist. Please install KaiwuDB first."
	privilege
	case $(mode 2) in *-replication) ;; *) fail "The current mode is not supported join a cluster." ;; esac
	running && fail "KaiwuDB already running."
	[[ $addr =~ ^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+:[0-9]+$ ]] || fail "Join failed: the address $addr is not IPv4:port."
	if [ "$sec" != insecure ]; then
		read -r -t 60 -p "Please input directory where the CA is stored :" dir || fail "Join failed: no directory."
		[ -f "$dir/kaiwudb_certs.tar.gz" ] || fail "Join failed: $dir/kaiwudb_certs.tar.gz does not exist."
		# What was there is gone, whatever comes after.
		$SUDO rm -rf "${etc:?}"/certs/*
		$SUDO tar -xzf "$dir/kaiwudb_certs.tar.gz" -C "$etc/certs" || fail "Join failed: $dir/kaiwudb_certs.tar.gz."
		certificates "$(local_addr)" "${addr%:*}" 127.0.0.1 0.0.0.0 localhost || fail "Join failed: certificates."
	fi
	local own more=
	own="$(local_addr):$(mode 5)"
	[ "$sec" = tlcp ] && more=" --tlcp"
	# Its own --join goes, another one comes, on every run; -iq leaves kaiwudb.serviceq behind. Nothing takes it back.
	$SUDO sed -iq "/^ExecStart=/{s# --join ${own//./\\.}##;s#\$# --join $addr$more#}" "$unit"
	systemctl daemon-reload
	systemctl start kaiwudb || fail "Start KaiwuDB failed. See journalctl -u kaiwudb."
	local try=0
	until status_csv >/dev/null 2>&1; do
		try=$((try + 1))
		running || fail "Start KaiwuDB failed. See journalctl -u kaiwudb."
		[ $try -ge 300 ] && fail "Join to cluster failed. See journalctl -u kaiwudb."
		sleep "$two"
	done
	status_csv --format=table
	$SUDO sed -i "8s/.*/$sec/" "$etc/info/MODE"
	info "[JOIN COMPLETED]:Node has been joined to the cluster successfully."
}

replicas() { # ids
	local sum=0 line
	# (a) An error, NULL or nothing count as 0.
	for line in $(status_csv --decommission --format=csv 2>/dev/null | awk -F, -v ids=" $* " 'index(ids, " " $1 " ") { print $11 }'); do
		case $line in *[!0-9]*) ;; *) sum=$((sum + line)) ;; esac
	done
	echo "$sum"
}

do_decommission() {
	[ $# -eq 0 ] || usage
	installed || fail "KaiwuDB does not exist. Please install KaiwuDB first."
	privilege
	local ids
	# (d) All rows with this address, old ones too. (e) What went wrong is taken for an id.
	ids=$(status_csv --format=csv 2>&1 | awk -F, -v me="$(local_addr)" 'NR == 1 && !/^id,/ { print; exit } { split($3, a, ":"); if (a[1] == me) print $1 }')
	kwbase node decommission $ids --wait=none $(security) --host="127.0.0.1:$(mode 5)" || fail "Decommission failed."
	# (b) It keeps this script's standard output and error. (c) A file of an earlier run stands there until the first write.
	(
		while :; do
			sleep "$two"
			left=$(replicas $ids)
			echo "$left" | $SUDO tee "$here/decommission_progress" >/dev/null
			[ "$left" = 0 ] && break
		done
	) &
	# (f) The process goes on.
	info "[DECOMMISSION COMPLETED]:Decommission complete. Please wait a few minutes..."
}

do_cluster() {
	case $1 in -i | --init | -s | --status) ;; *) usage ;; esac
	installed || fail "KaiwuDB does not exist. Please install KaiwuDB first."
	privilege
	case $1 in
	-i | --init)
		running || systemctl start kaiwudb || fail "Start KaiwuDB failed. See journalctl -u kaiwudb."
		local try=0
		until kwbase init $(security) --host="127.0.0.1:$(mode 5)"; do
			try=$((try + 1))
			[ $try -ge 5 ] && fail "Init cluster failed."
			sleep "$two"
		done
		info "[INIT COMPLETED]:Cluster init successfully."
		;;
	*) status_csv || fail "Query status failed." ;;
	esac
}

do_uninstall() {
	installed || fail "KaiwuDB does not exist. Please install KaiwuDB first."
	local answer=
	read -r -t 60 -p "Do you want to delete the data? (y/N)" answer
	privilege
	running && systemctl stop kaiwudb
	local data
	data=$(mode 4)
	case $answer in y | Y) [ -n "$data" ] && $SUDO rm -rf "$data" ;; esac
	$SUDO rm -rf "$unit" "${unit}q" "$root/usr/local/kaiwudb" "$root/usr/bin/kw-status" "$root/usr/bin/kw-sql" "$etc"
	systemctl daemon-reload
	info "[UNINSTALL COMPLETED]:KaiwuDB has been uninstalled successfully."
}

do_service() {
	installed || fail "KaiwuDB does not exist. Please install KaiwuDB first."
	privilege
	systemctl "$1" kaiwudb || fail "${1^} KaiwuDB failed."
	[ "$1" = status ] || info "[${1^^} COMPLETED]:KaiwuDB $1 successfully."
}

command=$1
[ $# -gt 0 ] && shift
case $command in
install) do_install "$@" ;;
join) do_join "$@" ;;
decommission) do_decommission "$@" ;;
cluster) do_cluster "$@" ;;
uninstall) do_uninstall ;;
start | stop | restart | status) do_service "$command" ;;
upgrade) fail "upgrade is not in the double." ;;
*) usage ;;
esac
