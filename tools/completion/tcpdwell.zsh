#compdef tcpdwell
# zsh completion for tcpdwell                                              -*- shell-script -*-
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Commands, options and their values are what the very tcpdwell that is being typed prints with
# --words (tcpdwell(8)), so that there is no second list to keep. A line of that is
# KIND:NAME:LETTER:VALUE:CHOICES:TEXT.

# These read such lines on standard input. The first prints the names of kind $1, each with a colon
# and what it does; the second what option $1 calls its value, then the choices; nothing for a flag
# and for what is no option.
_tcpdwell_names()
{
	local kind name letter value choices text

	while IFS=: read -r kind name letter value choices text; do
		[[ $kind == $1 ]] && print -r -- "$name:$text"
	done
}

_tcpdwell_value()
{
	local kind name letter value choices text

	while IFS=: read -r kind name letter value choices text; do
		[[ $kind == option && -n $1 && ($1 == $name || $1 == $letter) ]] &&
			print -rl -- "$value" "$choices"
	done
}

# What may stand for the value that is called $1, one of $2 if that is not empty.
_tcpdwell_complete_value()
{
	local -a known
	case $1 in
	*PATH) _files && return ;;
	PID,*) known=(/proc/[1-9]*(N:t)) ;;
	USER,*) compset -P '*,'; _users && return ;;
	*) known=(${(s:|:)2}) ;;
	esac
	# Of a list, the last member is being typed.
	compset -P '*,'
	compadd -a known
}

_tcpdwell()
{
	local tool=$words[1] command= lines i
	# The names of what zsh itself looks into, such as $commands, must stay its own.
	local -a verbs names value found

	lines=$($tool --words 2>/dev/null) || return
	verbs=("${(@f)$(_tcpdwell_names command <<<"$lines")}")
	names=(${verbs%%:*})
	for ((i = 2; i < CURRENT; i++)); do
		if [[ $words[i] == -- ]]; then
			words=("${(@)words[i+1,-1]}")
			((CURRENT -= i))
			_normal
			return
		fi
		if [[ -z $command ]] && ((names[(Ie)$words[i]])); then
			command=$words[i]
		fi
	done
	if [[ -n $command ]]; then
		lines=$($tool $command --words 2>/dev/null) || return
	fi

	# --name=value is one word.
	local option=${words[CURRENT-1]}
	if [[ $words[CURRENT] == --*=* ]]; then
		option=${words[CURRENT]%%=*}
		compset -P '--[^=]#='
	fi
	value=("${(@f)$(_tcpdwell_value $option <<<"$lines")}")
	if [[ -n $value[1] ]]; then
		_tcpdwell_complete_value "$value[1]" "$value[2]"
	elif [[ $words[CURRENT] == -* ]]; then
		found=("${(@f)$(_tcpdwell_names option <<<"$lines")}")
		_describe -o option found
	elif [[ -z $command ]]; then
		_describe command verbs
	else
		found=($(_tcpdwell_names word <<<"$lines"))
		compadd -- ${found%:}
	fi
}

_tcpdwell "$@"
