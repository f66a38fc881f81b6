# Looks at a file and at the folder that it lies in; nothing of what stands in it is printed.
LC_ALL=C; export LC_ALL
f=$PLAYBOOK_PATH
command -v sha256sum >/dev/null 2>&1 || { echo "there is no sha256sum (package coreutils)" >&2; exit 95; }
if [ -r /etc/machine-id ]; then echo "machine=$(tr -dc 'a-z0-9' </etc/machine-id)"; fi
if [ -L "$f" ]; then
  # A link's target may hold anything, line ends too; and some `echo` reads backslashes.
  printf 'link=%s\n' "$(readlink -- "$f" | tr '\n' '?')"
  [ -n "$PLAYBOOK_FOLLOW" ] || exit 0
  f=$(readlink -f -- "$f") || { echo "the link $PLAYBOOK_PATH leads nowhere" >&2; exit 95; }
fi
printf 'path=%s\n' "$(printf '%s' "$f" | tr '\n' '?')"
folder=${f%/*}; [ -n "$folder" ] || folder=/
if [ ! -d "$folder" ]; then echo "folder=none"
elif [ ! -w "$folder" ] || [ ! -x "$folder" ]; then echo "folder=closed"
else echo "folder=open"; fi
echo "user=$(id -un)"
echo "free=$(df -P -k -- "$folder" 2>/dev/null | awk 'NR == 2 { print $4 }')"
if [ -f "$f" ]; then
  echo "kind=file"
  stat -c 'size=%s
mode=%a
owner=%U:%G' -- "$f" || exit 95
  sum=$(sha256sum <"$f") || exit 95
  echo "sha256=${sum%% *}"
elif [ -e "$f" ]; then echo "kind=other"
else echo "kind=absent"; fi
if [ -n "$PLAYBOOK_FROM" ]; then
  [ -f "$PLAYBOOK_FROM" ] || { echo "there is no file $PLAYBOOK_FROM to take it from" >&2; exit 95; }
  sum=$(sha256sum <"$PLAYBOOK_FROM") || exit 95
  echo "from_sha256=${sum%% *}"
  echo "from_size=$(($(wc -c <"$PLAYBOOK_FROM")))"
fi
exit 0
