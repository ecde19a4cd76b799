# fish completion for fonte(1)
set -l commands add ask search docs rm status
complete -c fonte -f
complete -c fonte -l socket -r -F -d 'Socket of the daemon'
complete -c fonte -l json -d 'Print one JSON object'
complete -c fonte -l color -x -a 'auto always never' -d 'Colours'
complete -c fonte -s V -l version -d 'Show the version'
complete -c fonte -s h -l help -d 'Show help'
function __fonte_no_command
    not __fish_seen_subcommand_from add ask search docs rm status
end
complete -c fonte -n __fonte_no_command -a add -d 'Add files, folders or standard input'
complete -c fonte -n __fonte_no_command -a ask -d 'Ask a question'
complete -c fonte -n __fonte_no_command -a search -d 'Find passages'
complete -c fonte -n __fonte_no_command -a docs -d 'List documents, show one'
complete -c fonte -n __fonte_no_command -a rm -d 'Remove documents'
complete -c fonte -n __fonte_no_command -a status -d 'Show the state of the daemon'
set -l add '__fish_seen_subcommand_from add'
complete -c fonte -n $add -F
complete -c fonte -n $add -s j -l jobs -x -d 'Connections'
complete -c fonte -n $add -s i -l include -x -d 'In folders, only such files'
complete -c fonte -n $add -s x -l exclude -x -d 'In folders, no such files or folders'
complete -c fonte -n $add -l hidden -d 'In folders, hidden files too'
complete -c fonte -n $add -l max-size -x -d 'Skip larger files (MB)'
complete -c fonte -n $add -l patience -x -d 'Ask a busy daemon again (seconds)'
complete -c fonte -n $add -s n -l dry-run -d 'Show the files, add nothing'
complete -c fonte -n $add -l name -x -d 'File name of standard input'
complete -c fonte -n $add -l type -x -d 'Content type'
complete -c fonte -n $add -l title -x -d 'Title'
complete -c fonte -n $add -l url -x -d 'Where it comes from'
complete -c fonte -n $add -l date -x -d 'Date'
set -l query '__fish_seen_subcommand_from ask search'
complete -c fonte -n $query -s k -l passages -x -d 'Passages to find'
complete -c fonte -n $query -l from -x -d 'Only from this date'
complete -c fonte -n $query -l to -x -d 'Only to the end of this date'
complete -c fonte -n '__fish_seen_subcommand_from ask' -s m -l mode -x -a 'auto extract generate'
complete -c fonte -n '__fish_seen_subcommand_from search' -s m -l mode -x -a 'hybrid lexical vector'
complete -c fonte -n '__fish_seen_subcommand_from ask' -l no-stream -d 'Wait for the whole answer'
complete -c fonte -n '__fish_seen_subcommand_from add ask search' -s l -l lang -x -d Language
complete -c fonte -n '__fish_seen_subcommand_from add ask search' -l source -x -d Publisher
complete -c fonte -n '__fish_seen_subcommand_from add ask search docs rm' -s c -l collection -x -d Collection
complete -c fonte -n '__fish_seen_subcommand_from docs' -l collections -d 'List the collections'
complete -c fonte -n '__fish_seen_subcommand_from docs' -l limit -x -d 'List at most so many'
complete -c fonte -n '__fish_seen_subcommand_from docs' -s t -l text -d 'Print the clean text'
complete -c fonte -n '__fish_seen_subcommand_from docs' -s o -l original -d 'Print the original bytes'
complete -c fonte -n '__fish_seen_subcommand_from rm' -s a -l all -d 'All documents of the collection'
complete -c fonte -n '__fish_seen_subcommand_from rm' -s y -l yes -d 'Do not ask'
