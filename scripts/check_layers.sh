#!/usr/bin/env bash
# The house rules that a machine can hold: ranks of includes, file and function lengths, no nginx header in src/,
# no banned call. Prints file:line and what is wrong; exit 1 if anything is.
set -euo pipefail
cd "$(dirname "$0")/.."
bad=0
say() { echo "$1"; bad=1; }

rank_of() {
    case $1 in
    src/*) echo 0 ;;
    worker/base/*) echo 1 ;;
    worker/model/*) echo 2 ;;
    worker/store/* | worker/remote/*) echo 3 ;;
    worker/domain/*) echo 4 ;;
    worker/pipeline/* | worker/api/* | worker/hub/* | worker/jobs/*) echo 5 ;;
    worker/*.[ch]) echo 6 ;;
    *) echo 9 ;;
    esac
}
room_of() {
    case $1 in
    src/*) echo src ;;
    worker/*/*) echo "$1" | cut -d/ -f1-2 ;;
    *) echo worker ;;
    esac
}

while IFS=: read -r file line text; do
    target=$(sed -n 's/.*"\(.*\)".*/\1/p' <<< "$text")
    if [ -f "$target" ]; then :; elif [ -f "$(dirname "$file")/$target" ]; then
        target=$(realpath --relative-to=. "$(dirname "$file")/$target")
    elif [ -f "src/$target" ]; then target=src/$target; else
        say "$file:$line: included file $target is not there"
        continue
    fi
    from=$(rank_of "$file") to=$(rank_of "$target")
    if [ "$to" -gt "$from" ] || { [ "$to" = "$from" ] && [ "$(room_of "$file")" != "$(room_of "$target")" ]; }; then
        say "$file:$line: rank $from may not include $target (rank $to)"
    fi
done < <(grep -nH '^#include "' src/*.[ch] worker/*.[ch] worker/*/*.[ch] worker/*/*/*.[ch] 2> /dev/null || true)

while read -r hit; do say "$hit: no nginx header in src/"; done < <(grep -nE '#include [<"]ngx_' src/*.[ch] | cut -d: -f1,2 || true)
while read -r hit; do say "$hit: banned call"; done < <(
    grep -nE '(^|[^a-z_A-Z0-9>.])(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|rand|system)\(' \
        src/*.c worker/*.c worker/*/*.c worker/*/*/*.c ngx_http_alertwhisper*.c 2> /dev/null | cut -d: -f1,2 || true)
while read -r hit; do say "$hit: malloc in src/"; done < <(grep -nE '(^|[^a-z_])(malloc|calloc|realloc|free)\(' src/*.c | cut -d: -f1,2 || true)

while read -r lines file; do
    [ "$file" = total ] || [ "$lines" -lt 500 ] || say "$file:1: $lines lines; a file has fewer than 500"
done < <(git ls-files -co --exclude-standard -- '*.c' '*.h' '*.pm' '*.t' '*.pl' '*.sh' '*.go' '*.java' 'scripts/*' | xargs -r wc -l)

# A function begins at a line that starts with "{" and ends at one that starts with "}".
while read -r hit; do say "$hit"; done < <(
    git ls-files -co --exclude-standard -- '*.c' | xargs -r awk '
        FNR == 1 {open = 0}
        /^\{/ {open = FNR}
        /^\}/ && open {if (FNR - open - 1 >= 80) print FILENAME ":" open ": function of " FNR - open - 1 " lines; a function has fewer than 80"; open = 0}')

# nginx style of the module files.
while read -r hit; do say "$hit: nginx style (80 columns, no tab, no //, no trailing blank)"; done < <(
    grep -nE '^.{80,}$|	|^ *//|[ ]+$' ngx_http_alertwhisper*.[ch] 2> /dev/null | cut -d: -f1,2 || true)
exit $bad
