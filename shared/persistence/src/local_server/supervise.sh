# Runs the server until standard input is closed: when the program that started it is gone, however it
# went, the pipe closes and the server shuts down. A server that is killed is started again.
# $1: what to remove at the end, or nothing; the rest is the server's command line.
remove=$1
shift
exec 3<&0
stopping=
server=
trap 'stopping=yes; if [ -n "$server" ]; then kill -INT "$server"; fi' TERM
{
    while read -r _ <&3; do :; done
    kill -TERM $$
} 2>/dev/null &
watcher=$!
tries_left=1
while [ "$tries_left" -gt 0 ]; do
    "$@" </dev/null 3<&- &
    server=$!
    if [ -n "$stopping" ]; then
        kill -INT "$server"
    fi
    # A signal to this shell ends a wait, not the server.
    status=0
    while kill -0 "$server" 2>/dev/null; do
        wait "$server"
        status=$?
    done
    server=
    if [ -n "$stopping" ]; then
        break
    fi
    tries_left=$((tries_left - 1))
    if [ "$status" -gt 128 ]; then
        # Killed. What it leaves running for a moment may keep the first tries from starting.
        tries_left=60
    fi
    if [ "$tries_left" -gt 0 ]; then
        sleep 0.5
    fi
done
kill "$watcher" 2>/dev/null
if [ -n "$remove" ]; then
    rm -rf -- "$remove"
fi
exit "$status"
