# Looks whether a program is there. Before this text, variables are set: our_marker, our_wanted.
printf '%s\n' "$our_marker"
command -v -- "$our_wanted" >/dev/null 2>&1
printf '%s %s\n' "$our_marker" "$?"
