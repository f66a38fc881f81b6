# Runs a reading command on this host. Before this text, variables are set: our_marker, our_limit, our_become and either
# our_program, which a shell of its own reads, or `playbook_main`, which becomes the command behind the words that it is given.
# It succeeds where this shell may be given the next program.
printf '%s\n' "$our_marker"
hash -r
our_group=
# Whatever becomes of the connection, nothing stays behind here.
if command -v timeout >/dev/null 2>&1; then set -- timeout -k 2 "$our_limit"; fi
if [ -n "$our_program" ]; then
    [ -z "$our_become" ] || set -- "$@" sudo -n -u "$our_become" --
    printf '%s' "$our_program" | "$@" /bin/sh -s 3<&-
    our_code=$?
else
    # `timeout` leads a group of its own: the number by which this shell finds out whether it left anybody behind.
    {
        our_group=$(
            [ -z "$1" ] || { read -r our_own our_rest </proc/self/stat && printf '%s' "$our_own"; } 2>/dev/null
            exec >&4 3<&- 4>&-
            playbook_main "$@"
        )
        our_code=$?
    } 4>&1
fi
printf '%s %s\n' "$our_marker" "$our_code"
# Whoever is left may still write: into what the next program prints, if this shell were kept for it.
[ -n "$our_group" ] && ! kill -0 "-$our_group" 2>/dev/null
