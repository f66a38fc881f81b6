# Puts a file in another one's place. Exit code 90: certainly nothing was changed. What is to stand in it comes over standard
# input, in base64, or from PLAYBOOK_FROM. It goes on from parts.sh.
no() { printf '%s; nothing was replaced\n' "$1" >&2; exit 90; }
[ ! -L "$f" ] || no "$f is a link now, and was none before"
now=absent snapshot=
if [ -e "$f" ]; then
  [ -f "$f" ] || no "$f is no file"
  now=$(sum "$f") && [ -n "$now" ] || no "$f cannot be read"
fi
[ "$now" = "$PLAYBOOK_BEFORE" ] || [ "$now" = "$PLAYBOOK_WANTED" ] ||
  no "somebody else changed $f since it was looked at: its sha256 was $PLAYBOOK_BEFORE and is $now"
if [ "$now" = "$PLAYBOOK_WANTED" ]; then
  if fits "$f" "$PLAYBOOK_MODE" "$PLAYBOOK_OWNER"; then exit 0; fi
  [ "$now" = "$PLAYBOOK_BEFORE" ] ||
    no "somebody else wrote the same to $f since it was looked at, with another mode or owner ($(stat -c '%a, %U:%G' -- "$f"))"
fi
sweep
begin || no "a private folder cannot be made beside $f: $said"
mode=$PLAYBOOK_MODE owner=$PLAYBOOK_OWNER pinned=
if [ "$now" != absent ]; then
  # A second name of the same file: it takes no room, and going back to it brings owner, mode and all that it has.
  if ln -- "$f" old 2>/dev/null; then pinned=yes
  else said=$(cp -pP -- "$f" old 2>&1 && { sync old || sync; }) || no "the file as it is cannot be kept: $said"; fi
  [ ! -L old ] && [ -f old ] && [ "$(sum old)" = "$now" ] || no "somebody else changed $f just now"
  [ -n "$mode" ] || mode=$(stat -c %a old)
  [ -n "$owner" ] || owner=$(stat -c %u:%g old)
fi
if [ -n "$PLAYBOOK_FROM" ]; then said=$( (cat -- "$PLAYBOOK_FROM" >new) 2>&1)
else said=$( (base64 -d >new) 2>&1); fi || no "the new file cannot be written beside $f: $said"
[ "$(sum new)" = "$PLAYBOOK_WANTED" ] || no "what was written beside $f is not what was to be written${said:+: $said}"
if ! fits new '' "$owner"; then
  said=$(chown -- "$owner" new 2>&1) || no "the new file cannot be given to $owner: $said"
fi
said=$(chmod -- "${mode:-600}" new 2>&1) || no "the new file cannot get the mode $mode: $said"
if [ "$now" != absent ] && [ -e /sys/fs/selinux/enforce ]; then chcon --reference=old -- new 2>/dev/null; fi
said=$(sync new 2>&1) || sync || no "the new file cannot be made durable: $said"
if [ "$now" != absent ]; then
  snapshot=$(snapshot_of "$now")
  # One of an earlier write holds the same, and may have had another mode or owner: only the very same file is as good.
  if [ -L "$snapshot" ] || ! [ "$snapshot" -ef old ]; then
    if ln -- old keep 2>/dev/null; then said=$(mv -fT -- keep "$snapshot" 2>&1)
    else said=$(mv -fT -- old "$snapshot" 2>&1); fi || no "the file as it is cannot be kept as $snapshot: $said"
  fi
  [ "$(sum "$f")" = "$now" ] && { [ -z "$pinned" ] || [ "$f" -ef old ]; } || no "somebody else changed $f just now"
fi
# `mv` would put it into a folder that was made there meanwhile, and over a file; `ln` makes a name or fails.
replace() {
  if [ "$now" != absent ]; then mv -fT -- new "$f"; return; fi
  # Some file systems know no second names.
  ln -T -- new "$f" 2>/dev/null || { mv -nT -- new "$f" && [ ! -e new ]; }
}
# From here on whoever ends us must not be told that nothing was replaced.
trap '' HUP INT TERM
said=$(replace 2>&1) || no "the new file cannot be moved to $f: ${said:-somebody else made one there just now}"
sync "$folder/" 2>/dev/null || sync
[ "$(sum "$f")" = "$PLAYBOOK_WANTED" ] || { printf '%s\n' "$f was replaced, and is not what was written to it: somebody else writes to it" >&2; exit 1; }
# Ways back of long ago: no run needs them any more. One that is kept again got a new change time, by its second name.
h='[0-9a-f][0-9a-f][0-9a-f][0-9a-f]'
for left in "$folder/.$name.playbook-"$h$h$h$h; do
  [ "$left" != "$snapshot" ] && [ -n "$(find "$left" -maxdepth 0 -type f -ctime +90 2>/dev/null)" ] || continue
  if [ "$(snapshot_of "$(sum "$left")")" = "$left" ]; then rm -f -- "$left"; fi
done
exit 0
