# Looks at a file and at the folder that it lies in; nothing of what stands in it is printed. Never `echo`: some shells read
# backslashes in what it is given, and a name could then forge lines.
LC_ALL=C; export LC_ALL
f=$PLAYBOOK_PATH
say() { printf '%s\n' "$1"; }
stop() { printf '%s\n' "$1" >&2; exit 95; }
command -v sha256sum >/dev/null 2>&1 || stop "there is no sha256sum (package coreutils)"
if [ -r /etc/machine-id ]; then say "machine=$(tr -dc 'a-z0-9' </etc/machine-id)"; fi
if [ -L "$f" ]; then
  # A link's target may hold anything, line ends too.
  say "link=$(readlink -- "$f" | tr '\000-\037\177' '?')"
  [ -n "$PLAYBOOK_FOLLOW" ] || exit 0
  # The point keeps line ends at its end from being dropped, which would be another file.
  f=$(readlink -f -- "$f" && printf .) || stop "the link $PLAYBOOK_PATH leads nowhere"
  f=${f%??}
  case $f in *[[:cntrl:]]*) stop "the link $PLAYBOOK_PATH leads to a name with a control character in it, and is not followed" ;; esac
fi
say "path=$f"
folder=${f%/*}; [ -n "$folder" ] || folder=/
# The last word on a mount point counts, as the later mount lies over the earlier one.
read_only() {
  mount=$(df -P -- "$folder" 2>/dev/null | awk 'NR == 2 { sub(/^.*% /, ""); print }'); export mount
  awk '{ gsub(/\\040/, " ", $2) } $2 == ENVIRON["mount"] { ro = $4 ~ /^ro(,|$)/ } END { exit !ro }' /proc/self/mounts 2>/dev/null
}
if [ ! -d "$folder" ]; then say "folder=none"
elif [ -w "$folder" ] && [ -x "$folder" ]; then say "folder=open"
elif read_only; then say "folder=read-only"; say "mount=$mount"
else say "folder=closed"; fi
say "user=$(id -un)"
say "free=$(df -P -k -- "$folder" 2>/dev/null | awk 'NR == 2 { print $4 }')"
if [ -f "$f" ]; then
  say "kind=file"
  size=$(stat -c %s -- "$f") && stat -c 'mode=%a
owner=%U:%G
owner_ids=%u:%g' -- "$f" || exit 95
  say "size=$size"
  # What is refused for its size is not read: that could take longer than a look may.
  if [ "$size" -le "$PLAYBOOK_LARGEST_BEFORE" ]; then
    sum=$(sha256sum <"$f") || exit 95
    say "sha256=${sum%% *}"
  fi
elif [ -e "$f" ]; then say "kind=other"
else say "kind=absent"; fi
if [ -n "$PLAYBOOK_FROM" ]; then
  [ -f "$PLAYBOOK_FROM" ] || stop "there is no file $PLAYBOOK_FROM to take it from"
  size=$(stat -L -c %s -- "$PLAYBOOK_FROM") || exit 95
  say "from_size=$size"
  [ "$size" -le "$PLAYBOOK_LARGEST" ] || exit 0
  sum=$(sha256sum <"$PLAYBOOK_FROM") || exit 95
  say "from_sha256=${sum%% *}"
fi
exit 0
