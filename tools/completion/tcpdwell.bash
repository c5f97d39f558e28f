# bash completion for tcpdwell                                             -*- shell-script -*-
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Commands, options and their values are what the very tcpdwell that is being typed prints with
# --words (tcpdwell(8)), so that there is no second list to keep. A line of that is
# KIND:NAME:LETTER:VALUE:CHOICES:TEXT.

# These read such lines on standard input. The first prints the names of kind $1; the second what
# option $1 calls its value, then the choices; nothing for a flag and for what is no option.
_tcpdwell_names()
{
	local kind name rest

	while IFS=: read -r kind name rest; do
		[[ $kind == "$1" ]] && printf '%s\n' "$name"
	done
}

_tcpdwell_value()
{
	local kind name letter value choices

	while IFS=: read -r kind name letter value choices _; do
		if [[ $kind == option && -n $1 && ($1 == "$name" || $1 == "$letter") ]]; then
			printf '%s\n%s\n' "$value" "$choices"
		fi
	done
}

# Sets COMPREPLY to those of the words $2 that begin with $1.
_tcpdwell_words()
{
	mapfile -t COMPREPLY < <(compgen -W "$2" -- "$1")
}

_tcpdwell_complete_value()
{
	local name=$1 choices=$2 cur=$3
	# Of a list, the last member is being typed.
	local item=${cur##*,}
	local before=${cur%"$item"}

	case $name in
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
	local tool=${COMP_WORDS[0]} command='' words commands value i

	COMPREPLY=()
	words=$("$tool" --words 2>/dev/null) || return
	commands=$(_tcpdwell_names command <<<"$words")
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
		words=$("$tool" "$command" --words 2>/dev/null) || return
	fi

	# Bash makes three words of --name=value.
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	mapfile -t value < <(_tcpdwell_value "$prev" <<<"$words")
	if [[ -n ${value[0]} ]]; then
		_tcpdwell_complete_value "${value[0]}" "${value[1]}" "$cur"
	elif [[ $cur == -* ]]; then
		_tcpdwell_words "$cur" "$(_tcpdwell_names option <<<"$words")"
	elif [[ -z $command ]]; then
		_tcpdwell_words "$cur" "$commands"
	else
		_tcpdwell_words "$cur" "$(_tcpdwell_names word <<<"$words")"
	fi
}

complete -F _tcpdwell tcpdwell
