# Looks at a host that is to be added and changes nothing. Read by `survey.rs`, which knows every line.
# Arguments: the agent's port, host and port of the enrolment address.
# No `set -e`: what cannot be read is said, and the rest is read all the same.
port=$1 enrol_host=$2 enrol_port=$3
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
LC_ALL=C
export PATH LC_ALL
program=/usr/bin/bellows-agent
config=/etc/bellows/agent.toml
data=/var/lib/bellows-agent
unfinished=/var/lib/bellows-host-add

have() { command -v "$1" >/dev/null 2>&1; }
limited() { if have timeout; then timeout 10 "$@"; else "$@"; fi; }
# One line, printable, not too long.
say() {
  key=$1
  shift
  printf '%s %s\n' "$key" "$(printf '%s' "$*" | tr -c '[:print:]' ' ' | cut -c1-400)"
}

echo 'bellows-survey 1'
say user "$(id -un 2>/dev/null)"
root= sudo=no
if [ "$(id -u)" = 0 ]; then
  sudo=root
elif ! have sudo; then
  sudo=missing
else
  answer=$(limited sudo -n true 2>&1 </dev/null) && sudo=yes root='sudo -n'
fi
[ "$sudo" = no ] && say sudo "no $answer" || say sudo "$sudo"
as_root() { limited $root "$@" </dev/null 2>/dev/null; }
rooted() { [ "$sudo" = root ] || [ "$sudo" = yes ]; }

say kernel "$(uname -s) $(uname -r)"
say machine "$(uname -m)"
say os "$(sed -n 's/^PRETTY_NAME=//p' /etc/os-release 2>/dev/null | tr -d '\042\047')"
say libc "$(getconf GNU_LIBC_VERSION 2>/dev/null)"
say page_size "$(getconf PAGE_SIZE 2>/dev/null)"
say machine_id "$(cat /etc/machine-id 2>/dev/null)"
now=$(date +%s%3N)
case $now in *[!0-9]*) now=$(date +%s)000 ;; esac
say clock_ms "$now"

init=other
[ -d /run/systemd/system ] && init=systemd
say init "$init"
version=$(limited systemctl --version 2>/dev/null | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
say systemd "${version:-0}"
missing=
for tool in systemctl sha256sum head install grep sed dirname; do have "$tool" || missing="$missing $tool"; done
say missing "$missing"

# "address port address port": the third is ours.
set -- ${SSH_CONNECTION:-}
say connected_to "${3:-}"
if have ip; then
  addresses=$(ip -o addr show scope global 2>/dev/null | awk '{ sub("/.*", "", $4); print $4 }')
else
  addresses=$(hostname -I 2>/dev/null)
fi
say addresses $addresses

for folder in /usr/bin /etc /var/lib; do
  free=$(df -Pk "$folder" 2>/dev/null | awk 'NR == 2 { print $4 }')
  options=$(awk -v folder="$folder/" '
    { mount = ($2 == "/") ? "/" : $2 "/" }
    index(folder, mount) == 1 && length(mount) >= best { best = length(mount); options = $4 }
    END { print options }' /proc/mounts 2>/dev/null)
  say disk "$folder ${free:-0} ${options:-unknown}"
done
say tmp "$(awk '$2 == "/tmp" { options = $4 } END { print options }' /proc/mounts 2>/dev/null)"

hexadecimal=$(printf ':%04X' "$port")
holder=
if awk -v port="$hexadecimal" '$4 == "0A" && $2 ~ port "$" { found = 1 } END { exit !found }' \
  /proc/net/tcp /proc/net/tcp6 2>/dev/null; then
  holder=$(as_root ss -Hltnp "sport = :$port" | sed -n 's/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/\1 pid \2/p' | head -n 1)
  holder=${holder:-somebody}
fi
say port_holder "$holder"

wall=unknown
if rooted; then
  wall=none
  if as_root systemctl is-active --quiet firewalld; then
    as_root firewall-cmd --quiet --query-port="$port/tcp" && wall='open firewalld' || wall='closed firewalld'
  elif have ufw && as_root ufw status | grep -q '^Status: active'; then
    as_root ufw status | grep -Eq "^$port(/tcp)? +ALLOW" && wall='open ufw' || wall='closed ufw'
  elif have nft && as_root nft list ruleset | grep -q 'hook input.*policy drop'; then
    as_root nft list ruleset | grep -Eq "dport.*[^0-9]$port([^0-9]|\$)" && wall='open nftables' || wall='closed nftables'
  elif have iptables && as_root iptables -S INPUT | grep -Eq '^-P INPUT (DROP|REJECT)'; then
    as_root iptables -S INPUT | grep -Eq -- "--dports? .*$port" && wall='open iptables' || wall='closed iptables'
  fi
fi
say firewall "$wall"
say selinux "$(getenforce 2>/dev/null)"

reach=unknown
if have bash; then
  if answer=$(limited bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$enrol_host" "$enrol_port" 2>&1 </dev/null); then
    reach=yes
  else
    reach="no $(printf '%s' "$answer" | sed -n '$s/.*: //p')"
  fi
fi
say enrolment "$reach"

package=
if [ -e "$program" ]; then
  if have dpkg-query; then package=$(limited dpkg-query -S "$program" 2>/dev/null | sed 's/:.*//;1q'); fi
  if [ -z "$package" ] && have rpm; then
    package=$(limited rpm -qf --queryformat '%{NAME}\n' "$program" 2>/dev/null | grep -v 'not owned' | head -n 1)
  fi
  digest=$(sha256sum "$program" 2>/dev/null | cut -d' ' -f1)
  say program "${digest:-unreadable} ${package:--}"
else
  say program ''
fi
if [ -e "$config" ]; then
  name=$(as_root cat "$config" | sed -n 's/^[[:space:]]*host[[:space:]]*=[[:space:]]*["'\'']\([^"'\'']*\)["'\''].*/\1/p' | head -n 1)
  say config "there $name"
else
  say config ''
fi
if as_root test -e "$data/identity/agent.crt"; then
  printf 'certificate %s\n' "$(as_root cat "$data/identity/agent.crt" | base64 | tr -d '\n')"
else
  say certificate ''
fi
say agent "$(limited systemctl is-active bellows-agent 2>/dev/null)"
say unfinished "$(as_root sed -n 's/^host //p' "$unfinished")"
echo end
