peftgrid help list
peftgrid list --help --nonsense
peftgrid help | grep -A 2 'Usage\|Exit codes'
peftgrid help show --man | head -n 7
# The whole man page is clean troff and names every command.
peftgrid help --man >man.1
for c in $(peftgrid help | sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
    grep -q "^.SS $c$" man.1 || echo "the man page lacks $c"
    peftgrid "$c" --help >/dev/null || echo "$c --help failed"
done
