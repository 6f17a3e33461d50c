peftgrid show task mini_sst2
peftgrid show store f32
peftgrid show store nf4 | grep -c ' = '
peftgrid show method qlora | grep -E 'preset|rank|block'
peftgrid show experiment | head -n 14
peftgrid show method lora | grep rank
peftgrid show train | grep -c ' = '
peftgrid show precision dfp | grep -E 'bits'
peftgrid show method integer | grep -E 'preset|bits'
