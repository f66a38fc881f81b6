# Changes the routes to one destination on this host, with a revert armed that this host carries out by itself. Values come
# from the environment; lines are `put` or `drop` and words for `ip route`. What it says goes to standard output; exit codes
# from 90 on mean that nothing was changed.
LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/sbin:/sbin
umask 077
cd / || exit 90
base=${XDG_STATE_HOME:-${HOME:-/nonexistent}/.local/state}/playbook/routes/$PLAYBOOK_LINK
d=$base/$PLAYBOOK_ATTEMPT
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)
uptime() { cut -d. -f1 /proc/uptime; }
ticks() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# That a device is down is its state, not the route's.
routes() { ip -4 route show table main exact "$PLAYBOOK_DESTINATION" | sed 's/ linkdown//; s/ dead//; s/ *$//'; }

# What is put comes first in the lines, so that there is a route at every moment. A line that fails stops it.
carry_out() {
    set -f
    while read -r verb words; do
        case $verb in
            put) ip -4 route replace $words || { set +f; return 1; } ;;
            drop) ip -4 route del $words || { set +f; return 1; } ;;
        esac
    done
    set +f
}

# The way back does what it can: a route that is gone already is no reason to leave the others.
back() {
    set -f
    while read -r verb words; do
        case $verb in
            put) ip -4 route replace $words 2>&1 ;;
            drop) ip -4 route del $words >/dev/null 2>&1 ;;
        esac
    done <<LINES
$PLAYBOOK_BACK
LINES
    set +f
    if [ "$(routes)" = "$PLAYBOOK_EXPECTED" ]; then echo same >"$d/result.new"; else routes >"$d/result.new"; fi
    mv "$d/result.new" "$d/result"
}

# Whether the timed revert has come already: a host that stood still (a paused machine) wakes up with its time over.
too_late() { [ "$(readlink "$d/decided" 2>/dev/null)" = reverted ]; }

mkdir -p "$d" || { echo "no folder for the timed revert can be made in $base" >&2; exit 93; }
for other in "$base"/*/; do
    [ -r "$other/armed" ] && [ ! -L "$other/decided" ] || continue
    read -r armed_boot until after <"$other/armed"
    [ "$armed_boot" = "$boot" ] && [ "$until" -gt "$(uptime)" ] || continue
    echo "a timed revert of $(basename "$other") is armed for another $((until - $(uptime))) s" >&2
    exit 94
done
printf '%s' "$PLAYBOOK_BACK" >"$d/back" && routes >"$d/before" || exit 93
[ "$(cat "$d/before")" = "$PLAYBOOK_EXPECTED" ] || { echo "the routes are others by now: $(tr '\n' ';' <"$d/before")" >&2; exit 95; }

if [ "$PLAYBOOK_AFTER" -gt 0 ]; then
    printf '%s %s %s\n' "$boot" "$(($(uptime) + PLAYBOOK_AFTER))" "$PLAYBOOK_AFTER" >"$d/armed" || exit 93
    # A session of its own: it outlives this command, its connection, and whoever started it.
    launcher=nohup
    command -v setsid >/dev/null 2>&1 && launcher=setsid
    "$launcher" /bin/sh -c "$PLAYBOOK_REVERT" revert "$d" "$PLAYBOOK_AFTER" </dev/null >>"$d/log" 2>&1 9>&- &
    tries=0
    until [ -s "$d/reverter" ]; do
        tries=$((tries + 1))
        if [ "$tries" -gt 100 ]; then
            ln -s failed "$d/decided"
            echo "the timed revert could not be armed: $(cat "$d/log")" >&2
            exit 92
        fi
        sleep 0.05 2>/dev/null || sleep 1
    done
fi

target=${PLAYBOOK_TARGETS%% *}
ping -n -D -O -i 0.2 -W 1 "$target" >"$d/pings" 2>&1 &
pinger=$!
# Two pings before, so that what the change itself costs can be told from what was lost anyway.
sleep 0.45 2>/dev/null || sleep 1
switched=$(date +%s.%N)
ok=yes why=
late="the timed revert came before the change was done, as this host stood still meanwhile"
if too_late; then
    ok=no why=$late
elif ! printf '%s' "$PLAYBOOK_FORWARD" | carry_out 2>"$d/errors"; then
    ok=no why="the routes could not be changed: $(tr '\n' ' ' <"$d/errors")"
elif too_late; then
    ok=no why=$late
fi
if [ "$ok" = yes ]; then
    until=$(($(uptime) + PLAYBOOK_WITHIN))
    ok=no
    while :; do
        for one in $PLAYBOOK_TARGETS; do
            # What left by another device says nothing of this one.
            case "$(ip -4 -o route get "$one" 2>/dev/null) " in *" dev $PLAYBOOK_DEVICE "*) ;; *) continue ;; esac
            got=$(ping -n -q -c 3 -i 0.2 -W 1 "$one" 2>/dev/null | sed -n 's/.* \([0-9]*\) received.*/\1/p')
            if [ "${got:-0}" -ge 2 ]; then ok=yes; break 2; fi
        done
        [ "$(uptime)" -lt "$until" ] || break
        sleep 0.1 2>/dev/null || sleep 1
    done
    [ "$ok" = yes ] || why="none of $PLAYBOOK_TARGETS answered over $PLAYBOOK_DEVICE within $PLAYBOOK_WITHIN s"
fi
kill -INT "$pinger" 2>/dev/null
wait "$pinger" 2>/dev/null
if [ "$ok" = no ]; then
    # Whoever decides first puts the routes back: this, or the timed revert. A folder in which nothing can be written is no
    # reason to leave them.
    ln -s failed "$d/decided" 2>/dev/null
    case "$(readlink "$d/decided" 2>/dev/null)" in confirmed | reverted | undone) ;; *) back ;; esac
    read -r pid started <"$d/reverter" 2>/dev/null && [ "$(ticks "$pid")" = "$started" ] && kill -TERM "-$pid" 2>/dev/null
    tries=0
    until [ -f "$d/result" ] || [ "$tries" -gt 100 ]; do tries=$((tries + 1)); sleep 0.05 2>/dev/null || sleep 1; done
    # The revert may have looked before the change was there.
    if too_late; then back; fi
fi
echo "=== ok"; echo "$ok"
echo "=== why"; echo "$why"
echo "=== result"; cat "$d/result" 2>/dev/null
echo "=== switched"; echo "$switched"
echo "=== pings"; head -c 30000 "$d/pings"
exit 0
