# What write.sh and undo.sh share. The folder may belong to somebody who plants links in it: what is built is built in a private
# folder beside the file, and nothing outside of that is ever opened for writing, given away or opened up.
LC_ALL=C; export LC_ALL
umask 077
f=$PLAYBOOK_PATH folder=${PLAYBOOK_PATH%/*} name=${PLAYBOOK_PATH##*/}
here=$(cd -P -- "$folder/" && pwd -P) && here=${here%/}
work= inside=
sum() { sha256sum <"$1" | cut -c1-64; }
snapshot_of() { printf '%s' "$folder/.$name.playbook-"; printf %.16s "$1"; }
# Whether a file has this mode and this owner, by name or by number; what is empty fits.
fits() {
  [ -z "$2" ] || [ "$(stat -c %a -- "$1")" = "$2" ] || return 1
  case $3 in
    '') return 0 ;;
    *:*) [ "$(stat -c %U:%G -- "$1")" = "$3" ] || [ "$(stat -c %u:%g -- "$1")" = "$3" ] ;;
    *) [ "$(stat -c %U -- "$1")" = "$3" ] || [ "$(stat -c %u -- "$1")" = "$3" ] ;;
  esac
}
# Goes into a private folder. Whoever owns the folder above can put a link or a folder of theirs in its place: then it is not
# where it has to be, or not ours alone.
enter() {
  cd -P -- "$1" 2>/dev/null && [ "$(pwd -P)" = "$1" ] && [ "$(stat -c %u .)" = "$(id -u)" ] || return 1
  case $(stat -c %a .) in *[2367]? | *[2367]) return 1 ;; esac
}
leave() {
  [ -z "$inside" ] || rm -f -- new old keep
  cd / && [ -z "$work" ] || rmdir -- "$work" 2>/dev/null
}
# Makes one and goes there. Another one for each attempt, so that two of them never write into one file.
begin() {
  [ -n "$here" ] || [ -z "$folder" ] || { said="the folder $folder cannot be entered"; return 1; }
  trap leave EXIT
  trap 'exit 90' HUP INT TERM
  work=$(mktemp -d "$here/.$name.playbook-new.XXXXXX" 2>&1) || { said=$work work=; return 1; }
  said="somebody else put something in the place of $work"
  enter "$work" && inside=yes
}
# What attempts left that were killed, after a day: a younger one may be at work.
sweep() {
  for left in "$here/.$name.playbook-new."??????; do
    [ -n "$(find "$left" -maxdepth 0 -type d -mtime +0 2>/dev/null)" ] || continue
    (enter "$left" && rm -f -- new old keep)
    rmdir -- "$left" 2>/dev/null
  done
}
