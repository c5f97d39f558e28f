# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# explain.awk: makes tcpdwell-explain(7) of user/view/explain.txt; `date` is the page's.

BEGIN {
	title["normal"] = "When it is normal"
	title["causes"] = "What piles it up"
	title["helps"] = "What helps"
	title["useless"] = "What does not help"
	title["shows"] = "What shows it"
	heading["state"] = "STATES"
	heading["finding"] = "FINDINGS"
	heading["errno"] = "ERRNOS"
	print ".\\\" Made of user/view/explain.txt: edit that."
	print ".Dd " date
	print ".Dt TCPDWELL-EXPLAIN 7"
	print ".Os"
	print ".Sh NAME"
	print ".Nm tcpdwell-explain"
	print ".Nd what the states of TCP, the findings of tcpdwell and some errors mean"
	print ".Sh DESCRIPTION"
	print "This is what"
	print ".Ic tcpdwell explain"
	print "prints of each."
}

# Escapes a backslash, and a dot or an apostrophe at the beginning of a line.
function roff(text)
{
	gsub(/\\/, "\\e", text)
	gsub(/-/, "\\-", text)
	while (match(text, /[.] [A-Z]/))
		text = substr(text, 1, RSTART) "\n" substr(text, RSTART + 2)
	if (text ~ /^[.']/)
		text = "\\&" text
	return text
}

/^#/ { next }
/^= / {
	if ($2 != kind) {
		kind = $2
		print ".Sh " heading[kind]
	}
	print ".Ss " $3
	next
}
/^symptom / {
	if (!symptoms++) {
		print ".Sh SYMPTOMS"
		print ".Bl -tag -width Ds"
	}
	sub(/^symptom /, "")
	split($0, field, " [|] ")
	print ".It " roff(field[1])
	print ".Ql " roff(field[2]) " ;"
	print "see " roff(field[3]) "."
	next
}
/^\t/ { print roff(substr($0, 2)); next }
$0 in title { print ".Pp"; print ".Em " title[$0] "."; next }
END {
	print ".El"
	print ".Sh SEE ALSO"
	print ".Xr tcpdwell 8"
}
