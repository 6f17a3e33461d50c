# The paper's tables beside measured numbers: a small grid on GLUE's CoLA with the mini model.
. "$CASES/common.inc"
mkdir -p glue/CoLA
awk 'BEGIN { for (i = 0; i < 96; i++) print "x\t" (i % 3 > 0) "\t\tthe " (i % 3 ? "cat sees" : "sees cat") " a dog " i % 7 }' >glue/CoLA/train.tsv
cp glue/CoLA/train.tsv glue/CoLA/dev.tsv
cat >x.ini <<'I'
[experiment]
description = two rows of the paper
model = mini
data = glue
tasks = cola
seeds = 1, 2
methods = lora-r2, blora-qra, adalora-576, bitfit
[train]
lr = 3e-3
epochs = 2
batch = 8
threads = 1
[row lora-r2]
method = lora
sites = qkv
rank = 2
[row blora-qra]
method = blora
form = qra
gate_lr = 0.5
[row adalora-576]
method = adalora
I
peftgrid table x.ini --paper 3
try table x.ini --paper 1
peftgrid run x.ini --progress none --filter lora-r2,blora,bitfit
for n in 1 2 4 6; do
    peftgrid table x.ini --paper $n
    echo
done
echo "--- mistakes"
try table x.ini --paper 7
try table x.ini --paper 1 --baseline none
