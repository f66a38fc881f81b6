# Runs a reading command on this host. Before this text, variables are set: marker, become, limit, program.
printf '%s\n' "$marker"
if [ -n "$become" ]; then set -- sudo -n -u "$become" -- /bin/sh -s; else set -- /bin/sh -s; fi
# Whatever becomes of the connection, nothing stays behind here.
if command -v timeout >/dev/null 2>&1; then set -- timeout -k 2 "$limit" "$@"; fi
printf '%s' "$program" | "$@"
printf '%s %s\n' "$marker" "$?"
