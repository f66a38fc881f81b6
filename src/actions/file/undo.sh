# Puts the file back that was there before, where the one that is there is still ours. Safe to run twice. It goes on from
# parts.sh.
no() { printf '%s\n' "$1" >&2; exit 91; }
snapshot=$(snapshot_of "$PLAYBOOK_BEFORE")
# Whether a file is the one from before; and whether its mode and owner are.
same() { [ ! -L "$1" ] && [ -f "$1" ] && [ "$(sum "$1")" = "$PLAYBOOK_BEFORE" ]; }
whole() { fits "$1" "$PLAYBOOK_OLD_MODE" "$PLAYBOOK_OLD_OWNER"; }
now=absent
if [ -L "$f" ]; then now="a link"
elif [ -f "$f" ]; then now=$(sum "$f") && [ -n "$now" ] || no "$f cannot be read, so nobody can tell whether it is still ours"
elif [ -e "$f" ]; then now="no file"; fi
if [ "$now" != "$PLAYBOOK_BEFORE" ] && [ "$now" != "$PLAYBOOK_WANTED" ]; then
  kept=
  [ ! -f "$snapshot" ] || kept=". The one from before is kept: mv '$snapshot' '$f' puts it back"
  no "somebody else changed $f since this run wrote it: its sha256 is $now, and neither what we wrote ($PLAYBOOK_WANTED) nor what was there before ($PLAYBOOK_BEFORE). It is left as it is$kept"
fi
sweep
# Goes back by way of a private folder, as mode and owner are to be put right before it is in its place.
put_right() {
  begin || no "a private folder cannot be made beside $f: $said"
  ln -- "$1" old 2>/dev/null || said=$(cp -pP -- "$1" old 2>&1 && { sync old || sync; }) || no "$1 cannot be taken up: $said"
  same old || no "somebody else changed $1 just now: $f is left as it is"
  wrong=
  fits old '' "$PLAYBOOK_OLD_OWNER" || wrong=$(chown -- "$PLAYBOOK_OLD_OWNER" old 2>&1)
  fits old "$PLAYBOOK_OLD_MODE" '' || wrong=$wrong$(chmod -- "$PLAYBOOK_OLD_MODE" old 2>&1)
  [ old -ef "$f" ] || said=$(mv -fT -- old "$f" 2>&1) || no "$1 cannot be moved back to $f: $said"
  whole "$f" || no "$f holds again what it held before, but not with its mode and owner of then ($PLAYBOOK_OLD_MODE, $PLAYBOOK_OLD_OWNER): $wrong"
}
if [ "$PLAYBOOK_BEFORE" = absent ]; then
  said=$(rm -f -- "$f" 2>&1) || no "$f cannot be removed: $said"
elif [ "$now" = "$PLAYBOOK_BEFORE" ] && whole "$f"; then
  : # never replaced, or put back already
elif same "$snapshot"; then
  if whole "$snapshot" && ! [ "$snapshot" -ef "$f" ]; then
    said=$(mv -fT -- "$snapshot" "$f" 2>&1) || no "$snapshot cannot be moved back to $f: $said"
  else put_right "$snapshot"; fi
elif [ "$now" = "$PLAYBOOK_BEFORE" ]; then put_right "$f"
else
  no "the file from before cannot be put back: $snapshot is gone or is not that file any more (sha256 $PLAYBOOK_BEFORE). Put $f back from a backup"
fi
if [ "$PLAYBOOK_BEFORE" != absent ] && same "$snapshot"; then rm -f -- "$snapshot"; fi
sync "$folder/" 2>/dev/null || sync
exit 0
