# Starts a command under the recorder on this host, or asks what became of one. Before this text, variables are set:
# marker, mode (change or recall), key, become, limit, follow_for, program, recorder.
# What it answers after the marker: `o N` or `e N` and N bytes that were printed; at the end `=` and the status with the
# kept output, or `! WORD` and text.
printf '%s\n' "$marker"
umask 077
base=${XDG_STATE_HOME:-${HOME:-/nonexistent}/.local/state}/playbook/spool
other=/var/tmp/playbook-$(id -u)
if { [ -d "$other/$key" ] && [ -O "$other" ]; } || ! mkdir -p "$base" 2>/dev/null || ! [ -w "$base" ]; then
    base=$other
    mkdir "$base" 2>/dev/null
    # Anybody may make folders there: it must be ours, and no link.
    if [ -L "$base" ] || ! [ -d "$base" ] || ! [ -O "$base" ]; then
        printf '! refused\nno folder for the recorder can be made, neither below the home folder nor as %s' "$base"
        return 0
    fi
fi
d=$base/$key
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)
locks=$(command -v flock 2>/dev/null)

start() {
    exec 9>>"$d/lock" || return 1
    [ -z "$locks" ] || flock 9 || return 1
    # A link is made whole or not at all: the first of `change` and `void` decides for ever.
    ln -s change "$d/claim" 2>/dev/null || return 1
    printf '%s' "$program" >"$d/program" || return 1
    # Durable before the command exists: whoever finds it knows that the command may have run.
    printf '%s\n' "$boot" >"$d/started" || { rm -f "$d/started"; return 1; }
    sync "$d/started" "$d" "$base" 2>/dev/null || sync
    launcher=nohup
    command -v setsid >/dev/null 2>&1 && launcher=setsid
    "$launcher" /bin/sh -c "$recorder" recorder "$d" "$become" "$limit" </dev/null >/dev/null 2>&1 9>&9 &
    exec 9>&-
    # Old output goes when new comes, so that it does not fill the disk. That a command ran is kept much longer: a run that is
    # resumed after weeks must not be told that it never started.
    {
        find "$base" -mindepth 2 -maxdepth 2 -name 'std*' -mtime +7 -exec rm -f {} +
        find "$base" -mindepth 1 -maxdepth 1 -type d -mtime +90 -exec rm -rf {} +
    } </dev/null >/dev/null 2>&1 &
}

pour() { # FILE LETTER OFFSET: what was printed since, of the first 64 KiB; leaves the new offset in $offset
    offset=$3
    [ "$mode" = change ] && [ -f "$d/$1" ] && [ "$offset" -lt 65536 ] || return 0
    size=$(($(wc -c <"$d/$1")))
    [ "$size" -le 65536 ] || size=65536
    [ "$size" -gt "$offset" ] || return 0
    printf '%s %s\n' "$2" $((size - offset))
    tail -c "+$((offset + 1))" "$d/$1" | head -c $((size - offset))
    offset=$size
}

digest() { # FILE BYTES
    if command -v sha256sum >/dev/null 2>&1; then
        head -c "$2" "$d/$1" | sha256sum | cut -c1-64
    elif command -v shasum >/dev/null 2>&1; then
        head -c "$2" "$d/$1" | shasum -a 256 | cut -c1-64
    else
        echo -
    fi
}

kept() { # FILE BYTES HEAD TAIL
    head -c "$3" "$d/$1"
    [ "$4" -eq 0 ] || head -c "$2" "$d/$1" | tail -c "$4"
}

report() {
    read -r code timed_out out err <"$d/status"
    out_head=$out out_tail=0 err_head=$err err_tail=0
    [ "$out" -le 65536 ] || out_head=32768 out_tail=32768
    [ "$err" -le 65536 ] || err_head=32768 err_tail=32768
    printf '= %s %s %s %s %s %s %s %s %s %s\n' "$code" "$timed_out" \
        "$out" "$(digest stdout "$out")" "$out_head" "$out_tail" \
        "$err" "$(digest stderr "$err")" "$err_head" "$err_tail"
    kept stdout "$out" "$out_head" "$out_tail"
    kept stderr "$err" "$err_head" "$err_tail"
}

last_words() {
    if [ -s "$d/stderr" ]; then tail -c 400 "$d/stderr"; elif [ -s "$d/stdout" ]; then tail -c 400 "$d/stdout"; fi
}

# Waits a moment. Succeeds when certainly nobody is at work on this command any more.
deserted() {
    if [ -n "$locks" ]; then
        flock -w "$1" "$d/lock" true 2>/dev/null && return 0
        # Where flock knows no -w, it fails at once.
        flock -w 1 "$d/probe" true 2>/dev/null && return 1
        sleep 0.1 2>/dev/null || sleep 1
        flock -n "$d/lock" true 2>/dev/null
        return
    fi
    sleep 0.1 2>/dev/null || sleep 1
    if [ -r "$d/recorder" ]; then
        read -r pid ticks <"$d/recorder"
        kill -0 "$pid" 2>/dev/null || return 0
        [ "$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20)" != "$ticks" ]
        return
    fi
    # Without locks a recorder that has not written its name yet cannot be told from a dead one: it gets some time.
    rounds=$((${rounds:-0} + 1))
    [ "$rounds" -gt 50 ]
}

follow() {
    if [ "$(readlink "$d/claim")" != change ]; then
        printf '! never\nit was found never started before, and stays so'
        return
    fi
    out_offset=0 err_offset=0 pause=0.05 until=$(($(date +%s) + follow_for))
    while :; do
        ended=
        [ -f "$d/status" ] && ended=1
        pour stdout o "$out_offset"
        out_offset=$offset
        pour stderr e "$err_offset"
        err_offset=$offset
        if [ -n "$ended" ]; then
            report
            return
        fi
        if [ "$(date +%s)" -ge "$until" ]; then
            printf '! running\n'
            last_words
            return
        fi
        if deserted "$pause" && ! [ -f "$d/status" ]; then
            if ! [ -f "$d/started" ]; then
                printf '! never\nits recorder never started it'
            elif [ "$(cat "$d/started")" != "$boot" ]; then
                printf '! rebooted\n'
                last_words
            else
                printf '! killed\n'
                last_words
            fi
            return
        fi
        pause=0.2
    done
}

if [ "$mode" = change ]; then
    if mkdir "$d" 2>/dev/null; then
        start || ln -s void "$d/claim" 2>/dev/null || :
        exec 9>&-
    elif ! [ -d "$d" ]; then
        printf '! refused\nthe folder %s cannot be made' "$d"
        return 0
    fi
    follow
elif mkdir "$d" 2>/dev/null || { [ -d "$d" ] && [ ! -L "$d/claim" ]; }; then
    # Whoever would start it later finds this mark. Where somebody was faster, his mark counts.
    ln -s void "$d/claim" 2>/dev/null
    follow
elif [ -d "$d" ]; then
    follow
else
    printf '! refused\nthe folder %s cannot be made' "$d"
fi
