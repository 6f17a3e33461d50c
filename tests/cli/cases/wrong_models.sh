# Models, tokenizers and adapters that do not go together, or came only in part.
. "$CASES/common.inc"
tool=$(dirname "$(readlink -f "$(command -v peftgrid)")")/tools/random_checkpoint
[ -x "$tool" ] || { echo "no random_checkpoint beside the program"; exit 77; }
tried() { peftgrid "$@" 2>&1; }
model() { # model FOLDER WORDS
    mkdir -p shape
    cat >shape/config.json <<I
{"model_type": "bert", "vocab_size": $2, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
 "intermediate_size": 24, "max_position_embeddings": 64, "type_vocab_size": 2, "hidden_act": "gelu"}
I
    "$tool" shape "$1" >/dev/null
    printf '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n' >"$1/vocab.txt"
    for c in a b c d e f g h i j k l m n o p q r s t u v w x y z; do printf '%s\n##%s\n' $c $c; done >>"$1/vocab.txt"
}
use() { # use MODEL [LINES]: an experiment on it
    name=$1
    shift
    ini 'methods = lora' '[train]' 'lr = 1e-3' 'epochs = 1' 'max_train = 8' 'max_dev = 8' 'threads = 1' "$@"
    sed "s|^model = .*|model = $name|" x.ini >y.ini
}
look() { # what check says of y.ini
    echo "--- $1"
    peftgrid check y.ini --fast 2>/dev/null | sed -n 's|^problem: ||p'
}
model small 30
use small
look "the tokenizer of another model"
tried run y.ini --progress none
model good 57
use good
cp -r good cut && truncate -s -1000 cut/model.safetensors
use cut
look "weights whose download stopped"
cp -r good header && truncate -s 100 header/model.safetensors
use header
look "weights whose download stopped at once"
cp -r good empty && : >empty/model.safetensors
use empty
look "an empty file of weights"
cp -r good pointer && printf 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 99\n' >pointer/model.safetensors
use pointer
look "a clone without git-lfs"
cp -r good bare && rm bare/model.safetensors
use bare
look "no weights"
cp -r good mute && rm mute/vocab.txt
use mute
look "no tokenizer"
cp -r good odd && sed -i 's/"bert"/"mamba"/' odd/config.json
use odd
look "an architecture that is not known"
use good/vocab.txt
look "a file that is no model"
use mini 'init_from = elsewhere.safetensors'
look "an adapter that is not there"
use mini 'save_adapter = yes'
peftgrid run y.ini --progress none >/dev/null
mv runs/y/*.safetensors adapter.safetensors
tried evaluate --adapter adapter.safetensors --model good --task mini_sst2
tried evaluate --adapter adapter.safetensors --model mini --task mini_stsb
use good 'init_from = adapter.safetensors'
tried run y.ini --progress none
