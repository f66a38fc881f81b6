# The timed revert: waits, and puts the routes back unless somebody decided otherwise. $1: its folder, $2: seconds. It lives in
# a session of its own on the host whose routes they are, and needs nobody.
d=$1
trap '' HUP
routes() { ip -4 route show table main exact "$PLAYBOOK_DESTINATION" | sed 's/ linkdown//; s/ dead//; s/ *$//'; }
printf '%s %s\n' "$$" "$(sed 's/.*) //' "/proc/$$/stat" | cut -d' ' -f20)" >"$d/reverter.new"
mv "$d/reverter.new" "$d/reverter"
sleep "$2"
# The first of all who decide is heard. Where nothing can be written nobody has decided: then the routes are put back too.
if ! ln -s reverted "$d/decided" 2>/dev/null && [ -L "$d/decided" ]; then exit 0; fi
set -f
while read -r verb words; do
    case $verb in
        put) ip -4 route replace $words ;;
        drop) ip -4 route del $words ;;
    esac
done <<LINES
$PLAYBOOK_BACK
LINES
if [ "$(routes)" = "$PLAYBOOK_EXPECTED" ]; then echo same >"$d/result.new"; else routes >"$d/result.new"; fi
mv "$d/result.new" "$d/result"
