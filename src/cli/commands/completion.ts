// Completion scripts: commands, options, and the names of tunnels. SPEC.md 9.1.
import { optionsOf } from '../commandOptions.js';
import type { Command } from '../commandTable.js';
import { BACKUP_ACTIONS, KEY_ACTIONS } from '../key/actions.js';
import { TRUST_ACTIONS } from '../trust/actions.js';

type Commands = readonly Pick<Command, 'name' | 'summary' | 'usage' | 'build'>[];

export function completionScript(shell: 'bash' | 'zsh', commands: Commands): string {
  return shell === 'bash' ? bash(commands) : zsh(commands);
}

const namesOf = (commands: Commands): string =>
  [...commands.map(({ name }) => name), 'help'].join(' ');

/** One case a command that has options. */
function optionCases(commands: Commands, assignment: (options: string) => string): string {
  const cases = commands.map((command) => {
    const options = optionsOf(command).map((option) => `--${option}`);
    return options.length === 0 ? '' : `    ${command.name}) ${assignment(options.join(' '))} ;;\n`;
  });
  return cases.join('');
}

/** Commands whose argument is a tunnel or an interface, as a pattern of `case`. */
const takesTunnel = (commands: Commands): string =>
  commands
    .filter(({ name, usage }) => name !== 'key' && /[<[](tunnel|name)[>\]]/.test(usage))
    .map(({ name }) => name)
    .join(' | ');

function bash(commands: Commands): string {
  return `# beam completion bash > /usr/share/bash-completion/completions/beam
_beam_add() {
  local found
  while IFS= read -r found; do COMPREPLY+=("$found"); done < <(compgen "$@" -- "$word")
}
_beam_tunnels() {
  local file names=
  for file in /etc/beam/*.conf /etc/wireguard/*.conf /run/beam/*.sock; do
    [ -e "$file" ] || continue
    file=\${file##*/}
    names+=" \${file%.*}"
  done
  _beam_add -W "$names"
}
_beam() {
  local word=\${COMP_WORDS[COMP_CWORD]} options=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    _beam_add -W '${namesOf(commands)}'
    return
  fi
  case \${COMP_WORDS[1]} in
${optionCases(commands, (options) => `options='${options}'`)}  esac
  if [[ $word == -* ]]; then
    _beam_add -W "$options --help"
    return
  fi
  case \${COMP_WORDS[1]} in
    help) _beam_add -W '${namesOf(commands)}' ;;
    completion) _beam_add -W 'bash zsh' ;;
    config)
      if [ "$COMP_CWORD" -eq 2 ]; then
        _beam_add -W 'check diff'
      elif [ "\${COMP_WORDS[2]}" = check ]; then
        compopt -o filenames 2> /dev/null
        _beam_add -f
      else
        _beam_tunnels
      fi
      ;;
    key)
      if [ "$COMP_CWORD" -eq 2 ]; then
        _beam_add -W '${KEY_ACTIONS.join(' ')}'
      else
        _beam_tunnels
      fi
      ;;
    backup | restore)
      if [[ \${COMP_WORDS[1]} == backup && "$COMP_CWORD" -eq 2 ]]; then
        _beam_add -W '${BACKUP_ACTIONS.join(' ')}'
      else
        compopt -o filenames 2> /dev/null
        _beam_add -f
      fi
      ;;
    trust)
      if [ "$COMP_CWORD" -eq 2 ]; then
        _beam_add -W '${TRUST_ACTIONS.join(' ')}'
      elif [ "\${COMP_WORDS[2]}" = import ]; then
        compopt -o filenames 2> /dev/null
        _beam_add -f
      fi
      ;;
    ${takesTunnel(commands)})
      if [[ $word == */* || $word == .* ]]; then
        compopt -o filenames 2> /dev/null
        _beam_add -f -X '!*.conf'
        _beam_add -d
      else
        _beam_tunnels
      fi
      ;;
  esac
}
complete -F _beam beam
`;
}

function zsh(commands: Commands): string {
  const described = commands.map(({ name, summary }) => `    '${name}:${quoted(summary)}'`);
  return `#compdef beam
# beam completion zsh > /usr/local/share/zsh/site-functions/_beam
_beam() {
  local -a commands options tunnels
  commands=(
${described.join('\n')}
    'help:explain a command'
  )
  tunnels=(/etc/beam/*.conf(N:t:r) /etc/wireguard/*.conf(N:t:r) /run/beam/*.sock(N:t:r))
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case $words[2] in
${optionCases(commands, (options) => `options=(${options})`)}  esac
  if [[ $words[CURRENT] == -* ]]; then
    compadd -- $options --help
    return
  fi
  case $words[2] in
    help) _describe command commands ;;
    completion) compadd bash zsh ;;
    config)
      if (( CURRENT == 3 )); then
        compadd check diff
      elif [[ $words[3] == check ]]; then
        _files -g '*.conf'
      else
        compadd -- $tunnels
      fi
      ;;
    key)
      if (( CURRENT == 3 )); then
        compadd ${KEY_ACTIONS.join(' ')}
      else
        compadd -- $tunnels
      fi
      ;;
    backup | restore)
      if [[ $words[2] == backup ]] && (( CURRENT == 3 )); then
        compadd ${BACKUP_ACTIONS.join(' ')}
      else
        _files
      fi
      ;;
    trust)
      if (( CURRENT == 3 )); then
        compadd ${TRUST_ACTIONS.join(' ')}
      elif [[ $words[3] == import ]]; then
        _files
      fi
      ;;
    ${takesTunnel(commands)})
      compadd -- $tunnels
      _files -g '*.conf'
      ;;
  esac
}
# Loaded from fpath it is called by its name; sourced, it has to be announced.
if [[ $funcstack[1] == _beam ]]; then _beam "$@"; else compdef _beam beam; fi
`;
}

const quoted = (summary: string): string => summary.replaceAll("'", '').replaceAll(':', '\\:');
