# Puts the file back that was there before, where the one that is there is still ours. Safe to run twice.
LC_ALL=C; export LC_ALL
umask 077
no() { printf '%s\n' "$1" >&2; exit 91; }
sum() { sha256sum <"$1" | cut -c1-64; }
f=$PLAYBOOK_PATH folder=${PLAYBOOK_PATH%/*} name=${PLAYBOOK_PATH##*/}
rm -f -- "$folder/.$name.playbook-new"
snapshot=$folder/.$name.playbook-$(printf %.16s "$PLAYBOOK_BEFORE")
now=absent
if [ -L "$f" ]; then now="a link"
elif [ -f "$f" ]; then now=$(sum "$f") && [ -n "$now" ] || no "$f cannot be read, so nobody can tell whether it is still ours"
elif [ -e "$f" ]; then now="no file"; fi
if [ "$now" != "$PLAYBOOK_BEFORE" ] && [ "$now" != "$PLAYBOOK_WANTED" ]; then
  kept=
  [ ! -f "$snapshot" ] || kept=". The one from before is kept: mv '$snapshot' '$f' puts it back"
  no "somebody else changed $f since this run wrote it: its sha256 is $now, and neither what we wrote ($PLAYBOOK_WANTED) nor what was there before ($PLAYBOOK_BEFORE). It is left as it is$kept"
fi
if [ "$PLAYBOOK_BEFORE" = absent ]; then
  said=$(rm -f -- "$f" 2>&1) || no "$f cannot be removed: $said"
elif [ ! -L "$snapshot" ] && [ -f "$snapshot" ] && [ "$(sum "$snapshot")" = "$PLAYBOOK_BEFORE" ]; then
  # The two may be names of one file, which `mv` leaves both in place.
  if [ "$snapshot" -ef "$f" ]; then rm -f -- "$snapshot"
  else said=$(mv -f -- "$snapshot" "$f" 2>&1) || no "$snapshot cannot be moved back to $f: $said"; fi
elif [ "$now" = "$PLAYBOOK_BEFORE" ] && [ "$(stat -c %a -- "$f")" = "$PLAYBOOK_OLD_MODE" ]; then
  :
else
  no "the file from before cannot be put back: $snapshot is gone or is not that file any more (sha256 $PLAYBOOK_BEFORE). Put $f back from a backup"
fi
sync "$folder" 2>/dev/null || sync
exit 0
