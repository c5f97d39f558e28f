# fish completion for tcpdwell
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Commands, options and their values are what the very tcpdwell that is being typed prints with
# --words (tcpdwell(8)), so that there is no second list to keep. A line of that is
# KIND:NAME:LETTER:VALUE:CHOICES:TEXT.

# These read such lines on standard input. The first prints the names of kind $argv[1], each with a
# tab and what it does; the second what option $argv[1] calls its value, then the choices; nothing
# for a flag and for what is no option.
function __tcpdwell_names
    while read -l line
        set -l of (string split -m5 : -- $line)
        test $of[1] = $argv[1]; and printf '%s\t%s\n' $of[2] $of[6]
    end
end

function __tcpdwell_value
    while read -l line
        set -l of (string split -m5 : -- $line)
        if test $of[1] = option -a -n "$of[4]"; and contains -- $argv[1] $of[2..3]
            printf '%s\n' $of[4] $of[5]
        end
    end
end

# What may stand for the value that is called $argv[1], one of $argv[2] if that is not empty.
function __tcpdwell_known
    switch $argv[1]
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
    set -l lines ($tool --words 2>/dev/null)
    or return
    set -l commands (printf '%s\n' $lines | __tcpdwell_names command)
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
        set lines ($tool $command --words 2>/dev/null)
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
    set -l value (printf '%s\n' $lines | __tcpdwell_value $option)
    if set -q value[1]
        if string match -q '*PATH' -- $value[1]
            set -l paths (__fish_complete_path $now)
            set -q paths[1]; and printf '%s\n' "$before"$paths
            return
        end
        # Of a list, the last member is being typed.
        set -l list (string match -r -- '^.*,' $now)
        set -l known (__tcpdwell_known $value[1] "$value[2]")
        set -q known[1]; and printf '%s\n' "$before$list"$known
    else if string match -q -- '-*' $now
        printf '%s\n' $lines | __tcpdwell_names option
    else if not set -q command[1]
        printf '%s\n' $commands
    else
        printf '%s\n' $lines | __tcpdwell_names word
    end
end

complete -c tcpdwell -f -a '(__tcpdwell_complete)'
