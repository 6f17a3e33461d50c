peftgrid list tasks | grep 'rte'
peftgrid list metrics | grep 'pearson'
peftgrid list methods | grep '^lora '
peftgrid list stores | grep -E 'f32|nf4'
peftgrid list experiments | grep 'mini_demo'
mkdir -p models/broken
PEFTGRID_MODELS=models peftgrid list models | sed "s|$HOME|HOME|"
peftgrid list precisions | grep integers
