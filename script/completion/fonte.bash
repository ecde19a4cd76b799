# bash completion for fonte(1)
_fonte() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local commands="add ask replay search docs rm status eval bench model" global="--socket --json --color --version --help"
    local command="" i options=""
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --socket | --color) i=$((i + 1)) ;;
        -*) ;;
        *) command=${COMP_WORDS[i]}; break ;;
        esac
    done
    case $prev in
    --dataset | -d) compopt -o dirnames; mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
    --search) mapfile -t COMPREPLY < <(compgen -W "hybrid lexical vector" -- "$cur"); return ;;
    --socket) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --color) mapfile -t COMPREPLY < <(compgen -W "auto always never" -- "$cur"); return ;;
    --mode | -m)
        case $command in
        ask) mapfile -t COMPREPLY < <(compgen -W "auto extract generate" -- "$cur") ;;
        search) mapfile -t COMPREPLY < <(compgen -W "hybrid lexical vector" -- "$cur") ;;
        esac
        return ;;
    --question | -q | --collection | --lang | --jobs | --include | --exclude | --max-size | --patience | --name | \
        --type | --title | --url | --date | --source | --passages | --from | --to | --limit | --min-confidence | \
        --max-sentences | --size | --clients | --requests | --rate | --shared | --questions | --set | --repeat | \
        -c | -l | -j | -i | -x | -k) return ;;
    esac
    local query="--collection --passages --lang --from --to --source --mode"
    case $command in
    "") options="$commands" ;;
    add) options="--collection --lang --jobs --include --exclude --hidden --max-size --patience
        --dry-run --name --type --title --url --date --source" ;;
    ask) options="$query --no-stream --conversation --interactive --id" ;;
    replay) options="--question --no-stream" ;;
    search) options="$query" ;;
    docs) options="--collection --collections --limit --text --original" ;;
    rm) options="--collection --all --yes" ;;
    eval) options="retrieval answers --dataset --search --limit --no-titles --min-confidence
        --max-sentences --remove-gold" ;;
    bench) options="ingest search engine serve --rate --shared --questions --set --size --passages --clients --requests
        --prompt --decode --context --streams --threads --kv --kernels --profile --speculation --repeat" ;;
    model)
        local models="pull use inspect verify tokenize detokenize logits generate perplexity quantize convert random"
        case ${COMP_WORDS[i + 1]} in
        pull) options="--dir --sha256 --yes --list --retries --patience
            llama-2-7b-chat llama-2-7b-chat-q8 llama-2-13b-chat llama-2-70b-chat llama-2-7b" ;;
        use) options="--default --template --name" ;;
        inspect) options="--keys --tensors" ;;
        verify) options="--threads" ;;
        tokenize) options="--file --bos --eos --ids" ;;
        detokenize) options="--control --continued" ;;
        logits) options="--tokens --out --threads --cpu-mask --kv --context" ;;
        generate) options="--prompt --tokens-in --tokens --temperature --top-k --top-p --min-p
            --repetition-penalty --frequency-penalty --presence-penalty --logit-bias --seed --stop
            --ignore-end --chat --system --template --logprobs --ids --threads --cpu-mask --kv --context" ;;
        perplexity) options="--threads --cpu-mask --kv --context" ;;
        quantize) options="--threads --pure --quiet" ;;
        convert) options="--type --name" ;;
        random) options="--layers --seed" ;;
        *) options=$models ;;
        esac
        ;;
    esac
    if [[ $cur != -* && ($command == add || ($command == model || $command == bench) && $COMP_CWORD -gt $((i + 1))) ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    elif [[ -z $command && $cur != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur")
    else
        mapfile -t COMPREPLY < <(compgen -W "$options $global" -- "$cur")
    fi
}
complete -F _fonte fonte
