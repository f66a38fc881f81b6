# Looks whether a program is there. Before this text, variables are set: our_marker, our_wanted. It succeeds: this shell may be
# given the next program.
printf '%s\n' "$our_marker"
hash -r
command -v -- "$our_wanted" >/dev/null 2>&1
printf '%s %s\n' "$our_marker" "$?"
