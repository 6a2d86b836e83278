# Shared by the peer scripts (sourced, never run): cache folders, one-time installs, start, readiness, stop.
#
# A peer always listens on a port that the kernel chose for it; before it is announced we look in /proc that this
# very process group owns the listening socket and that nobody shares it. (gRPC servers set SO_REUSEPORT by default,
# so two servers can sit on one port without an error, and a test would talk to either.)
#
# A script sets PEER_NAME, and defines peer_install (idempotent; called under a lock), peer_command (fills the
# array CMD; may use $PEER_DIR for scratch files) and peer_port (prints the port once the peer has told it).

set -euo pipefail

PEER_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PEER_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/beamc
PEER_START_SECONDS=${PEER_START_SECONDS:-120}

peer_die() { # one line for a person; 3 = "a tool is missing", so that a test can say SKIPPED
    local code=$1
    shift
    echo "$PEER_NAME: $*" >&2
    exit "$code"
}

peer_need() { # tool, what it is for, Debian package
    command -v "$1" >/dev/null 2>&1 ||
        peer_die 3 "$1 is not installed; it is needed to $2. Install it ($3) and try again."
}

# Runs peer_install with a lock held, so that parallel callers download once and never see half an installation.
peer_install_locked() {
    mkdir -p "$PEER_CACHE"
    exec 9>"$PEER_CACHE/$PEER_NAME.lock"
    if ! flock -n 9; then
        echo "$PEER_NAME: another process is installing it; waiting" >&2
        flock 9
    fi
    peer_install
    exec 9>&-
}

# True if every socket that listens on port $2 belongs to a process of group $1, and there is one.
peer_owns_port() {
    local group=$1 hex inode pid found seen=0
    hex=$(printf '%04X' "$2")
    for inode in $(awk -v p=":$hex\$" '$4 == "0A" && $2 ~ p { print $10 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null); do
        found=0
        for pid in $(pgrep -g "$group"); do
            if find "/proc/$pid/fd" -lname "socket:\[$inode\]" 2>/dev/null | grep -q .; then
                found=1
                break
            fi
        done
        [ "$found" = 1 ] || return 1
        seen=1
    done
    [ "$seen" = 1 ]
}

peer_stop_group() { # TERM, a grace of five seconds, KILL
    local group=$1 i
    kill -TERM -- "-$group" 2>/dev/null || return 0
    for i in $(seq 50); do
        pgrep -g "$group" >/dev/null || return 0
        sleep 0.1
    done
    kill -KILL -- "-$group" 2>/dev/null || true
}

# Starts CMD in a process group of its own, and waits until it says its port and accepts connections there.
# Sets PEER_PID (= the group), PEER_PORT, PEER_LOG.
peer_launch() { # "attached": the peer dies with this script, whatever kills it; "detached": it stays
    local deadline=$((SECONDS + PEER_START_SECONDS)) wrap=()
    PEER_DIR=$(mktemp -d "${TMPDIR:-/tmp}/beamc-$PEER_NAME.XXXXXX")
    PEER_LOG=$PEER_DIR/log
    peer_command
    [ "$1" = attached ] && wrap=(setpriv --pdeathsig KILL)
    setsid "${wrap[@]}" "${CMD[@]}" </dev/null >"$PEER_LOG" 2>&1 &
    PEER_PID=$!
    while :; do
        if ! kill -0 "$PEER_PID" 2>/dev/null; then
            tail -n 20 "$PEER_LOG" >&2
            peer_die 1 "it ended before it was ready; its whole log is $PEER_LOG"
        fi
        PEER_PORT=$(peer_port || true)
        if [ -n "$PEER_PORT" ] && (exec 3<>"/dev/tcp/localhost/$PEER_PORT") 2>/dev/null; then
            break
        fi
        if [ $SECONDS -ge $deadline ]; then
            tail -n 20 "$PEER_LOG" >&2
            peer_stop_group "$PEER_PID"
            peer_die 1 "not ready after $PEER_START_SECONDS s; its whole log is $PEER_LOG"
        fi
        sleep 0.1
    done
    if ! peer_owns_port "$PEER_PID" "$PEER_PORT"; then
        peer_stop_group "$PEER_PID"
        peer_die 1 "port $PEER_PORT is not (only) its own; start it again"
    fi
}

peer_print() {
    cat <<EOF
PEER_NAME=$PEER_NAME
PEER_ENDPOINT=localhost:$PEER_PORT
PEER_PID=$PEER_PID
PEER_DIR=$PEER_DIR
PEER_LOG=$PEER_LOG
PEER_READY=1
EOF
}

peer_usage() {
    cat <<EOF
usage: $(basename "$0") install            install into the cache (quick when it is there)
       $(basename "$0") run [--until-eof]  start a private instance and hold it until a signal (or the end of stdin)
       $(basename "$0") start              start one that stays; stop it with:
       $(basename "$0") stop PID           PID as it was printed by start
run and start print KEY=VALUE lines, the last one PEER_READY=1. Exit code 3: a tool is missing, the message says which.
The cache is ${PEER_CACHE}.
EOF
}

peer_main() {
    local watcher=
    case ${1:-} in
    install) peer_install_locked ;;
    start)
        peer_install_locked
        peer_launch detached
        peer_print
        ;;
    run)
        peer_install_locked
        PEER_PID=
        trap 'exit 143' TERM
        trap 'exit 0' USR1
        trap 'exit 130' INT
        trap 'if [ -n "$PEER_PID" ]; then peer_stop_group "$PEER_PID"; fi
              [ -z "$watcher" ] || kill "$watcher" 2>/dev/null || true
              if [ -z "${PEER_KEEP_LOG:-}" ] && [ -n "${PEER_DIR:-}" ] && [ -n "${PEER_PORT:-}" ]; then
                  rm -rf "$PEER_DIR"; fi' EXIT
        if [ "${2:-}" = --until-eof ]; then
            exec 8<&0
            (cat <&8 >/dev/null; kill -USR1 $$) >/dev/null 2>&1 &
            watcher=$!
        fi
        peer_launch attached
        peer_print
        wait "$PEER_PID" || peer_die 1 "it ended by itself; last lines of its log: $(tail -n 5 "$PEER_LOG")"
        ;;
    stop)
        [[ ${2:-} =~ ^[0-9]+$ ]] || peer_die 2 "stop needs the PID that start printed"
        peer_stop_group "$2"
        ;;
    -h | --help | help) peer_usage ;;
    *)
        peer_usage >&2
        exit 2
        ;;
    esac
}
