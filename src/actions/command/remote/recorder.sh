# The recorder on a host. $1: the command's folder, $2: the user to become, $3: after how many seconds to kill it.
# It runs in a session of its own and holds the folder's lock as descriptor 9 for as long as it lives.
d=$1 become=$2 limit=$3
# Caught, not ignored: what is ignored would be ignored by the command too.
trap : HUP INT TERM
printf '%s %s\n' "$$" "$(sed 's/.*) //' "/proc/$$/stat" 2>/dev/null | cut -d' ' -f20)" >"$d/recorder"
# The program holds the command's variables, maybe secrets: it is gone from the disk before the command runs.
exec 8<"$d/program"
rm -f "$d/program"
if [ -n "$become" ]; then set -- sudo -n -u "$become" -- /bin/sh -s; else set -- /bin/sh -s; fi
if command -v setsid >/dev/null 2>&1; then set -- setsid "$@"; fi
"$@" <&8 8<&- 9>&- >"$d/stdout" 2>"$d/stderr" &
pid=$!
exec 8<&-
watch=
if [ -n "$limit" ]; then
    (
        exec 9>&-
        trap 'kill "$nap" 2>/dev/null; exit' TERM
        sleep "$limit" &
        nap=$!
        wait "$nap"
        trap : TERM
        : >"$d/timed_out"
        kill -TERM "-$pid"
        sleep 2
        kill -KILL "-$pid"
    ) 2>/dev/null &
    watch=$!
fi
wait "$pid"
code=$?
# A caught signal ends `wait` early.
while kill -0 "$pid" 2>/dev/null; do
    wait "$pid"
    code=$?
done
timed_out=0
if [ -e "$d/timed_out" ]; then
    timed_out=1
    wait "$watch"
elif [ -n "$watch" ]; then
    kill "$watch" 2>/dev/null
fi
printf '%s %s %s %s\n' "$code" "$timed_out" $(wc -c <"$d/stdout") $(wc -c <"$d/stderr") >"$d/status.new" || exit 1
sync "$d/status.new" 2>/dev/null || sync
mv "$d/status.new" "$d/status"
sync "$d" 2>/dev/null
