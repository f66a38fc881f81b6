# Says what is to become of a change of routes that waits under a timed revert: `confirmed` or `undone`. The first of all who
# decide is heard. Values come from the environment.
LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/sbin:/sbin
umask 077
base=${XDG_STATE_HOME:-${HOME:-/nonexistent}/.local/state}/playbook/routes/$PLAYBOOK_LINK
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)
ticks() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
disarm() {
    read -r pid started <"$1/reverter" 2>/dev/null || return 0
    [ "$(ticks "$pid")" = "$started" ] && kill -TERM "-$pid" 2>/dev/null
    return 0
}
routes() { ip -4 route show table main exact "$PLAYBOOK_DESTINATION" | sed 's/ linkdown//; s/ dead//; s/ *$//'; }

if [ "$PLAYBOOK_DECISION" = confirmed ]; then
    d=$base/$PLAYBOOK_ATTEMPT
    ln -s confirmed "$d/decided" 2>/dev/null
    if [ "$(readlink "$d/decided")" = confirmed ]; then
        disarm "$d"
        printf '%s\n%s %s\n' "$boot" "$(cut -d. -f1 /proc/uptime)" "$PLAYBOOK_ATTEMPT" >"$base/last.new"
        mv "$base/last.new" "$base/last"
        if [ -n "$PLAYBOOK_ORIGINAL" ]; then
            printf '%s\n%s\n' "$boot" "$PLAYBOOK_ORIGINAL" >"$base/original.new"
            mv "$base/original.new" "$base/original"
        fi
        # What came to its end long ago goes.
        find "$base" -mindepth 1 -maxdepth 1 -type d -mtime +30 -exec rm -rf {} + 2>/dev/null
    fi
    echo "=== decided"; readlink "$d/decided"
    exit 0
fi
# An undo: no timed revert may come in between, and none of ours may come later.
for d in "$base"/*/; do
    [ -r "$d/armed" ] || continue
    ln -s undone "$d/decided" 2>/dev/null && disarm "$d"
    # One that is at it right now is let come to its end.
    if [ "$(readlink "$d/decided")" = reverted ]; then
        tries=0
        until [ -f "$d/result" ] || [ "$tries" -gt 100 ]; do tries=$((tries + 1)); sleep 0.05 2>/dev/null || sleep 1; done
    fi
done
set -f
printf '%s' "$PLAYBOOK_BACK" | while read -r verb words; do
    case $verb in
        put) ip -4 route replace $words ;;
        drop) ip -4 route del $words 2>/dev/null ;;
    esac
done
echo "=== routes"; routes
exit 0
