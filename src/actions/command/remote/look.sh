# Runs a reading command on this host. Before this text, variables are set: our_marker, our_limit, our_become and either
# our_program, which a shell of its own reads, or `playbook_main`, which becomes the command behind the words that it is given.
printf '%s\n' "$our_marker"
# Whatever becomes of the connection, nothing stays behind here.
if command -v timeout >/dev/null 2>&1; then set -- timeout -k 2 "$our_limit"; fi
if [ -n "$our_program" ]; then
    [ -z "$our_become" ] || set -- "$@" sudo -n -u "$our_become" --
    printf '%s' "$our_program" | "$@" /bin/sh -s
else
    (playbook_main "$@")
fi
printf '%s %s\n' "$our_marker" "$?"
