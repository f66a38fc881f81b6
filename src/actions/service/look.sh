# Looks whether a service runs: by its systemd unit, or by the process of its pid file.
LC_ALL=C; export LC_ALL
if [ -r /etc/machine-id ]; then echo "machine=$(tr -dc 'a-z0-9' </etc/machine-id)"; fi
if [ -n "$PLAYBOOK_UNIT" ]; then
  command -v systemctl >/dev/null 2>&1 || { echo "there is no systemctl: the inventory's \`unit\` needs systemd" >&2; exit 95; }
  exec systemctl show --no-pager --property=LoadState,ActiveState,SubState,Result,MainPID,NRestarts,CanReload,UnitFileState,DropInPaths,ExecMainStartTimestampMonotonic -- "$PLAYBOOK_UNIT"
fi
[ -n "$PLAYBOOK_PID_FILE" ] || exit 0
pid=
if [ -e "$PLAYBOOK_PID_FILE" ]; then
  [ -r "$PLAYBOOK_PID_FILE" ] || { echo "$PLAYBOOK_PID_FILE cannot be read by $(id -un)" >&2; exit 95; }
  read -r pid <"$PLAYBOOK_PID_FILE"
fi
case $pid in '' | *[!0-9]*) echo "state=none"; exit 0;; esac
stat=$(cat "/proc/$pid/stat" 2>/dev/null) || { echo "state=gone"; exit 0; }
# The name stands in parentheses and may hold anything; what follows the last one are plain words.
set -- ${stat##*) }
[ "$1" != Z ] || { echo "state=gone"; exit 0; }
shift 19
printf 'state=runs\npid=%s\nstarted=%s\n' "$pid" "$1"
sed -n 's/^0::.*\/\([A-Za-z0-9@:._-]*\.service\)$/cgroup=\1/p' "/proc/$pid/cgroup" 2>/dev/null
exit 0
