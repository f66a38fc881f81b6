# Starts a command under the recorder on this host, or asks what became of one. Before this text, variables are set:
# our_marker, our_mode (change or recall), our_key, our_day, our_become, our_limit, our_wait, our_age, and either our_program,
# which a shell of its own reads, or `playbook_main`, which becomes the command behind the words that it is given. All names
# begin with `our_`, as the command must find the variables of its own environment unchanged. Descriptor 3 is what the runner
# sends. It never succeeds: what a command has changed may decide what a new shell finds, so no program comes after this one.
# What it answers after the marker: `o N` or `e N` and N bytes that were printed; at the end `=` and the status with the
# kept output, or `! WORD` and text.
#
# In a command's folder: `started` (the boot, then the process that starts it and its start time), `recorder` (that process,
# likewise), `stdout`, `stderr`, `status` (whole once its line has an end), and `void`: it must not be started any more.
# No two start it, as one alone makes the folder. Who starts it writes `started` and looks for `void` after that; who says
# that it never started writes `void` and looks for `started` after that: never do both go on.
printf '%s\n' "$our_marker"
our_home=${XDG_STATE_HOME:-${HOME:-/nonexistent}/.local/state}/playbook/spool
our_boot=
[ ! -r /proc/sys/kernel/random/boot_id ] || read -r our_boot </proc/sys/kernel/random/boot_id

our_place() { # makes the command's folder: succeeds where it is new
    for our_base in /var/tmp/playbook-*; do
        # Of old, while the home folder could not be written. Anybody may make folders there: it must be ours, and no link.
        if [ -d "$our_base/$our_key" ] && [ -O "$our_base" ] && ! [ -L "$our_base" ]; then
            our_folder=$our_base/$our_key
            return 1
        fi
    done
    our_base=$our_home our_folder=$our_home/$our_key
    mkdir -m 700 "$our_folder" 2>/dev/null && return
    [ ! -d "$our_folder" ] || return 1
    # Parents get what the user's own mask gives; what is ours is for nobody else.
    [ -d "$our_home" ] || { mkdir -p "${our_home%/*}" && mkdir -m 700 "$our_home"; } 2>/dev/null
    if ! [ -w "$our_home" ]; then
        our_base=/var/tmp/playbook-$(id -u) our_folder=$our_base/$our_key
        mkdir -m 700 "$our_base" 2>/dev/null
        if [ -L "$our_base" ] || ! [ -d "$our_base" ] || ! [ -O "$our_base" ]; then
            our_folder=
            return 1
        fi
    fi
    mkdir -m 700 "$our_folder" 2>/dev/null
}

our_identity() { # PID or self: leaves `PID TIME`, by which a process is never taken for a later one, in $our_name
    our_name= our_state=
    if read -r our_name <"/proc/$1/stat"; then
        our_number=${our_name%% *}
        # The name of its program may hold anything, but ends at the last bracket.
        set -- ${our_name##*) }
        our_state=$1
        shift 19
        our_name="$our_number $1"
    fi 2>/dev/null
}

our_record() { # The recorder. It holds on until the command has ended, whatever becomes of the connection.
    # Caught, not ignored: what is ignored would be ignored by the command too.
    trap : HUP INT TERM
    trap - USR1
    our_identity self
    [ -n "$our_name" ] || our_name="$(exec sh -c 'echo "$PPID"') -"
    printf '%s\n' "$our_name" >"$our_folder/recorder"
    our_launcher=nohup
    command -v setsid >/dev/null 2>&1 && our_launcher=setsid
    if [ -n "$our_program" ]; then
        set -- "$our_launcher"
        [ -z "$our_become" ] || set -- "$@" sudo -n -u "$our_become" --
        printf '%s' "$our_program" | "$@" /bin/sh -s >"$our_folder/stdout" 2>"$our_folder/stderr" &
    else
        playbook_main "$our_launcher" >"$our_folder/stdout" 2>"$our_folder/stderr" &
    fi
    our_command=$! our_watch= our_timed_out=0
    # Whoever is alone in a group of its own leads it.
    our_group=-$our_command
    [ "$our_launcher" = setsid ] || our_group=$our_command
    if [ -n "$our_limit" ]; then
        (
            trap 'kill "$our_nap" 2>/dev/null; exit' TERM
            sleep "$our_limit" &
            our_nap=$!
            wait "$our_nap"
            trap : TERM
            : >"$our_folder/timed_out"
            kill -TERM "$our_group"
            sleep 2
            kill -KILL "$our_group"
        ) 2>/dev/null &
        our_watch=$!
    fi
    wait "$our_command"
    our_code=$?
    # A caught signal ends `wait` early.
    while kill -0 "$our_command" 2>/dev/null; do
        wait "$our_command"
        our_code=$?
    done
    if [ -e "$our_folder/timed_out" ]; then
        our_timed_out=1
        wait "$our_watch"
    elif [ -n "$our_watch" ]; then
        kill "$our_watch" 2>/dev/null
    fi
    our_out=0 our_err=0
    [ ! -s "$our_folder/stdout" ] || our_out=$(($(wc -c <"$our_folder/stdout")))
    [ ! -s "$our_folder/stderr" ] || our_err=$(($(wc -c <"$our_folder/stderr")))
    printf '%s %s %s %s\n' "$our_code" "$our_timed_out" "$our_out" "$our_err" >"$our_folder/status"
}

our_start() { # leaves the recorder in $our_recorder
    our_identity self
    if ! printf '%s %s\n' "$our_boot" "${our_name:-$$ -}" >"$our_folder/started"; then
        rm -f "$our_folder/started"
        return 1
    fi
    # Durable before the command exists: whoever finds it knows that the command may have run.
    sync "$our_folder/started" "$our_folder" "$our_base" 2>/dev/null || sync
    if [ -e "$our_folder/void" ]; then
        : >"$our_folder/given_up"
        return 1
    fi
    (our_record) 3<&- </dev/null >/dev/null 2>&1 &
    our_recorder=$!
}

our_clean() { # once a day
    our_last=
    [ ! -r "$our_base/cleaned" ] || read -r our_last <"$our_base/cleaned"
    case $our_last in '' | *[!0-9]*) our_last=0 ;; esac
    [ "$our_last" -lt "$our_day" ] || return 0
    printf '%s\n' "$our_day" >"$our_base/cleaned"
    # Old output goes when new comes, so that it does not fill the disk. That a command ran is kept much longer: a run that is
    # resumed after weeks must not be told that it never started.
    {
        find "$our_base" -mindepth 2 -maxdepth 2 -name 'std*' -mtime +7 -exec rm -f {} +
        find "$our_base" -mindepth 1 -maxdepth 1 -type d -mtime +90 -exec rm -rf {} +
    } 3<&- </dev/null >/dev/null 2>&1 &
}

our_pour() { # FILE LETTER OFFSET: what was printed since, of the first 64 KiB; leaves the new offset in $our_offset
    our_offset=$3
    [ -f "$our_folder/$1" ] && [ "$our_offset" -lt 65536 ] || return 0
    our_size=$(($(wc -c <"$our_folder/$1")))
    [ "$our_size" -le 65536 ] || our_size=65536
    [ "$our_size" -gt "$our_offset" ] || return 0
    printf '%s %s\n' "$2" $((our_size - our_offset))
    tail -c "+$((our_offset + 1))" "$our_folder/$1" | head -c $((our_size - our_offset))
    our_offset=$our_size
}

our_pour_both() {
    our_pour stdout o "$our_out_offset"
    our_out_offset=$our_offset
    our_pour stderr e "$our_err_offset"
    our_err_offset=$our_offset
}

our_digest() { # FILE BYTES: of what is not sent whole
    if [ "$2" -le 65536 ]; then
        echo -
    elif command -v sha256sum >/dev/null 2>&1; then
        head -c "$2" "$our_folder/$1" | sha256sum | cut -c1-64
    elif command -v shasum >/dev/null 2>&1; then
        head -c "$2" "$our_folder/$1" | shasum -a 256 | cut -c1-64
    else
        echo -
    fi
}

our_kept() { # FILE BYTES HEAD TAIL
    [ "$3" -eq 0 ] || head -c "$3" "$our_folder/$1"
    [ "$4" -eq 0 ] || head -c "$2" "$our_folder/$1" | tail -c "$4"
}

our_report() { # succeeds where there is a whole status
    [ -f "$our_folder/status" ] && read -r our_code our_timed_out our_out our_err <"$our_folder/status" || return
    our_out_head=$our_out our_out_tail=0 our_err_head=$our_err our_err_tail=0
    our_out_digest=- our_err_digest=-
    if [ "$our_out" -gt 65536 ]; then
        our_out_head=32768 our_out_tail=32768 our_out_digest=$(our_digest stdout "$our_out")
    fi
    if [ "$our_err" -gt 65536 ]; then
        our_err_head=32768 our_err_tail=32768 our_err_digest=$(our_digest stderr "$our_err")
    fi
    printf '= %s %s %s %s %s %s %s %s %s %s\n' "$our_code" "$our_timed_out" \
        "$our_out" "$our_out_digest" "$our_out_head" "$our_out_tail" \
        "$our_err" "$our_err_digest" "$our_err_head" "$our_err_tail"
    our_kept stdout "$our_out" "$our_out_head" "$our_out_tail"
    our_kept stderr "$our_err" "$our_err_head" "$our_err_tail"
}

our_last_words() {
    if [ -s "$our_folder/stderr" ]; then
        tail -c 400 "$our_folder/stderr"
    elif [ -s "$our_folder/stdout" ]; then
        tail -c 400 "$our_folder/stdout"
    fi
}

our_clock() { # leaves seconds in $our_now
    our_now=
    [ ! -r /proc/uptime ] || read -r our_now our_idle </proc/uptime
    our_now=${our_now%%.*}
    [ -n "$our_now" ] || our_now=$(date +%s)
}

our_alive() { # PID TIME
    kill -0 "$1" 2>/dev/null || return
    [ "$2" != - ] || return 0
    our_identity "$1"
    [ "$our_name" = "$1 $2" ] && [ "$our_state" != Z ]
}

our_tick() {
    # One at a time: a second would write into the middle of the first.
    trap '' USR1
    our_pour_both
    trap our_tick USR1
}

our_deserted() { # succeeds when certainly nobody is at work on this command any more
    [ -z "$our_then" ] || [ "$our_then" = "$our_boot" ] || return 0
    if [ -f "$our_folder/recorder" ] && read -r our_pid our_time <"$our_folder/recorder"; then
        ! our_alive "$our_pid" "$our_time"
        return
    fi
    [ -z "$our_starter" ] || ! our_alive "$our_starter" "$our_starter_time" || return
    # A recorder that has not written its name yet cannot be told from a dead one: it gets some time.
    our_rounds=$((our_rounds + 1))
    [ "$our_rounds" -gt 50 ]
}

our_verdict() { # of a command at which nobody is at work any more, and whose end nobody has written down
    if [ "$our_then" = "$our_boot" ]; then
        printf '! killed\n'
    else
        printf '! rebooted\n'
    fi
    our_last_words
}

our_void() {
    # Of old a link was made first, by which the first of two decided.
    if [ -e "$our_folder/lock" ]; then
        ln -s void "$our_folder/claim" 2>/dev/null || [ "$(readlink "$our_folder/claim")" = void ] || return
    fi
    : >"$our_folder/void"
}

our_never() { # WHY: nothing of it was found
    our_clock
    # It may have run, and what its recorder wrote may have gone with the memory of this host.
    if [ -n "$our_age" ] && [ -r /proc/uptime ] && [ "$our_now" -lt "$our_age" ]; then
        printf '! since\n'
    else
        printf '! never\n%s' "$1"
    fi
}

our_follow() {
    our_rounds=0
    our_clock
    our_until=$((our_now + our_wait))
    while :; do
        if our_report; then
            return
        fi
        if [ -e "$our_folder/given_up" ]; then
            our_never 'it was given up before it was started'
            return
        fi
        if ! [ -e "$our_folder/started" ]; then
            our_void || return
            if ! [ -e "$our_folder/started" ]; then
                our_never 'whoever was to start it had not begun, and will find that it must not'
                return
            fi
        fi
        our_then= our_starter= our_starter_time=
        read -r our_then our_starter our_starter_time <"$our_folder/started"
        [ "$our_mode" != change ] || our_pour_both
        our_clock
        if our_deserted && ! our_report; then
            our_verdict
            return
        fi
        if [ "$our_now" -ge "$our_until" ]; then
            printf '! running\n'
            our_last_words
            return
        fi
        sleep 0.1 2>/dev/null || sleep 1
    done
}

our_run() {
    trap our_tick USR1
    # The runner says from time to time that it wants to hear what was printed; at its end nobody wants to any more.
    (
        while read -r our_wish; do kill -USR1 $$; done
        kill $$
    ) <&3 3<&- >/dev/null 2>&1 &
    our_teller=$!
    # `wait` ends early at each of its wishes.
    while
        wait "$our_recorder"
        [ $? -gt 128 ] && kill -0 "$our_recorder" 2>/dev/null
    do :; done
    trap '' USR1
    kill "$our_teller"
    our_then=$our_boot
    our_report || our_verdict
}

our_out_offset=0 our_err_offset=0
if our_place; then
    if [ "$our_mode" = recall ]; then
        our_void && our_never 'nothing of it had come to this host'
    elif our_start; then
        our_clean
        our_run
    else
        our_void
        our_never 'its recorder could not begin'
    fi
elif [ -n "$our_folder" ] && [ -d "$our_folder" ]; then
    our_follow
else
    printf '! refused\nno folder for the recorder can be made, neither %s nor %s' "$our_home/$our_key" "$our_base"
fi
return 1
