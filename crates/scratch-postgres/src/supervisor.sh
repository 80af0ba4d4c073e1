# Makes a cluster, runs its server and removes both, whatever becomes of the program that started this: it holds the
# other end of standard input, and the system closes that when the program is gone.
# Arguments: the folder of initdb and postgres, an empty folder for the cluster, settings for the server.
exec 3<&0 </dev/null
bin=$1 dir=$2
shift 2
fail() {
    tail -n 4 "$dir/log" >&2
    rm -rf "$dir"
    exit 1
}
"$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$dir/log" 2>&1 3<&- || fail
"$bin/postgres" -D "$dir/data" -k "$dir" "$@" >"$dir/log" 2>&1 3<&- &
server=$!
# SIGINT is PostgreSQL's fast stop: it ends the sessions instead of waiting for them. Once is not enough, because one
# that comes before the server has its handlers is lost.
{
    read -r _ <&3
    while kill -INT $server; do sleep 0.2; done
} 2>/dev/null &
watcher=$!
wait $server || fail
kill $watcher 2>/dev/null
rm -rf "$dir"
