# Shared by build, up and down; sourced, not run.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CLUSTER_HOME=${CLUSTER_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/test-cluster}
CLUSTER_NAME=${CLUSTER_NAME:-kube}    # names the namespaces, cgroups and folders of one cluster
BIN=$CLUSTER_HOME/bin
RUN=$CLUSTER_HOME/run/$CLUSTER_NAME   # this cluster's certificates, data, logs, pids
PKI=$RUN/pki
export PATH=$BIN:$PATH GOWORK=off
# The cluster is on this machine; a proxy would not find it.
export NO_PROXY=127.0.0.1,localhost,${CLUSTER_LAN:-10.250.0}.1${NO_PROXY:+,$NO_PROXY}
export no_proxy=$NO_PROXY

say() { printf '%s\n' "$*" >&2; }
die() { say "cluster: $*"; exit 1; }

# start NAME COMMAND...: runs it in the background (inside the network namespace
# $NS and the mount namespace of process $MNT where set), its output in
# logs/NAME.log, its pid in pids/NAME, and the command, for restart, in commands/NAME.
start() {
	local name=$1; shift
	mkdir -p "$RUN/logs" "$RUN/pids" "$RUN/commands"
	local in=()
	[ -z "${NS:-}" ] || in=(nsenter "--net=/run/netns/$NS" ${MNT:+"--mount=/proc/$MNT/ns/mnt"})
	printf '%q ' "${in[@]}" "$@" >"$RUN/commands/$name"
	setsid nohup "${in[@]}" "$@" >>"$RUN/logs/$name.log" 2>&1 </dev/null 9>&- &
	echo "$! $(born $!)" >"$RUN/pids/$name"
	disown
}

born() { awk '{sub(/.*\) /, ""); print $20}' "/proc/$1/stat" 2>/dev/null || true; }

# pid_of NAME: of the very process that start started, if it still runs.
pid_of() {
	local p t
	read -r p t 2>/dev/null <"$RUN/pids/$1" && [ "$(born "$p")" = "$t" ] &&
		! grep -q '^State:.Z' "/proc/$p/status" 2>/dev/null && echo "$p"
}

# stop NAME: TERM, and after 10 s KILL.
stop() {
	local p i
	[ -f "$RUN/pids/$1" ] || return 0
	if p=$(pid_of "$1"); then
		kill "$p" 2>/dev/null || true
		for ((i = 0; i < 100; i++)); do
			pid_of "$1" >/dev/null || break
			sleep 0.1
		done
		[ "$i" -lt 100 ] || kill -9 "$p" 2>/dev/null || true
	fi
	rm -f "$RUN/pids/$1"
}

# await SECONDS WHAT PROCESS COMMAND...: until COMMAND succeeds; fails at once,
# with the log's end, when PROCESS has died.
await() {
	local secs=$1 what=$2 proc=$3; shift 3
	local end=$((SECONDS + secs))
	until "$@" >/dev/null 2>&1; do
		if ! pid_of "$proc" >/dev/null || [ "$SECONDS" -ge "$end" ]; then
			tail -n 20 "$RUN/logs/$proc.log" >&2 || true
			die "$what: not there ($proc, $RUN/logs/$proc.log)"
		fi
		sleep 0.2
	done
}
