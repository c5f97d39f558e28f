# bash completion for tcpdwell                                             -*- shell-script -*-
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Commands, options and their values are read from the help of the very tcpdwell that is being
# typed, so that there is no second list to keep.

# Reads help on standard input. Prints what the value of option $1 is called, then the choices, if
# these are all it takes; nothing for a flag and for what is no option.
_tcpdwell_value()
{
	awk -v option="$1" '
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
}

_tcpdwell_commands()
{
	awk '/^Commands/ { on = 1 } /^$/ { on = 0 } on && /^  [a-z]/ { print $1 }'
}

# The words that the help lists as values of $1.
_tcpdwell_listed()
{
	awk -v name="$1" '/^  [A-Z]/ { on = $1 == name; if (on) $1 = "" } on'
}

# The names behind the titles at the end of what `explain` lists.
_tcpdwell_explained()
{
	awk '/^states/ { on = 1 } on { sub(/^(states|findings|errors)/, ""); print }'
}

# Sets COMPREPLY to those of the words $2 that begin with $1.
_tcpdwell_words()
{
	mapfile -t COMPREPLY < <(compgen -W "$2" -- "$1")
}

_tcpdwell_complete_value()
{
	local name=$1 choices=$2 help=$3 cur=$4
	# Of a list, the last member is being typed.
	local item=${cur##*,}
	local before=${cur%"$item"}

	case $name in
	STATE,* | REASON,*) _tcpdwell_words "$item" "$(_tcpdwell_listed "${name%%,*}" <<<"$help")" ;;
	PID,*) _tcpdwell_words "$item" "$(cd /proc && echo [1-9]*)" ;;
	USER,*) mapfile -t COMPREPLY < <(compgen -u -- "$item") ;;
	*PATH)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	*) _tcpdwell_words "$item" "${choices//|/ }" ;;
	esac
	COMPREPLY=("${COMPREPLY[@]/#/$before}")
}

_tcpdwell()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local tool=${COMP_WORDS[0]} command='' help commands value i

	COMPREPLY=()
	help=$("$tool" -h 2>/dev/null) || return
	commands=$(_tcpdwell_commands <<<"$help")
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == -- ]]; then
			if declare -F _command_offset >/dev/null; then
				_command_offset $((i + 1))
			else
				mapfile -t COMPREPLY < <(compgen -c -- "$cur")
			fi
			return
		fi
		if [[ -z $command && " ${commands//$'\n'/ } " == *" ${COMP_WORDS[i]} "* ]]; then
			command=${COMP_WORDS[i]}
		fi
	done
	if [[ -n $command ]]; then
		help=$("$tool" "$command" -h 2>/dev/null) || return
	fi

	# Bash makes three words of --name=value.
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	mapfile -t value < <(_tcpdwell_value "$prev" <<<"$help")
	if [[ -n ${value[0]} ]]; then
		_tcpdwell_complete_value "${value[0]}" "${value[1]}" "$help" "$cur"
	elif [[ $cur == -* ]]; then
		_tcpdwell_words "$cur" "$(awk '/^  (    )?-/ { print $(1 + ($1 ~ /,$/)) }' <<<"$help")"
	elif [[ -z $command ]]; then
		_tcpdwell_words "$cur" "$commands"
	elif [[ $command == explain ]]; then
		_tcpdwell_words "$cur" "$("$tool" explain | _tcpdwell_explained)"
	fi
}

complete -F _tcpdwell tcpdwell
