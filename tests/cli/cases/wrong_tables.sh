# Tables of examples as they come out of other programs and half-finished copies.
. "$CASES/common.inc"
cat >x.ini <<'I'
[experiment]
model = mini
tasks = mine
seeds = 1
methods = none
[train]
lr = 1e-3
[task mine]
format = tsv
train = train.tsv
dev = dev.tsv
text_a = text
label = y
label_names = no, yes
I
look() { peftgrid check x.ini --fast 2>/dev/null | grep -E '^(problem|ok|  dev)'; }
printf 'text\ty\nthe cat sleeps\tyes\na dog\tno\n' >train.tsv
echo "--- Windows line ends, then a byte-order mark as well"
sed 's/$/\r/' train.tsv >dev.tsv
look
{ printf '\357\273\277' && cat train.tsv; } >dev.tsv
look
echo "--- UTF-16"
iconv -f UTF-8 -t UTF-16 train.tsv >dev.tsv
look
echo "--- empty, then only names of columns"
: >dev.tsv
look
head -n 1 train.tsv >dev.tsv
look
echo "--- commas instead of tabs"
tr '\t' , <train.tsv >dev.tsv
look
echo "--- a label that is not one, a line cut short, a line too long"
printf 'text\ty\nthe cat\t2\n' >dev.tsv
look
printf 'text\ty\nthe cat\n' >dev.tsv
look
printf 'text\ty\nthe cat\tyes\tmore\n' >dev.tsv
look
echo "--- a folder"
rm dev.tsv && mkdir dev.tsv
look
echo "--- a page of the web server instead of the file"
mkdir -p glue/RTE
echo '<!DOCTYPE html>' >glue/RTE/train.tsv
printf '[experiment]\nmodel = mini\ndata = glue\ntasks = rte\nseeds = 1\nmethods = none\n[train]\nlr = 1\n' >x.ini
look
echo "--- labels out of range"
printf 'index\tsentence1\tsentence2\tlabel\n0\ta\tb\tmaybe\n' >glue/RTE/train.tsv
look
echo "--- two rows that are one run"
ini 'methods = a, b' '[train]' 'lr = 1e-3' 'max_train = 8' 'max_dev = 8' '[row a]' 'method = lora' '[row b]' 'method = lora' 'rank = 8'
peftgrid check x.ini --fast | grep -v '^model mini'
