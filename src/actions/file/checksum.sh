# Holds the files below a folder to a manifest as `sha256sum` writes it. It reads, follows no link, and leaves nothing behind.
# It prints a line a finding, KIND<tab>TEXT, at most 20 of a kind, then how many there are of each.
LC_ALL=C; export LC_ALL
for program in sha256sum find sed awk sort; do
  command -v "$program" >/dev/null 2>&1 || { printf 'stop\tthere is no program %s here: nothing was checked\n' "$program"; exit 0; }
done
cd -P -- "$PLAYBOOK_FOLDER" 2>/dev/null || { printf 'stop\tthere is no folder %s that can be entered\n' "$PLAYBOOK_FOLDER"; exit 0; }
here=$(pwd -P)
case $here in /) here= ;; esac
manifest=./$PLAYBOOK_MANIFEST
if [ ! -f "$manifest" ] || [ "$(readlink -f -- "$manifest")" != "$here/$PLAYBOOK_MANIFEST" ]; then
  printf 'stop\tthere is no manifest %s in %s (a link is none)\n' "$PLAYBOOK_MANIFEST" "$PLAYBOOK_FOLDER"; exit 0
fi
if [ ! -r "$manifest" ]; then printf 'stop\tthe manifest may not be read by %s\n' "$(id -un)"; exit 0; fi
if [ "$(wc -c <"$manifest")" -gt 67108864 ]; then printf 'stop\tthe manifest is larger than 64 MiB\n'; exit 0; fi
printf 'manifest\t%s\n' "$(sha256sum <"$manifest" | cut -c1-64)"
{
  sed 's/^/M /' "$manifest"
  echo
  find . -xdev -type f -exec sha256sum -- {} + 2>&1 | sed 's/^/F /'
  # shellcheck disable=SC2016
  find . -xdev ! -type f ! -type d -exec sh -c 'for f; do printf "O %s\n" "$(printf %s "$f" | tr "\n" "?")"; done' sh {} +
} | awk '
  function whole(s,   out, i, c) {
    out = ""
    for (i = 1; i <= length(s); i++) {
      c = substr(s, i, 1)
      if (c == "\\" && i < length(s)) {
        i++; c = substr(s, i, 1)
        if (c == "n") c = "\n"; else if (c == "r") c = "\r"
      }
      out = out c
    }
    return out
  }
  function shown(s) {
    gsub(/\\/, "\\\\", s); gsub(/\n/, "\\n", s); gsub(/\r/, "\\r", s); gsub(/\t/, "\\t", s)
    return substr(s, 1, 200)
  }
  # Sets `hash` and `name`; 0 where the line is none of a manifest.
  function split_line(line,   escaped) {
    escaped = substr(line, 1, 1) == "\\"
    if (escaped) line = substr(line, 2)
    hash = tolower(substr(line, 1, 64)); name = substr(line, 67)
    if (length(hash) != 64 || hash !~ /^[0-9a-f]+$/ || substr(line, 65, 1) != " ") return 0
    if (substr(line, 66, 1) != " " && substr(line, 66, 1) != "*") return 0
    if (escaped) name = whole(name)
    while (substr(name, 1, 2) == "./") name = substr(name, 3)
    return name != ""
  }
  function leads_away(name) { return substr(name, 1, 1) == "/" || ("/" name "/") ~ /\/(\.\.|\.|)\// }
  /^M / {
    number++
    line = substr($0, 3)
    if (line == "" || substr(line, 1, 1) == "#") next
    if (!split_line(line)) { print "bad\tline " number " is none of a manifest: " shown(substr(line, 1, 80)); next }
    # One that was made by `sha256sum * >SHA256SUMS` names itself, by what it was before it was filled.
    if (name == ENVIRON["PLAYBOOK_MANIFEST"]) next
    if (leads_away(name)) { print "bad\tline " number " leads out of the folder: " shown(name); next }
    if (name in wanted && wanted[name] != hash) { print "bad\tline " number " says something else of " shown(name) " than one before"; next }
    if (!(name in wanted)) named++
    wanted[name] = hash
    next
  }
  /^F / {
    if (!split_line(substr($0, 3))) { print "unreadable\t" shown(substr($0, 3)); next }
    if (name == ENVIRON["PLAYBOOK_MANIFEST"]) next
    if (!(name in wanted)) { print "extra\t" shown(name); next }
    if (wanted[name] == hash) good++; else print "damaged\t" shown(name)
    seen[name] = 1
    next
  }
  /^O / { name = substr($0, 5); print "odd\t" shown(name) }
  END {
    for (name in wanted) if (!(name in seen)) print "missing\t" shown(name)
    print "named\t" named + 0
    print "good\t" good + 0
  }' | sort | awk -F '\t' '
  $1 == "named" || $1 == "good" { print; next }
  { count[$1]++; if (count[$1] <= 20) print }
  END { for (kind in count) print "count\t" kind "\t" count[kind]; print "end\t" }'
