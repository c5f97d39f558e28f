# fish completion for tcpdwell
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Commands, options and their values are read from the help of the very tcpdwell that is being
# typed, so that there is no second list to keep.

# These read help on standard input. What option $argv[1] calls its value, then the choices, if
# these are all it takes; nothing for a flag and for what is no option.
function __tcpdwell_value
    awk -v option=$argv[1] '
        /^  (    )?-/ {
            name = 1 + ($1 ~ /,$/)
            on = $1 == option "," || $name == option
            if (on && $(name + 1) ~ /^[A-Z]/)
                print $(name + 1)
        }
        # Choices that are too long for a line go on in the next one.
        on && (choices ? match($0, /[a-z|]+/) : match($0, /[a-z]+(\|[a-z]+)+\|?/)) {
            choices = choices substr($0, RSTART, RLENGTH)
            if (choices !~ /\|$/) {
                print choices
                choices = ""
            }
        }
        /^$/ { on = 0 }'
end

# Each option and, behind a tab, what it does.
function __tcpdwell_options
    awk '
        function flush() { if (name) print name "\t" text; name = text = "" }
        /^  (    )?-/ { flush(); name = $(1 + ($1 ~ /,$/)); if (match($0, /[^ ]  +/)) {
            text = substr($0, RSTART + RLENGTH) } next }
        /^         / && name { sub(/^ +/, ""); text = text (text ? " " : "") $0; next }
        { flush() }
        END { flush() }'
end

function __tcpdwell_commands
    awk '/^Commands/ { on = 1 } /^$/ { on = 0 }
        on && /^  [a-z]/ { name = $1; sub(/^ +[a-z]+ +/, ""); print name "\t" $0 }'
end

# The words that the help lists as values of $argv[1].
function __tcpdwell_listed
    awk -v name=$argv[1] '/^  [A-Z]/ { on = $1 == name; if (on) $1 = "" }
        on { for (i = 1; i <= NF; i++) print $i }'
end

# The names behind the titles at the end of what `explain` lists.
function __tcpdwell_explained
    awk '/^states/ { on = 1 }
        on { sub(/^(states|findings|errors)/, ""); for (i = 1; i <= NF; i++) print $i }'
end

# What may stand for the value that is called $argv[1], one of $argv[2] if that is not empty.
# The help is $argv[3..].
function __tcpdwell_known
    switch $argv[1]
        case 'STATE,*' 'REASON,*'
            printf '%s\n' $argv[3..] | __tcpdwell_listed (string split -m1 , $argv[1])[1]
        case 'PID,*'
            __fish_complete_pids
        case 'USER,*'
            __fish_complete_users
        case '*'
            string split '|' $argv[2]
    end
end

function __tcpdwell_complete
    set -l typed (commandline -opc)
    set -l now (commandline -ct)
    set -l tool $typed[1]
    set -l help ($tool -h 2>/dev/null)
    or return
    set -l commands (printf '%s\n' $help | __tcpdwell_commands)
    set -l names (string split -f1 \t -- $commands)
    set -l command
    for i in (seq 2 (count $typed))
        if test $typed[$i] = --
            __fish_complete_subcommand --fcs-skip=$i
            return
        end
        if not set -q command[1]; and contains -- $typed[$i] $names
            set command $typed[$i]
        end
    end
    if set -q command[1]
        set help ($tool $command -h 2>/dev/null)
        or return
    end

    # --name=value is one word.
    set -l option $typed[-1]
    set -l before
    if string match -qr -- '^--[^=]+=' $now
        set option (string split -m1 = -- $now)[1]
        set before $option=
        set now (string split -m1 = -- $now)[2]
    end
    set -l value (printf '%s\n' $help | __tcpdwell_value $option)
    if set -q value[1]
        if string match -q '*PATH' -- $value[1]
            set -l paths (__fish_complete_path $now)
            set -q paths[1]; and printf '%s\n' "$before"$paths
            return
        end
        # Of a list, the last member is being typed.
        set -l list (string match -r -- '^.*,' $now)
        set -l known (__tcpdwell_known $value[1] "$value[2]" $help)
        set -q known[1]; and printf '%s\n' "$before$list"$known
    else if string match -q -- '-*' $now
        printf '%s\n' $help | __tcpdwell_options
    else if not set -q command[1]
        printf '%s\n' $commands
    else if test $command = explain
        $tool explain | __tcpdwell_explained
    end
end

complete -c tcpdwell -f -a '(__tcpdwell_complete)'
