# Lets a link lead to another release: a new link in a private folder beside it, renamed over it, so that whoever follows it finds
# the old release or the new one. Exit code 90: certainly nothing was changed. It goes on from file/parts.sh.
no() { printf '%s; nothing was switched\n' "$1" >&2; exit 90; }
leads() { leads=$(readlink -n -- "$f"; printf .); leads=${leads%.}; }
hold() {
  [ -L "$f" ] || no "$f is no link any more"
  leads
  if [ "$leads" = "$PLAYBOOK_TO" ]; then [ -n "$1" ] || exit 0; fi
  [ "$leads" = "$PLAYBOOK_FROM" ] ||
    no "somebody else switched $f since it was looked at: it led to $PLAYBOOK_FROM and leads to $(printf %s "$leads" | tr -c '[:print:]' '?') now"
}
hold
if [ -n "$PLAYBOOK_NAME" ]; then
  [ -z "$PLAYBOOK_BUSY" ] || { [ ! -e "$PLAYBOOK_BUSY" ] && [ ! -L "$PLAYBOOK_BUSY" ]; } || no "somebody deploys: $PLAYBOOK_BUSY is there"
  releases=$(cd -P -- "$PLAYBOOK_RELEASES" && pwd -P) || no "there is no folder $PLAYBOOK_RELEASES"
  wanted=$releases/$PLAYBOOK_NAME
  [ ! -L "$wanted" ] && [ -d "$wanted" ] || no "there is no release $PLAYBOOK_NAME in $PLAYBOOK_RELEASES (a link is none)"
  [ -n "$(find "$wanted" -mindepth 1 -maxdepth 1 -print -quit | head -c 1)" ] || no "the release $PLAYBOOK_NAME is empty"
  [ -z "$PLAYBOOK_COMPLETE" ] || [ -f "$wanted/$PLAYBOOK_COMPLETE" ] ||
    no "the release $PLAYBOOK_NAME is not complete: it has no $PLAYBOOK_COMPLETE"
fi
sweep
begin || no "a private folder cannot be made beside $f: $said"
said=$(ln -s -- "$PLAYBOOK_TO" new 2>&1) || no "a link cannot be made beside $f: $said"
if [ -n "$PLAYBOOK_NAME" ]; then
  # A relative one counts from the folder that it is going to stand in.
  case $PLAYBOOK_TO in /*) there=$PLAYBOOK_TO ;; *) there=$here/$PLAYBOOK_TO ;; esac
  [ "$(readlink -f -- "$there")" = "$wanted" ] || no "$PLAYBOOK_TO does not lead to $wanted"
fi
# From here on whoever ends us must not be told that nothing was switched.
trap '' HUP INT TERM
hold again
said=$(mv -fT -- new "$f" 2>&1) || no "the new link cannot be moved to $f: $said"
sync "$here/" 2>/dev/null || sync
leads
[ "$leads" = "$PLAYBOOK_TO" ] || { printf '%s\n' "$f was switched, and leads elsewhere now: somebody else switches it too" >&2; exit 1; }
exit 0
