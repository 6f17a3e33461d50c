peftgrid show task mini_sst2
peftgrid show store f32
peftgrid show experiment
peftgrid show method lora | grep rank
peftgrid show train | grep -c ' = '
