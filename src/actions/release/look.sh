# Looks at the link to the release that runs, and at the releases beside one another. It reads alone. Only names of a safe
# alphabet are printed, so that no name can forge a line.
LC_ALL=C; export LC_ALL
link=$PLAYBOOK_PATH folder=$PLAYBOOK_RELEASES
say() { printf '%s\n' "$1"; }
if [ -r /etc/machine-id ]; then say "machine=$(tr -dc 'a-z0-9' </etc/machine-id)"; fi
say "user=$(id -un)"
parent=${link%/*}; [ -n "$parent" ] || parent=/
# The last word on a mount point counts, as the later mount lies over the earlier one.
read_only() {
  mount=$(df -P -- "$parent" 2>/dev/null | awk 'NR == 2 { sub(/^.*% /, ""); print }'); export mount
  awk '{ gsub(/\\040/, " ", $2) } $2 == ENVIRON["mount"] { ro = $4 ~ /^ro(,|$)/ } END { exit !ro }' /proc/self/mounts 2>/dev/null
}
if [ ! -d "$parent" ]; then say "parent=none"
elif [ -w "$parent" ] && [ -x "$parent" ]; then say "parent=open"
elif read_only; then say "parent=read-only"
else say "parent=closed"; fi
[ -z "$PLAYBOOK_BUSY" ] || { [ ! -e "$PLAYBOOK_BUSY" ] && [ ! -L "$PLAYBOOK_BUSY" ]; } || say "busy=yes"
if [ -d "$folder" ]; then here=$(cd -P -- "$folder" 2>/dev/null && pwd -P); else here=; fi
if [ -z "$here" ]; then say "folder=none"; fi
if [ -L "$link" ]; then
  # The point keeps line ends at the end of what it leads to.
  leads=$(readlink -n -- "$link"; printf .); leads=${leads%.}
  case $leads in
    *[![:print:]]*) say "kind=odd" ;;
    *) say "kind=link"; say "leads=$leads" ;;
  esac
  real=$(readlink -f -- "$link")
  if [ ! -d "$link" ]; then say "dangling=yes"
  elif [ -n "$here" ] && [ "${real%/*}" = "$here" ]; then
    case ${real##*/} in *[!A-Za-z0-9._-]* | [!A-Za-z0-9]*) ;; *) say "current=${real##*/}" ;; esac
  fi
elif [ -d "$link" ]; then say "kind=folder"
elif [ -e "$link" ]; then say "kind=file"
else say "kind=absent"; fi
[ -n "$here" ] || exit 0
cd -P -- "$here" || exit 0
say "odd=$(find . -mindepth 1 -maxdepth 1 ! -name '.*' \( -name '*[!A-Za-z0-9._-]*' -o -name '[!A-Za-z0-9]*' \) -printf x | wc -c)"
# The newest hundred: what is older nobody goes back to at night.
find . -mindepth 1 -maxdepth 1 -name '[A-Za-z0-9]*' ! -name '*[!A-Za-z0-9._-]*' -printf '%T@ %y %f\n' | sort -rn | head -n 100 |
  while read -r time kind name; do
    if [ "$kind" != d ]; then say "release=${time%.*} link $name"
    elif [ -z "$(find "./$name" -mindepth 1 -maxdepth 1 -print -quit 2>/dev/null | head -c 1)" ]; then say "release=${time%.*} empty $name"
    elif [ -z "$PLAYBOOK_COMPLETE" ]; then say "release=${time%.*} whole $name"
    elif [ -f "./$name/$PLAYBOOK_COMPLETE" ]; then say "release=$(stat -c %Y -- "./$name/$PLAYBOOK_COMPLETE") whole $name"
    else say "release=${time%.*} incomplete $name"; fi
  done
exit 0
