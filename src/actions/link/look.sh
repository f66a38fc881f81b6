# What became of one attempt to change routes on this host. Read-only.
base=${XDG_STATE_HOME:-${HOME:-/nonexistent}/.local/state}/playbook/routes/$PLAYBOOK_LINK
d=$base/$PLAYBOOK_ATTEMPT
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)
[ -d "$d" ] || exit 0
echo "=== there"; echo yes
if [ -r "$d/armed" ]; then
    read -r armed_boot until after <"$d/armed"
    echo "=== boot"; [ "$armed_boot" = "$boot" ] && echo same
    echo "=== left"; echo $((until - $(cut -d. -f1 /proc/uptime)))
    echo "=== alive"
    read -r pid started <"$d/reverter" 2>/dev/null && [ "$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20)" = "$started" ] && echo yes
fi
echo "=== decided"; readlink "$d/decided" 2>/dev/null
echo "=== result"; cat "$d/result" 2>/dev/null
exit 0
