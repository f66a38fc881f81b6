# Puts a file in another one's place. Exit code 90: certainly nothing was changed. What is to stand in it comes over standard
# input, in base64, or from PLAYBOOK_FROM.
LC_ALL=C; export LC_ALL
umask 077
no() { printf '%s; nothing was replaced\n' "$1" >&2; exit 90; }
sum() { sha256sum <"$1" | cut -c1-64; }
f=$PLAYBOOK_PATH folder=${PLAYBOOK_PATH%/*} name=${PLAYBOOK_PATH##*/}
[ ! -L "$f" ] || no "$f is a link now, and was none before"
now=absent
if [ -e "$f" ]; then
  [ -f "$f" ] || no "$f is no file"
  now=$(sum "$f") && [ -n "$now" ] || no "$f cannot be read"
fi
[ "$now" = "$PLAYBOOK_BEFORE" ] || [ "$now" = "$PLAYBOOK_WANTED" ] ||
  no "somebody else changed $f since it was looked at: its sha256 was $PLAYBOOK_BEFORE and is $now"
if [ "$now" = "$PLAYBOOK_WANTED" ] && [ "$now" != "$PLAYBOOK_BEFORE" ]; then exit 0; fi
# What an attempt that was killed left half-written; nobody else writes beside us, and only we use this name.
rm -f -- "$folder/.$name.playbook-new"
new=$folder/.$name.playbook-new
trap 'rm -f -- "$new"' EXIT
trap 'exit 90' HUP INT TERM
if [ -n "$PLAYBOOK_FROM" ]; then said=$( (cat -- "$PLAYBOOK_FROM" >"$new") 2>&1)
else said=$( (base64 -d >"$new") 2>&1); fi || no "the new file cannot be written beside $f: $said"
[ "$(sum "$new")" = "$PLAYBOOK_WANTED" ] || no "what was written beside $f is not what was to be written${said:+: $said}"
mode=$PLAYBOOK_MODE owner=$PLAYBOOK_OWNER
if [ "$now" != absent ]; then
  [ -n "$mode" ] || mode=$(stat -c %a -- "$f")
  [ -n "$owner" ] || owner=$(stat -c %u:%g -- "$f")
fi
if [ -n "$owner" ] && [ "$(stat -c %u:%g -- "$new")" != "$owner" ]; then
  said=$(chown -- "$owner" "$new" 2>&1) || no "the new file cannot be given to $owner: $said"
fi
said=$(chmod -- "${mode:-600}" "$new" 2>&1) || no "the new file cannot get the mode $mode: $said"
if [ "$now" != absent ] && [ -e /sys/fs/selinux/enforce ]; then chcon --reference="$f" -- "$new" 2>/dev/null; fi
said=$(sync "$new" 2>&1) || sync || no "the new file cannot be made durable: $said"
if [ "$now" != absent ]; then
  snapshot=$folder/.$name.playbook-$(printf %.16s "$now")
  if [ -L "$snapshot" ] || [ "$(sum "$snapshot" 2>/dev/null)" != "$now" ]; then
    rm -f -- "$snapshot"
    # A second name of the same file: it takes no room, and going back to it brings owner, mode and all that it has.
    if ! ln -- "$f" "$snapshot" 2>/dev/null; then
      said=$(cp -p -- "$f" "$snapshot" 2>&1) && sync "$snapshot" ||
        { rm -f -- "$snapshot"; no "the file as it is cannot be kept as $snapshot: $said"; }
    fi
  fi
  [ "$(sum "$f")" = "$now" ] || no "somebody else changed $f just now"
fi
said=$(mv -f -- "$new" "$f" 2>&1) || no "the new file cannot be moved to $f: $said"
trap - EXIT
sync "$folder" 2>/dev/null || sync
[ "$(sum "$f")" = "$PLAYBOOK_WANTED" ] || { echo "$f was replaced, and is not what was written to it: somebody else writes to it" >&2; exit 1; }
# Ways back of long ago: no run needs them any more.
for old in "$folder/.$name.playbook-"*; do
  [ "$old" = "$snapshot" ] || find "$old" -maxdepth 0 -type f -ctime +90 -exec rm -f -- {} + 2>/dev/null
done
exit 0
